"""Tables of interpretations: differences, the first features, moments, every score, and what was skipped and why."""

from collections.abc import Mapping
from typing import Any

from monosemy.report.dictionary_groups import NAMES
from monosemy.report.dictionary_tables import verdict_cell
from monosemy.report.feature_view import folded_words
from monosemy.report.interpretation_charts import TITLES, WORDS, at_headline_site
from monosemy.report.interpretation_reading import (
    AP_LIFT,
    PAPER,
    PAPER_RANDOM,
    UNIFORM,
    InterpretationRun,
    InterpretedGroup,
    ScoreKey,
)
from monosemy.report.numbers import NONE, count, decimals, interval, percent, significant
from monosemy.report.page import Column, Content, Markup, join, styled, table

Difference = Mapping[str, Any]
Row = Mapping[str, Any]

N_FIRST = 5
MOMENTS = {
    "mean": "mean",
    "variance": "variance",
    "skewness": "skewness",
    "excess_kurtosis": "excess kurtosis",
}
PRINTED = {"skewness": "0.19 (text), 0.20 (table)", "excess_kurtosis": "0.24 (text), 0.15 (table)"}
"""What the paper prints of its Table 2, which its text contradicts."""


def score_differences_of(
    run: InterpretationRun, head: InterpretedGroup, key: ScoreKey, *kinds: str
) -> list[Difference]:
    """The differences of a score between a dictionary and others, of these kinds (none named: all)."""
    return [
        d
        for d in run.differences
        if d["head"] == head.stem and (d["score"], d["budget"]) == key and (not kinds or d["kind"] in kinds)
    ]


def score_differences_table(run: InterpretationRun, head: InterpretedGroup, key: ScoreKey) -> Markup | None:
    """A dictionary minus every other and minus its controls; None where nothing was compared."""
    shown = {group.stem for group in at_headline_site(run)}
    found = [d for d in score_differences_of(run, head, key) if d["against"] in shown]
    if not found:
        return None
    order = {role: place for place, role in enumerate(TITLES)}
    groups = {group.stem: group for group in run.groups}

    def rank(difference: Difference) -> tuple[bool, int]:
        return difference["kind"] != "methods", order[groups[difference["against"]].role]

    rows = [
        [
            against_words(run, d),
            verdict_cell(d),
            f"{d['value']:+.3f} {interval(d['low'], d['high'], 3)}",
            decimals(d["smallest_detectable"], 3),
        ]
        for d in sorted(found, key=rank)
    ]
    columns = [
        Column(title="against"),
        Column(title="verdict"),
        Column(title="difference, 95 % interval", kind="number"),
        Column(title="detectable", kind="number"),
    ]
    caption = (
        f"{WORDS[key]}: {run.label(head)} minus each other, means over seeds, packages or files resampled jointly and "
        "latents within each. Detectable: the smallest true difference that would have been found with probability 0.8"
    )
    return table(columns, rows, caption, dense=True)


def against_words(run: InterpretationRun, difference: Difference) -> str:
    """What a difference is taken to."""
    if difference["kind"] == "shuffled":
        return "shuffled explanations"
    group = run.group(difference["against"])
    if group is None:
        return difference["against"]
    return {
        "random_weights": "the same, random weights",
        "frozen_decoder": "the same, frozen directions",
    }.get(difference["kind"], run.label(group))


def control_differences_table(run: InterpretationRun) -> Markup | None:
    """Everything minus its own controls on uniform fragments; None where there is none."""
    controls = ("random_weights", "frozen_decoder", "shuffled")
    found: dict[str, dict[str, Difference]] = {}
    for d in run.differences:
        if d["kind"] in controls and (d["score"], d["budget"]) == UNIFORM:
            found.setdefault(d["head"], {})[d["kind"]] = d
    if not found:
        return None
    columns = [Column(title="dictionary"), Column(title="site")]
    columns += [
        Column(title=title, kind="number")
        for title in ("minus random weights", "minus frozen directions", "minus shuffled")
    ]
    rows = []
    for stem, by_kind in found.items():
        group = run.group(stem)
        if group is not None:
            cells = [by_kind.get(kind) for kind in controls]
            rows.append([run.label(group), group.site or NONE, *(_difference(cell) for cell in cells)])
    return table(columns, rows, "Uniform fragments: every dictionary minus its own controls", dense=True)


