"""Tables of a dictionary run: differences, scores by method, every dictionary, agreement of seeds, the paper's rule."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from monosemy.report.dictionary_answer import CONTEXTUAL, differences_of, verdict
from monosemy.report.dictionary_charts import TITLES, has_collapsed
from monosemy.report.dictionary_groups import Group, label_of, name_of, role_of, sort_key
from monosemy.report.dictionary_reading import DictionaryEvaluation, DictionaryRun
from monosemy.report.numbers import NONE, count, decimals, interval, percent, significant
from monosemy.report.page import Column, Content, Markup, strong, styled, table

_EVERY_CAPTION = (
    "On test. CE increase: nats a token; recovered: the share of the loss that zero or mean ablation costs; dead: "
    "latents that fire on no test token; alive: those non-zero on more than 10; F1 and AP lift: contextual labels"
)


def differences_table(run: DictionaryRun, head: DictionaryEvaluation) -> Markup | None:
    """The headline minus every other method it was compared with; None where it was compared with none."""
    differences = differences_of(run, head)
    if not differences:
        return None
    order = list(TITLES)
    rows = [
        [
            name_of(d["against"], run) + (" (ceiling)" if _is_probe(d["against"], run) else ""),
            verdict_cell(d),
            f"{d['value']:+.3f} {interval(d['low'], d['high'], 3)}",
            decimals(d.get("smallest_detectable"), 3),
        ]
        for d in sorted(differences, key=lambda d: order.index(role_of(d["against"], run)))
    ]
    columns = [
        Column(title="against"),
        Column(title="verdict"),
        Column(title="difference, 95 % interval", kind="number"),
        Column(title="detectable", kind="number"),
    ]
    caption = (
        f"F1 on contextual labels, {label_of(head, run)} minus each other, resampled jointly. Detectable: the smallest "
        "true difference that would have been found with probability 0.8"
    )
    return table(columns, rows, caption)


def scores_table(groups: Sequence[Group]) -> Markup:
    """Scores against the labels, a row a method: the shown seed with its interval, and every seed."""
    columns = [
        Column(title="method"),
        Column(title="F1, contextual", kind="number"),
        Column(title="95 % interval", kind="number"),
        Column(title="every seed", kind="number"),
        Column(title="AP lift, contextual", kind="number"),
        Column(title="F1, all labels", kind="number"),
        Column(title="AP lift, all", kind="number"),
        Column(title="latents", kind="number"),
    ]
    rows: list[list[Content]] = []
    for role in TITLES:
        for group in (group for group in groups if group.role == role):
            first = group.first
            result = first.result(CONTEXTUAL)
            within = "" if result is None else interval(result.ci_low, result.ci_high, 3)
            seeds = [f"{value:.3f}" for e in group.members if (value := e.value(CONTEXTUAL)) is not None]
            rows.append(
                [
                    group.label + (", random weights" if role == "control" else ""),
                    _three(first, CONTEXTUAL),
                    within,
                    " ".join(seeds) if len(seeds) > 1 else "",
                    _three(first, "label_ap_lift_contextual"),
                    _three(first, "label_f1"),
                    _three(first, "label_ap_lift"),
                    count(first.n_latents),
                ]
            )
    return table(columns, rows, "Scores of the best single latent of each label, on test, by method")


def every_dictionary_table(run: DictionaryRun) -> Markup:
    """One row a dictionary, whatever came out."""
    columns = [Column(title="dictionary"), Column(title="site")]
    columns += [Column(title=title, kind="number") for title, _ in _COLUMNS]
    rows = [
        [_row_name(e, run), e.site or NONE, *(shown(e) for _, shown in _COLUMNS)]
        for e in sorted((e for e in run.evaluations if e.n_latents is not None), key=lambda e: sort_key(e, run))
    ]
    return table(columns, rows, _EVERY_CAPTION, dense=True)


def agreement_table(run: DictionaryRun) -> Markup | None:
    """MMCS and matched cosine of pairs of seeds beside those of random dictionaries; None without pairs."""
    if not run.agreement:
        return None
    columns = [Column(title="pair")]
    columns += [
        Column(title=title, kind="number")
        for title in ("MMCS", "random MMCS", "matched cosine", "random matched cosine")
    ]
    rows = [
        [
            _pair(pair, run),
            *(decimals(pair.get(key), 3) for key in ("mmcs", "mmcs_random", "matched_cosine", "matched_cosine_random")),
        ]
        for pair in run.agreement
    ]
    return table(columns, rows, "Agreement of dictionaries that differ in the seed, and of random ones of equal shape")


def rule_table(run: DictionaryRun, members: Sequence[DictionaryEvaluation]) -> Markup:
    """The coefficients of tied L1 with their share of living latents."""
    required = run.paper_rule.get("required_alive", 0.95)
    columns = [Column(title="coefficient")]
    columns += [
        Column(title=title, kind="number") for title in ("alive", "L0", "FVU", "F1, contextual", "dead on test")
    ]
    columns.append(Column(title="rule"))
    rows: list[list[Content]] = []
    for e in members:
        share = alive_share(e, run.paper_rule.get("split", "test"))
        words: Content = (
            NONE if share is None else styled("kept", "good") if share >= required else styled("too few", "bad")
        )
        name: Content = label_of(e, run) + (" (collapsed)" if has_collapsed(e) else "")
        rows.append(
            [
                strong(name) if e.name == run.paper_rule.get("chosen") else name,
                percent(share, 1),
                significant(e.value("l0")),
                _three(e, "fvu"),
                _three(e, CONTEXTUAL),
                significant(e.value("dead_eval")),
                words,
            ]
        )
    return table(columns, rows, f"Tied L1 by coefficient; the rule asks for {percent(required)} of latents alive")


def alive_share(evaluation: DictionaryEvaluation, split: str = "test") -> float | None:
    """Latents alive by the paper's definition on a split, as a share."""
    result = evaluation.result("alive_paper", split)
    alive = evaluation.alive_paper if result is None else result.value
    return None if alive is None or not evaluation.n_latents else alive / evaluation.n_latents


