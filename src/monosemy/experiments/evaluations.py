"""Jobs that measure dictionaries on held-out rows: reconstruction, effect on the language model, exact labels."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from monosemy.activations import ActivationStore
from monosemy.core import Advance, Artifact, Result, atomic_write_text, fingerprint, numpy_generator, write_results
from monosemy.corpus import Split, frozen_labels
from monosemy.dictionaries import Dictionary, DictionaryCard, load_dictionary
from monosemy.evaluation import (
    LABEL_METRICS,
    DictionaryCodes,
    LabelData,
    LabelScores,
    Reconstruction,
    Subject,
    alive_paper,
    alive_paper_result,
    best_labels,
    density,
    detector_scores,
    evaluate,
    label_arrays,
    label_results,
    label_rows,
    labels_for_store,
    read_reference,
    reconstruction_results,
    sample_sequences,
    score,
    select_latents,
    spliced_sums,
    splicing_results,
    unit_names,
    write_reference,
)
from monosemy.experiments.learning import opened_store
from monosemy.lm import ModelSource, Site
from monosemy.pipeline import Job, Stage, Workspace
from monosemy.training import CURVE_FILE, read_curve

EVALUATION_KIND, REFERENCE_KIND = "evaluation", "splice-reference"
EVALUATION_FILE, ARRAYS_FILE, RESULTS_FILE = "evaluation.json", "per_document.npz", "results.jsonl"
NO_LABELS = "exact labels exist for the embedded corpus only"
NOT_SCORED = "of this size only reconstruction and the model's loss were wanted"


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOut:
    """Where dictionaries are measured: activations of validation, where choices are made, and of test; the labels.

    labels: fingerprint of the exact labels of these texts; None where they have none.
    """

    validation: Artifact
    test: Artifact
    labels: str | None

    @property
    def parents(self) -> dict[str, Artifact]:
        """The stores as parents of a stage."""
        return {"validation": self.validation, "test": self.test}


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferenceConfig:
    """On what spliced passes are measured: so many packed sequences of test, drawn with the seed."""

    lm: str
    sites: tuple[str, ...]
    n_sequences: int
    seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationConfig:
    """What is measured of a dictionary.

    labels: their fingerprint, None: not scored. of_latents: say also which label each latent detects best.
    """

    labels: str | None
    of_latents: bool
    seed: int


def reference_job(config: ReferenceConfig, source: ModelSource, train: Artifact, test: Artifact) -> Job:
    """The job that records the original model's predictions, and those under ablation of each site."""
    stage = Stage(name=REFERENCE_KIND, config=config, parents={"activations": train, "test": test})
    return Job(stages=(stage,), body=partial(_reference, config, source, train.path, test.path), n_units=100)


def evaluation_job(
    dictionary: Artifact,
    held_out: HeldOut,
    *,
    labels: bool,
    of_latents: bool,
    reference: Artifact | None,
    source: ModelSource,
    seed: int,
) -> Job:
    """The job that measures one dictionary. labels: score them, where there are any; reference None: no splicing."""
    config = EvaluationConfig(labels=held_out.labels if labels else None, of_latents=of_latents, seed=seed)
    parents = {"dictionary": dictionary, **held_out.parents} | ({"reference": reference} if reference else {})
    stage = Stage(name=EVALUATION_KIND, config=config, parents=parents)
    paths = {name: parent.path for name, parent in parents.items()}
    return Job(stages=(stage,), body=partial(_evaluate, config, source, paths), n_units=1)


def _reference(
    config: ReferenceConfig,
    source: ModelSource,
    train: Path,
    test: Path,
    workspaces: Sequence[Workspace],
    advance: Advance,
) -> None:
    lm, store = source.load(), opened_store(train)
    sample = sample_sequences(opened_store(test), config.n_sequences, config.seed)
    means = {Site.parse(site): store.mean(site) for site in config.sites}
    write_reference(workspaces[0].folder, lm, sample, means)
    advance(100)