def first_features_table(run: InterpretationRun, head: InterpretedGroup) -> Markup | None:
    """The paper's Table 1: five features that nobody chose, with explanation and score; None where none was scored."""
    member, rows = first_features(run, head)
    if not rows:
        return None
    columns = [
        Column(title="latent"),
        Column(title="explanation from 5 fragments", kind="text"),
        Column(title="the paper's score", kind="number"),
        Column(title="explanation from the whole sample", kind="text"),
        Column(title="uniform", kind="number"),
        Column(title="ceiling", kind="number"),
    ]
    cells = [
        [
            str(latent),
            said(by_budget.get("paper")),
            score_words(by_budget.get("paper"), "top_random"),
            said(by_budget.get("full")),
            score_words(by_budget.get("full"), "uniform"),
            decimals(_field(by_budget.get("full"), "uniform", "ceiling"), 2),
        ]
        for latent, by_budget in rows
    ]
    how = "the first by index, as in the paper" if member["order"] == "first" else "the first of a seeded random order"
    return table(columns, cells, f"Five latents of {run.label(head)}, {how}: nobody chose them")


def first_features(
    run: InterpretationRun, head: InterpretedGroup
) -> tuple[Mapping[str, Any], list[tuple[int, dict[str, Row]]]]:
    """The member shown, one whose latents are in the order of their index if there is one, and its first latents."""
    member = next((m for m in head.members if m["order"] == "first"), shown_member(run, head))
    by_latent: dict[int, dict[str, Row]] = {}
    for row in sorted(run.latents.get(member["name"], ()), key=lambda row: row["order"]):
        if row["status"] == "ok":
            by_latent.setdefault(row["latent"], {})[row["budget"]] = row
    return member, list(by_latent.items())[:N_FIRST]


def shown_member(run: InterpretationRun, group: InterpretedGroup) -> Mapping[str, Any]:
    """The dictionary of a group whose latents are shown: that of the headline, or else the first."""
    return next((m for m in group.members if m["name"] in run.headline), group.members[0])


def moments_table(run: InterpretationRun, method: str, key: ScoreKey) -> Markup | None:
    """The paper's Table 2 for one method; None where nothing was correlated."""
    found = {
        (row["moment"], row["kind"], row["variant"]): row
        for row in run.correlations
        if row["method"] == method and (row["score"], row["budget"]) == key
    }
    if not any(row["value"] is not None for row in found.values()):
        return None
    columns = [Column(title="moment")]
    columns += [Column(title=title, kind="number") for title in ("Pearson", "Spearman", "pooled Pearson", "Spearman")]
    columns += [Column(title="the paper prints")] if key == PAPER else []
    kinds = [(kind, variant) for variant in (None, "pooled") for kind in ("pearson", "spearman")]
    rows = [
        [
            words,
            *(_correlation(found.get((moment, *kind))) for kind in kinds),
            *([PRINTED.get(moment, NONE)] if key == PAPER else []),
        ]
        for moment, words in MOMENTS.items()
    ]
    one = next(iter(found.values()))
    undefined = max(row["n_undefined"] for row in found.values())
    left_out = f"; {count(undefined)} with an undefined moment left out" if undefined else ""
    caption = (
        f"{WORDS[key]} against the moments of the activation, {NAMES.get(method, method)}: the mean over "
        f"{count(one['n_dictionaries'])} dictionaries, its interval over {count(one['n_clusters'])} clusters of one "
        f"site and seed; pooled: all {count(one['n'])} latents together, as the paper does{left_out}"
    )
    return table(columns, rows, caption)


def every_moment_table(run: InterpretationRun, key: ScoreKey) -> Markup | None:
    """The correlations of each dictionary: Pearson, then Spearman."""
    columns = [Column(title="dictionary"), Column(title="site"), Column(title="seed", kind="number")]
    columns += [Column(title=words, kind="number") for words in MOMENTS.values()]
    columns += [Column(title="latents", kind="number"), Column(title="undefined", kind="number")]
    rows = []
    for group in run.groups:
        for member in group.members:
            own = {r["moment"]: r for r in member["correlations"] if (r["score"], r["budget"]) == key}
            if any(r["pearson"] is not None for r in own.values()):
                pairs = [f"{decimals(own[m]['pearson'], 2)} / {decimals(own[m]['spearman'], 2)}" for m in MOMENTS]
                n = [count(max(r[name] for r in own.values())) for name in ("n", "n_undefined")]
                rows.append([run.label(group), member["site"] or NONE, str(member["seed"]), *pairs, *n])
    caption = f"{WORDS[key]} against the moments, Pearson / Spearman, by dictionary"
    return table(columns, rows, caption, dense=True) if rows else None


