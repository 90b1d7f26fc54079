"""Means of groups of latents. Oracle: records written by hand."""

import json
from pathlib import Path

import pytest
import torch

from monosemy.experiments import CASE_METRICS, Case, group_results
from monosemy.experiments.case_groups import CaseGroup, case_figures
from tests.unit.experiments.stores_of_experiments import card_of, linear


def record(latent: int, spearman: float | None, status: str = "ok") -> dict:
    base = {"latent": latent, "side": "positive", "seed": 0, "status": status}
    if status != "ok":
        return base
    effect = {"next": {"mean": -0.1 * latent}, "kl": 0.5, "spearman": spearman, "precision": 0.3}
    shares = {"density": 0.01 * latent, "token_share": 0.4, "mass_share": 0.6}
    return base | shares | {"effect": {"latent": effect}, "lens": {"kurtosis": 2.0}}


def case(folder: Path, group: CaseGroup, content: dict, rule_score: float | None = None) -> Case:
    path = folder / f"{group}-{content['latent']}"
    path.mkdir()
    (path / "case.json").write_text(json.dumps(content))
    return Case(group=group, folder=path, rule_score=rule_score)


def test_means_and_what_is_missing(tmp_path: Path) -> None:
    cases = [
        case(tmp_path, "proposed", record(1, 0.5), 0.8),
        case(tmp_path, "proposed", record(3, 0.9)),
        case(tmp_path, "random", record(2, None)),
        case(tmp_path, "random", record(4, None, status="silent")),
    ]
    card = card_of(linear(torch.eye(6)))
    found = {(r.variant, r.metric): r for r in group_results(cases, card, "test")}
    assert len(found) == 2 * len(CASE_METRICS)
    density = found["proposed", "case_density"]
    assert density.value == pytest.approx(0.02) and (density.n, density.n_unit) == (2, "latents")
    assert density.ci_low is not None and density.value is not None and 0.01 <= density.ci_low <= density.value
    assert density.reason is not None and "fewer than 40" in density.reason
    assert found["random", "case_density"].value == pytest.approx(0.01)  # the silent one counts, with none
    assert found["proposed", "case_lens_spearman"].value == pytest.approx(0.7)
    assert found["random", "case_lens_spearman"].status == "not_applicable"
    rules = found["proposed", "case_rule_score"]
    assert rules.value == 0.8 and rules.ci_low is None and "1 of 2" in (rules.reason or "")
    assert found["random", "case_kl"].value == 0.5
    assert all(r.dictionary == card.name and r.split == "test" for r in found.values())


def test_figures_of_one_latent() -> None:
    found = case_figures(record(2, 0.4), 0.7)
    assert set(found) == set(CASE_METRICS)
    assert found["case_next_token_change"] == pytest.approx(-0.2) and found["case_rule_score"] == 0.7
    silent = case_figures(record(2, None, status="silent"), None)
    assert silent.pop("case_density") == 0.0 and set(silent.values()) == {None}
