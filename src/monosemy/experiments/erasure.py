"""Jobs that erase a concept from a site and measure what is left of it and what that does to other text.

One job a concept and dictionary, and one a concept for what needs no dictionary (LEACE, the mean difference, random
directions). Train fits erasers and probes, validation chooses latents, test reports.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool

from monosemy.causal import (
    WAYS,
    ConceptRows,
    Erased,
    ErasureTest,
    NeutralText,
    affine_projection,
    choose_latents,
    latent_edit,
    leace_of,
    mean_difference_edit,
    random_directions,
    split_rows,
)
from monosemy.core import Advance, Artifact, UserError, fingerprint, ignore_advance, numpy_generator
from monosemy.corpus import GENDER_NAMES, GENDERS, frozen_labels
from monosemy.dictionaries import Dictionary, load_dictionary
from monosemy.evaluation import SpliceSample, check_fits, sample_sequences
from monosemy.experiments.erasure_files import EditRow, ErasureAbout, write_erasure
from monosemy.experiments.erasure_rows import RowCounts, balanced_rows, concept_label, outside_concept, sampled_rows
from monosemy.experiments.gender_rows import GENDER_CONCEPTS, GENDER_DEFINITION, gender_rows
from monosemy.experiments.learning import opened_store
from monosemy.lm import LanguageModel, ModelSource, Site
from monosemy.pipeline import Job, Stage, Workspace

ERASURE_KIND = "erasure"


@dataclass(frozen=True, kw_only=True, slots=True)
class ErasureConfig:
    """What is erased, and how it is measured. labels: fingerprint of the exact labels, or of the names.

    n_latents: after so many latents (or directions) the outcome is measured. n_draws: of random latents and directions,
    whose sums are added up. n_sequences: packed rows of test on which the cost is measured.
    """

    concept: str
    site: str
    labels: str
    n_latents: tuple[int, ...] = (1, 2, 4, 8)
    rows: RowCounts = field(default_factory=RowCounts)
    n_candidates: int = 8
    n_draws: int = 2
    n_sequences: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.n_latents or min(self.n_latents) < 1 or list(self.n_latents) != sorted(set(self.n_latents)):
            raise UserError(
                f"the numbers of latents to erase are {list(self.n_latents)}; give one or more, rising, from 1 on"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class ErasureStores:
    """The activations that erasure reads."""

    train: Artifact
    validation: Artifact
    test: Artifact

    @property
    def paths(self) -> tuple[Path, Path, Path]:
        """Their folders."""
        return self.train.path, self.validation.path, self.test.path


def erasure_config(concept: str, site: str, **options: object) -> ErasureConfig:
    """The configuration of a concept: an exact label, or gender. Raises UserError for a label that there is not."""
    if concept in GENDER_CONCEPTS:
        labels = fingerprint([GENDER_NAMES[gender] for gender in GENDERS])
    else:
        concept_label(concept)
        labels = frozen_labels().fingerprint
    return ErasureConfig(concept=concept, site=site, labels=labels, **options)  # pyright: ignore[reportArgumentType]


def erasure_job(config: ErasureConfig, stores: ErasureStores, source: ModelSource, dictionary: Artifact | None) -> Job:
    """The job that erases one concept with one dictionary's latents, or with what needs none."""
    parents = {"train": stores.train, "validation": stores.validation, "test": stores.test}
    if dictionary is not None:
        parents["dictionary"] = dictionary
    body = partial(_erase, config, stores.paths, source, None if dictionary is None else dictionary.path)
    n_units = 2 + len(config.n_latents) * (config.n_draws if dictionary is None else config.n_draws + 2)
    return Job(stages=(Stage(name=ERASURE_KIND, config=config, parents=parents),), body=body, n_units=n_units)


def _erase(
    config: ErasureConfig,
    stores: tuple[Path, Path, Path],
    source: ModelSource,
    dictionary_path: Path | None,
    workspaces: Sequence[Workspace],
    advance: Advance,
) -> None:
    test, lm = opened_store(stores[2]), source.load()
    sample = sample_sequences(test, config.n_sequences, config.seed)
    rows_of = _of_gender(config, lm) if config.concept in GENDER_CONCEPTS else _of_label(config, stores, sample)
    fit, choosing, report = rows_of.fit, rows_of.choosing, rows_of.report
    advance(1)
    trial = ErasureTest(
        fit=fit,
        probing=rows_of.probing,
        report=report,
        text=NeutralText(lm, Site.parse(config.site), sample),
        outside=rows_of.outside,
        seed=config.seed,
    )
    advance(1)
    if dictionary_path is None:
        card, rows = None, list(_without_dictionary(config, trial, advance))
    else:
        dictionary, card = load_dictionary(dictionary_path)
        check_fits(dictionary, test, config.site, card)
        rows = list(_with_dictionary(config, trial, choosing, dictionary, card.method, advance))
    about = ErasureAbout(
        concept=config.concept,
        definition=rows_of.definition,
        site=config.site,
        dictionary=None if card is None else card.name,
        method=None if card is None else card.method,
        sparsity="" if card is None else card.sparsity,
        lm="random" if source.random_seed is not None else "trained",
        n_fit=len(fit.holds),
        n_probe=len(rows_of.probing.holds),
        n_choose=len(choosing.holds),
        n_report=len(report.holds),
        share_report=float(report.holds.mean()),
        n_sequences=len(sample.tokens),
        typical_norm=float((report.x.double() - report.mean).norm(dim=1).mean()),
        n_draws=config.n_draws,
        seed=config.seed,
    )
    write_erasure(workspaces[0].folder, about, rows, config)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Rows:
    """The rows of a concept, by what they are for; outside: where it does not hold in the neutral text, if known."""

    definition: str
    fit: ConceptRows
    probing: ConceptRows
    choosing: ConceptRows
    report: ConceptRows
    outside: Bool[np.ndarray, "sequences seq"] | None


