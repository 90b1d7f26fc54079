"""What a run says on the terminal when it is done: ten lines, the rest is in the report."""

import json
from collections.abc import Sequence

from monosemy.core import Artifact, Result, read_results
from monosemy.experiments import COMPARISON_FILE, RESULTS_FILE

OTHERS = (
    ("ICA", "ica", "trained"),
    ("random directions", "random", "trained"),
    ("token table", "token_table", None),
    ("(previous, current) table", "bigram_table", None),
    ("linear probe (ceiling)", "probe", "trained"),
    ("TopK on the control", "topk", "random"),
)
"""What stands below the headline dictionaries: name, method, language model (the control has random weights)."""


def dictionary_summary(comparison: Artifact) -> list[str]:
    """A line for each headline dictionary and for what it is compared with; figures of the test split."""
    results = [r for r in read_results(comparison.file(RESULTS_FILE)) if r.split == "test"]
    about = json.loads(comparison.file(COMPARISON_FILE).read_text(encoding="utf-8"))
    lines = ["test split:                 F1, contextual labels     L0     FVU   CE increase (nats a token)"]
    for method, name in about["headline"].items():
        lines.append(
            _line({"topk": "TopK", "tied_l1": "tied L1"}[method], [r for r in results if r.dictionary == name])
        )
    for title, method, lm in OTHERS:
        found = [r for r in results if r.method == method and r.lm == lm]
        names = {r.dictionary for r in found}
        if found:
            first = sorted(names, key=lambda name: name or "")[0]
            lines.append(_line(title, [r for r in found if r.dictionary == first]))
    return lines


def _line(title: str, results: Sequence[Result]) -> str:
    f1 = _found(results, "label_f1_contextual")
    score = "-" if f1 is None else f"{f1.value:.3f} [{f1.ci_low:.3f}, {f1.ci_high:.3f}]"
    numbers = [
        (_found(results, metric), form) for metric, form in (("l0", ".1f"), ("fvu", ".3f"), ("ce_increase", ".3f"))
    ]
    columns = [
        "-" if result is None or result.value is None else format(result.value, form) for result, form in numbers
    ]
    return f"  {title:<25} {score:<22} {columns[0]:>6} {columns[1]:>7} {columns[2]:>8}"


def _found(results: Sequence[Result], metric: str) -> Result | None:
    return next((r for r in results if r.metric == metric and r.value is not None), None)


SCORES = ("autointerp_top_random", "autointerp_uniform", "autointerp_ap_lift", "autointerp_bits")
"""The paper's score under the paper's budget; the others, of the full one, are the headline."""


def interpretation_lines(results: Sequence[Result]) -> list[str]:
    """A line for each dictionary whose latents were explained: scores of the test split, with the interval of one."""
    dictionaries = list(dict.fromkeys(r.dictionary for r in results if r.metric == SCORES[1] and r.dictionary))
    if not dictionaries:
        return []
    head = f"  {'':<44} {'top-and-random':>15} {'uniform':>23} {'AP lift':>8} {'bits':>6} {'latents':>8}"
    return ["latents, explained:", head, *(_explained(results, name) for name in dictionaries)]


def _explained(results: Sequence[Result], name: str) -> str:
    own = {(r.metric, r.variant): r for r in results if r.dictionary == name}
    variant = next((v for m, v in own if m == SCORES[1] and v in (None, "frozen_decoder")), None)
    paper = own.get((SCORES[0], "paper_budget" if variant is None else f"paper_budget/{variant}"))
    uniform = own.get((SCORES[1], variant))
    others = [own.get((metric, variant)) for metric in SCORES[2:]]
    score = "-" if uniform is None or uniform.value is None else f"{uniform.value:.3f}"
    if uniform is not None and uniform.ci_low is not None:
        score += f" [{uniform.ci_low:.3f}, {uniform.ci_high:.3f}]"
    top = "-" if paper is None or paper.value is None else f"{paper.value:.3f}"
    lift, bits = ("-" if r is None or r.value is None else f"{r.value:.3g}" for r in others)
    n = uniform.n if uniform is not None and uniform.n is not None else 0
    return f"  {name:<44} {top:>15} {score:>23} {lift:>8} {bits:>6} {n:>8}"
