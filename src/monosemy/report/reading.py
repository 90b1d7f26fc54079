"""The artifact folders that pages are made of, read as plain files; no model, text or metric is needed for it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monosemy.core import Result, UserError, read_results

LANGUAGE_MODEL_KEYS = (
    *("name", "n_parameters", "architecture", "provenance", "corpus", "nats_by_position"),
    *("induction", "curve", "tasks", "samples"),
)
DESCRIPTION_KEYS = (
    *("lm", "context_length", "n_documents", "n_rows", "n_sequences", "n_dropped_tokens"),
    *("quantiles", "lengths", "coverage", "sites", "definitions"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationFiles:
    """`results.jsonl` and `language_model.json` of an evaluation of a language model."""

    results: tuple[Result, ...]
    language_model: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class DescriptionFiles:
    """`description.json` and the arrays of `description.npz`, by `<site>/<array>`."""

    data: dict[str, Any]
    arrays: dict[str, np.ndarray]


def read_evaluation(folder: Path) -> EvaluationFiles:
    """Raises UserError when a file is missing, is not what it should be, or lacks a part."""
    return EvaluationFiles(
        results=read_results(folder / "results.jsonl"),
        language_model=read_json_object(folder / "language_model.json", LANGUAGE_MODEL_KEYS),
    )


def read_description_files(folder: Path) -> DescriptionFiles:
    """Raises UserError when a file is missing, is not what it should be, or lacks a part."""
    data = read_json_object(folder / "description.json", DESCRIPTION_KEYS)
    path = folder / "description.npz"
    if not path.is_file():
        raise UserError(f"{path} is missing; describe the activations again")
    with np.load(path, allow_pickle=False) as arrays:
        return DescriptionFiles(data=data, arrays={name: arrays[name] for name in arrays.files})


def read_json_object(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    """The JSON object in a file that has at least these keys. Raises UserError, naming the file, when it is not."""
    if not path.is_file():
        raise UserError(f"{path} is missing; the page is made of it; run the stage that writes it again")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}); run the stage that writes it again") from error
    missing = [key for key in keys if not isinstance(data, dict) or key not in data]
    if missing:
        raise UserError(f"{path} lacks {', '.join(missing)}; run the stage that writes it again")
    return data