def _three(evaluation: DictionaryEvaluation, metric: str) -> str:
    return decimals(evaluation.value(metric), 3)


def _number(metric: str, places: int = 3) -> Callable[[DictionaryEvaluation], str]:
    return lambda evaluation: decimals(evaluation.value(metric), places)


_COLUMNS: tuple[tuple[str, Callable[[DictionaryEvaluation], str]], ...] = (
    ("seed", lambda e: NONE if e.seed is None else str(e.seed)),
    ("latents", lambda e: count(e.n_latents)),
    ("L0", lambda e: significant(e.value("l0"))),
    ("FVU", _number("fvu")),
    ("CE increase", _number("ce_increase")),
    ("recovered, zero", _number("loss_recovered_zero")),
    ("recovered, mean", _number("loss_recovered_mean")),
    ("dead", lambda e: significant(e.value("dead_eval"))),
    ("alive, %", lambda e: NONE if (share := alive_share(e)) is None else f"{100 * share:.1f}"),
    ("F1", _number(CONTEXTUAL)),
    ("AP lift", _number("label_ap_lift_contextual")),
    ("steps", lambda e: count(e.n_steps) if e.n_steps else NONE),
)


def _row_name(evaluation: DictionaryEvaluation, run: DictionaryRun) -> Content:
    name = label_of(evaluation, run) + (", random weights" if evaluation.is_control else "")
    name += " (collapsed)" if has_collapsed(evaluation) else ""
    return strong(name) if evaluation in run.headline else name


def _pair(pair: Mapping[str, Any], run: DictionaryRun) -> str:
    a, b = run.named(str(pair["a"])), run.named(str(pair["b"]))
    if a is None or b is None:
        return f"{pair['a']}, {pair['b']}"
    site = f", {a.site}" if a.site else ""
    return f"{label_of(a, run)}{site}, seeds {a.seed} and {b.seed}"


def verdict_cell(difference: Mapping[str, Any]) -> Markup:
    """On which side of 0 the interval lies, in its color."""
    word = verdict(difference)
    return styled(word, {"better": "good", "worse": "bad"}.get(word, "quiet"))  # pyright: ignore[reportArgumentType]


def _is_probe(who: str, run: DictionaryRun) -> bool:
    evaluation = run.named(who)
    return (who if evaluation is None else evaluation.method) == "probe"
