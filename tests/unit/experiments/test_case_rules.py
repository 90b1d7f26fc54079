"""Rule scores on two halves of the units. Oracle: planted sums whose correlation is known, numpy's corrcoef."""

import json
from pathlib import Path

import numpy as np
import pytest

from monosemy.core import open_artifact, write_artifact
from monosemy.experiments.case_rules import RuleScore, interpretation_of, rule_scores
from tests.unit.experiments.stores_of_experiments import artifact


def write_interpretation(folder: Path, parent: str, judge: str = "rules") -> list[np.ndarray]:
    """Two latents, ten units of thirty tokens; the predictions and truths behind the sums of the first."""
    random = np.random.default_rng(0)
    pairs = random.standard_normal((10, 2, 30))
    pairs[:, 1] += pairs[:, 0]
    sums = np.zeros((2, 10, 6))
    for unit, (p, t) in enumerate(pairs):
        sums[0, unit] = [30, p.sum(), t.sum(), (p * p).sum(), (t * t).sum(), (p * t).sum()]
    rows = [
        {"latent": 8, "budget": "full", "status": "ok", "bits": 33.0},
        {"latent": 8, "budget": "paper", "status": "ok", "bits": 9.0},
        {"latent": 2, "budget": "full", "status": "ok", "bits": 11.0},
        {"latent": 4, "budget": None, "status": "skipped", "bits": None},
    ]
    with write_artifact(folder, kind="interpretation", config={}, parents={"dictionary": parent}) as path:
        (path / "about.json").write_text(json.dumps({"judge": {"name": judge}}))
        (path / "latents.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        np.savez(path / "per_document.npz", **{"latent": np.array([8, 2]), "full/uniform/sums": sums})
    return [pairs[:, 0], pairs[:, 1]]


def test_each_half_of_the_units_is_scored_alone(tmp_path: Path) -> None:
    predicted, truth = write_interpretation(tmp_path / "i", "f" * 16)
    found = rule_scores(tmp_path / "i", seed=3)
    assert set(found) == {8, 2} and found[2] == RuleScore(bits=11.0, chosen=None, reported=None)
    score = found[8]
    assert score.bits == 33.0 and score.chosen is not None and score.reported is not None
    halves = set()
    for half in range(1 << 10):
        units = [u for u in range(10) if half >> u & 1]
        if len(units) == 5:
            r = np.corrcoef(predicted[units].ravel(), truth[units].ravel())[0, 1]
            others = [u for u in range(10) if u not in units]
            q = np.corrcoef(predicted[others].ravel(), truth[others].ravel())[0, 1]
            if abs(r - score.chosen) < 1e-9 and abs(q - score.reported) < 1e-9:
                halves.add(half)
    assert len(halves) == 1
    assert rule_scores(tmp_path / "i", seed=3) == found != rule_scores(tmp_path / "i", seed=4)


@pytest.mark.parametrize(("judge", "there"), [("rules", True), ("openai", False)])
def test_the_interpretation_of_a_dictionary_is_found(tmp_path: Path, judge: str, there: bool) -> None:
    write_interpretation(tmp_path / f"interpretation-{'a' * 12}", "mine", judge)
    write_interpretation(tmp_path / f"interpretation-{'b' * 12}", "another")
    (tmp_path / "interpretation-summary-0123456789ab").mkdir()
    found = interpretation_of(artifact("mine"), tmp_path)
    assert (found is not None) == there
    if found is not None:
        assert found.path == open_artifact(tmp_path / f"interpretation-{'a' * 12}", kind="interpretation").path
