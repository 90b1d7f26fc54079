"""Oracle: the planted curves' numbers in the figures' data, and which curves a figure holds."""

import math

import pytest

from monosemy.report import (
    PatchingRun,
    areas_chart,
    coefficients_chart,
    compared_curves,
    entries_chart,
    layers_chart,
    order_charts,
    read_patching,
    task_charts,
)
from tests.unit.experiments.patched_folders import PLANTED, Planted, kl_0, write_summary

SITE = "resid_post.1"
FEW = (
    *PLANTED,
    Planted(method="topk", rate=1.2, sparsity="k=16", order="threshold_sweep"),
    Planted(method="topk", rate=0.8, sparsity="k=16", site="resid_post.0"),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> PatchingRun:
    return read_patching(write_summary(tmp_path_factory.mktemp("summary"), FEW))


def test_the_two_panels_of_figure_three(run: PatchingRun) -> None:
    by_number, by_edit = task_charts(run, run.tasks[0], SITE, "e2")
    assert "Figure 3 (left)" in str(by_number.caption) and "Figure 3 (right)" in str(by_edit.caption)
    topk = [row for row in by_number.rows if row[0] == "topk-k=16-resid_post.1-seed0"]
    n = [int(str(row[3])) for row in topk]
    expected = [kl_0().mean() * (0.1 + 0.9 / (1 + x)) for x in n]
    assert [float(str(row[4])) for row in topk] == pytest.approx(expected, rel=1e-4)
    assert [float(str(row[7])) for row in topk] == pytest.approx([math.log2(1 + x) for x in n], rel=1e-4)
    assert "tied L1 \u03b1=0" not in by_number.svg.html  # a coefficient that is no headline
    assert "tied L1 \u03b1=2" in by_number.svg.html and "whole activation" in by_number.svg.html


def test_ticks_are_numbers_of_latents(run: PatchingRun) -> None:
    svg = task_charts(run, run.tasks[0], SITE, "e2")[0].svg.html
    assert all(f">{n}<" in svg for n in (0, 1, 3, 7, 15, 31))


def test_coefficients_are_in_order_beside_pca(run: PatchingRun) -> None:
    chart = coefficients_chart(run, run.tasks[0], SITE, "e2")
    assert chart is not None
    assert list(dict.fromkeys(row[0] for row in chart.rows)) == [
        "tied_l1-l1=0-resid_post.1-seed0",
        "tied_l1-l1=2-resid_post.1-seed0",
        "pca-resid_post.1-seed0",
    ]
    assert coefficients_chart(run, run.tasks[0], "resid_post.0", "e2") is None


def test_areas_are_ordered_and_show_templates(run: PatchingRun) -> None:
    chart = areas_chart(run, run.tasks[0], SITE, "e2")
    assert chart is not None
    values = [float(str(row[1])) for row in chart.rows]
    assert values == sorted(values) and chart.rows[0][0] == "TopK k=16"
    assert len(str(chart.rows[0][4]).split()) == 2
    assert areas_chart(run, {"name": "C1"}, SITE, "c1") is None


def test_entries_are_their_own_axis(run: PatchingRun) -> None:
    chart = entries_chart(run, run.tasks[0], SITE, "e2")
    assert chart is not None and "latents times positions" in chart.svg.html
    assert entries_chart(run, {"name": "C1"}, SITE, "c1") is None


def test_orders_stand_in_one_figure_with_the_papers_way(run: PatchingRun) -> None:
    (chart,) = order_charts(run, run.tasks[0], "e2")
    assert "TopK k=16" in chart.title
    assert all(words in chart.svg.html for words in ("attribution", "threshold sweep", "sweep, the paper's way"))


def test_layers_are_joined_where_there_are_several(run: PatchingRun) -> None:
    chart = layers_chart(run, run.tasks[0], "e2")
    assert chart is not None
    assert [row[1] for row in chart.rows if row[0] == "TopK k=16"] == [0, 1]


def test_compared_are_headlines_and_baselines(run: PatchingRun) -> None:
    labels = [curve.label for curve in compared_curves(run, run.of("E2", site=SITE))]
    assert labels == ["TopK k=16", "tied L1 \u03b1=2", "random directions", "PCA"]
