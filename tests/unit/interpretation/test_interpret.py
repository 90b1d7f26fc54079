"""Oracles: counts that add up, rows of judges whose answers are known, files of a run that was killed and went on."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monosemy.core import UserError
from monosemy.evaluation import FragmentConfig, Fragments
from monosemy.interpretation import (
    Explanation,
    FitView,
    Interpretation,
    InterpretationConfig,
    Sample,
    ScoreView,
    interpret_latents,
)
from monosemy.interpretation.latent_order import NEVER_FIRES
from tests.unit.interpretation.interpreted import (
    ALWAYS,
    ConstantJudge,
    FailingJudge,
    FakeJudge,
    NonsenseJudge,
    fragments,
)

CONFIG = InterpretationConfig(n_latents=12, density=0.02)


@pytest.fixture(scope="module")
def found() -> Fragments:
    return fragments()


FEW = replace(CONFIG, n_latents=4)


def same(one: Interpretation, other: Interpretation) -> bool:
    """Equal in every row and bit."""
    arrays = one.arrays.keys() == other.arrays.keys() and all(
        np.array_equal(array, other.arrays[name]) for name, array in one.arrays.items()
    )
    return arrays and one.rows == other.rows and one.latents == other.latents


def by_latent(interpretation: Interpretation, budget: str | None) -> Mapping[int, Any]:
    return {row["latent"]: row for row in interpretation.rows if row["budget"] == budget}


def test_every_latent_has_a_row_and_what_can_be_scored_a_score(found: Fragments) -> None:
    done: list[float] = []
    interpretation = interpret_latents(found, FakeJudge(), CONFIG, advance=done.append)
    assert sum(done) == 12
    skipped = by_latent(interpretation, None)
    assert {latent: row["reason"] for latent, row in skipped.items()} == {0: NEVER_FIRES, 2: NEVER_FIRES}
    assert len(interpretation.latents) == 10
    assert len(interpretation.rows) == 2 + 2 * 10
    view, units = FitView(found.fit), ScoreView(found.score).units
    for budget in ("paper", "full"):
        rows = by_latent(interpretation, budget)
        assert tuple(rows) == interpretation.latents
        for place, (latent, row) in enumerate(rows.items()):
            assert row["status"] == "ok"
            assert row["answered"] == 1.0
            assert row["peak"] == view.peak(latent)
            assert row["threshold"] == view.threshold(latent, 0.02)
            assert row["floor_of"] == interpretation.latents[(place + 1) % 10]
            judged = FakeJudge().explain(view.evidence(latent).of(budget))
            assert row["explanation"] == judged.text
            sums = interpretation.arrays[f"{budget}/uniform/own"][place]
            assert sums.shape == (len(units), 6)
    constant = by_latent(interpretation, "full")[ALWAYS]["scores"]
    assert constant["uniform"] == {
        "value": None,
        "status": "not_applicable",
        "ceiling": None,
        "floor": None,
        "unigram": None,
    }
    assert [row["order"] for row in interpretation.rows] == sorted(row["order"] for row in interpretation.rows)


def test_the_floor_is_the_score_of_the_next_latents_explanation(found: Fragments) -> None:
    class OneToken(FakeJudge):
        def explain(self, sample: Sample) -> Explanation:
            return Explanation(text="token 7")

    interpretation = interpret_latents(found, OneToken(), CONFIG)
    for budget in ("paper", "full"):
        for key in ("uniform", "top_random"):
            own, floor = (interpretation.arrays[f"{budget}/{key}/{kind}"] for kind in ("own", "floor"))
            np.testing.assert_array_equal(own, floor)
    without = interpret_latents(found, OneToken(), replace(CONFIG, floors=False))
    assert not any(array.any() for name, array in without.arrays.items() if name.endswith("/floor"))
    assert {row["floor_of"] for row in without.rows} == {None}


def test_latents_that_a_judge_fails_are_counted_and_none_is_lost(found: Fragments) -> None:
    interpretation = interpret_latents(found, FailingJudge(), CONFIG)
    rows = [row for row in interpretation.rows if row["budget"] is not None]
    failed = [row for row in rows if row["status"] == "failed"]
    assert len(rows) == 20
    assert len(failed) == 20 // 3
    assert {row["reason"] for row in failed} == {"it refused"}
    assert all(row["scores"] is None and row["answered"] == 0.0 for row in failed)
    assert all(row["answered"] == pytest.approx(0.5) for row in rows if row["status"] == "ok")
    for row in failed:
        place = interpretation.latents.index(row["latent"])
        assert not interpretation.arrays[f"{row['budget']}/uniform/own"][place].any()
    for row in rows:
        if row["status"] == "ok":
            other = by_latent(interpretation, row["budget"])[row["floor_of"]]
            assert other["status"] == "ok"


def test_nonsense_is_a_status_and_constants_are_told(found: Fragments) -> None:
    nonsense = interpret_latents(found, NonsenseJudge(), CONFIG)
    failed = [row for row in nonsense.rows if row["budget"] is not None]
    assert {row["status"] for row in failed} == {"failed"}
    assert all("not finite" in row["reason"] or "of shape" in row["reason"] for row in failed)
    constant = by_latent(interpret_latents(found, ConstantJudge(), CONFIG), "full")
    for latent, row in constant.items():
        if latent != ALWAYS:
            assert (row["scores"]["uniform"]["value"], row["scores"]["uniform"]["status"]) == (0.0, "constant")
            assert row["scores"]["ap_lift"]["value"] == pytest.approx(0.0)


class Killed(RuntimeError):
    pass


class DyingJudge(FakeJudge):
    """Is killed at a call."""

    def __init__(self, after: int, concurrency: int = 1) -> None:
        super().__init__(concurrency)
        self.after = after

    def explain(self, sample: Sample) -> Explanation:
        if self.n_explained >= self.after:
            raise Killed
        return super().explain(sample)


@pytest.mark.parametrize("after", [1, 5, 7])
def test_a_killed_run_goes_on_and_ends_the_same(found: Fragments, tmp_path: Path, after: int) -> None:
    scratch, whole = tmp_path / "scratch", interpret_latents(found, FakeJudge(), FEW)
    with pytest.raises(Killed):
        interpret_latents(found, DyingJudge(after), FEW, scratch=scratch)
    n_kept = scratch.read_bytes().count(b"\n") - 1
    assert n_kept == max(0, after // 2 - 1)  # the next latent's explanations are needed for the floor
    scratch.write_bytes(scratch.read_bytes() + b'{"latent": 3, "ro')
    judge = FakeJudge()
    assert same(interpret_latents(found, judge, FEW, scratch=scratch), whole)
    assert judge.n_explained <= 2 * (4 - n_kept) + 2  # those that are missing, and the first as floor of the last
    judge = FakeJudge()
    assert same(interpret_latents(found, judge, FEW, scratch=scratch), whole)
    assert judge.n_explained == 0


def test_what_was_kept_of_another_configuration_is_not_used(found: Fragments, tmp_path: Path) -> None:
    judge, scratch = FakeJudge(), tmp_path / "scratch"
    few = replace(FEW, n_latents=2)
    interpret_latents(found, judge, few, scratch=scratch)
    interpret_latents(found, judge, replace(few, density=0.03), scratch=scratch)
    assert judge.n_explained == 2 * 4


def test_threads_change_nothing_and_an_error_in_one_is_raised(found: Fragments, tmp_path: Path) -> None:
    judges = FakeJudge(), FakeJudge(concurrency=4)
    one, four = (interpret_latents(found, judge, FEW) for judge in judges)
    assert same(one, four)
    assert [judge.n_explained for judge in judges] == [8, 8]
    with pytest.raises(Killed):
        interpret_latents(found, DyingJudge(5, concurrency=3), FEW, scratch=tmp_path / "scratch")
    assert same(interpret_latents(found, FakeJudge(concurrency=3), FEW, scratch=tmp_path / "scratch"), one)


def test_fewer_latents_are_the_first_of_more_and_a_small_text_is_remarked(found: Fragments) -> None:
    few, many = (interpret_latents(found, FakeJudge(), replace(CONFIG, n_latents=n, floors=False)) for n in (3, 12))
    assert few.latents == many.latents[:3]
    assert [row for row in many.rows if row["latent"] in few.latents] == [r for r in few.rows if r["budget"]]
    assert [remark.split(",")[0] for remark in few.remarks] == ["160 fragments of validation", "160 fragments of test"]
    first = interpret_latents(found, FakeJudge(), replace(CONFIG, n_latents=3, order="first"))
    assert first.latents == (1, 3, 4)
    assert "no random sample" in first.remarks[-1]
    paper = interpret_latents(found, FakeJudge(), replace(CONFIG, n_latents=3, floors=False, budgets=("paper",)))
    assert [row for row in paper.rows if row["budget"]] == [row for row in few.rows if row["budget"] == "paper"]


def test_a_text_of_two_sequences_has_no_latent_to_score_and_nothing_is_raised() -> None:
    tiny = interpret_latents(fragments(2, FragmentConfig(n_uniform=4)), FakeJudge(), CONFIG)
    assert tiny.latents == ()
    assert len(tiny.rows) == 12
    assert tiny.arrays == {}


def test_few_uniform_fragments_are_scored_for_judges_that_are_paid(found: Fragments) -> None:
    interpretation = interpret_latents(found, FakeJudge(), replace(CONFIG, n_uniform=10))
    n_tokens = interpretation.arrays["full/uniform/own"][..., 0].sum(axis=1)
    mask = ScoreView(found.score, n_uniform=10).uniform_text.fragments.mask
    assert (n_tokens == mask.sum()).all()


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"n_latents": 0}, "n_latents is 0"),
        ({"n_uniform": 0}, "n_uniform is 0"),
        ({"density": 0.0}, "density is 0.0"),
        ({"density": 1.0}, "density is 1.0"),
        ({"budgets": ()}, "budgets are"),
        ({"budgets": ("full", "full")}, "budgets are"),
    ],
)
def test_what_cannot_be_asked_is_refused(changed: dict[str, Any], word: str) -> None:
    with pytest.raises(UserError, match=word):
        replace(CONFIG, **changed)
