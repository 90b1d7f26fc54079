"""Oracle: plain formulas on the planted sums; a resampling written out as loops; planted differences."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monosemy.core import Interval, smallest_detectable_difference
from monosemy.experiments.interpretation_differences import (
    Draws,
    Resampling,
    method_scores,
    resampled_scores,
    score_differences,
)
from monosemy.experiments.interpretation_folders import Interpreted, by_seed, read_all_interpreted, read_interpreted
from tests.unit.experiments.interpreted_folders import (
    N_UNITS,
    SITE,
    TIED,
    TOPK,
    UNITS,
    Interpretation,
    lift_of,
    pearson_of,
    planted,
    write_interpretation,
)

RESAMPLING = Resampling(units=UNITS, seed=3, n_resamples=150)


def drawn(folder: Path, *interpretations: Interpretation) -> tuple[list[tuple[Interpreted, ...]], dict[str, Draws]]:
    paths = [write_interpretation(folder, each).path for each in interpretations]
    found = read_all_interpreted(paths)
    return by_seed(found), {each.name: resampled_scores(each.path, each.name, RESAMPLING) for each in found}


def test_the_first_of_the_draws_is_the_score_itself(tmp_path: Path) -> None:
    _, draws = drawn(tmp_path, TOPK)
    with np.load(tmp_path / TOPK.name / "per_document.npz") as arrays:
        for key in ("paper/top_random", "full/uniform", "paper/random"):
            expected = np.mean([pearson_of(sums) for sums in arrays[f"{key}/sums"]])
            assert draws[TOPK.name][key][0] == pytest.approx(expected)
        floor = np.mean([pearson_of(sums) for sums in arrays["full/uniform/floor"]])
        lift = np.mean([lift_of(counts) for counts in arrays["full/ap/levels"]])
    assert draws[TOPK.name]["full/uniform/floor"][0] == pytest.approx(floor)
    assert draws[TOPK.name]["full/ap_lift"][0] == pytest.approx(lift)
    assert draws[TOPK.name]["full/uniform"].shape == (1 + RESAMPLING.n_resamples,)


def test_dictionaries_share_the_units_drawn_and_not_the_latents(tmp_path: Path) -> None:
    """One folder under two names: of one latent nothing but units can be resampled, and all draws agree."""
    for n, equal in ((1, True), (24, False)):
        path = write_interpretation(tmp_path / str(n), TOPK, n).path
        one, other = (resampled_scores(path, name, RESAMPLING)["full/uniform"] for name in ("a-seed0", "b-seed0"))
        assert one[0] == other[0]
        assert np.array_equal(one, other) == equal


def test_a_unit_without_fragments_counts_as_nothing(tmp_path: Path) -> None:
    path = write_interpretation(tmp_path, TOPK).path
    wider = replace(RESAMPLING, units=("another", *UNITS))
    narrow, wide = (resampled_scores(path, TOPK.name, each)["full/uniform"] for each in (RESAMPLING, wider))
    assert narrow[0] == pytest.approx(wide[0])
    assert not np.allclose(narrow[1:], wide[1:])


def test_means_over_seeds_with_every_seed(tmp_path: Path) -> None:
    groups, draws = drawn(tmp_path, *(replace(TOPK, seed=seed) for seed in range(3)))
    (group,) = groups
    rows = {(row["score"], row["budget"]): row for row in method_scores(group, draws)}
    assert set(rows) == {("uniform", "full"), ("ap_lift", "full"), ("top_random", "paper"), ("random", "paper")}
    row = rows["uniform", "full"]
    values = [seed["value"] for seed in row["seeds"]]
    assert [seed["seed"] for seed in row["seeds"]] == [0, 1, 2]
    assert row["value"] == pytest.approx(np.mean(values))
    assert row["low"] <= row["value"] <= row["high"]
    alone = method_scores(group[:1], draws)[0]
    assert rows[alone["score"], alone["budget"]]["high"] - rows[alone["score"], alone["budget"]]["low"] < (
        alone["high"] - alone["low"]
    )


def test_a_difference_is_that_of_the_means_with_its_interval(tmp_path: Path) -> None:
    ica = Interpretation(method="ica", score=0.2, r=1)
    groups, draws = drawn(tmp_path, TOPK, replace(TOPK, seed=1), ica)
    rows = [row for row in score_differences(groups, draws) if row["kind"] == "methods"]
    assert {(row["head"], row["against"]) for row in rows} == {
        (TOPK.name.removesuffix("-seed0"), ica.name.removesuffix("-seed0"))
    }
    assert {(row["score"], row["budget"]) for row in rows} == {
        ("uniform", "full"),
        ("ap_lift", "full"),
        ("top_random", "paper"),
    }
    row = next(row for row in rows if row["score"] == "uniform")
    means = {name: each["full/uniform"] for name, each in draws.items()}
    plain = (means[TOPK.name] + means[TOPK.name.replace("seed0", "seed1")]) / 2 - means[ica.name]
    low, high = np.quantile(plain[1:], [0.025, 0.975])
    assert (row["value"], row["low"], row["high"]) == pytest.approx((plain[0], low, high))
    assert row["low"] > 0  # planted: .44 against .2
    interval = Interval(value=row["value"], low=row["low"], high=row["high"])
    assert row["smallest_detectable"] == pytest.approx(smallest_detectable_difference(interval))
    assert row["n_seeds"] == [2, 1]


def test_what_is_compared_with_what(tmp_path: Path) -> None:
    """Every learned one with everything else of the trained model at its site; everything with its own controls."""
    elsewhere = replace(TOPK, site="resid_post.2")
    groups, draws = drawn(tmp_path, *planted(), elsewhere)
    stems = {each.name.rsplit("-seed", 1)[0]: each for each in (*planted(), elsewhere)}
    kinds: dict[str, set[tuple[str, str]]] = {}
    for row in score_differences(groups, draws):
        kinds.setdefault(row["kind"], set()).add((row["head"], row["against"]))
    topk, tied, frozen = (
        each.name.rsplit("-seed", 1)[0] for each in (TOPK, TIED, replace(TOPK, variant="frozen_decoder"))
    )
    trained = {stem for stem, each in stems.items() if each.lm == "trained" and each.site == SITE}
    assert kinds["methods"] == {
        (head, other) for head in (topk, tied) for other in trained if other != head and (head, other) != (topk, frozen)
    }
    assert kinds["frozen_decoder"] == {(topk, frozen)}
    ica = "ica-r1-resid_post.1"
    assert kinds["random_weights"] == {(topk, f"control-{topk}"), (ica, f"control-{ica}")}
    assert kinds["shuffled"] == {(stem, stem) for stem in stems}


def test_without_anything_learned_every_pair(tmp_path: Path) -> None:
    three = [Interpretation(method=method, score=0.2, r=1) for method in ("pca", "ica", "random")]
    rows = score_differences(*drawn(tmp_path, *three))
    assert len({(row["head"], row["against"]) for row in rows if row["kind"] == "methods"}) == 3


def test_no_latents_give_no_draws(tmp_path: Path) -> None:
    path = write_interpretation(tmp_path, TOPK).path
    np.savez(path / "per_document.npz", unit=np.array(UNITS), latent=np.zeros(0, dtype=np.int64))
    assert resampled_scores(path, TOPK.name, RESAMPLING) == {}
    found = read_interpreted(path)
    assert score_differences([(found,)], {found.name: {}}) == []
    assert method_scores([found], {found.name: {}}) == []
    assert len(UNITS) == N_UNITS
