"""Oracles: the interpretation that was written, and results taken anew from the arrays in the files."""

import json
from pathlib import Path

import numpy as np
import pytest

from monosemy.core import read_results
from monosemy.evaluation import Fragments
from monosemy.interpretation import (
    SCORES,
    InterpretationConfig,
    has_failures,
    interpret_latents,
    pearson,
    write_interpretation,
)
from tests.unit.interpretation.interpreted import FailingJudge, FakeJudge, fragments
from tests.unit.interpretation.test_interpretation_results import card

CONFIG = InterpretationConfig(n_latents=12, density=0.02)


@pytest.fixture(scope="module")
def sampled() -> Fragments:
    return fragments()


def test_the_files_say_what_was_found(sampled: Fragments, tmp_path: Path) -> None:
    interpretation = interpret_latents(sampled, FailingJudge(), CONFIG)
    write_interpretation(tmp_path, card(), interpretation)
    about = json.loads((tmp_path / "about.json").read_text())
    rows = [json.loads(line) for line in (tmp_path / "latents.jsonl").read_text().splitlines()]
    assert rows == list(interpretation.rows)
    assert len({tuple(row) for row in rows}) == 1  # all of the same fields
    assert about["skipped"] == {"never fires on validation": 2}
    assert about["failed"] == {"it refused": sum(row["status"] == "failed" for row in rows)}
    assert about["n_looked_at"] == about["n_eligible_looked_at"] + 2 == 12
    n_scored = {b: sum(row["status"] == "ok" and row["budget"] == b for row in rows) for b in ("paper", "full")}
    assert about["n_scored_by_budget"] == n_scored
    assert sum(n_scored.values()) + about["failed"]["it refused"] == 2 * about["n_eligible_looked_at"]
    assert about["judge"] == {"name": "fake", "revision": "1", "settings": "none"}
    arrays = np.load(tmp_path / "per_document.npz")
    assert arrays["unit"].tolist() == about["units"] == list(interpretation.units)
    assert arrays["latent"].tolist() == list(interpretation.latents)
    for budget in ("paper", "full"):
        for score in SCORES:
            what = "sums" if score.is_correlation else {"ap": "levels"}.get(score.key, "counts")
            own = arrays[f"{budget}/{score.key}/{what}"]
            assert own.shape == (10, len(interpretation.units), *score.shape)
            values = score.statistic(own.sum(axis=1))
            of_rows = {row["latent"]: row for row in rows if row["budget"] == budget}
            for latent, value in zip(interpretation.latents, values, strict=True):
                row = of_rows[latent]
                said = row["scores"][score.name]["value"] if row["scores"] else None
                assert np.isnan(value) if said is None else said == pytest.approx(value)
            for kind in ("floor", "unigram", *(["ceiling"] if score.is_correlation else [])):
                assert arrays[f"{budget}/{score.key}/{kind}"].shape == own.shape
    results = read_results(tmp_path / "results.jsonl")
    headline = next(r for r in results if (r.metric, r.variant) == ("autointerp_uniform", None))
    assert headline.value == pytest.approx(np.nanmean(pearson(arrays["full/uniform/sums"].sum(axis=1))))


def test_the_bytes_are_a_function_of_the_interpretation(sampled: Fragments, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    few = InterpretationConfig(n_latents=3, density=0.02, budgets=("paper",), floors=False)
    for folder in folders:
        folder.mkdir()
        write_interpretation(folder, card(), interpret_latents(sampled, FakeJudge(), few))
    names = sorted(path.name for path in folders[0].iterdir())
    assert names == ["about.json", "latents.jsonl", "per_document.npz", "results.jsonl"]
    for name in names:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
    assert not any("floor" in name for name in np.load(folders[0] / "per_document.npz"))


def test_a_latent_or_a_fragment_without_an_answer_is_a_failure(sampled: Fragments, tmp_path: Path) -> None:
    for name, judge in (("failing", FailingJudge()), ("answering", FakeJudge())):
        (tmp_path / name).mkdir()
        write_interpretation(tmp_path / name, card(), interpret_latents(sampled, judge, CONFIG))
    assert has_failures(tmp_path / "failing")
    assert not has_failures(tmp_path / "answering")
    rows = [json.loads(line) for line in (tmp_path / "failing" / "latents.jsonl").read_text().splitlines()]
    partly = [row for row in rows if row["status"] == "ok"]  # every second fragment of theirs has no answer
    (tmp_path / "failing" / "latents.jsonl").write_text("".join(json.dumps(row) + "\n" for row in partly))
    assert partly and has_failures(tmp_path / "failing")
