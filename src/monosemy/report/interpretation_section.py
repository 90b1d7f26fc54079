"""What latents respond to: the section of a page about the explanations of latents and what they are worth."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monosemy.report.feature_view import LatentCard, LatentContexts, folded_words, latent_card, shade_legend
from monosemy.report.fragment_reading import read_latent_contexts
from monosemy.report.interpretation_charts import (
    at_headline_site,
    bits_chart,
    layer_score_charts,
    methods_score_chart,
    size_score_charts,
    top_k_score_chart,
)
from monosemy.report.interpretation_reading import (
    AP_LIFT,
    PAPER,
    PAPER_RANDOM,
    UNIFORM,
    InterpretationRun,
    InterpretedGroup,
    explanation_of,
)
from monosemy.report.interpretation_tables import (
    bits_words,
    control_differences_table,
    every_moment_table,
    every_score_table,
    first_features_table,
    moments_table,
    score_differences_table,
    score_words,
    shown_member,
    skipped_table,
)
from monosemy.report.numbers import decimals, enumeration, percent, significant
from monosemy.report.page import (
    Column,
    Content,
    Markup,
    Section,
    details,
    figures,
    heading,
    join,
    note,
    paragraph,
    side_by_side,
    table,
)

TITLE = "What latents respond to"
N_SHOWN = 4
"""Of the best, of the middle and of the worst explained latents."""
N_CONTEXTS = 2

Row = Mapping[str, Any]


def interpretation_section(run: InterpretationRun, fragments: Mapping[str, Path]) -> Section:
    """Everything in one section. fragments: the folder of each dictionary, by its name, where there is one."""
    body: list[Markup] = []
    for section in interpretation_sections(run, fragments):
        body += section.body if section.title == TITLE else (heading(section.title), *section.body)
    return Section(title=TITLE, body=tuple(body))


def interpretation_sections(run: InterpretationRun, fragments: Mapping[str, Path]) -> list[Section]:
    """The same as sections of a page of its own; those without content are left out."""
    if not run.heads:
        return [Section(title=TITLE, body=(paragraph("No dictionary was interpreted."),))]
    head = run.heads[0]
    parts = [
        (TITLE, [_introduction(run), *_scores(run)]),
        ("By layer and by size", _by_layer(run)),
        ("How long an explanation has to be", _curves(run)),
        ("The first five latents", _first(run)),
        ("Best and worst explained", _latents(run, head, fragments)),
        ("Scores and the shape of activations", _moments(run)),
        ("Every score, and what was not scored", _everything(run)),
    ]
    return [Section(title=title, body=tuple(body)) for title, body in parts if body]


def judge_note(run: InterpretationRun) -> str:
    """Who judged, and what the figures may be compared with."""
    if run.is_rules:
        return (
            "The judge is a list of rules over the text, found by search: what is measured is rule-explainability, how "
            "well a short list of rules predicts a latent. These figures can be compared with each other, and not with "
            "figures of language-model judges."
        )
    judges = enumeration([_judge_words(judge) for judge in run.judges])
    mixed = " Figures of different judges cannot be compared." if len(run.judges) > 1 else ""
    return f"Judged by {judges}. A figure belongs to its judge, and cannot be compared with those of another.{mixed}"


def _judge_words(judge: Mapping[str, Any]) -> str:
    revision = f", revision {judge['revision']}" if judge["revision"] else ""
    return f"{judge['name']}{revision} ({judge['settings']})"


def _introduction(run: InterpretationRun) -> Markup:
    return note(
        "Each latent is explained in one sentence from text of validation; from the sentence alone its activation on "
        f"text of test is predicted, and the score says how well. {judge_note(run)}",
    )


def _scores(run: InterpretationRun) -> list[Markup]:
    """The headline score by method beside the differences; the other scores folded."""
    head = run.heads[0]
    parts: list[Markup] = []
    chart = methods_score_chart(run, UNIFORM, name="interpretation-methods-uniform")
    differences = score_differences_table(run, head, UNIFORM)
    blocks = [*([figures(chart)] if chart is not None else []), *([differences] if differences is not None else [])]
    parts += [side_by_side(*blocks)] if blocks else []
    for key, words in ((PAPER, "The paper's score"), (AP_LIFT, "Average-precision lift: does it tell where it fires?")):
        chart = methods_score_chart(run, key, name=f"interpretation-methods-{key[0]}".replace("_", "-"))
        differences = score_differences_table(run, head, key)
        blocks = [figures(chart)] if chart is not None else []
        blocks += [differences] if differences is not None else []
        parts += [details(words, side_by_side(*blocks))] if blocks else []
    random = methods_score_chart(run, PAPER_RANDOM, name="interpretation-methods-random")
    parts += [details("The paper's score on random fragments alone", figures(random))] if random is not None else []
    for other in run.heads[1:]:
        differences = score_differences_table(run, other, UNIFORM)
        parts += [details(f"Differences of {run.label(other)}", differences)] if differences is not None else []
    controls = control_differences_table(run)
    return [*parts, *([details("Every dictionary minus its controls", controls)] if controls is not None else [])]


def _by_layer(run: InterpretationRun) -> list[Markup]:
    top_k = top_k_score_chart(run)
    charts = [*layer_score_charts(run), *size_score_charts(run), *([top_k] if top_k is not None else [])]
    return [figures(*charts)] if charts else []


def _curves(run: InterpretationRun) -> list[Markup]:
    chart = bits_chart(run)
    if chart is None:
        return []
    columns = [Column(title="method")]
    columns += [
        Column(title=title, kind="number")
        for title in ("bits, median", "bits to 90 %", "reach it", "mean of the curve")
    ]
    rows = [
        [
            run.label(group),
            significant(group.curve["median_bits"]),
            significant(group.curve["bits_to_90"]),
            percent(group.curve["reached_share"]),
            decimals(group.curve["area"], 3),
        ]
        for group in at_headline_site(run)
        if group.curve is not None
    ]
    caption = (
        "Bits to 90 %: of its ceiling, the median over the latents that reach it; mean of the curve: from 0 to 256 bits"
    )
    words = paragraph(
        "A list of rules can be made to predict anything if it may be long enough, so each explanation is charged for "
        "its length: the bits that it takes to write its rules down."
    )
    return [words, side_by_side(figures(chart), table(columns, rows, caption))]


def _first(run: InterpretationRun) -> list[Markup]:
    tables = [(head, found) for head in run.heads if (found := first_features_table(run, head)) is not None]
    return [
        found if i == 0 else details(f"The same of {run.label(head)}", found) for i, (head, found) in enumerate(tables)
    ]


def _latents(run: InterpretationRun, head: InterpretedGroup, fragments: Mapping[str, Path]) -> list[Markup]:
    """A few latents of each kind with text, then a table of all of them."""
    name = shown_member(run, head)["name"]
    ordered = explained_latents(run, name)
    if not ordered:
        return []
    chosen = best_middle_worst(ordered)
    wanted = sorted({row["latent"] for rows in chosen.values() for row in rows})
    folder = fragments.get(name)
    contexts = {} if folder is None else read_latent_contexts(folder, wanted, N_CONTEXTS, 0)
    parts: list[Markup] = []
    for title, rows in chosen.items():
        cards = [_card(row, contexts.get(row["latent"])) for row in rows]
        columns = [join(cards[start::2]) for start in range(min(2, len(cards)))]
        parts += [heading(title), side_by_side(*columns)]
    words = f"Of {run.label(head)}, by correlation on uniform fragments of test."
    legend = [shade_legend()] if contexts else []
    every = details(f"All {len(ordered)} explained latents", _every_latent(run, name, ordered))
    return [paragraph(words), *legend, *parts, every]


def explained_latents(run: InterpretationRun, dictionary: str) -> list[Row]:
    """The scored latents of a dictionary under the full budget (else the paper's), the best explained first."""
    rows = [row for row in run.latents.get(dictionary, ()) if row["status"] == "ok" and row["explanation"]]
    for budget in ("full", "paper"):
        those = [row for row in rows if row["budget"] == budget and _uniform(row) is not None]
        if those:
            return sorted(those, key=lambda row: (-(_uniform(row) or 0.0), row["latent"]))
    return []


def best_middle_worst(ordered: Sequence[Row]) -> dict[str, list[Row]]:
    """The first, the middle and the last few; fewer of each where there are few, none of them twice."""
    n = min(N_SHOWN, max(1, len(ordered) // 3))
    middle = (len(ordered) - n) // 2
    parts = {
        "The best explained": ordered[:n],
        "In the middle": ordered[middle : middle + n],
        "The worst explained": ordered[-n:],
    }
    seen: set[int] = set()
    found: dict[str, list[Row]] = {}
    for title, rows in parts.items():
        own = [row for row in rows if row["latent"] not in seen]
        seen |= {row["latent"] for row in own}
        if own:
            found[title] = own
    return found


def _card(row: Row, contexts: LatentContexts | None) -> Markup:
    card = LatentCard(latent=row["latent"], density=row["density"], explanation=explanation_of(row), contexts=contexts)
    return latent_card(card)


def _every_latent(run: InterpretationRun, name: str, ordered: Sequence[Row]) -> Markup:
    paper = {row["latent"]: row for row in run.latents[name] if row["budget"] == "paper" and row["status"] == "ok"}
    columns = [
        Column(title="latent"),
        Column(title="explanation", kind="text"),
        *(Column(title=title, kind="number") for title in ("bits", "uniform", "ceiling", "AP lift", "paper's score")),
    ]
    rows: list[list[Content]] = [
        [
            *(str(row["latent"]), folded_words(row["explanation"]), bits_words(row), score_words(row, "uniform")),
            decimals(row["scores"]["uniform"].get("ceiling"), 2),
            score_words(row, "ap_lift"),
            score_words(paper.get(row["latent"]), "top_random"),
        ]
        for row in ordered
    ]
    caption = "The explained latents, the best first; the paper's score is of another sentence, made from 5 fragments"
    return table(columns, rows, caption)


def _uniform(row: Row) -> float | None:
    return row["scores"].get("uniform", {}).get("value")


def _moments(run: InterpretationRun) -> list[Markup]:
    methods = list(dict.fromkeys(row["method"] for row in run.correlations))
    first = [found for method in methods if (found := moments_table(run, method, PAPER)) is not None]
    if not first:
        return []
    words = paragraph(
        "Are latents whose activations have heavy tails easier to explain? The paper's Table 2 finds a weak yes, and "
        "prints two figures for it. Moments are those of the activation over all tokens of validation; few clusters "
        "make an interval too narrow."
    )
    folded = [found for method in methods if (found := moments_table(run, method, UNIFORM)) is not None]
    more = [("The same with the score on uniform fragments", join(folded))] if folded else []
    more += [
        (f"Every dictionary, {words_of}", found)
        for key, words_of in ((PAPER, "the paper's score"), (UNIFORM, "uniform fragments"))
        if (found := every_moment_table(run, key)) is not None
    ]
    return [words, *first, *(details(title, found) for title, found in more)]


def _everything(run: InterpretationRun) -> list[Markup]:
    return [
        details("Every score of every dictionary", every_score_table(run)),
        details("What was skipped, and what came out constant", skipped_table(run)),
    ]
