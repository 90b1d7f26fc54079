"""Oracle: the planted curves, looked for in the figures' data and lines."""

import re
from dataclasses import replace

import pytest

from monosemy.report import Chart, DictionaryRun, has_collapsed, read_dictionary_run, shown_groups, training_charts
from tests.unit.report.dictionary_run import TOPK, planted, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> DictionaryRun:
    return read_dictionary_run(write_run(tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def charts(run: DictionaryRun) -> list[Chart]:
    return training_charts(run)


def test_every_seed_at_the_headlines_point_is_a_line(run: DictionaryRun, charts: list[Chart]) -> None:
    fvu = charts[0]
    expected = {p.name for p in planted() if p.steps and p.lm == "trained" and p.site == TOPK.site and p.r == 4}
    assert {row[0] for row in fvu.rows} == expected
    assert [chart.name for chart in charts] == [
        *("training-fvu", "training-l0", "training-n-dead"),
        *(f"training-loss-{head.method.replace('_', '-')}" for head in run.headline),
    ]
    n_seeds = len(expected) - len(shown_groups(run))
    assert n_seeds >= 2 and len(set(re.findall(r"tied L1 \u03b1=\d[.\d]*|TopK k=16", fvu.svg.html))) == 6


def test_what_collapsed_says_so(run: DictionaryRun, charts: list[Chart]) -> None:
    assert "tied L1 \u03b1=4 (collapsed)" in charts[1].svg.html
    assert [e.sparsity for e in run.evaluations if has_collapsed(e)] == ["l1=4"]


def test_points_stand_at_the_tokens_seen_with_their_batch(charts: list[Chart]) -> None:
    """The planted batches have 1,024 tokens, and a logarithmic axis has no 0."""
    for chart in charts:
        assert {row[1]: row[2] for row in chart.rows}[0] == 1024
        assert all(row[2] == 1024 * (int(str(row[1])) + 1) for row in chart.rows)


def test_terms_of_the_loss_and_those_that_are_zero(run: DictionaryRun, charts: list[Chart]) -> None:
    loss = next(chart for chart in charts if chart.name == "training-loss-topk")
    assert loss.columns[-2:] == ("squared_error", "sparsity")
    assert loss.rows[0][-2:] == (1.1, 0.05)
    assert "squared error" in loss.svg.html and "Throughout 0" not in str(loss.caption)

    def without_sparsity(point: dict) -> dict:
        return point | {"loss": {"squared_error": 1.0, "sparsity": 0.0}, "fvu": None}

    quiet = [replace(e, curve=[without_sparsity(p) for p in e.curve]) for e in run.evaluations]
    heads = [next(e for e in quiet if e.name == head.name) for head in run.headline]
    silent = training_charts(replace(run, evaluations=tuple(quiet), headline=tuple(heads)))
    assert all("Throughout 0: sparsity" in str(chart.caption) for chart in silent if "loss" in chart.name)
    assert "nan" not in silent[0].svg.html.lower()  # an FVU that does not exist is a gap


def test_many_kinds_are_thinned_out_and_the_headlines_stay(run: DictionaryRun) -> None:
    head = run.headline[0]
    more = [replace(head, name=f"topk-{k}-seed0", sparsity=f"k={k}") for k in range(1, 12)]
    shown = shown_groups(replace(run, evaluations=(*run.evaluations, *more)))
    assert len(shown) == 6
    assert {each.name for each in run.headline} <= {e.name for group in shown for e in group.members}
    assert training_charts(replace(run, evaluations=(), headline=())) == []
