"""The page of erased concepts: what is left of each, at what cost; made of the stages' files only."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monosemy.core import atomic_write_text
from monosemy.report.describe_page import run_facts
from monosemy.report.erasure_charts import pareto_chart
from monosemy.report.erasure_reading import ErasedBy, ErasedConcept, read_erasures
from monosemy.report.numbers import count, decimals, enumeration, interval, percent, significant
from monosemy.report.page import (
    Column,
    Content,
    Markup,
    Section,
    code,
    details,
    facts,
    figures,
    page,
    paragraph,
    sentence,
    strong,
    table,
)

MATCHED = 0.02
"""Latents have done what LEACE did where the linear probe is within so much of its residual accuracy."""


def write_erasure_page(path: Path, folders: Sequence[Path], made: Mapping[str, Any]) -> None:
    """Write the page of the folders of a few concepts. Raises UserError when a file of them is missing or incomplete.

    made: how it was made, shown as it is; known keys: `command`, `seconds`.
    """
    concepts = read_erasures(folders)
    html = page(
        title=f"Erasing {enumeration([concept.concept for concept in concepts])}",
        subtitle="What probes still find of a concept after it was taken out of the activations, and what that costs.",
        lead=[_answer(concept) for concept in concepts],
        sections=[*(_section(concept) for concept in concepts), _how(concepts, made)],
        footer="Made by monosemy from the files erasure.json of the stages.",
    )
    atomic_write_text(path, html)


def _answer(concept: ErasedConcept) -> Markup:
    """In two sentences: what LEACE does, and how near latents come to it."""
    base, best = concept.only("lm"), concept.only("leace")
    if base is None or best is None:
        return sentence(strong(concept.concept), ": what needs no dictionary was not measured.")
    parts: list[Content] = [
        strong(f"{concept.concept}: "),
        f"a linear probe is right on {_share(base)} of tokens (balanced; 50 % is chance), after LEACE on "
        f"{_share(best)}, at a KL of {significant(best.value('kl'), 2)} nats a token; a probe with a hidden layer is "
        f"still right on {percent(best.value('hidden_accuracy'), 1)} "
        f"(unedited {percent(base.value('hidden_accuracy'), 1)}). ",
    ]
    for curve in concept.curves():
        if curve[0].variant == "projection" and curve[0].method != "random":
            parts.append(_latents_answer(curve, best))
    return sentence(*parts)


def _latents_answer(curve: Sequence[ErasedBy], best: ErasedBy) -> str:
    goal = best.value("linear_accuracy") or 0.5
    reached = next((e for e in curve if (e.value("linear_accuracy") or 1.0) <= goal + MATCHED), None)
    shown = reached or curve[-1]
    many = f"{shown.n_removed} latent{'s' * (shown.n_removed > 1)}"
    cost = f"at a KL of {significant(shown.value('kl'), 2)}"
    name = curve[0].label.split(" latents ")[0]
    if reached:
        return f"Of {name}, {many} projected off do as much ({_share(shown)}), {cost}. "
    return f"Of {name}, {many} projected off leave {_share(shown)}, {cost}. "


def _section(concept: ErasedConcept) -> Section:
    about = concept.about
    kinds = [
        figures(pareto_chart(concept, "linear", "kl"), pareto_chart(concept, "linear", "edit_norm")),
        figures(pareto_chart(concept, "hidden", "kl"), pareto_chart(concept, "hidden", "edit_norm")),
    ]
    return Section(
        title=concept.concept.replace("_", " "),
        body=(
            paragraph(
                code(concept.concept),
                f": {about['definition']} It holds for {percent(about['share_report'], 1)} of the tokens reported on; "
                f"the typical length of x - mean at {about['site']} is {significant(about['typical_norm'])}.",
            ),
            *kinds,
            _table(concept, _ends(concept), "At the most that was taken out, on test. "),
            details("Every edit", _table(concept, concept.edits, "Every edit, on test. ")),
            details("Which latents were taken out, in their order", _latents(concept)),
        ),
    )


def _ends(concept: ErasedConcept) -> list[ErasedBy]:
    """No edit, and of every kind of edit the one that takes most out; the paper's form aside."""
    base = concept.only("lm")
    ends = [curve[-1] for curve in concept.curves() if curve[0].variant != "origin"]
    return ([] if base is None else [base]) + ends


