"""Oracle: the planted curves' own numbers."""

import json
from pathlib import Path

import pytest

from monosemy.core import UserError
from monosemy.report import PatchingRun, area_verdict, read_patching
from tests.unit.experiments.patched_folders import PLANTED, Planted, write_summary


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> PatchingRun:
    other = Planted(method="topk", rate=0.8, sparsity="k=16", site="resid_post.0")
    return read_patching(write_summary(tmp_path_factory.mktemp("summary"), (*PLANTED, other)))


def test_curves_of_a_task_begin_with_the_headlines(run: PatchingRun) -> None:
    labels = [curve.label for curve in run.of("E2")]
    assert labels == ["TopK k=16", "tied L1 \u03b1=2", "tied L1 \u03b1=0", "random directions", "PCA"]
    assert [curve.learned for curve in run.of("E2")] == [True, True, True, False, False]


def test_sites_orders_and_tasks(run: PatchingRun) -> None:
    assert run.site == "resid_post.1" and run.sites == ["resid_post.0", "resid_post.1"]
    assert run.orders == ["attribution"] and [task["name"] for task in run.shown_tasks()] == ["E2"]
    assert [curve.label for curve in run.of("E2", site="resid_post.0")] == ["TopK k=16"]
    assert run.of("C1") == []


def test_of_sites_alike_the_middle_one_is_shown(tmp_path: Path) -> None:
    planted = tuple(Planted(method="pca", rate=0.5, site=f"resid_post.{i}") for i in range(4))
    assert read_patching(write_summary(tmp_path, planted)).site == "resid_post.1"


def test_points_have_their_intervals(run: PatchingRun) -> None:
    value, low, high = run.of("E2")[0].points("kl")
    assert len(value) == len(run.of("E2")[0]["n_patched"]) == 7
    assert all(a <= b <= c for a, b, c in zip(low, value, high, strict=True))


def test_a_smaller_area_is_better(run: PatchingRun) -> None:
    pca = "pca-resid_post.1-seed0"
    better = run.difference("E2", "topk-k=16-resid_post.1-seed0", pca)
    worse = run.difference("E2", "tied_l1-l1=2-resid_post.1-seed0", pca)
    assert better is not None and area_verdict(better) == "better"
    assert worse is not None and area_verdict(worse) == "worse"
    assert area_verdict({"low": -0.1, "high": 0.1}) == "not distinguishable"
    assert run.difference("E2", pca, pca) is None


def test_a_file_without_a_part_is_said(tmp_path: Path) -> None:
    (tmp_path / "patching.json").write_text(json.dumps({"tasks": []}), encoding="utf-8")
    with pytest.raises(UserError, match="lacks headline, gate, curves, differences"):
        read_patching(tmp_path)
