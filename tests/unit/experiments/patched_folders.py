"""Planted artifacts of patching: curves that fall by a known law, as the jobs write them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monosemy.experiments import Patched, PatchingSummaryConfig, TaskScore, patching_summary, read_patched

N_PAIRS, WIDTH = 48, 15
TEMPLATES = [("call", "return")[i % 2] for i in range(N_PAIRS)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Planted:
    """A dictionary whose KL is kl_0 (floor + (1 - floor) 2^(-rate log2(1 + n))) in each pair."""

    method: str
    rate: float
    floor: float = 0.0
    n_latents: int = 60
    sparsity: str = ""
    site: str = "resid_post.1"
    task: str = "E2"
    order: str = "attribution"

    @property
    def name(self) -> str:
        """The dictionary's."""
        return f"{self.method}{f'-{self.sparsity}' if self.sparsity else ''}-{self.site}-seed0"


PLANTED = (
    Planted(method="topk", rate=1.0, floor=0.1, sparsity="k=16"),
    Planted(method="tied_l1", rate=0.2, floor=0.7, sparsity="l1=2"),
    Planted(method="tied_l1", rate=0.3, floor=0.2, sparsity="l1=0"),
    Planted(method="pca", rate=0.5, n_latents=WIDTH),
    Planted(method="random", rate=0.1),
)


def kl_0() -> np.ndarray:
    """KL of each pair with nothing patched."""
    return 2.0 + np.random.default_rng(0).uniform(-0.5, 0.5, N_PAIRS)


def arrays_of(planted: Planted) -> dict[str, np.ndarray]:
    """The arrays of curve.npz; a sweep has two curves, and two on its selection pairs."""
    n = np.unique([0, 1, 2, 4, 8, WIDTH, planted.n_latents]).astype(np.int64)
    share = planted.floor + (1 - planted.floor) * (1.0 + n) ** -planted.rate
    curve = {
        "order": np.arange(planted.n_latents),
        "n_patched": n,
        "kl": share[:, None] * kl_0(),
        "edit": np.log2(1.0 + n)[:, None] * np.ones(N_PAIRS),
        "entries": 3.0 * n[:, None] * np.ones(N_PAIRS),
    }
    names = ["held_out/0"]
    if planted.order == "threshold_sweep":
        names += ["held_out/1", "selection/0", "selection/1"]
    arrays = {f"{name}/{key}": array for name in names for key, array in curve.items()}
    return arrays | {
        "oracle": np.zeros(N_PAIRS),
        "error_only": kl_0() * (1 - planted.floor / 2),
        "all_latents": curve["kl"][-1],
        "n_changed": np.full(N_PAIRS, 20),
        "n_changed_entries": np.full(N_PAIRS, 80),
    }


def about_of(planted: Planted) -> dict[str, Any]:
    """The content of about.json."""
    is_sweep = planted.order == "threshold_sweep"
    return {
        **{"task": planted.task, "order": planted.order, "seed": 0, "dictionary": planted.name},
        **{"method": planted.method, "variant": None, "sparsity": planted.sparsity, "site": planted.site},
        **{"lm": "trained", "dictionary_seed": 0, "n_latents": planted.n_latents, "expansion_factor": 4.0},
        **{"d_site": WIDTH, "n_selection_pairs": N_PAIRS, "n_pairs": N_PAIRS, "templates": TEMPLATES},
        **{"n_latents_ever_changed": 40, "seconds": 1.5},
        **({"n_visits": [100, 90], "n_rows": [500, 450], "n_skipped": [40, 50]} if is_sweep else {}),
    }


def write_patched(folder: Path, planted: Planted) -> Patched:
    """Write a planted artifact's files, and read them."""
    folder.mkdir(parents=True)
    np.savez_compressed(folder / "curve.npz", **arrays_of(planted))  # pyright: ignore[reportArgumentType]
    (folder / "about.json").write_text(json.dumps(about_of(planted)), encoding="utf-8")
    return read_patched(folder)


def task_score(name: str = "E2", n_right: int = 46) -> TaskScore:
    """A task of which the model gets the first pairs right."""
    about = {
        **{"name": name, "description": f"{name}: copy a name", "hard_case": name == "B4", "n_pairs": N_PAIRS},
        **{"n_right": n_right, "accuracy": n_right / N_PAIRS, "low": n_right / N_PAIRS - 0.1, "high": 1.0},
        **{"templates": TEMPLATES, "clean": "x = a.b", "corrupt": "x = a.c", "answer": "b", "wrong": "c"},
    }
    return TaskScore(about=about, right=np.arange(N_PAIRS) < n_right)


def headline_of(planted: tuple[Planted, ...]) -> tuple[str, ...]:
    """TopK and the tied L1 of the recipe, at every site."""
    return tuple(dict.fromkeys(p.name for p in planted if p.sparsity in ("k=16", "l1=2")))


def write_summary(
    folder: Path,
    planted: tuple[Planted, ...] = PLANTED,
    scores: tuple[TaskScore, ...] | None = None,
    gate: float | None = None,
) -> Path:
    """Write patching.json of planted artifacts; the folder."""
    found = [write_patched(folder / f"patching-{i}", each) for i, each in enumerate(planted)]
    config = PatchingSummaryConfig(headline=headline_of(planted), gate=gate, seed=0)
    summary = patching_summary(config, scores or (task_score(),), found)
    (folder / "patching.json").write_text(json.dumps(summary), encoding="utf-8")
    return folder
