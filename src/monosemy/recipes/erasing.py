"""`monosemy erase`: take a concept out of the activations and see what is left of it, and what that costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import tyro

from monosemy.core import Artifact, Result, UserError, read_results, write_results
from monosemy.dictionaries import DictionaryCard
from monosemy.experiments import (
    ERASURE_RESULTS,
    GENDER_CONCEPTS,
    ErasureStores,
    Recording,
    RowCounts,
    erasure_config,
    erasure_job,
    has_labels,
    store_stage,
)
from monosemy.recipes.dictionary_run import done
from monosemy.recipes.harvest import how_it_was_made
from monosemy.recipes.study import Study, Target
from monosemy.report import write_erasure_page

LABELLED_CONCEPTS = ("comment", "string", "call_arguments")
WITH_RANDOM: tuple[str, ...] = ("tied_l1", "random")


@dataclass(frozen=True, kw_only=True, slots=True)
class Erase:
    """Erase concepts (LEACE, mean difference, one to many latents, random ones), then probe what is left and what it
    does to other text.

    Of a run's folder: its TopK, tied L1 and random dictionaries at the middle site; of a dictionary's folder: that one.
    """

    target: tyro.conf.OmitArgPrefixes[Target]
    # exact labels of the embedded corpus, gender or gender_transfer; none: comment, string and call_arguments, or of
    # other models both of gender
    concepts: tuple[str, ...] = ()
    dictionaries: tuple[str, ...] = ()  # by name; none: the headline's, and tied L1 and random at its site
    latents: tuple[int, ...] = (1, 2, 4, 8)  # measured after so many latents taken out
    rows: int = 4_000  # of each kind, to fit erasers to, and as many others to train probes on
    sequences: int = 32  # rows of test on which the cost is measured
    draws: int = 2  # of random latents and directions
    train_sequences: int = 400  # of the train split, recorded where the folder is a dictionary's


def erase(options: Erase, study: Study) -> list[str]:
    """Do what the options say; the lines to print at the end.

    Raises UserError where the model and the text have no exact labels and one is asked for, for a label that there is
    not, for a tokenizer that splits the names, for a dictionary that there is not, and for dictionaries of more than
    one site.
    """
    labelled = has_labels(study.lm, study.corpus)
    concepts = options.concepts or (LABELLED_CONCEPTS if labelled else GENDER_CONCEPTS)
    if not labelled and (others := [concept for concept in concepts if concept not in GENDER_CONCEPTS]):
        raise UserError(
            f"{others[0]!r} is an exact label of the embedded corpus, of the embedded model's tokens; use --model "
            f"embedded --corpus stdlib, or --concepts {' '.join(GENDER_CONCEPTS)}"
        )
    cards = study.cards()
    names = options.dictionaries or default_dictionaries(cards, study.headline)
    artifacts = [study.dictionary(name) for name in names]
    sites = {cards[name].site for name in names}
    if len(sites) > 1:
        raise UserError(f"the dictionaries are of {', '.join(sorted(sites))}; a concept is erased from one site")
    site = sites.pop()
    configs = [
        erasure_config(
            concept,
            site,
            n_latents=options.latents,
            rows=RowCounts(fit=options.rows, probe=options.rows, choose=max(1, options.rows // 2)),
            n_draws=options.draws,
            n_sequences=options.sequences,
            seed=study.seed,
        )
        for concept in concepts
    ]
    stores = ErasureStores(train=_train(study, site, options), validation=study.validation, test=study.test)
    jobs = [
        erasure_job(config, stores, study.source, artifact) for config in configs for artifact in (None, *artifacts)
    ]
    found = done(study.run, study.workers, jobs, name="erase", unit="edits")
    page = study.run.folder / "report" / "erase.html"
    write_erasure_page(page, [artifact.path for artifact in found], how_it_was_made(study.run))
    results = [result for artifact in found for result in read_results(artifact.file(ERASURE_RESULTS))]
    write_results(study.run.folder / "erase-results.jsonl", results)
    return [*_lines(results, concepts), f"report: {page}"]


def default_dictionaries(cards: Mapping[str, DictionaryCard], headline: str) -> tuple[str, ...]:
    """The headline's dictionary and, where there are, one each of `WITH_RANDOM` at its site, of its size and seed.

    Of several coefficients of tied L1 the one whose L0 in training comes nearest to the headline's.
    """
    head, names = cards[headline], [headline]
    for method in WITH_RANDOM:
        same = [
            card
            for card in cards.values()
            if (card.method, card.variant, card.site, card.n_latents, card.seed)
            == (method, None, head.site, head.n_latents, head.seed)
        ]
        if same:
            nearest = min(same, key=lambda card: abs((card.l0_train or 0.0) - (head.l0_train or 0.0)))
            names.append(nearest.name)
    return tuple(names)


def _train(study: Study, site: str, options: Erase) -> Artifact:
    """The activations of the train split: the run's, or recorded now."""
    if study.side is not None:
        return study.side.train
    dtype: Literal["bfloat16", "float16"] = options.target.dtype
    recording = Recording(
        split="train",
        sites=(site,),
        context_length=study.context_length,
        max_sequences=options.train_sequences,
        dtype=dtype,
        seed=study.seed,
    )
    return study.run.stage(store_stage(recording, study.source, study.corpus, study.workers))


def _lines(results: Sequence[Result], concepts: Sequence[str]) -> list[str]:
    """What is left of each concept, and the cost, in a line a concept."""
    lines: list[str] = []
    for concept in concepts:
        parts: list[str] = []
        for result in results:
            if result.metric != f"erasure_linear_accuracy/{concept}" or result.value is None:
                continue
            name = {"lm": "unedited", "leace": "LEACE", "mean_difference": "mean difference"}.get(result.method)
            if name and result.variant is None:
                parts.append(f"{name} {100 * result.value:.1f} %")
        lines.append(f"{concept}: a linear probe is right on {', '.join(parts)}")
    return lines
