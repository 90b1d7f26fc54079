"""Fragments as the files of an artifact, which tell a reader everything without model, dictionary or corpus.

For each split a folder, `validation` and `test`:

    text.json            "token" and "text": the ids that occur and their text; "documents": what `document` counts
    table.safetensors    one row a fragment: number, main_document, start [n]; tokens, mask, document, index [n 64]
    latents.safetensors  "latent" [L]: the dictionary's numbers of the latents; the rows of all else follow their order:
                         statistics/<name>; of the groups top, firing, near_misses: <group>/row [L m] into the table
                         (-1: none) and the matrix <group>/..., 64 wide, whose row i * m + slot holds latent i's
                         activations on that fragment, its pre-activations on a near miss
    uniform.safetensors  "row" [n] into the table; the matrix codes/..., L wide, a row for each of their recorded tokens

A matrix of values is `width` [1], `value`, and where it is sparse `row_start` and `index` (see `SparseRows`).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TypeVar

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from monosemy.activations import StoredDocument
from monosemy.core import DamagedArtifact, full_disk_is_user_error, open_artifact
from monosemy.evaluation.fragment_parts import (
    GROUPS,
    FitFragments,
    FragmentPart,
    Fragments,
    FragmentTable,
    KeptFragments,
    ScoreFragments,
)
from monosemy.evaluation.fragment_statistics import LatentStatistics
from monosemy.evaluation.sparse_rows import SparseRows

FRAGMENTS_KIND = "fragments"
TEXT_FILE, TABLE_FILE = "text.json", "table.safetensors"
LATENTS_FILE, UNIFORM_FILE = "latents.safetensors", "uniform.safetensors"

P = TypeVar("P", bound=FragmentPart)
Arrays = Mapping[str, np.ndarray]

_TABLE_ARRAYS = ("number", "tokens", "mask", "document", "index", "main_document", "start")


def write_fragments(folder: Path, fragments: Fragments) -> None:
    """Write both parts into a folder that exists (of an artifact of kind `FRAGMENTS_KIND`).

    The bytes are a function of the fragments. Raises UserError when the disk is full.
    """
    with full_disk_is_user_error(folder):
        for part in (fragments.fit, fragments.score):
            _write_part(folder / part.split(), part)


def read_fragments(path: Path) -> Fragments:
    """The fragments in an artifact; raises UserError when it is none, DamagedArtifact when it is not as written."""
    artifact = open_artifact(path, kind=FRAGMENTS_KIND)
    try:
        return Fragments(fit=_read_part(artifact.path, FitFragments), score=_read_part(artifact.path, ScoreFragments))
    except (KeyError, TypeError, ValueError, FileNotFoundError, SafetensorError) as error:
        raise DamagedArtifact(f"{path} is not a complete set of fragments ({error!r}); sample them anew") from error


def _write_part(folder: Path, part: FragmentPart) -> None:
    folder.mkdir(exist_ok=True)
    table, statistics = part.table, part.statistics
    latents: dict[str, np.ndarray] = {"latent": part.latents}
    for group in GROUPS:
        latents[f"{group}/row"] = part.kept[group].row
        latents |= _flat(f"{group}/", part.kept[group].values)
    latents |= {f"statistics/{name}": np.atleast_1d(getattr(statistics, name)) for name in _statistics_fields()}
    uniform = {"row": part.uniform_row, **_flat("codes/", part.uniform_codes)}
    _save({name: getattr(table, name) for name in _TABLE_ARRAYS}, folder / TABLE_FILE)
    _save(latents, folder / LATENTS_FILE)
    _save(uniform, folder / UNIFORM_FILE)
    text = {
        "token": list(table.text),
        "text": list(table.text.values()),
        "documents": [asdict(document) for document in table.documents],
    }
    # All but ASCII is escaped, hence surrogates, which stand for bytes that are no UTF-8, survive as well.
    (folder / TEXT_FILE).write_text(json.dumps(text) + "\n", encoding="ascii", newline="\n")


def _read_part(path: Path, part: type[P]) -> P:
    folder = path / part.split()
    text = json.loads((folder / TEXT_FILE).read_text(encoding="ascii"))
    latents, uniform = load_file(folder / LATENTS_FILE), load_file(folder / UNIFORM_FILE)
    statistics = {name: latents[f"statistics/{name}"] for name in _statistics_fields()}
    n_tokens, n_fragments = (int(statistics.pop(name)[0]) for name in ("n_tokens", "n_fragments"))
    arrays = load_file(folder / TABLE_FILE)
    return part(
        latents=latents["latent"],
        table=FragmentTable(
            **{name: arrays[name] for name in _TABLE_ARRAYS},
            text=dict(zip(text["token"], text["text"], strict=True)),
            documents=tuple(StoredDocument(**document) for document in text["documents"]),
        ),
        kept={
            group: KeptFragments(row=latents[f"{group}/row"], values=_rows(f"{group}/", latents)) for group in GROUPS
        },
        uniform_row=uniform["row"],
        uniform_codes=_rows("codes/", uniform),
        statistics=LatentStatistics(n_tokens=n_tokens, n_fragments=n_fragments, **statistics),
    )


def _statistics_fields() -> tuple[str, ...]:
    return tuple(field.name for field in fields(LatentStatistics))


def _flat(prefix: str, rows: SparseRows) -> dict[str, np.ndarray]:
    arrays = {f"{prefix}width": np.array([rows.width]), f"{prefix}value": rows.value}
    if rows.row_start is not None and rows.index is not None:
        arrays |= {f"{prefix}row_start": rows.row_start, f"{prefix}index": rows.index}
    return arrays


def _rows(prefix: str, arrays: Arrays) -> SparseRows:
    return SparseRows(
        width=int(arrays[f"{prefix}width"][0]),
        value=arrays[f"{prefix}value"],
        row_start=arrays.get(f"{prefix}row_start"),
        index=arrays.get(f"{prefix}index"),
    )


def _save(arrays: Arrays, path: Path) -> None:
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)
