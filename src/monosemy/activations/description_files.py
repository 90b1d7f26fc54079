"""A description as two files: its numbers as JSON, its arrays as npz."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from monosemy.activations.describe import (
    DEFINITIONS,
    QUANTILES,
    Coverage,
    Description,
    Lengths,
    NormByPosition,
    SiteDescription,
)
from monosemy.core import UserError, atomic_write_text
from monosemy.lm import Site

JSON_FILE = "description.json"
ARRAYS_FILE = "description.npz"

_COUNTS = ("context_length", "seed", "n_documents", "n_rows", "n_sequences", "n_dropped_tokens")
_SHARES = (0.9, 0.99)


def write_description(folder: Path, description: Description) -> None:
    """Write `description.json` and `description.npz` (arrays named `<site>/<array>`) into a folder that exists."""
    data = {
        "lm": {"name": description.lm_name, "fingerprint": description.lm_fingerprint},
        "context_length": description.context_length,
        "seed": description.seed,
        "n_documents": description.n_documents,
        "n_rows": description.n_rows,
        "n_sequences": description.n_sequences,
        "n_dropped_tokens": description.n_dropped_tokens,
        "quantiles": list(QUANTILES),
        "lengths": {
            "characters": _lengths_json(description.characters),
            "n_bytes": _lengths_json(description.n_bytes),
            "n_tokens": _lengths_json(description.n_tokens),
        },
        "coverage": [
            {"context_length": c.context_length, "covered": c.covered, "utilization": c.utilization}
            for c in description.coverage
        ],
        "sites": [_site_json(site) for site in description.sites],
        "definitions": dict(DEFINITIONS),
    }
    arrays: dict[str, Any] = {
        f"{site.site}/{name}": array for site in description.sites for name, array in _arrays(site).items()
    }
    np.savez(folder / ARRAYS_FILE, **arrays)
    atomic_write_text(folder / JSON_FILE, json.dumps(data, indent=1, allow_nan=False) + "\n")


def read_description(folder: Path) -> Description:
    """The description that `write_description` wrote. Raises UserError when a file is missing or incomplete."""
    for name in (JSON_FILE, ARRAYS_FILE):
        if not (folder / name).is_file():
            raise UserError(f"{folder} has no {name}; a description is {JSON_FILE} and {ARRAYS_FILE}; describe again")
    data = json.loads((folder / JSON_FILE).read_text(encoding="utf-8"))
    try:
        with np.load(folder / ARRAYS_FILE, allow_pickle=False) as arrays:
            sites = tuple(_read_site(entry, arrays) for entry in data["sites"])
        return Description(
            lm_name=data["lm"]["name"],
            lm_fingerprint=data["lm"]["fingerprint"],
            **{name: data[name] for name in _COUNTS},
            characters=_read_lengths(data["lengths"]["characters"]),
            n_bytes=_read_lengths(data["lengths"]["n_bytes"]),
            n_tokens=_read_lengths(data["lengths"]["n_tokens"]),
            coverage=tuple(Coverage(**entry) for entry in data["coverage"]),
            sites=sites,
        )
    except KeyError as error:
        raise UserError(f"the description in {folder} lacks {error}; describe again") from error


def _lengths_json(lengths: Lengths) -> dict[str, Any]:
    return {
        "mean": lengths.mean,
        "quantiles": list(lengths.quantiles),
        "edges": lengths.edges.tolist(),
        "counts": lengths.counts.tolist(),
    }


def _read_lengths(entry: dict[str, Any]) -> Lengths:
    return Lengths(
        mean=entry["mean"],
        quantiles=tuple(entry["quantiles"]),
        edges=np.array(entry["edges"], dtype=np.float64),
        counts=np.array(entry["counts"], dtype=np.int64),
    )


def _site_json(site: SiteDescription) -> dict[str, Any]:
    """The figures of a site that readers want without the arrays."""
    median = np.median(site.mean_square)
    varies = site.excess_kurtosis[np.isfinite(site.excess_kurtosis)]
    return {
        "site": str(site.site),
        "d_site": len(site.mean),
        "n_tokens": site.n_tokens,
        "mean_square": float(site.mean_square.sum()),
        "mean_share": site.mean_share,
        "outlier_dimensions": [
            {"dimension": i, "ratio_to_median": float(site.mean_square[i] / median) if median > 0 else None}
            for i in site.outlier_dimensions
        ],
        "n_dimensions_that_vary": len(varies),
        "excess_kurtosis": np.quantile(varies, QUANTILES).tolist() if len(varies) else None,
        "participation_ratio": site.participation_ratio,
        "n_components": {f"{share:g}": site.n_components(share) for share in _SHARES},
        "norm_first": float(site.norm.mean[0]),
        "norm_beyond_first": float(site.norm.mean[1:].mean()),
    }


def _arrays(site: SiteDescription) -> dict[str, np.ndarray]:
    return {
        "mean": site.mean,
        "variance": site.variance,
        "skewness": site.skewness,
        "excess_kurtosis": site.excess_kurtosis,
        "eigenvalues": site.eigenvalues,
        "norm_mean": site.norm.mean,
        "norm_low": site.norm.low,
        "norm_median": site.norm.median,
        "norm_high": site.norm.high,
    }


def _read_site(entry: dict[str, Any], arrays: Any) -> SiteDescription:
    name = entry["site"]
    return SiteDescription(
        site=Site.parse(name),
        n_tokens=entry["n_tokens"],
        norm=NormByPosition(**{key: arrays[f"{name}/norm_{key}"] for key in ("mean", "low", "median", "high")}),
        **{key: arrays[f"{name}/{key}"] for key in ("mean", "variance", "skewness", "excess_kurtosis", "eigenvalues")},
    )
