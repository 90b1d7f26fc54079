"""The lines at the end of a run. Oracle: lines written by hand for hand-made results."""

import json
from pathlib import Path
from typing import Any

from monosemy.core import Artifact, Result, open_artifact, write_artifact, write_results
from monosemy.recipes import dictionary_summary

HEADER = "test split:                 F1, contextual labels     L0     FVU   CE increase (nats a token)"


def result(metric: str, value: float | None, method: str, dictionary: str | None, **changed: Any) -> Result:
    fields: dict[str, Any] = {"lm": "trained", "split": "test", "unit": "u", "definition": metric, "config": "c"}
    if value is None:
        fields |= {"status": "not_applicable", "reason": "none"}
    elif metric.startswith("label_"):
        fields |= {"ci_low": value - 0.01, "ci_high": value + 0.02}
    return Result(metric=metric, value=value, method=method, dictionary=dictionary, **(fields | changed))


def comparison(folder: Path, results: list[Result], headline: dict[str, str]) -> Artifact:
    with write_artifact(folder, kind="comparison", config={}) as path:
        write_results(path / "results.jsonl", results)
        (path / "comparison.json").write_text(json.dumps({"headline": headline}))
    return open_artifact(folder, kind="comparison")


def test_a_line_for_each_that_is_there(tmp_path: Path) -> None:
    results = [
        result("label_f1_contextual", 0.3216, "topk", "topk-k16-seed0"),
        result("label_f1_contextual", 0.9, "topk", "topk-k16-seed1"),
        result("l0", 99.0, "topk", "topk-k16-seed0", split="validation"),
        result("l0", 15.96, "topk", "topk-k16-seed0"),
        result("fvu", 0.12345, "topk", "topk-k16-seed0"),
        result("ce_increase", 0.0561, "topk", "topk-k16-seed0"),
        result("label_f1_contextual", None, "tied_l1", "tied_l1-2-seed0"),
        result("fvu", 0.25, "tied_l1", "tied_l1-2-seed0"),
        result("label_f1_contextual", 0.2, "token_table", None, lm=None),
        result("label_f1_contextual", 0.6, "probe", None),
        result("label_f1_contextual", 0.5, "probe", None, lm="random"),
        result("fvu", 0.0, "ica", "ica-seed0"),
        result("fvu", 0.7, "ica", "control-ica-seed0", lm="random"),
        result("fvu", 0.4, "topk", "control-topk-k16-seed1", lm="random"),
        result("fvu", 0.3, "topk", "control-topk-k16-seed0", lm="random"),
    ]
    headline = {"topk": "topk-k16-seed0", "tied_l1": "tied_l1-2-seed0"}
    assert dictionary_summary(comparison(tmp_path / "c", results, headline)) == [
        HEADER,
        "  TopK                      0.322 [0.312, 0.342]     16.0   0.123    0.056",
        "  tied L1                   -                           -   0.250        -",
        "  ICA                       -                           -   0.000        -",
        "  token table               0.200 [0.190, 0.220]        -       -        -",
        "  linear probe (ceiling)    0.600 [0.590, 0.620]        -       -        -",
        "  TopK on the control       -                           -   0.300        -",
    ]


def test_a_run_without_headlines_has_the_heading_alone(tmp_path: Path) -> None:
    assert dictionary_summary(comparison(tmp_path / "c", [], {})) == [HEADER]
