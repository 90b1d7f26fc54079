"""The question of a dictionary run and its answer; every judgment follows from an interval, whichever way it lies."""

from collections.abc import Mapping, Sequence
from typing import Any

from monosemy.report.dictionary_groups import NAMES, compared, label_of, name_of, role_of
from monosemy.report.dictionary_reading import DictionaryEvaluation, DictionaryRun
from monosemy.report.numbers import decimals, enumeration, interval, percent, significant
from monosemy.report.page import Content, Markup, sentence, strong

CONTEXTUAL = "label_f1_contextual"

Difference = Mapping[str, Any]


def verdict(difference: Difference) -> str:
    """`better`, `worse` or `not distinguishable`: on which side of 0 the interval of method - against lies."""
    if difference["low"] > 0:
        return "better"
    return "worse" if difference["high"] < 0 else "not distinguishable"


def question(run: DictionaryRun) -> str:
    """What the page answers, in one sentence."""
    learned = enumeration(list(dict.fromkeys(NAMES.get(head.method, head.method) for head in run.headline)))
    named = f" ({learned})" if learned else ""
    if run.has_labels:
        return (
            f"Do the directions that a sparse autoencoder{named} learns stand for something, one by one, more than "
            "neurons, principal and independent components and random directions do?"
        )
    return (
        f"How few latents of a sparse autoencoder{named} are needed for each token, how much of the activation do they "
        "keep, and what does the language model lose?"
    )


def answers(run: DictionaryRun) -> list[Content]:
    """The answer, a paragraph a sentence; without labels it speaks of reconstruction alone and says so."""
    if not run.headline:
        return [
            "No dictionary of this run was named as its headline; the figures and tables below stand by themselves."
        ]
    if not run.has_labels:
        return [
            *(_faithfulness(head, run) for head in run.headline[:2]),
            "What the latents stand for was not scored: this text has no exact labels.",
        ]
    return [*(_meaning(head, run, is_first=head is run.headline[0]) for head in run.headline[:2]), _limits(run)]


def differences_of(run: DictionaryRun, head: DictionaryEvaluation, metric: str = CONTEXTUAL) -> list[Difference]:
    """A headline dictionary, named as such or by its method, minus each of those that methods are compared by."""
    others = {group.first.name for group in compared(run)} | set(NAMES)
    ours = (d for d in run.differences if d["metric"] == metric and d["method"] in (head.name, head.method))
    return [d for d in ours if d["against"] in others]


def _meaning(head: DictionaryEvaluation, run: DictionaryRun, *, is_first: bool) -> Markup:
    """F1 of the headline, and against which baselines (and which other headline) it is better, worse or neither."""
    result, label = head.result(CONTEXTUAL), label_of(head, run)
    if result is None or result.value is None:
        return sentence(strong(label), " has no score on the contextual labels.")
    seeds = [e.value(CONTEXTUAL) for group in compared(run) if head in group.members for e in group.members]
    known = [value for value in seeds if value is not None]
    every = differences_of(run, head)
    differences = [d for d in every if role_of(d["against"], run) == "baseline"]
    start: list[Content] = [strong(_short_answer(differences)), " "] if is_first else []
    n_labels = sum(bool(x["contextual"]) and x["status"] == "ok" for x in head.labels)
    what = f"On the {n_labels} labels that a token alone does not give away, the best single latents of "
    return sentence(
        *start,
        what if is_first else "Those of ",
        strong(f"{label} score an F1 of {result.value:.3f}"),
        f" {interval(result.ci_low, result.ci_high, 3)}".rstrip(),
        f" (its {len(known)} seeds {min(known):.3f} to {max(known):.3f})" if len(known) > 1 else "",
        *_against_baselines(differences, run),
        *_against_headlines(every, run),
        ".",
    )


def _against_headlines(differences: Sequence[Difference], run: DictionaryRun) -> list[Content]:
    """`; worse than TopK (...)` for the other learned dictionaries of the same size that it was compared with."""
    heads = {head.name for head in run.headline}
    return [
        sentence("; ", strong(_words(verdict(d))), f" {_with_figures(d, run)}{_seen([d])}")
        for d in differences
        if d["against"] in heads
    ]


def _short_answer(differences: Sequence[Difference]) -> str:
    if not differences:
        return "Not compared."
    found = [verdict(d) for d in differences]
    n = len(found)
    if found.count("better") == n:
        return f"Yes, more than each of the {n} baselines." if n > 1 else "Yes, more than the baseline."
    if found.count("worse") == n:
        return f"No, less than each of the {n} baselines." if n > 1 else "No, less than the baseline."
    if "better" not in found:
        return "No: not shown against any baseline."
    return f"In part: more than {found.count('better')} of {n} baselines."