def every_score_table(run: InterpretationRun) -> Markup:
    """One row a dictionary: its scores, and where floor, token table and ceiling lie."""
    columns = [Column(title="dictionary"), Column(title="site"), Column(title="seed", kind="number")]
    shown: tuple[tuple[str, ScoreKey, str], ...] = (
        ("uniform", UNIFORM, "value"),
        ("floor", UNIFORM, "floor"),
        ("token table", UNIFORM, "unigram"),
        ("ceiling", UNIFORM, "ceiling"),
        ("without constants", UNIFORM, "defined_only"),
        ("AP lift", AP_LIFT, "value"),
        ("F1", ("f1", "full"), "value"),
        ("detection", ("detection", "full"), "value"),
        ("fuzzing", ("fuzzing", "full"), "value"),
        ("paper", PAPER, "value"),
        ("top only", ("top", "paper"), "value"),
        ("random only", PAPER_RANDOM, "value"),
    )
    if any(row["as_chance"] is not None for group in run.groups for m in group.members for row in m["scores"]):
        shown += (("failures as chance", UNIFORM, "as_chance"),)
    columns += [Column(title=title, kind="number") for title, _, _ in shown]
    rows = []
    for group in run.groups:
        for member in group.members:
            of = {(row["score"], row["budget"]): row for row in member["scores"]}
            cells = [decimals(of[key][field], 3) if key in of else NONE for _, key, field in shown]
            rows.append([run.label(group), member["site"] or NONE, str(member["seed"]), *cells])
    caption = (
        "Means over latents, on test. Floor: another latent's explanation; token table: the mean activation of each "
        "token, fitted on validation; ceiling: the true activation as a yes or no; a constant prediction counts as 0, "
        "and is left out of 'without constants'"
    )
    return table(columns, rows, caption, dense=True)


def skipped_table(run: InterpretationRun) -> Markup:
    """How many latents were looked at, scored, skipped, failed, and why."""
    columns = [Column(title="dictionary"), Column(title="site"), Column(title="seed", kind="number")]
    columns += [
        Column(title=title, kind="number") for title in ("looked at", "scored", "skipped", "constant, uniform / paper")
    ]
    columns.append(Column(title="why skipped or failed", kind="text"))
    rows = []
    for group in run.groups:
        for member in group.members:
            of = {(row["score"], row["budget"]): row["constant_share"] for row in member["scores"]}
            why = [f"{count(n)} {reason}" for reason, n in member["skipped"].items()]
            why += [f"{count(n)} failed: {reason}" for reason, n in member["failed"].items()]
            rows.append(
                [
                    *(run.label(group), member["site"] or NONE, str(member["seed"])),
                    *(count(member["n_looked_at"]), count(member["n_scored"]), percent(member["skipped_share"])),
                    f"{percent(of.get(UNIFORM))} / {percent(of.get(PAPER))}",
                    "; ".join(why) or "none",
                ]
            )
    caption = "Latents come in a seeded random order (first: by index) until enough are scored; nothing is dropped"
    return table(columns, rows, caption, dense=True)


def said(row: Row | None) -> Content:
    """The explanation of a row of latents.jsonl."""
    if row is None:
        return NONE
    return folded_words(row["explanation"]) if row["explanation"] else styled(row["reason"] or "none", "quiet")


def score_words(row: Row | None, score: str) -> Content:
    """A latent's score, and that it is no correlation where the prediction is constant."""
    if row is None or score not in row["scores"]:
        return NONE
    found = row["scores"][score]
    value = decimals(found["value"], 2)
    return join([value, styled("constant", "quiet")], " ") if found["status"] == "constant" else value


def bits_words(row: Row) -> str:
    """The description length of a row's explanation."""
    return NONE if row["bits"] is None else significant(row["bits"])


def _field(row: Row | None, score: str, name: str) -> float | None:
    return None if row is None else row["scores"].get(score, {}).get(name)


def _correlation(row: Row | None) -> str:
    if row is None or row["value"] is None:
        return NONE
    return f"{row['value']:+.2f} {interval(row['low'], row['high'], 2)}".rstrip()


def _difference(difference: Difference | None) -> str:
    if difference is None:
        return NONE
    return f"{difference['value']:+.3f} {interval(difference['low'], difference['high'], 3)}"
