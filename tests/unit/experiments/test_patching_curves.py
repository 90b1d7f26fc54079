"""Oracle: planted curves whose area, half and means can be written down; the bootstrap done by a loop."""

from pathlib import Path

import numpy as np
import pytest

from monosemy.causal import area
from monosemy.core import numpy_generator
from monosemy.experiments import curve_figures
from tests.unit.experiments.patched_folders import N_PAIRS, WIDTH, Planted, arrays_of, kl_0, write_patched

EVERY = np.ones(N_PAIRS, dtype=np.bool_)
TOPK = Planted(method="topk", rate=1.0, floor=0.1, sparsity="k=16")


def generator() -> np.random.Generator:
    return numpy_generator(0, "test")


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    found = write_patched(tmp_path / "a", TOPK)
    curve = found.curve("held_out")
    assert np.array_equal(curve.kl, arrays_of(TOPK)["held_out/0/kl"])
    assert set(found.per_pair) == {"oracle", "error_only", "all_latents", "n_changed", "n_changed_entries"}
    assert set(found.curves) == {"held_out"} and found.width == WIDTH


def test_several_sweeps_are_averaged_at_all_their_numbers(tmp_path: Path) -> None:
    planted = Planted(method="topk", rate=1.0, order="threshold_sweep")
    folder = tmp_path / "a"
    found = write_patched(folder, planted)
    # The second sweep keeps one point between 0 and all: lines in log2(1 + n) stand in for the others.
    arrays = arrays_of(planted)
    kept = [0, 3, -1]
    for name in ("n_patched", "kl", "edit", "entries"):
        arrays[f"held_out/1/{name}"] = arrays[f"held_out/1/{name}"][kept]
    np.savez_compressed(folder / "curve.npz", **arrays)  # pyright: ignore[reportArgumentType]
    found = type(found)(**{n: getattr(found, n) for n in ("path", "about", "per_pair")}, curves=reread(folder))
    mean = found.curve("held_out")
    n, kl = arrays["held_out/0/n_patched"], arrays["held_out/0/kl"]
    assert np.array_equal(mean.n_patched, n)
    for pair in range(0, N_PAIRS, 7):
        line = np.interp(np.log2(1.0 + n), np.log2(1.0 + n[kept]), kl[kept, pair])
        assert mean.kl[:, pair] == pytest.approx((kl[:, pair] + line) / 2, rel=1e-12)
    parts = [area(one, WIDTH).value for one in found.curves["held_out"]]
    assert area(mean, WIDTH).value == pytest.approx(np.mean(parts), rel=1e-12)


def reread(folder: Path):
    from monosemy.experiments import read_patched

    return read_patched(folder).curves


def test_means_area_and_half(tmp_path: Path) -> None:
    curve = write_patched(tmp_path / "a", TOPK).curve("held_out")
    found = curve_figures(curve, area(curve, WIDTH), EVERY, generator())
    n = curve.n_patched
    assert [point.value for point in found.kl] == pytest.approx(list(kl_0().mean() * (0.1 + 0.9 / (1 + n))), rel=1e-9)
    x = np.log2(1.0 + n[n <= WIDTH]) / np.log2(1.0 + WIDTH)
    expected = np.trapezoid(0.1 + 0.9 / (1 + n[n <= WIDTH]), x)
    assert found.area.value == pytest.approx(expected, rel=1e-9)
    # Every pair has the same shape, so that no resample changes the area.
    assert found.area.high - found.area.low < 1e-9
    assert found.half_n.value == pytest.approx(2 ** (1 + np.log2(1.5) / 3) - 1, rel=1e-9)
    assert found.half_edit.value == pytest.approx(np.log2(1 + found.half_n.value), rel=1e-9)
    assert found.reaches_half and found.lowest == pytest.approx(kl_0().mean() * (0.1 + 0.9 / 61))


def test_half_that_is_never_reached_is_the_end_of_the_curve(tmp_path: Path) -> None:
    curve = write_patched(tmp_path / "a", Planted(method="tied_l1", rate=0.2, floor=0.7)).curve("held_out")
    found = curve_figures(curve, area(curve, WIDTH), EVERY, generator())
    assert not found.reaches_half and found.half_n.value == pytest.approx(60)


def test_only_the_chosen_pairs_count(tmp_path: Path) -> None:
    curve = write_patched(tmp_path / "a", TOPK).curve("held_out")
    some = np.arange(N_PAIRS) % 3 == 0
    found = curve_figures(curve, area(curve, WIDTH), some, generator())
    assert found.kl[0].value == pytest.approx(kl_0()[some].mean(), rel=1e-9)
    draws = numpy_generator(0, "other")
    means = [kl_0()[some][draws.integers(some.sum(), size=some.sum())].mean() for _ in range(2000)]
    low, high = np.quantile(means, [0.025, 0.975])
    assert (found.kl[0].low, found.kl[0].high) == pytest.approx((low, high), abs=0.02)