def _table(concept: ErasedConcept, edits: Sequence[ErasedBy], first: str) -> Markup:
    columns = [
        Column(title="edit"),
        Column(title="removed", kind="number"),
        Column(title="linear probe, %", kind="number"),
        Column(title="95 %", kind="number"),
        Column(title="hidden probe, %", kind="number"),
        Column(title="95 %", kind="number"),
        Column(title="KL, nats", kind="number"),
        Column(title="95 %", kind="number"),
        Column(title="KL outside", kind="number"),
        Column(title="CE increase", kind="number"),
        Column(title="edit, % of |x - mean|", kind="number"),
    ]
    caption = first + (
        "Probes are trained after the edit; accuracies are balanced, 50 % is chance. KL and the "
        "rise of the cross-entropy are a token of neutral text on which every position is edited; outside: predictions "
        "at tokens for which the concept does not hold."
    )
    return table(columns, [_row(edit, concept) for edit in edits], caption, dense=True)


def _row(edit: ErasedBy, concept: ErasedConcept) -> list[Content]:
    norm = edit.value("edit_norm")
    return [
        edit.label,
        count(edit.n_removed),
        *_accuracy(edit, "linear_accuracy"),
        *_accuracy(edit, "hidden_accuracy"),
        significant(edit.value("kl"), 3),
        _interval(edit, "kl"),
        significant(edit.value("kl_outside"), 3),
        significant(edit.value("ce_increase"), 3),
        decimals(None if norm is None else 100 * norm / float(concept.about["typical_norm"]), 1),
    ]


def _accuracy(edit: ErasedBy, name: str) -> list[Content]:
    found, value = edit.measured.get(name), edit.value(name)
    ends = "" if found is None else interval(found["low"], found["high"], 1, of_percent=True)
    return [decimals(None if value is None else 100 * value, 1), ends]


def _interval(edit: ErasedBy, name: str) -> str:
    found = edit.measured.get(name)
    if found is None:
        return ""
    return f"[{significant(found['low'], 2)}, {significant(found['high'], 2)}]"


def _latents(concept: ErasedConcept) -> Markup:
    rows: list[list[Content]] = []
    for curve in concept.curves():
        if curve[-1].latents and curve[0].variant != "origin":
            rows.append([curve[0].label, ", ".join(str(latent) for latent in curve[-1].latents)])
    columns = [Column(title="edit"), Column(title="latents", kind="text")]
    return table(columns, rows, "Chosen on validation, one after the other, by how little a linear probe then finds.")


def _how(concepts: Sequence[ErasedConcept], made: Mapping[str, Any]) -> Section:
    about = concepts[0].about
    few = next((found["n"] for edit in concepts[0].edits if (found := edit.measured["kl"])), 0)
    lines: list[tuple[str, Content]] = [
        *run_facts(made),
        ("fitted on", f"{count(about['n_fit'])} tokens of train, as many where the concept holds as where not"),
        ("probes trained on", f"{count(about['n_probe'])} other tokens of train, after the edit"),
        ("chosen on", f"{count(about['n_choose'])} tokens of validation"),
        ("reported on", f"{count(about['n_report'])} tokens of test, {count(about['n_sequences'])} rows for the costs"),
        ("random", f"sums over {count(about['n_draws'])} draws"),
        ("intervals", f"95 %, bootstrap over packages or files ({count(few)} of them for the costs)"),
    ]
    return Section(title="How it was made", body=(facts(lines),))


def _share(edit: ErasedBy) -> str:
    return percent(edit.value("linear_accuracy"), 1)
