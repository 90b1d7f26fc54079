"""Activation stores written by hand, file by file, for the tests of what reads them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file

from monosemy.activations import ActivationStore
from monosemy.core import write_artifact

CONTEXT = 5


def rows(n: int, d: int, seed: int = 0, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
    """Random rows that the 16-bit format holds exactly; the first number of a row is its own."""
    x = torch.randn(n, d, generator=torch.Generator().manual_seed(seed)).to(dtype).float()
    assert n < 256  # bfloat16 holds the whole numbers up to 256
    x[:, 0] = torch.arange(n)
    return x


def write_store(
    folder: Path,
    x: Mapping[str, torch.Tensor],
    shard_rows: Sequence[int],
    *,
    dtype: torch.dtype = torch.bfloat16,
    moments: Mapping[str, np.ndarray] | None = None,
) -> Path:
    """A store of the rows x of each site, the first of them in shard 0; row r stands at place 5 r + 1."""
    n_rows = sum(shard_rows)
    place = 1 + torch.arange(n_rows) * CONTEXT
    with write_artifact(folder, kind="activations", config={"seed": 3}) as path:
        for name in [*x, "place"]:
            (path / name).mkdir()
            tensor = place if name == "place" else x[name].to(dtype)
            for number, shard in enumerate(tensor.split(list(shard_rows))):
                key = "place" if name == "place" else "x"
                save_file({key: shard.contiguous()}, path / name / f"{number:05d}.safetensors")
        index = np.tile(np.arange(-1, CONTEXT - 1, dtype=np.int32), (n_rows, 1))
        document = np.repeat(np.arange(n_rows, dtype=np.int32)[:, None], CONTEXT, axis=1)
        save_arrays({"tokens": index + 7, "document": document, "index": index}, path / "sequences.safetensors")
        documents = [{"id": f"d{i}", "unit": "u", "n_tokens": 4, "first_token": 4 * i} for i in range(n_rows)]
        (path / "documents.json").write_text(json.dumps(documents))
        true = {
            f"{site}/{name}": value.double().mean(dim=0).numpy()
            for site, t in x.items()
            for name, value in (("mean", t), ("mean_square", t.double() ** 2))
        }
        save_arrays(dict(moments or true), path / "moments.safetensors")
        about = {
            "n_rows": n_rows,
            "shard_rows": list(shard_rows),
            "d_site": {site: t.shape[1] for site, t in x.items()},
            "dtype": str(dtype).removeprefix("torch."),
            "order": "shuffled",
            "context_length": CONTEXT,
        }
        (path / "store.json").write_text(json.dumps(about))
    return folder


def open_store(
    folder: Path, n_rows: int = 23, shard_rows: Sequence[int] = (9, 0, 3, 11)
) -> tuple[ActivationStore, dict[str, torch.Tensor]]:
    """A store of two sites, and its rows."""
    x = {"resid_post.0": rows(n_rows, 3), "mlp_out.1": rows(n_rows, 2, seed=1)}
    return ActivationStore.open(write_store(folder, x, shard_rows)), x
