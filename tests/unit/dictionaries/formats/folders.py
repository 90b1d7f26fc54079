"""Folders that SAELens itself wrote, committed with inputs and what SAELens computes from them."""

import json
import shutil
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

SAELENS = Path(__file__).resolve().parents[3] / "data" / "saelens"
CASES = sorted(folder.name for folder in SAELENS.iterdir())


def expected(name: str) -> tuple[Tensor, Tensor, Tensor]:
    """x, z and x_hat of a case, by SAELens."""
    tensors = safetensors.torch.load_file(SAELENS / name / "expected.safetensors")
    return tensors["x"], tensors["z"], tensors["x_hat"]


def copied(name: str, folder: Path, **changed: Any) -> Path:
    """A copy of a case's folder in which keys of cfg.json are changed; a key given as None is taken out."""
    shutil.copytree(SAELENS / name, folder)
    file = folder / "cfg.json"
    config = {**json.loads(file.read_text()), **changed}
    file.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    return folder


def with_tensors(folder: Path, **changed: Tensor | None) -> Path:
    """The folder, in which tensors are replaced, added, or taken out (None)."""
    file = folder / "sae_weights.safetensors"
    tensors = {**safetensors.torch.load_file(file), **changed}
    safetensors.torch.save_file({name: each for name, each in tensors.items() if each is not None}, file)
    return folder
