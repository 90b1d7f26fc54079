"""Oracle: the scores read from the planted summaries; which lines and rows a figure of the paper has."""

import dataclasses

import pytest

from monosemy.report import (
    Chart,
    InterpretationRun,
    bits_chart,
    layer_score_charts,
    methods_score_chart,
    read_interpretation,
    score_by,
    size_score_charts,
    top_k_score_chart,
)
from tests.unit.experiments.interpreted_folders import TOPK, Interpretation, layers, planted, write_summary

UNIFORM, PAPER = ("uniform", "full"), ("top_random", "paper")


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> InterpretationRun:
    """One site with controls."""
    few = [each for each in planted() if each.method in ("topk", "ica", "ica_topk")]
    return read_interpretation(write_summary(tmp_path_factory.mktemp("one"), few))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> InterpretationRun:
    """Several layers and sizes, and a top-k form at two of them."""
    few = [each for each in layers() if each.method in ("topk", "ica", "neurons_relu")]
    few += [Interpretation(method="ica_topk", sparsity="k=16", score=0.2, r=1, site=f"resid_post.{i}") for i in (0, 1)]
    few += [dataclasses.replace(TOPK, lm="random")]
    return read_interpretation(write_summary(tmp_path_factory.mktemp("many"), few, (TOPK.name,)))


def column(chart: Chart | None, *names: str) -> list[tuple[object, ...]]:
    assert chart is not None
    places = [chart.columns.index(name) for name in names]
    return [tuple(row[place] for place in places) for row in chart.rows]


def test_a_row_a_method_with_every_seed_floor_ceiling_and_controls(one: InterpretationRun) -> None:
    chart = methods_score_chart(one, UNIFORM, name="methods")
    assert chart is not None
    assert list(dict.fromkeys(column(chart, "method", "group"))) == [
        ("TopK k=16", "learned dictionaries"),
        ("ICA", "baselines"),
        ("top-16 ICA", "baselines"),
        ("TopK frozen decoder k=16", "controls"),
        ("TopK k=16, random weights", "controls"),
        ("ICA, random weights", "controls"),
    ]
    topk = one.heads[0].scores[UNIFORM]
    assert column(chart, "dictionary", "seed_value")[:3] == list(topk.seeds)
    assert column(chart, "mean", "ci_low", "ci_high", "floor", "ceiling", "token_table")[0] == (
        *(topk.value, topk.low, topk.high, topk.floor, topk.ceiling, topk.token_table),
    )
    assert f"TopK k=16 {topk.value:.3f}" in chart.alt
    assert "<svg" in chart.svg.html
    paper = methods_score_chart(one, PAPER, name="paper")
    assert paper is not None and "Figure 2" in str(paper.caption)


def test_a_score_that_nobody_has_gives_no_figure(one: InterpretationRun) -> None:
    assert methods_score_chart(one, ("fuzzing", "full"), name="x") is None
    assert score_by(one, one.groups, UNIFORM, "layer", name="x", title="x", caption="x") is None
    assert layer_score_charts(one) == [] and size_score_charts(one) == [] and top_k_score_chart(one) is None
    empty = dataclasses.replace(one, groups=(), headline=())
    assert methods_score_chart(empty, UNIFORM, name="x") is None and bits_chart(empty) is None


def test_figures_by_layer_have_a_line_a_method(many: InterpretationRun) -> None:
    charts = {chart.name: chart for chart in layer_score_charts(many)}
    assert list(charts) == [
        *(f"interpretation-resid-post-{score}" for score in ("uniform", "top-random", "random")),
        *(f"interpretation-mlp-out-{score}" for score in ("uniform", "top-random", "random")),
    ]
    figure2, figure9 = (charts[f"interpretation-resid-post-{score}"] for score in ("top-random", "random"))
    assert ("Figure 2" in str(figure2.caption), "Figure 9" in str(figure9.caption)) == (True, True)
    assert "Figure 10" in str(charts["interpretation-mlp-out-random"].caption)
    rows = column(figure2, "line", "layer")
    assert rows == [(name, layer) for name in ("TopK k=16", "positive neurons", "ICA") for layer in (0.0, 1, 2, 3)]
    group = next(g for g in many.groups if (g.method, g.site, g.lm) == ("ica", "resid_post.2", "trained"))
    assert column(figure2, "mean")[rows.index(("ICA", 2.0))] == (group.scores[PAPER].value,)


def test_the_figure_by_size(many: InterpretationRun) -> None:
    (chart,) = size_score_charts(many)
    assert column(chart, "line", "expansion_factor") == [("resid_post.1", r) for r in (0.5, 2.0, 4.0, 8.0)]
    assert "Figure 8" in str(chart.caption)


def test_the_figure_of_top_k_forms_keeps_to_what_has_layers(many: InterpretationRun) -> None:
    chart = top_k_score_chart(many)
    assert {line for (line,) in column(chart, "line")} == {"TopK k=16", "ICA", "top-16 ICA"}
    assert chart is not None and "Figure 18" in str(chart.caption)


def test_bits_against_score(one: InterpretationRun) -> None:
    chart = bits_chart(one)
    curve = one.heads[0].curve
    assert curve is not None
    rows = [row for row in column(chart, "method", "bits", "mean") if row[0] == "TopK k=16"]
    assert [row[1:] for row in rows] == list(zip(curve["bits"], curve["value"], strict=True))
    assert {row[0] for row in column(chart, "method")} == {"TopK k=16", "ICA", "top-16 ICA"}


def test_equal_summaries_give_equal_figures(one: InterpretationRun) -> None:
    first, second = (methods_score_chart(one, UNIFORM, name="methods") for _ in range(2))
    assert first is not None and second is not None
    assert first.svg == second.svg
