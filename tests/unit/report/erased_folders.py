"""Folders of erased concepts as the stages leave them, with planted figures."""

import json
from pathlib import Path
from typing import Any

CONCEPTS = ("comment", "call_arguments")


def figure(value: float, *, spread: float = 0.01) -> dict[str, float | int]:
    return {"value": value, "low": value - spread, "high": value + spread, "n": 30}


def edit(
    method: str, variant: str | None, n: int, linear: float, kl: float | None, latents: tuple[int, ...] = ()
) -> dict[str, Any]:
    found: dict[str, Any] = {"method": method, "variant": variant, "n_removed": n, "latents": list(latents)}
    found |= {"chosen_accuracy": None, "linear_accuracy": figure(linear), "hidden_accuracy": figure(linear + 0.02)}
    if kl is not None:
        found |= {"edit_norm": figure(20 * kl + 1), "kl": figure(kl, spread=kl / 10), "kl_outside": None}
        found |= {"ce_increase": figure(kl)}
    return found


def without_dictionary() -> list[dict[str, Any]]:
    return [
        edit("lm", None, 0, 0.9, None),
        edit("leace", None, 1, 0.5, 0.05),
        edit("mean_difference", None, 1, 0.51, 0.07),
        edit("mean_difference", "origin", 1, 0.51, 0.08),
        edit("random", "directions", 1, 0.9, 0.01),
        edit("random", "directions", 4, 0.89, 0.03),
    ]


def with_dictionary(method: str) -> list[dict[str, Any]]:
    return [
        edit(method, "projection", 1, 0.8, 0.04, (3,)),
        edit(method, "projection", 4, 0.515, 0.3, (3, 1, 2, 9)),
        edit(method, "origin", 1, 0.8, 0.06, (3,)),
        edit(method, "ablation", 1, 0.85, 0.02, (5,)),
        edit(method, "random_latents", 1, 0.9, 0.02),
    ]


def write_erased(root: Path, concepts: tuple[str, ...] = CONCEPTS) -> list[Path]:
    """Of each concept one folder without a dictionary, and one each of TopK and of random directions."""
    folders: list[Path] = []
    for concept in concepts:
        for method, sparsity in ((None, ""), ("topk", "k=16"), ("random", "")):
            folder = root / f"{concept}-{method}"
            folder.mkdir(parents=True)
            about: dict[str, Any] = {"concept": concept, "definition": "Part of a <comment>.", "site": "resid_post.1"}
            about |= {"dictionary": None if method is None else f"{method}-seed0", "method": method}
            about |= {"sparsity": sparsity, "n_fit": 8000, "n_probe": 8000}
            about |= {"n_choose": 4000, "n_report": 20000, "n_sequences": 32}
            about |= {"share_report": 0.143, "typical_norm": 20.0, "n_draws": 2}
            about["edits"] = without_dictionary() if method is None else with_dictionary(method)
            (folder / "erasure.json").write_text(json.dumps(about))
            folders.append(folder)
    return folders
