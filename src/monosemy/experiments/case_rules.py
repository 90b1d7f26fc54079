"""How well rules foretell latents, read from an interpretation's folder so that one half can choose and one report.

The rules were fitted on validation and are scored on test. A search that chose by that score and reported it would
flatter itself: the test's units are put into two halves, drawn with the seed; one half chooses, the other reports.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from monosemy.core import Artifact, numpy_generator, open_artifact
from monosemy.interpretation import INTERPRETATION_KIND, LATENTS_FILE
from monosemy.interpretation.correlation import pearson

BUDGET = "full"
_ARRAYS = "per_document.npz"
_KEY = f"{BUDGET}/uniform/sums"


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleScore:
    """The description length of a latent's rules, and the correlation of what they predict on uniform fragments.

    chosen, reported: on the two halves of the units; None where a half has no variation.
    """

    bits: float
    chosen: float | None
    reported: float | None


def interpretation_of(dictionary: Artifact, folder: Path) -> Artifact | None:
    """The interpretation by rules of a dictionary that lies in a run's folder, the newest of several; None: none."""
    found: list[Artifact] = []
    for path in sorted(folder.glob(f"{INTERPRETATION_KIND}-*")):
        if not re.fullmatch(rf"{INTERPRETATION_KIND}-[0-9a-f]{{12}}", path.name):
            continue  # a summary, whose name begins alike
        artifact = open_artifact(path, kind=INTERPRETATION_KIND, verify=False)
        about = json.loads((path / "about.json").read_text(encoding="utf-8"))
        if artifact.parents.get("dictionary") == dictionary.fingerprint and about["judge"]["name"] == "rules":
            found.append(artifact)
    return max(found, key=lambda artifact: artifact.path.stat().st_mtime, default=None)


def rule_scores(folder: Path, seed: int) -> dict[int, RuleScore]:
    """The scores of the latents that were explained under the full budget, by latent."""
    lines = (folder / LATENTS_FILE).read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["budget"] == BUDGET and row["status"] == "ok"]
    with np.load(folder / _ARRAYS, allow_pickle=False) as arrays:
        if _KEY not in arrays.files:
            return {}
        sums, latents = arrays[_KEY], arrays["latent"].tolist()
    place = {latent: i for i, latent in enumerate(latents)}
    order = numpy_generator(seed, "case-study/halves").permutation(sums.shape[1])
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    found: dict[int, RuleScore] = {}
    for row in rows:
        of_latent = sums[place[row["latent"]]].astype(np.float64)
        chosen, reported = (_defined(pearson(of_latent[half].sum(axis=0))) for half in halves)
        found[row["latent"]] = RuleScore(bits=float(row["bits"]), chosen=chosen, reported=reported)
    return found


def _defined(value: np.ndarray) -> float | None:
    return float(value) if np.isfinite(value) else None
