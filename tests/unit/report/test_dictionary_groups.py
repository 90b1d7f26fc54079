"""Oracle: the planted run's names, and the order of docs/definitions.md as `METHODS` has it."""

import dataclasses
from pathlib import Path

import pytest

from monosemy.core import METHODS
from monosemy.report import DictionaryRun, compared, groups, label_of, natural, read_dictionary_run
from tests.unit.report.dictionary_run import TIED, TOPK, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> DictionaryRun:
    return read_dictionary_run(write_run(tmp_path_factory.mktemp("run")))


def test_seeds_stand_together_and_the_headline_is_first(run: DictionaryRun) -> None:
    second = next(e for e in run.evaluations if e.method == "topk" and e.seed == 1)
    (group,) = [g for g in groups(dataclasses.replace(run, headline=(second,)), run.evaluations) if second in g.members]
    assert [e.seed for e in group.members] == [1, 0, 2]


def test_methods_come_in_their_order_and_the_control_last(run: DictionaryRun) -> None:
    found = compared(run)
    trained = [METHODS.index(g.first.method) for g in found if g.role != "control"]
    assert trained == sorted(trained)
    roles = [g.role for g in found]
    assert roles == sorted(roles, key=["learned", "baseline", "reference", "control"].index)


def test_what_is_compared_is_at_one_site_and_of_one_sparsity(run: DictionaryRun) -> None:
    labels = [g.label for g in compared(run) if g.role == "learned"]
    assert labels == ["tied L1 \u03b1=1", "tied L1 \u03b1=1 R=2", "TopK k=16", "TopK k=16 R=2"]
    assert {g.first.site for g in compared(run)} == {TOPK.site, None}


def test_of_top_k_forms_only_the_headlines_k(run: DictionaryRun) -> None:
    pca = next(e for e in run.evaluations if e.method == "pca_topk")
    more = dataclasses.replace(pca, name="pca_topk-k28-seed0", sparsity="k=28")
    found = compared(dataclasses.replace(run, evaluations=(*run.evaluations, more)))
    assert [g.label for g in found if g.first.method == "pca_topk"] == ["top-16 PCA"]


def test_labels_say_what_differs(run: DictionaryRun) -> None:
    assert label_of(run.headline[0], run) == "TopK k=16"
    varied = dataclasses.replace(run.headline[1], variant="frozen_decoder", expansion_factor=8)
    assert label_of(varied, run) == "tied L1 frozen decoder \u03b1=1 R=8"
    assert TIED.sparsity == "l1=1"


def test_numbers_in_names_sort_by_value(tmp_path: Path) -> None:
    names = ["resid_post.10", "resid_post.2", "mlp_out.3", "l1=0.3", "l1=10", "l1=2"]
    assert sorted(names, key=natural) == ["l1=0.3", "l1=2", "l1=10", "mlp_out.3", "resid_post.2", "resid_post.10"]
