"""What erasing leaves. Oracle: sums of two edits written out, their ratios by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from monosemy.causal import Erased
from monosemy.core import read_results
from monosemy.experiments import ERASURE_ARRAYS, ERASURE_FILE, ERASURE_RESULTS, EditRow, ErasureAbout, write_erasure

ABOUT = ErasureAbout(
    concept="comma",
    definition="`,`.",
    site="resid_post.1",
    dictionary="topk-seed0",
    method="topk",
    sparsity="k=2",
    lm="trained",
    n_fit=100,
    n_probe=80,
    n_choose=50,
    n_report=200,
    share_report=0.25,
    n_sequences=3,
    typical_norm=10.0,
    n_draws=2,
    seed=0,
)


def erased(*, outside: bool = True) -> Erased:
    # right where it holds, all of those, right where not, all of those
    counts = np.array([[3.0, 4, 5, 10], [1, 4, 7, 10]])
    # n, kl, rise, n outside, kl outside, n edited, length
    damage = np.array([[10.0, 1, 0.5, 4, 0.2, 11, 22], [30, 7, 0.7, 6, 0.8, 29, 38]])
    damage[:, 3:5] *= outside
    return Erased(accuracy={"linear": counts, "hidden": counts[::-1].copy()}, damage=damage)


def test_values_are_ratios_of_sums(tmp_path: Path) -> None:
    row = EditRow(method="topk", variant="projection", n_removed=2, latents=(4, 1), erased=erased())
    write_erasure(tmp_path, ABOUT, [row], {"c": 1})
    edit = json.loads((tmp_path / ERASURE_FILE).read_text())["edits"][0]
    assert edit["linear_accuracy"]["value"] == pytest.approx((4 / 8 + 12 / 20) / 2)
    assert edit["hidden_accuracy"]["value"] == pytest.approx(edit["linear_accuracy"]["value"])
    assert edit["kl"]["value"] == pytest.approx(8 / 40)
    assert edit["ce_increase"]["value"] == pytest.approx(1.2 / 40)
    assert edit["kl_outside"]["value"] == pytest.approx(1 / 10)
    assert edit["edit_norm"]["value"] == pytest.approx(60 / 40)
    assert edit["latents"] == [4, 1]
    results = {each.metric: each for each in read_results(tmp_path / ERASURE_RESULTS)}
    kl = results["erasure_kl/comma"]
    assert (kl.variant, kl.n, kl.n_unit, kl.definition) == ("projection/k=2", 2, "units", "erasure_kl")
    assert kl.reason is not None and "2 units" in kl.reason
    assert len(results) == 6
    with np.load(tmp_path / ERASURE_ARRAYS) as arrays:
        assert np.array_equal(arrays["0/damage"], erased().damage)


def test_without_an_edit_there_is_no_cost_and_unknown_is_said(tmp_path: Path) -> None:
    rows = [
        EditRow(method="lm", variant=None, erased=erased()),
        EditRow(method="leace", variant=None, n_removed=1, erased=erased(outside=False)),
    ]
    write_erasure(tmp_path, ABOUT, rows, {})
    first, second = json.loads((tmp_path / ERASURE_FILE).read_text())["edits"]
    assert "kl" not in first and second["kl_outside"] is None
    results = read_results(tmp_path / ERASURE_RESULTS)
    assert sum(each.method == "lm" for each in results) == 2
    (unknown,) = [each for each in results if each.status == "not_applicable"]
    assert unknown.metric == "erasure_kl_outside/comma"