def _evaluate(
    config: EvaluationConfig,
    source: ModelSource,
    paths: dict[str, Path],
    workspaces: Sequence[Workspace],
    advance: Advance,
) -> None:
    dictionary, card = load_dictionary(paths["dictionary"])
    stores: dict[Split, ActivationStore] = {split: opened_store(paths[split]) for split in ("validation", "test")}
    out = Evaluated(card=card, config=fingerprint(config), seed=config.seed)
    curve = paths["dictionary"] / CURVE_FILE
    was_trained = curve.exists()
    for split, store in stores.items():
        if split == "validation" and not was_trained:
            continue  # reconstruction on validation serves to choose among trained ones
        metric = Reconstruction(len(unit_names(store.documents)), dictionary.n_latents, store.mean(card.site))
        found = evaluate(dictionary, store, card.site, [metric], card=card)
        out.add_arrays(split, found.units, found.sums)
        out.results += reconstruction_results(found.sums, out.subject(split), out.generator("reconstruction"))
        n_tokens = int(found.sums["n_tokens"].sum())
        fired = found.sums["fired"].sum(axis=0)
        out.results.append(alive_paper_result(fired, n_tokens, out.subject(split)))
        if split == "test":
            out.details |= {"density": density(found.sums).tolist(), "alive_paper": alive_paper(fired)}
    if "reference" in paths:
        reference = read_reference(paths["reference"])
        sums = spliced_sums(source.load(), Site.parse(card.site), dictionary, reference)
        out.add_arrays("test", reference.units, {f"splice_{name}": value for name, value in sums.items()})
        out.results += splicing_results(sums, out.subject("test"), out.generator("splicing"))
    if config.labels is None and stores["test"].documents[0].first_token is not None:
        out.no_labels = NOT_SCORED
    if config.labels is not None:
        _score_labels(out, dictionary, stores, of_latents=config.of_latents)
    out.details["curve"] = [asdict(point) for point in read_curve(curve)] if was_trained else []
    out.write(workspaces[0].folder)
    advance(1)


def _score_labels(
    out: "Evaluated", dictionary: Dictionary, stores: dict[Split, ActivationStore], *, of_latents: bool
) -> None:
    """Choose a latent for each label on validation and score it on test."""
    site = out.card.site
    codes = {
        split: DictionaryCodes(dictionary=dictionary, store=store, site=site, n_rows=store.n_rows)
        for split, store in stores.items()
    }
    labels = {split: held_out_labels(store.artifact.path, split) for split, store in stores.items()}
    detectors = select_latents(codes["validation"], labels["validation"])
    scores = score(detector_scores(codes["test"], detectors), labels["test"], detectors)
    out.add_labels(scores)
    if of_latents:
        out.details["best_labels"] = best_labels(codes["test"], labels["test"], detectors)


@lru_cache(maxsize=2)
def held_out_labels(store: Path, split: Split) -> LabelData:
    """The labels of a held-out store's rows, read once a process."""
    return labels_for_store(opened_store(store), frozen_labels(), split)


class Evaluated:
    """What is found of one subject, until it is written: results, arrays a unit, details for the page."""

    def __init__(self, *, card: DictionaryCard, config: str, seed: int, in_dictionary: bool = True) -> None:
        self.card, self.config, self.seed = card, config, seed
        self.in_dictionary, self.no_labels = in_dictionary, NO_LABELS
        self.results: list[Result] = []
        self.arrays: dict[str, np.ndarray] = {}
        self.details: dict[str, Any] = {"curve": [], "density": [], "alive_paper": None, "labels": []}

    def subject(self, split: Split) -> Subject:
        """Of whom and of which split results speak."""
        card = self.card
        return Subject(
            method=card.method,
            variant=card.variant,
            lm=card.lm_kind if card.site else None,  # a table of tokens has neither site nor model
            dictionary=card.name if self.in_dictionary else None,
            site=card.site or None,
            split=split,
            seed=card.seed,
            config=self.config,
        )

    def generator(self, purpose: str) -> np.random.Generator:
        """The stream of a bootstrap; the same for every subject, so that their resamples are the same units."""
        return numpy_generator(self.seed, f"bootstrap/{purpose}")

    def add_arrays(self, split: Split, units: Sequence[str], sums: dict[str, np.ndarray]) -> None:
        """Keep sums whose first axis is the units of the split."""
        self.arrays[f"{split}/unit"] = np.array(units)
        self.arrays |= {f"{split}/{name}": value for name, value in sums.items()}

    def add_labels(self, scores: LabelScores) -> None:
        """Keep what scoring the labels on test gave."""
        self.results += label_results(scores, self.subject("test"), self.generator("labels"))
        self.add_arrays("test", scores.units, label_arrays(scores))
        self.arrays["test/label_level"] = scores.detectors.level  # the one array that is not a sum a unit
        self.details["labels"] = label_rows(scores)

    def write(self, folder: Path) -> None:
        """results.jsonl, per_document.npz and evaluation.json."""
        if not self.details["labels"] and not any(r.metric in LABEL_METRICS for r in self.results):
            self.results += [self.subject("test").not_applicable(m, "fraction", self.no_labels) for m in LABEL_METRICS]
        card = self.card
        about = {
            "name": card.name,
            "method": card.method,
            "variant": card.variant,
            "lm": card.lm_kind,
            "site": card.site or None,
            "seed": card.seed,
            "n_latents": card.n_latents if self.in_dictionary else None,
            "expansion_factor": card.expansion_factor if self.in_dictionary else None,
            "sparsity": card.sparsity,
            "n_steps": card.n_steps,
            "n_tokens": card.n_tokens,
        }
        write_results(folder / RESULTS_FILE, self.results)
        np.savez_compressed(folder / ARRAYS_FILE, **self.arrays)  # pyright: ignore[reportArgumentType]
        atomic_write_text(folder / EVALUATION_FILE, json.dumps(about | self.details, allow_nan=False) + "\n")
