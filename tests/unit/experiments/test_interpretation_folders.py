"""Oracle: the planted rows and results, counted and averaged by hand."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monosemy.experiments.interpretation_folders import (
    by_seed,
    latents_counted,
    read_all_interpreted,
    read_interpreted,
    score_of,
    score_rows,
)
from tests.unit.experiments.interpreted_folders import (
    N_LATENTS,
    TIED,
    TOPK,
    Interpretation,
    planted,
    write_interpretation,
)


def test_means_floors_ceilings_and_constants(tmp_path: Path) -> None:
    found = read_interpreted(write_interpretation(tmp_path, TOPK).path)
    rows = {(row["score"], row["budget"]): row for row in score_rows(found)}
    assert ("fuzzing", "full") not in rows  # it applies to no latent
    for budget in ("paper", "full"):
        scores = [row["scores"]["uniform"] for row in found.rows if row["budget"] == budget]
        row = rows["uniform", budget]
        assert row["n"] == N_LATENTS
        assert row["value"] == pytest.approx(np.mean([each["value"] for each in scores]))
        assert (row["low"], row["high"]) == pytest.approx((row["value"] - 0.03, row["value"] + 0.03))
        for key in ("floor", "ceiling", "unigram"):
            assert row[key] == pytest.approx(np.mean([each[key] for each in scores]))
        assert row["constant_share"] == pytest.approx(1 / N_LATENTS)
    assert rows["detection", "full"]["constant_share"] == 0


def test_a_constant_prediction_counts_as_nothing_and_what_does_not_apply_is_none() -> None:
    scores = {
        "uniform": {"value": None, "status": "constant"},
        "top": {"value": None, "status": "not_applicable"},
        "random": {"value": -0.25, "status": "ok"},
    }
    row = {"scores": scores}
    assert [score_of(row, name) for name in ("uniform", "top", "random", "f1")] == [0.0, None, -0.25, None]


@pytest.mark.parametrize("variant", [None, "frozen_decoder"])
def test_results_are_found_by_budget_and_variant(tmp_path: Path, variant: str | None) -> None:
    found = read_interpreted(write_interpretation(tmp_path, replace(TOPK, variant=variant)).path)
    full, paper = found.result("uniform", "full"), found.result("uniform", "paper")
    assert full is not None and paper is not None
    assert full.variant == variant
    assert paper.variant == ("paper_budget" if variant is None else "paper_budget/frozen_decoder")
    extra = replace(full, variant="/".join(filter(None, ("defined_only", variant))))
    with_extra = replace(found, results=(*found.results, extra))
    assert with_extra.result("uniform", "full", "defined_only") is extra
    assert with_extra.result("uniform", "paper", "defined_only") is None


def test_latents_are_counted_once_with_reasons(tmp_path: Path) -> None:
    odd = replace(TOPK, skipped={"never fires": 5, "too rare": 1}, failed={"no answer": 2})
    counted = latents_counted(read_interpreted(write_interpretation(tmp_path, odd).path))
    assert counted["n_looked_at"] == N_LATENTS + 8
    assert counted["n_scored"] == N_LATENTS
    assert counted["skipped"] == {"never fires": 5, "too rare": 1}
    assert counted["skipped_share"] == pytest.approx(6 / (N_LATENTS + 8))
    assert counted["failed"] == {"no answer": 4}  # under either budget


def test_groups_are_what_differs_in_the_seed_alone_controls_last(tmp_path: Path) -> None:
    found = [read_interpreted(write_interpretation(tmp_path, each).path) for each in planted()[::-1]]
    groups = by_seed(found)
    assert [[each.about["seed"] for each in group] for group in groups if len(group) > 1] == [[0, 1, 2], [0, 1, 2]]
    words = [(g[0].about["lm"], g[0].variant, g[0].about["method"]) for g in groups]
    assert [method for lm, variant, method in words if lm == "trained" and variant is None] == [
        *("tied_l1", "topk", "neurons_relu", "random", "pca", "pca_topk", "ica", "ica_topk")
    ]
    assert words[-3:] == [("trained", "frozen_decoder", "topk"), ("random", None, "topk"), ("random", None, "ica")]


def test_a_dictionary_may_be_there_twice(tmp_path: Path) -> None:
    """Latents by index beside latents in random order are a variant; alone they are what there is."""

    def names(*each: Interpretation) -> list[tuple[str, str, str | None]]:
        folders = [write_interpretation(tmp_path / f"{len(each)}{i}", one).path for i, one in enumerate(each)]
        return [(found.name, found.stem, found.variant) for found in read_all_interpreted(folders)]

    first = replace(TOPK, order="first")
    stem = TOPK.name.removesuffix("-seed0")
    assert names(TOPK, first) == [(TOPK.name, stem, None), (f"{TOPK.name} first", f"{stem} first", "first")]
    assert names(first) == [(TOPK.name, stem, None)]
    assert names(first, TIED, TIED)[0] == (TOPK.name, stem, None)


def test_rows_are_read_as_they_are(tmp_path: Path) -> None:
    path = write_interpretation(tmp_path, TIED).path
    found = read_interpreted(path)
    lines = (path / "latents.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == list(found.rows)
    assert len(found.scored("full")) == len(found.scored("paper")) == N_LATENTS
