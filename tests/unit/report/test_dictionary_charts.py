"""Oracle: the planted numbers, looked for in the figures' data."""

import pytest

from monosemy.report import (
    DictionaryRun,
    compared,
    density_charts,
    layer_charts,
    methods_chart,
    read_dictionary_run,
    sparsity_charts,
)
from tests.unit.report.dictionary_run import TOPK, planted, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> DictionaryRun:
    return read_dictionary_run(write_run(tmp_path_factory.mktemp("run")))


def test_every_seed_of_every_method_is_in_the_figure_by_method(run: DictionaryRun) -> None:
    chart = methods_chart(compared(run), "label_f1_contextual", name="f1", title="F1")
    value = {row[2]: row[4] for row in chart.rows}
    assert len(value) == sum(len(group.members) for group in compared(run)) == 26
    assert {name: value[name] for name in value} == {p.name: p.f1 for p in planted() if p.name in value}
    assert "probe 0.455" in chart.alt
    control = [row[0] for row in chart.rows if str(row[1]).startswith("control")]
    assert control == ["TopK k=16", "random directions", "ICA", "probe"]


def test_sparsity_figures_leave_out_what_collapsed(run: DictionaryRun) -> None:
    error, cost = sparsity_charts(run)
    rows = {str(row[1]): (row[2], row[3]) for row in error.rows}
    assert rows[TOPK.name] == (16.0, 0.088)
    assert not any("l14" in name for name in rows)
    assert "1 collapsed left out" in str(error.caption)
    assert {row[0] for row in error.rows} == {
        *("TopK", "tied L1", "top-k ICA", "top-k PCA", "top-k neurons", "top-k random")
    }
    assert cost.columns[-1] == "ce_increase"


def test_layers_in_their_order(run: DictionaryRun) -> None:
    f1, fvu, ce = layer_charts(run)
    assert [row[0] for row in fvu.rows] == [f"resid_post.{i}" for i in (0, 1, 1, 1, 2, 3)]
    assert f1.rows[0][3] == 0.211
    assert "resid_post.3 0.274" in f1.alt
    assert ce.name == "sites-ce-increase"


def test_densities_keep_the_dead_apart(run: DictionaryRun) -> None:
    topk, tied = density_charts(run)
    assert topk.name != tied.name
    assert topk.rows[0] == (0.0, 0.0, 3)
    assert sum(int(row[2] or 0) for row in topk.rows) == 640
    assert "3 dead" in topk.svg.html