def _of_label(config: ErasureConfig, stores: tuple[Path, Path, Path], sample: SpliceSample) -> _Rows:
    label = concept_label(config.concept)
    train, validation, test = (opened_store(path) for path in stores)
    n_each = config.rows.fit + config.rows.probe
    drawn = balanced_rows(train, config.site, label, "train", n_each, config.seed)
    # Where there are fewer, each part has its share of them.
    fit, probing = split_rows(drawn, int(drawn.holds.sum()) * config.rows.fit // n_each, config.seed)
    return _Rows(
        definition=label.definition,
        fit=fit,
        probing=probing,
        choosing=balanced_rows(validation, config.site, label, "validation", config.rows.choose, config.seed),
        report=sampled_rows(test, config.site, label, "test", config.rows.report, config.seed),
        outside=outside_concept(test, sample, label),
    )


def _of_gender(config: ErasureConfig, lm: LanguageModel) -> _Rows:
    """Prompts of names, each split's own; half of the train rows are for probes."""
    site, form = Site.parse(config.site), "transfer" if config.concept == "gender_transfer" else "primary"
    drawn = gender_rows(lm, site, "train", "primary", config.seed)
    fit, probing = split_rows(drawn, int(drawn.holds.sum()) // 2, config.seed)
    return _Rows(
        definition=GENDER_DEFINITION,
        fit=fit,
        probing=probing,
        choosing=gender_rows(lm, site, "validation", "primary", config.seed),
        report=gender_rows(lm, site, "test", form, config.seed),
        outside=None,
    )


def _without_dictionary(config: ErasureConfig, trial: ErasureTest, advance: Advance) -> Iterator[EditRow]:
    fit = trial.fit
    yield EditRow(method="lm", variant=None, erased=Erased(accuracy=trial.probed(_same), damage=trial.zeros))
    yield EditRow(method="leace", variant=None, n_removed=1, erased=trial.measured(leace_of(fit)))
    erased = trial.measured(mean_difference_edit(fit, centered=True))
    yield EditRow(method="mean_difference", variant=None, n_removed=1, erased=erased)
    origin = trial.costed(mean_difference_edit(fit, centered=False), erased)
    yield EditRow(method="mean_difference", variant="origin", n_removed=1, erased=origin)
    for n in config.n_latents:
        draws: list[Erased] = []
        for draw in range(config.n_draws):
            directions = random_directions(n, fit.x.shape[1], config.seed, draw)
            draws.append(trial.measured(affine_projection(directions, fit.mean)))
            advance(1)
        yield EditRow(method="random", variant="directions", n_removed=n, erased=_summed(draws))


def _with_dictionary(
    config: ErasureConfig,
    trial: ErasureTest,
    choosing: ConceptRows,
    dictionary: Dictionary,
    method: str,
    advance: Advance,
) -> Iterator[EditRow]:
    fit, most = trial.fit, config.n_latents[-1]
    for way in WAYS:
        choice = choose_latents(
            dictionary, way, fit, choosing, n_latents=most, n_candidates=config.n_candidates, advance=ignore_advance
        )
        for n in config.n_latents:
            latents = choice.latents[:n]
            erased = trial.measured(latent_edit(dictionary, latents, way, fit.mean))
            chosen_at = choice.accuracy[n - 1]
            yield EditRow(
                method=method, variant=way, n_removed=n, latents=latents, erased=erased, chosen_accuracy=chosen_at
            )
            advance(1)
            if way == "projection":
                directions = dictionary.W_dec[list(latents)]
                origin = trial.costed(affine_projection(directions, torch.zeros(directions.shape[1])), erased)
                yield EditRow(
                    method=method,
                    variant="origin",
                    n_removed=n,
                    latents=latents,
                    erased=origin,
                    chosen_accuracy=chosen_at,
                )
    if method == "random":  # its latents are random directions already
        advance(len(config.n_latents) * config.n_draws)
        return
    fires = torch.nonzero((dictionary.encode(fit.x) != 0).any(dim=0)).flatten().numpy()
    for n in config.n_latents:
        draws: list[Erased] = []
        for draw in range(config.n_draws):
            drawn = numpy_generator(config.seed, f"erasure-latents/{draw}").permutation(fires)[:n].tolist()
            draws.append(trial.measured(latent_edit(dictionary, drawn, "projection", fit.mean)))
            advance(1)
        yield EditRow(method=method, variant="random_latents", n_removed=n, erased=_summed(draws))


def _summed(draws: Sequence[Erased]) -> Erased:
    total = draws[0]
    for draw in draws[1:]:
        total = total + draw
    return total


def _same(x: torch.Tensor) -> torch.Tensor:
    return x
