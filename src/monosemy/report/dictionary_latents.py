"""Ten latents chosen on validation beside ten drawn at random, with their held-out contexts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monosemy.core import numpy_generator
from monosemy.report.dictionary_groups import label_of
from monosemy.report.dictionary_reading import DictionaryEvaluation, DictionaryRun
from monosemy.report.feature_view import (
    LatentCard,
    LatentContexts,
    LatentExplanation,
    alive_sentence,
    latent_card,
    shade_legend,
)
from monosemy.report.fragment_reading import read_latent_contexts
from monosemy.report.interpretation_reading import InterpretationRun
from monosemy.report.page import Markup, Section, details, heading, join, paragraph, side_by_side

N_LATENTS = 10
N_TOP, N_DRAWN = 2, 2
"""How many contexts of each kind are shown of a latent."""

SEED = 0

Label = Mapping[str, Any]


def latents_sections(
    run: DictionaryRun, fragments: Mapping[str, Path], interpreted: InterpretationRun | None = None
) -> list[Section]:
    """The first headline's latents in full, those of the others folded; with what they respond to, where explained."""
    heads = [head for head in run.headline if head.density]
    if not heads:
        return []
    first, *others = [_beside(head, run, fragments.get(head.name), interpreted) for head in heads]
    folded = [details(f"The same of {label_of(h, run)}", part) for h, part in zip(heads[1:], others, strict=True)]
    title = "Ten latents, and ten at random"
    return [Section(title=title, body=(shade_legend(), heading(label_of(heads[0], run)), first, *folded))]


def chosen_latents(evaluation: DictionaryEvaluation) -> list[tuple[int, Label | None]]:
    """The best latents, on validation, of the contextual labels detected best there, each latent once.

    Where no label was scored: the latents that fire most often.
    """
    scored = sorted(_scored(evaluation), key=lambda label: -label["f1_validation"])
    found: dict[int, Label | None] = {}
    for label in scored:
        if label["contextual"]:
            found.setdefault(label["latent"], label)
    if not scored:
        by_density = sorted(range(len(evaluation.density)), key=lambda i: -evaluation.density[i])
        found = {i: None for i in by_density if evaluation.density[i] > 0}
    return list(found.items())[:N_LATENTS]


def random_latents(evaluation: DictionaryEvaluation) -> list[tuple[int, Label | None]]:
    """Latents drawn without replacement among those that fire on test, with the label each detects best."""
    alive = [i for i, density in enumerate(evaluation.density) if density > 0]
    drawn = numpy_generator(SEED, "report-random-latents").permutation(len(alive))[:N_LATENTS]
    return [(alive[i], _best_label(evaluation, alive[i])) for i in drawn]


def _beside(
    head: DictionaryEvaluation, run: DictionaryRun, fragments: Path | None, interpreted: InterpretationRun | None
) -> Markup:
    chosen, random = chosen_latents(head), random_latents(head)
    wanted = sorted({latent for latent, _ in (*chosen, *random)})
    contexts = {} if fragments is None else read_latent_contexts(fragments, wanted, N_TOP, N_DRAWN)
    table = {
        label["label"]: label["f1"]
        for e in run.evaluations
        if e.method == "token_table" and not e.is_control
        for label in e.labels
    }
    explained = {i: found for i in wanted if interpreted and (found := interpreted.explanation(head.name, i))}
    scored = bool(_scored(head))
    n_dead = sum(density == 0 for density in head.density)
    left = [
        heading("Chosen on validation" if scored else "Those that fire most often"),
        paragraph(
            "The contextual labels with the highest F1 on validation, each with its best latent; test plays no part."
            if scored
            else "This text has no exact labels to choose by."
        ),
        *(_card(head, latent, label, contexts.get(latent), explained.get(latent), table) for latent, label in chosen),
    ]
    right = [
        heading("Drawn at random"),
        paragraph(alive_sentence(n_dead, len(head.density)), _of_labels(head, scored)),
        *(_card(head, latent, label, contexts.get(latent), explained.get(latent), table) for latent, label in random),
    ]
    return side_by_side(join(left), join(right))


def _of_labels(head: DictionaryEvaluation, scored: bool) -> str:
    if not scored:
        return ""
    if head.best_labels is None:
        return " A label stands where the latent is the best of its dictionary for it."
    return " With the label that each detects best on validation, whatever its score."


def _card(
    head: DictionaryEvaluation,
    latent: int,
    label: Label | None,
    contexts: LatentContexts | None,
    explanation: LatentExplanation | None,
    table: Mapping[str, float | None],
) -> Markup:
    density = head.density[latent]
    if label is None:
        card = LatentCard(latent=latent, density=density, contexts=contexts, explanation=explanation)
        return latent_card(card)
    return latent_card(
        LatentCard(
            latent=latent,
            density=density,
            label=label["label"],
            definition=label.get("definition", ""),
            f1_validation=label["f1_validation"],
            f1=label["f1"],
            table_f1=table.get(label["label"]),
            ap_lift=label.get("ap_lift"),
            contexts=contexts,
            explanation=explanation,
        )
    )


def _scored(evaluation: DictionaryEvaluation) -> list[Label]:
    return [x for x in evaluation.labels if x["latent"] is not None and x["f1_validation"] is not None]


def _best_label(evaluation: DictionaryEvaluation, latent: int) -> Label | None:
    """Of the latent's own best labels where the file has them, else of the labels whose best latent it is."""
    definitions = {label["label"]: label["definition"] for label in evaluation.labels}
    if evaluation.best_labels is not None and latent < len(evaluation.best_labels):
        found = evaluation.best_labels[latent]
        return None if found is None else {"definition": definitions.get(found["label"], ""), **found}
    own: Sequence[Label] = [label for label in _scored(evaluation) if label["latent"] == latent]
    return max(own, key=lambda label: label["f1_validation"], default=None)