def _against_baselines(differences: Sequence[Difference], run: DictionaryRun) -> list[Content]:
    """`, better than 9 of 11 baselines (the closest: a ...), not distinguishable from b (...)`; the table has them all.

    Of each verdict the one baseline with its figures that says most: the closest of those it beats, and of those that
    beat it the farthest ahead; where nothing was seen, what could have been.
    """
    if not differences:
        return [", with no difference to a baseline computed"]
    n = len(differences)
    parts: list[Content] = []
    for word in ("better", "not distinguishable", "worse"):
        those = sorted((d for d in differences if verdict(d) == word), key=lambda d: abs(d["value"]))
        if not those:
            continue
        told = those[-1] if word == "worse" else those[0]
        which = "" if len(those) == 1 else "the closest " if word != "worse" else "the best "
        parts += [", ", strong(_words(word))]
        if len(those) == 1:
            parts.append(f" {_with_figures(told, run)}{_seen(those)}")
        else:
            many = f"all {n} baselines" if len(those) == n else f"{len(those)} of {n} baselines"
            parts.append(f" {many} ({which}{name_of(told['against'], run)}, {_figures(told)}{_seen(those)})")
    return parts


def _words(word: str) -> str:
    return f"{word} {'from' if word == 'not distinguishable' else 'than'}"


def _with_figures(difference: Difference, run: DictionaryRun) -> str:
    return f"{name_of(difference['against'], run)} ({_figures(difference)})"


def _figures(difference: Difference) -> str:
    return f"{difference['value']:+.3f} {interval(difference['low'], difference['high'], 3)}"


def _seen(differences: Sequence[Difference]) -> str:
    """What would have been seen, where nothing was; of several differences the largest such figure."""
    known = [d["smallest_detectable"] for d in differences if d.get("smallest_detectable") is not None]
    if not known or all(verdict(d) != "not distinguishable" for d in differences):
        return ""
    return f", where a difference of {max(known):.3f} could have been seen"


def _limits(run: DictionaryRun) -> Markup:
    """Floors, ceiling and control with their verdicts, then what the reconstruction costs."""
    head = run.headline[0]
    differences = {d["against"]: d for d in differences_of(run, head)}
    parts: list[str] = []
    for group in compared(run):
        first, value = group.first, group.first.value(CONTEXTUAL)
        is_control = group.role == "control" and (first.method, first.sparsity) == (head.method, head.sparsity)
        if value is None or not (is_control or group.role == "reference"):
            continue
        name = "the same on a model with random weights" if is_control else _REFERENCES.get(first.method, group.label)
        difference = differences.get(first.name, differences.get(first.method) if not is_control else None)
        judged = ""
        if difference is not None and first.method != "probe":
            word = verdict(difference)
            short = not is_control and word != "not distinguishable"
            judged = f" ({label_of(head, run)} is {_words(word)} it{'' if short else f', {_figures(difference)}'})"
        parts.append(f"{name} {value:.3f}{judged}")
    beside = f"Beside it: {'; '.join(parts)}. " if parts else ""
    return sentence(beside, _faithfulness(head, run))


_REFERENCES = {
    "token_table": "knowing only the token",
    "bigram_table": "the token and the one before it",
    "probe": "a linear probe of all dimensions, the ceiling,",
}


def _faithfulness(head: DictionaryEvaluation, run: DictionaryRun) -> Markup:
    """L0, FVU and CE increase in one sentence."""
    l0, fvu, ce = (head.result(metric) for metric in ("l0", "fvu", "ce_increase"))
    label = label_of(head, run)
    if fvu is None or fvu.value is None:
        return sentence(f"The reconstruction of {label} was not measured.")
    lit = (
        ""
        if l0 is None or l0.value is None
        else f"with {significant(l0.value)} of {head.n_latents or '?'} latents a token, "
    )
    within = interval(fvu.ci_low, fvu.ci_high, 3)
    cost = ""
    if ce is not None and ce.value is not None:
        ends = interval(ce.ci_low, ce.ci_high, 3)
        cost = f", and the model loses {decimals(ce.value, 3)} nats a token{f' {ends}' if ends else ''} with it"
    kept = f"{lit}{label} keeps {percent(1 - fvu.value, 1)} of the activation's variance"
    return sentence(kept[0].upper() + kept[1:], f" (FVU {fvu.value:.3f}{f' {within}' if within else ''}){cost}.")
