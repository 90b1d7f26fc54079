"""The embedded language model: shipped with the package, its matrices as 8-bit integers, loaded without a download."""

import json
from collections.abc import Mapping
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int8
from safetensors import safe_open
from safetensors.torch import save
from tokenizers import Tokenizer
from torch import Tensor
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

from monosemy.core import UserError, atomic_write_bytes, atomic_write_text
from monosemy.lm.loading import resolve_device
from monosemy.lm.model import LanguageModel

NAME = "embedded"
CONFIG_FILE, WEIGHTS_FILE, PROVENANCE_FILE = "config.json", "weights.safetensors", "provenance.json"
TOKENIZER_FILE = "tokenizer.json"
SCALE = ".scale"
END_OF_TEXT = "<|endoftext|>"

Precision = Literal["int8", "float16"]


def load_embedded(*, device: Literal["auto", "cpu", "cuda"] = "auto") -> LanguageModel:
    """The embedded model in float32 with the embedded corpus' tokenizer; the same weights on every machine.

    Raises UserError when the package was installed without its data.
    """
    with as_file(_shipped("lm", CONFIG_FILE, WEIGHTS_FILE)) as local:
        model = read_packed(local)
    tokenizer = _shipped("stdlib", TOKENIZER_FILE).joinpath(TOKENIZER_FILE).read_text(encoding="utf-8")
    torch.nn.Module.to(model, resolve_device(device))  # transformers' own `to` has no usable type
    return wrap(model, Tokenizer.from_str(tokenizer), NAME)


def embedded_provenance() -> dict[str, Any]:
    """How the embedded model was made: command, recipe, corpus, versions, loss curve.

    Raises UserError when the package was installed without its data.
    """
    return json.loads(_shipped("lm", PROVENANCE_FILE).joinpath(PROVENANCE_FILE).read_text(encoding="utf-8"))


def _shipped(folder: str, *names: str) -> Traversable:
    """The folder of the package's data, once the named files are found in it."""
    found = files("monosemy").joinpath("data", folder)
    for name in names:
        if not found.joinpath(name).is_file():
            raise UserError(
                f"the embedded language model ({folder}/{name}) is missing from this installation; "
                "install monosemy again"
            )
    return found


def wrap(model: GPTNeoXForCausalLM, tokenizer: Tokenizer, name: str) -> LanguageModel:
    """A model of the embedded family with its tokenizer, whose one special token begins every sequence."""
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=END_OF_TEXT, eos_token=END_OF_TEXT)
    return LanguageModel(model, fast, name)


def write_packed(
    model: GPTNeoXForCausalLM, folder: Path, provenance: Mapping[str, object], precision: Precision = "int8"
) -> None:
    """Write configuration, packed weights and provenance into `folder`, the form in which the package ships them."""
    packed = pack(model.state_dict(), precision)
    atomic_write_bytes(folder / WEIGHTS_FILE, save(packed))
    atomic_write_text(folder / CONFIG_FILE, json.dumps(model.config.to_diff_dict(), indent=1, sort_keys=True) + "\n")
    atomic_write_text(folder / PROVENANCE_FILE, json.dumps(provenance, indent=1) + "\n")


def read_packed(folder: Path) -> GPTNeoXForCausalLM:
    """The model that `write_packed` wrote, in float32."""
    config = GPTNeoXConfig(**json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8")))
    with torch.random.fork_rng(devices=[]):  # transformers draws initial values of its own, replaced below
        model = GPTNeoXForCausalLM(config)
    with safe_open(folder / WEIGHTS_FILE, framework="pt") as file:
        weights = unpack({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 (not a dict)
    model.load_state_dict(weights, strict=True)
    return model


def pack(weights: Mapping[str, Tensor], precision: Precision = "int8") -> dict[str, Tensor]:
    """Matrices as 8-bit integers with one float32 scale a row, or as float16; vectors stay float32."""
    packed: dict[str, Tensor] = {}
    for name, value in weights.items():
        if value.ndim != 2:
            packed[name] = value.float().contiguous()
        elif precision == "float16":
            packed[name] = value.half().contiguous()
        else:
            packed[name], packed[name + SCALE] = quantize_rows(value.float())
    return packed


def unpack(packed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `pack`, up to its rounding; float32."""
    weights = {name: value for name, value in packed.items() if not name.endswith(SCALE)}
    return {
        name: value.float() * packed[name + SCALE][:, None] if name + SCALE in packed else value.float()
        for name, value in weights.items()
    }


def quantize_rows(
    matrix: Float[Tensor, "rows columns"],
) -> tuple[Int8[Tensor, "rows columns"], Float[Tensor, " rows"]]:
    """q = round(W / s) with s = max |W| / 127 a row; |W - s q| <= s / 2 up to float32's rounding.

    A row of zeros, or of numbers too small for s to be a normal float32, has scale 1 and so becomes zero.
    """
    scale = matrix.abs().amax(dim=1) / 127
    scale = torch.where(scale >= torch.finfo(scale.dtype).tiny, scale, 1.0)
    return (matrix / scale[:, None]).round().to(torch.int8), scale
