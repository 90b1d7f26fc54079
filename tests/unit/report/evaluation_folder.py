"""Invented artifact folders in the form that the stages write: every number here is planted, none was measured."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np

from monosemy.activations import Coverage, Description, NormByPosition, SiteDescription, write_description
from monosemy.activations.describe import lengths
from monosemy.core import Result, write_results
from monosemy.lm import Site

HOSTILE = "</script><img src=x onerror=alert(1)> & \"quotes\" 'too'"
PROMPT = "def read(path):\n"
CONTEXT = 64
VOCABULARY = 512
REFERENCES = {"unigram": 4.1, "bigram": 3.0, "trigram": 2.7, "gzip": 2.4, "xz": 2.3}
TASKS = (
    (
        "C1",
        "close the string with the quote that opened it",
        False,
        0.99,
        "return f('parent",
        'return f("parent',
        "'",
        '"',
    ),
    ("A2", "close the call with ) and the index with ]", False, 0.93, "x = dist(name", "x = dist[name", ")", "]"),
    (
        "E1",
        "copy the third argument of the same call",
        False,
        0.84,
        "f(a, b, new)\nf(a, b,",
        "f(a, b, old)\nf(a, b,",
        "new",
        "old",
    ),
    (
        "A3",
        "close the inner bracket",
        True,
        0.42,
        "def w(s):\n    return a[g(s",
        "def w(s):\n    return a(g[s",
        ")",
        "]",
    ),
)


def results(*, test_bits: float = 1.62, xz_given_train: float = 1.95) -> list[Result]:
    """Bits a byte of the model and of every reference on the three splits; gzip on validation was not run."""
    found = []
    shifts: dict[Literal["train", "validation", "test"], float] = {"train": -0.2, "validation": 0.05, "test": 0.0}
    for split, more in shifts.items():
        values: dict[str | None, float] = {None: test_bits + more}
        values |= {name: value + more for name, value in REFERENCES.items()}
        values |= {"xz_given_train": xz_given_train} if split != "train" else {}
        for variant, value in values.items():
            missing = variant == "gzip" and split == "validation"
            found.append(
                Result(
                    metric="lm_bits_per_byte",
                    value=None if missing else value,
                    unit="bits a byte",
                    ci_low=value - 0.06 if variant is None else None,
                    ci_high=value + 0.07 if variant is None else None,
                    n=43 if variant is None else None,
                    n_unit="packages" if variant is None else None,
                    status="not_run" if missing else "ok",
                    reason="left out to plant a gap" if missing else None,
                    method="lm",
                    variant=variant,
                    lm="trained" if variant is None else None,
                    split=split,
                    definition="lm_bits_per_byte",
                    config="0123456789abcdef",
                )
            )
    return found


def language_model(**changes: Any) -> dict[str, Any]:
    """The content of language_model.json."""
    rng = np.random.default_rng(0)
    places = np.arange(CONTEXT)
    half = np.arange(CONTEXT // 2)
    second = np.where(half == 0, 6.2, 1.4 + 2.0 * np.exp(-half / 3))
    sizes = {"train": (320, 210, 7_000_000), "validation": (56, 41, 890_000), "test": (54, 43, 910_000)}
    data = {
        "name": "invented-2x32",
        "n_parameters": 1_234_567,
        "architecture": {
            "n_layers": 2,
            "d_model": 32,
            "n_heads": 2,
            "context_length": CONTEXT,
            "vocabulary_size": VOCABULARY,
        },
        "provenance": {"command": "monosemy train-lm --seed 0", "seed": 0, "versions": {"torch": "2.9"}, "curve": []},
        "corpus": {
            "name": "invented text",
            "fingerprint": "fedcba9876543210",
            "splits": {
                split: {"n_documents": n, "n_units": units, "n_bytes": n_bytes, "n_tokens": n_bytes // 3}
                for split, (n, units, n_bytes) in sizes.items()
            },
        },
        "nats_by_position": (2.6 + 2.2 * np.exp(-places / 9) + 0.05 * rng.standard_normal(CONTEXT)).tolist(),
        "induction": {
            "nats_first": (7.1 + 0.1 * rng.standard_normal(len(half))).tolist(),
            "nats_second": second.tolist(),
            "right_first": np.full(len(half), 0.002).tolist(),
            "right_second": np.where(half == 0, 0.0, 0.9 - 0.6 * np.exp(-half / 3)).tolist(),
        },
        "curve": [
            {
                "step": step,
                "cpu_seconds": step * 0.1,
                "train_loss": 2.4 + 4.0 / (1 + step / 400),
                "validation_loss": 2.6 + 3.8 / (1 + step / 400),
            }
            for step in range(250, 5001, 250)
        ],
        "tasks": [_task(*task) for task in TASKS],
        "labels": [
            {
                "name": f"label_{i}",
                "family": ("brackets", "names", "strings")[i % 3],
                "definition": "a planted label" if i else HOSTILE,
                "base_rate": float(10 ** rng.uniform(-3.5, -0.5)),
                "table_f1": float(rng.uniform(0.6, 1.0) if i % 2 else rng.uniform(0.0, 0.5)),
                "contextual": i % 2 == 0,
            }
            for i in range(24)
        ],
        "samples": [{"prompt": PROMPT, "text": f'{PROMPT}    return "{HOSTILE}"\n' + "long_word" * 40}],
    }
    return data | changes


def write_evaluation(folder: Path, **changes: Any) -> Path:
    """The folder, holding results.jsonl and language_model.json."""
    folder.mkdir(parents=True, exist_ok=True)
    write_results(folder / "results.jsonl", results())
    (folder / "language_model.json").write_text(json.dumps(language_model(**changes)), encoding="utf-8")
    return folder


def invented_description(n_sites: int = 3, d_site: int = 32) -> Description:
    """Lognormal lengths, norms that grow from layer to layer, one dimension of site 0 that does not vary."""
    rng = np.random.default_rng(1)
    sizes = np.maximum(1, np.exp(rng.normal(7.5, 1.2, size=60))).astype(np.int64)
    return Description(
        lm_name="invented-2x32",
        lm_fingerprint="00112233aabbccdd",
        context_length=CONTEXT,
        seed=0,
        n_documents=len(sizes),
        n_rows=2000,
        n_sequences=100,
        n_dropped_tokens=17,
        characters=lengths(3 * sizes),
        n_bytes=lengths(3 * sizes + 1),
        n_tokens=lengths(sizes),
        coverage=tuple(Coverage(context_length=2**k, covered=k / 15, utilization=1 - k / 20) for k in range(4, 15)),
        sites=tuple(_site(layer, d_site, rng) for layer in range(n_sites)),
    )


def write_described(folder: Path, **sizes: int) -> Path:
    """The folder, holding the invented description."""
    folder.mkdir(parents=True, exist_ok=True)
    write_description(folder, invented_description(**sizes))
    return folder


def _task(
    name: str, asks: str, hard: bool, accuracy: float, clean: str, corrupt: str, answer: str, wrong: str
) -> dict[str, Any]:
    return {
        "name": name,
        "description": asks,
        "hard_case": hard,
        "n_pairs": 400,
        "accuracy": accuracy,
        "low": max(0.0, accuracy - 0.03),
        "high": min(1.0, accuracy + 0.02),
        "mean_logit_difference_clean": 4.2,
        "mean_logit_difference_corrupt": -3.9,
        "mean_kl": 2.5,
        "clean": clean,
        "corrupt": corrupt,
        "answer": answer,
        "wrong": wrong,
    }


def _site(layer: int, d_site: int, rng: np.random.Generator) -> SiteDescription:
    level = 20.0 * (layer + 1) * np.exp(0.02 * rng.standard_normal(CONTEXT))
    level[0] *= 4
    variance = 10 * (layer + 1) ** 2 * np.exp(rng.normal(size=d_site))
    kurtosis = np.exp(rng.normal(size=d_site)) - 1
    if layer == 0:
        variance[3], kurtosis[3] = 0.0, np.nan
    return SiteDescription(
        site=Site(layer, "resid_post"),
        n_tokens=100 * (CONTEXT - 1),
        norm=NormByPosition(mean=level, low=0.8 * level, median=level, high=1.3 * level),
        mean=rng.normal(size=d_site) + np.where(np.arange(d_site) == 5, 60.0, 0.0),
        variance=variance,
        skewness=rng.normal(size=d_site),
        excess_kurtosis=kurtosis,
        eigenvalues=np.sort(np.exp(2 * rng.normal(size=d_site)))[::-1],
    )
