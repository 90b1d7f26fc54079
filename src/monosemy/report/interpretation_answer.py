"""What a page says first about the explanations of latents; every judgment follows from an interval."""

from collections.abc import Sequence

from monosemy.report.dictionary_answer import verdict
from monosemy.report.interpretation_reading import UNIFORM, InterpretationRun, InterpretedGroup
from monosemy.report.interpretation_tables import Difference, score_differences_of
from monosemy.report.numbers import decimals, interval
from monosemy.report.page import Content, Markup, sentence, strong


def interpretation_answer(run: InterpretationRun) -> Markup:
    """One sentence: what the first headline scores, against which baselines and controls it is better or not."""
    head = run.heads[0] if run.heads else None
    score = None if head is None else head.scores.get(UNIFORM)
    if head is None or score is None:
        return sentence("What latents respond to was not scored on uniform fragments.")
    within = f" {interval(score.low, score.high, 3)}".rstrip()
    most = "" if score.ceiling is None else f" (knowing where each fires: {decimals(score.ceiling, 3)})"
    who = "Explained by rules" if run.is_rules else "Explained by a judge"
    return sentence(
        f"{who}, the latents of ",
        strong(f"{run.label(head)} score a correlation of {score.value:.3f}"),
        f"{within}{most}",
        *_against(run, head),
        *_controls(run, head),
        ".",
        " This is rule-explainability: not comparable with scores of language-model judges." if run.is_rules else "",
    )


def _against(run: InterpretationRun, head: InterpretedGroup) -> list[Content]:
    """`, better than 4 of 6 baselines (the closest ICA, ...), not distinguishable from 2 (...)`."""
    baselines = [
        d
        for d in score_differences_of(run, head, UNIFORM, "methods")
        if (group := run.group(d["against"])) is not None and group.role == "baseline"
    ]
    parts: list[Content] = []
    for word in ("better", "not distinguishable", "worse"):
        those = sorted((d for d in baselines if verdict(d) == word), key=lambda d: abs(d["value"]))
        if those:
            told = those[-1] if word == "worse" else those[0]
            parts += [", ", strong(f"{word} {'from' if word == 'not distinguishable' else 'than'}"), " "]
            parts.append(_told(run, told, those, len(baselines)))
    return parts


def _told(run: InterpretationRun, told: Difference, those: Sequence[Difference], n_baselines: int) -> str:
    group = run.group(told["against"])
    name = told["against"] if group is None else run.label(group)
    figures = f"{told['value']:+.3f} {interval(told['low'], told['high'], 3)}"
    if verdict(told) == "not distinguishable":
        figures += f", where {max(d['smallest_detectable'] for d in those):.3f} could have been seen"
    if len(those) == 1:
        return f"{name} ({figures})"
    which = "the best" if verdict(told) == "worse" else "the closest"
    many = f"all {n_baselines} baselines" if len(those) == n_baselines else f"{len(those)} of {n_baselines} baselines"
    return f"{many} ({which} {name}, {figures})"


def _controls(run: InterpretationRun, head: InterpretedGroup) -> list[Content]:
    """`; the same on a model with random weights 0.2 (better than it)`."""
    parts: list[Content] = []
    for d in score_differences_of(run, head, UNIFORM, "random_weights", "frozen_decoder"):
        group = run.group(d["against"])
        score = None if group is None else group.scores.get(UNIFORM)
        if score is None:
            continue
        what = "on a model with random weights" if d["kind"] == "random_weights" else "with directions frozen at random"
        word = verdict(d)
        judged = f"{word} {'from' if word == 'not distinguishable' else 'than'} it"
        figures = f"{d['value']:+.3f} {interval(d['low'], d['high'], 3)}"
        parts.append(f"; the same {what} {score.value:.3f} ({judged}, {figures})")
    return parts
