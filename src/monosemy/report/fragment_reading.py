"""The contexts of a few latents, read out of a fragments artifact; evaluation/fragment_files.py describes its files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file

from monosemy.core import UserError
from monosemy.report.feature_view import FeatureContext, LatentContexts

SPLIT = "test"
GROUPS = ("top", "firing")

Arrays = Mapping[str, np.ndarray]


def read_latent_contexts(folder: Path, latents: Sequence[int], n_top: int, n_drawn: int) -> dict[int, LatentContexts]:
    """Held-out contexts of those of the latents that have some. Raises UserError when a file is missing or damaged."""
    part = folder / SPLIT
    try:
        text = json.loads((part / "text.json").read_text(encoding="ascii"))
        table = load_file(part / "table.safetensors")
        words = dict(zip(text["token"], text["text"], strict=True))
        with safe_open(part / "latents.safetensors", framework="numpy") as file:
            numbers = file.get_tensor("latent").tolist()
            names = [name for name in file.keys() if name.split("/")[0] in GROUPS]  # noqa: SIM118
            arrays = {name: file.get_tensor(name) for name in names}
        place = {latent: i for i, latent in enumerate(numbers)}
        return {
            latent: LatentContexts(
                top=_contexts(arrays, "top", place[latent], n_top, table, words, text["documents"]),
                drawn=_contexts(arrays, "firing", place[latent], n_drawn, table, words, text["documents"]),
            )
            for latent in latents
            if latent in place
        }
    except (OSError, KeyError, ValueError, IndexError, SafetensorError) as error:
        raise UserError(
            f"{folder} is not a complete fragments artifact ({error}); sample the fragments again"
        ) from error


def _contexts(
    arrays: Arrays,
    group: str,
    place: int,
    n: int,
    table: Arrays,
    words: Mapping[int, str],
    documents: Sequence[Mapping[str, Any]],
) -> tuple[FeatureContext, ...]:
    """The first n fragments of one group of one latent."""
    rows = arrays[f"{group}/row"]
    found = []
    for slot, row in enumerate(rows[place].tolist()[:n]):
        if row < 0:
            break
        document = documents[int(table["main_document"][row])]
        mask = table["mask"][row].astype(bool)
        found.append(
            FeatureContext(
                tokens=tuple(words[token] for token in table["tokens"][row].tolist()),
                activations=tuple(_values(arrays, group, place * rows.shape[1] + slot).tolist()),
                mask=tuple(mask.tolist()),
                document=str(document["id"]),
                unit=str(document["unit"]),
            )
        )
    return tuple(found)


def _values(arrays: Arrays, group: str, row: int) -> np.ndarray:
    """One row of a matrix that is stored whole, or as its non-zero values."""
    width = int(arrays[f"{group}/width"][0])
    value, start = arrays[f"{group}/value"], arrays.get(f"{group}/row_start")
    if start is None:
        return value.reshape(-1, width)[row].astype(np.float64)
    dense = np.zeros(width)
    inside = slice(int(start[row]), int(start[row + 1]))
    dense[arrays[f"{group}/index"][inside]] = value[inside]
    return dense
