"""Folders of a small causal tree and of a task's graph, written out, for the tests of their page."""

import json
from pathlib import Path
from typing import Any

LAYERS = [{"name": f"topk-resid_post.{i}-seed0", "site": f"resid_post.{i}", "n_latents": 8} for i in range(3)]


def node(layer: int, latent: int, token: str, **changed: Any) -> dict[str, Any]:
    context = {"tokens": ["x", " =", " f", "(", token], "activation": 2.5}
    counts = {"n_firing": 90, "n_in_range": 40, "n_dropped": 1, "n_contexts": 1, "n_score_contexts": 20}
    return {
        **{"layer": layer, "latent": latent, "why_leaf": None, "peak": 4.0, "mean_activation": 2.5, **counts},
        **{"tokens": [[token, 0.9], ["<b>", 0.1]], "lens": ["\n", " a", "\ud8ff"], "contexts": [context], **changed},
    }


def edge(parent: int, child: int, score: float | None, fit: float = 0.5) -> dict[str, Any]:
    low, high = (None, None) if score is None else (score - 0.1, score + 0.1)
    return {
        **{"parent": parent, "child": child, "fit": fit, "rank": 1},
        **{"score": score, "low": low, "high": high, "drops": [1.0]},
    }


def tree_content(**changed: Any) -> dict[str, Any]:
    """2.7 falls without 1.3 and 1.4; both fall without 0.0, which stands for nothing below."""
    nodes = [node(2, 7, ")"), node(1, 3, "))"), node(1, 4, "]"), node(0, 0, '"', why_leaf="no latent lowers it")]
    return {
        **{"layers": LAYERS, "nodes": nodes},
        "edges": [edge(0, 2, 0.25), edge(0, 1, 0.75), edge(1, 3, None, fit=0.4), edge(2, 3, 0.6)],
        "check": {
            **{"n_latents": 8, "n_active": 6, "n_candidates": 5, "recall": 0.9},
            **{"correlation": 0.8, "correlation_active": 0.7},
        },
        "config": {
            **{"n_contexts": 20, "window_tokens": 48, "n_children": 3, "depth": 3, "n_candidates": 200},
            **{"exact": False, "min_share": 0.05, "seed": 0},
        },
        "criterion": {"characters": ")]", "min_share": 0.75, "min_positions": 100},
        **{"chosen": True, "n_tokens": 1000, "n_score_tokens": 900},
        **changed,
    }


def point(n: int, faithful: float, complete: float) -> dict[str, Any]:
    def around(value: float) -> dict[str, float]:
        return {"value": value, "low": value - 0.1, "high": value + 0.1}

    return {
        **{"n_nodes": n, "threshold": None if n == 0 else 1.0 / n, "fit_faithfulness": faithful},
        **{"faithfulness": around(faithful), "completeness": around(complete)},
    }


def circuit_content(**changed: Any) -> dict[str, Any]:
    points = [point(0, 0.0, 1.0), point(4, 0.9, 0.2), point(27, 1.0, 0.0)]
    curves = [{"errors": True, "chosen": 1, "points": points}, {"errors": False, "chosen": None, "points": points}]
    error = {"layer": 0, "latent": None, "fit": -0.5, "effect": -0.4, "low": -0.6, "high": -0.2}
    latent = {
        **{"layer": 2, "latent": 7, "fit": 2.0, "effect": 1.9, "low": 1.7, "high": 2.1},
        **{"tokens": [[")", 0.9]], "lens": ["\n"]},
    }
    return {
        **{"task": "C1", "description": "close <quotes>", "n_pairs": 50, "layers": LAYERS, "curves": curves},
        **{"right": 0.98, "right_low": 0.9, "right_high": 1.0, "passes": True, "gate": 0.9, "goal": 0.8},
        **{"n_points": 10, "metric_full": 5.0, "metric_empty": -0.0001, "n_mean_tokens": 1000},
        "nodes": [latent, error],
        "shares": [{"layer": i, "latents": 4.0, "error": 1.0} for i in range(3)],
        **changed,
    }


def write_tree(folder: Path, content: dict[str, Any] | None = None) -> Path:
    folder.mkdir()
    (folder / "tree.json").write_text(json.dumps(tree_content() if content is None else content))
    return folder


def write_circuit(folder: Path, content: dict[str, Any] | None = None) -> Path:
    folder.mkdir()
    (folder / "circuit.json").write_text(json.dumps(circuit_content() if content is None else content))
    return folder


def write_explanations(folder: Path, name: str, sentences: dict[int, str]) -> Path:
    folder.mkdir()
    (folder / "about.json").write_text(json.dumps({"name": name}))
    rows = [{"latent": latent, "budget": "paper", "explanation": f"paper: {s}"} for latent, s in sentences.items()]
    rows += [{"latent": latent, "budget": "full", "explanation": s} for latent, s in sentences.items()]
    rows += [{"latent": 99, "budget": "full", "status": "skipped", "explanation": None}]
    (folder / "latents.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder
