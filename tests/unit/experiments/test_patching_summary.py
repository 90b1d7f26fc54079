"""Oracle: planted curves; results that a reader of results.jsonl must find."""

from pathlib import Path

import pytest

from monosemy.core import Result
from monosemy.experiments import PatchingSummaryConfig, patching_results, patching_summary
from tests.unit.experiments.patched_folders import (
    N_PAIRS,
    PLANTED,
    TEMPLATES,
    Planted,
    headline_of,
    kl_0,
    task_score,
    write_patched,
)

SWEEP = Planted(method="topk", rate=1.2, sparsity="k=16", order="threshold_sweep")
TOPK, TIED = (each.name for each in PLANTED[:2])


def summary_of(folder: Path, planted: tuple[Planted, ...], gate: float | None = None, n_right: int = 46):
    found = [write_patched(folder / str(i), each) for i, each in enumerate(planted)]
    config = PatchingSummaryConfig(headline=headline_of(planted), gate=gate, seed=0)
    return patching_summary(config, (task_score(n_right=n_right), task_score("C1", 20)), found)


def by_key(results: list[Result]) -> dict[tuple[str, str | None, str | None], Result]:
    return {(r.metric, r.dictionary, r.variant): r for r in results}


def test_results_name_order_and_pairs(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, (*PLANTED, SWEEP))
    found = by_key(patching_results(summary, "abc"))
    metric = "patching_kl_area/E2"
    for variant in (None, "right_pairs", "threshold_sweep", "threshold_sweep_right_pairs", "threshold_sweep_paper"):
        assert (metric, TOPK, variant) in found
    own = found[metric, TOPK, None]
    assert (own.unit, own.n, own.n_unit, own.method, own.lm, own.seed, own.definition) == (
        *("fraction of KL(0)", N_PAIRS, "pairs", "topk", "trained", 0, "patching_kl_area"),
    )
    assert found[metric, TOPK, "right_pairs"].n == 46
    never = found["patching_half_n/E2", TIED, None]
    assert never.value is None and never.status == "not_applicable" and "never to the half" in str(never.reason)
    assert found["patching_half_edit/E2", TOPK, None].value is not None


def test_a_task_below_the_gate_is_not_applicable(tmp_path: Path) -> None:
    results = patching_results(summary_of(tmp_path, PLANTED[:1], gate=0.9), "abc")
    (below,) = [r for r in results if r.metric == "patching_kl_area/C1"]
    assert (below.value, below.status, below.method) == (None, "not_applicable", "lm")
    assert "41.7% [31.7%, 100.0%] of 48 pairs right" in str(below.reason) and "below 90%" in str(below.reason)
    assert not [r for r in patching_results(summary_of(tmp_path / "b", PLANTED[:1]), "abc") if r.status != "ok"]


def test_where_all_or_no_pairs_are_right_there_is_one_figure(tmp_path: Path) -> None:
    for n_right in (0, N_PAIRS):
        rows = summary_of(tmp_path / str(n_right), PLANTED[:1], n_right=n_right)["curves"]
        assert [row["which"] for row in rows] == ["all"]


def test_differences_are_headline_minus_others_under_the_same_resamples(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, (*PLANTED, SWEEP))
    rows = {(r["dictionary"], r["against"], r["kind"]): r for r in summary["differences"]}
    area = {(r["dictionary"], r["order"]): r["area"][0] for r in summary["curves"] if r["which"] == "all"}
    for (name, against, kind), row in rows.items():
        other = area[against, row["against_order"]]
        assert row["value"] == pytest.approx(area[name, row["order"]] - other, abs=2e-6)
        assert row["low"] <= row["value"] <= row["high"] and row["smallest_detectable"] >= 0
        assert kind == ("orders" if name == against else "methods")
    assert (TOPK, TIED, "methods") in rows and (TIED, TOPK, "methods") not in rows and (TOPK, TOPK, "orders") in rows


def test_floors_and_templates(tmp_path: Path) -> None:
    (row, *_) = summary_of(tmp_path, PLANTED[:1])["curves"]
    start = kl_0().mean()
    assert row["floors"]["error_only"][0] == pytest.approx(start * 0.95, rel=1e-5)
    assert row["floors"]["all_latents"][0] == pytest.approx(row["kl"][-1][0], rel=1e-5)
    assert row["floors"]["oracle"] == [0.0, 0.0, 0.0]
    assert set(row["area_by_template"]) == set(TEMPLATES)
    assert row["area_by_template"]["call"] == pytest.approx(row["area"][0], rel=1e-5)
