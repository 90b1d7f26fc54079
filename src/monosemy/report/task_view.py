"""Tasks on a page: which ones pass, the table, and the two prompts of an example with their difference marked."""

import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from itertools import groupby
from typing import Any

from monosemy.report.language_model_charts import GATE, tasks_chart
from monosemy.report.numbers import count, decimals, enumeration, interval, percent
from monosemy.report.page import (
    Column,
    Content,
    Markup,
    Section,
    code,
    code_block,
    details,
    figures,
    heading,
    join,
    paragraph,
    sentence,
    side_by_side,
    strong,
    styled,
    table,
    text,
)

Tasks = Sequence[Mapping[str, Any]]

_CAPTION = (
    "Tasks on all of their templates. Logit difference: the clean prompt's right minus its wrong answer; below 0 is "
    "right in the corrupt prompt. KL: of the next token, from clean to corrupt."
)


def tasks_answer(tasks: Tasks) -> Markup:
    """Which tasks the model passes, in two sentences."""
    if not tasks:
        return sentence("It was given no task.")
    usual = [task for task in tasks if not task["hard_case"]]
    hard = [task for task in tasks if task["hard_case"]]
    parts: list[Content] = []
    if usual:
        passed, failed = _split(usual)
        parts += [strong(f"It passes {len(passed)} of {len(usual)} tasks"), " (at least ", percent(GATE)]
        parts += [" of pairs right in both prompts)", f": {enumeration(passed)}" if passed else "", ". "]
        parts += [f"It does not pass {enumeration(_with_accuracy(usual, failed))}. "] if failed else []
    if hard:
        passed, _ = _split(hard)
        parts += [f"Hard cases passed: {len(passed)} of {len(hard)}{f' ({enumeration(passed)})' if passed else ''}."]
    return sentence(*parts)


def tasks_section(tasks: Tasks) -> Section:
    """The figure, the table and an example of every task."""
    if not tasks:
        return Section(title="Tasks", body=(paragraph("No task was run with this model."),))
    return Section(
        title="Tasks",
        body=(
            paragraph(
                "Each pair is a clean and a corrupt prompt that differ in what decides the next token. A pair is right "
                f"when the model prefers the right answer in both. Below {percent(GATE)} a causal experiment on the "
                "task would explain a behavior that the model does not have."
            ),
            figures(tasks_chart(tasks)),
            _tasks_table(tasks),
            heading("Examples"),
            *(_example(task) for task in tasks if not task["hard_case"]),
            details("Examples of the hard cases", *(_example(task) for task in tasks if task["hard_case"])),
        ),
    )


def marked_difference(shown: str, other: str) -> Markup:
    """`shown` with the words and signs that `other` does not have in their place marked."""
    ours, theirs = (re.findall(r"\w+|\s+|[^\w\s]", prompt) for prompt in (shown, other))
    if len(ours) == len(theirs):
        is_same = [piece == counterpart for piece, counterpart in zip(ours, theirs, strict=True)]
    else:
        blocks = SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks()
        kept = {i for start, _, size in blocks for i in range(start, start + size)}
        is_same = [i in kept for i in range(len(ours))]
    runs = groupby(zip(is_same, ours, strict=True), key=lambda pair: pair[0])
    pieces = ((same, "".join(piece for _, piece in run)) for same, run in runs)
    return join([piece if same else Markup(f"<mark>{text(piece)}</mark>") for same, piece in pieces], "")


def _split(tasks: Tasks) -> tuple[list[str], list[str]]:
    passed = [task["name"] for task in tasks if task["accuracy"] >= GATE]
    return passed, [task["name"] for task in tasks if task["accuracy"] < GATE]


def _with_accuracy(tasks: Tasks, names: Sequence[str]) -> list[str]:
    accuracy = {task["name"]: task["accuracy"] for task in tasks}
    return [f"{name} ({percent(accuracy[name])})" for name in names]


def _tasks_table(tasks: Tasks) -> Markup:
    columns = [
        Column(title="task"),
        Column(title="right, %", kind="number"),
        Column(title="95 % interval", kind="number"),
        Column(title="gate"),
        Column(title="pairs", kind="number"),
        Column(title="logit diff., clean", kind="number"),
        Column(title="logit diff., corrupt", kind="number"),
        Column(title="KL, nats", kind="number"),
        Column(title="what it asks", kind="text"),
    ]
    rows = [
        [
            task["name"] + (" (hard)" if task["hard_case"] else ""),
            decimals(100 * task["accuracy"], 1),
            interval(task["low"], task["high"], 1, of_percent=True),
            styled("passes", "good") if task["accuracy"] >= GATE else styled("below", "bad"),
            count(task["n_pairs"]),
            decimals(task["mean_logit_difference_clean"], 2),
            decimals(task["mean_logit_difference_corrupt"], 2),
            decimals(task["mean_kl"], 2),
            task["description"],
        ]
        for task in tasks
    ]
    return table(columns, rows, _CAPTION)


def _example(task: Mapping[str, Any]) -> Markup:
    clean, corrupt = str(task["clean"]), str(task["corrupt"])
    return join(
        [
            paragraph(strong(task["name"]), " ", task["description"]),
            side_by_side(
                join(
                    [
                        code_block(marked_difference(clean, corrupt)),
                        paragraph(styled("clean; right answer: ", "quiet"), code(str(task["answer"]))),
                    ]
                ),
                join(
                    [
                        code_block(marked_difference(corrupt, clean)),
                        paragraph(styled("corrupt; right answer: ", "quiet"), code(str(task["wrong"]))),
                    ]
                ),
            ),
        ]
    )
