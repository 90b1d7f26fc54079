"""A studied latent's record and folder, every number planted, with tokens that a page must not take for markup."""

import json
from pathlib import Path
from typing import Any

from monosemy.core import Result
from monosemy.report import StudiedCase

HOSTILE = "<b>$x$&"


def token_row(token: str, logit: float) -> dict[str, Any]:
    return {
        "token": token,
        "logit": logit,
        "low": logit - 0.5,
        "high": logit + 0.25,
        "log_prob": logit / 2,
        "probability": 0.125,
    }


def effect(spearman: float | None = 0.75) -> dict[str, Any]:
    return {
        "lowered": [token_row(" if", -3.0), token_row(HOSTILE, -2.0)],
        "raised": [token_row("\n", 1.5)],
        "watched": [token_row(" watched", -0.1)],
        "kl": 0.321,
        "next": {"mean": -0.87, "low": -1.0, "high": -0.5, "n": 190, "n_units": 30},
        "spearman": spearman,
        "precision": 0.6,
    }


def case_record(latent: int = 12, **changed: Any) -> dict[str, Any]:
    """The record of a latent that fires on 400 of 40,000 tokens."""
    example = {
        "value": 4.5,
        "at": 2,
        "tokens": ["a", "\n", " if", HOSTILE],
        "activations": [0.0, 1.0, 4.5, 0.0],
        "document": "d.py",
        "unit": "json",
    }
    ends = {"top": [{"token": " if", "value": 2.0}], "bottom": [{"token": "z", "value": -1.0}]}
    swept = ends | {"n_silent": 77}
    record: dict[str, Any] = {
        **{"latent": latent, "side": "positive", "split": "test", "seed": 0, "dictionary": "topk-seed0"},
        **{"method": "topk", "variant": None, "lm": "trained", "site": "resid_post.1", "n_latents": 640},
        **{"is_dense": False, "status": "ok", "n_tokens": 40_000, "n_fired": 400, "density": 0.01, "largest": 4.5},
        **{"token": " if", "token_share": 0.7, "mass_token": " if", "mass_share": 0.91, "n_distinct": 3},
        "lens": {**ends, "kurtosis": 3.0, "paper": {**ends, "kurtosis": 2.0, "n_masked": 4, "max_norm": 20.0}},
        "histogram": {
            "n": 300,
            "edges": [0.5, 2.5, 4.5],
            "tokens": [" if", HOSTILE],
            "counts": [[10, 5, 85], [200, 0, 0]],
        },
        "pattern": None,
        "top": [example] * 5,
        "uniform": [example | {"bin": 1}],
        "effect": {"n_positions": 200, "edited": "position", "latent": effect(), "direction": effect(0.5)},
        "text": {
            **{"is_given": False, "n_swept": 2048, "reason": None, "value": 4.0},
            "greedy": {"tokens": [" if", " if"], "values": [1.25, 1.5]},
            "tokens": ["x", "\n", " if"],
            "context_change": [0.5, -2.0],
            "minimal": {"tokens": [" if"], "value": 3.0, "keep": 0.5},
            **{"before": swept, "behind": swept},
        },
    }
    return record | changed


def silent_record(latent: int) -> dict[str, Any]:
    known = case_record(latent)
    kept = ("latent", "side", "split", "seed", "dictionary", "method", "site", "is_dense", "lens", "n_tokens")
    return {name: known[name] for name in kept} | {"status": "silent", "n_fired": 0}


def write_case(folder: Path, record: dict[str, Any], group: str = "named") -> StudiedCase:
    path = folder / f"case-{record['latent']}"
    path.mkdir(parents=True)
    (path / "case.json").write_text(json.dumps(record))
    return StudiedCase(group=group, folder=path)


def write_search(folder: Path) -> Path:
    """A search of 640 latents that proposed 12 and drew 40."""
    criteria = {
        **{"share_of": "mass", "min_token_share": 0.5, "max_density": 0.05, "min_fired": 50, "min_spearman": 0.3},
        **{"min_precision": 0.3, "min_rule_score": 0.5, "max_rule_bits": 80.0},
    }
    about = {
        **{"criteria": criteria, "n_latents": 640, "n_firing": 600, "n_candidates": 118, "n_looked_at": 9},
        **{"n_without_lens": 4, "n_without_rules": 1, "n_explained": 50, "n_positions": 50, "n_validation": 76_482},
    }
    rows = [
        {
            **{"group": group, "latent": latent, "word": HOSTILE, "token_share": 0.75, "density": 0.01},
            **{"spearman": 0.5, "precision": 0.4, "rule_score": None, "rule_bits": None},
        }
        for group, latent in (("proposed", 12), ("random", 40))
    ]
    folder.mkdir(parents=True)
    (folder / "search.json").write_text(json.dumps(about))
    (folder / "search.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def mean(metric: str, group: str, value: float) -> Result:
    return Result(
        metric=metric,
        value=value,
        unit="fraction",
        ci_low=value - 0.1,
        ci_high=value + 0.1,
        n=8,
        n_unit="latents",
        method="topk",
        variant=group,
        lm="trained",
        dictionary="topk-seed0",
        site="resid_post.1",
        split="test",
        seed=0,
        definition=metric,
        config="c",
    )
