"""The dictionaries that can be made, whatever made them, and what each does when it is used, saved and abused."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from monosemy.core import UserError, torch_generator
from monosemy.dictionaries import (
    AbsTopK,
    Architecture,
    Dictionary,
    Identity,
    JumpReLU,
    ReLU,
    Sparsifier,
    TiedL1Config,
    TopK,
    TopKConfig,
)

D, N_LATENTS, BATCH = 12, 20, 50


@dataclass(frozen=True, kw_only=True, slots=True)
class DictionaryCase:
    """How a dictionary is made; `make(seed)` gives one that takes activations like `activations()`.

    seeded: another seed makes another dictionary.
    """

    name: str
    make: Callable[[int], Dictionary]
    seeded: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class DictionaryEvidence:
    """What a dictionary is and did.

    again, other: made from the same seed once more, and from another one. x_after: the batch after it was used.
    alone: latents of each row encoded by itself. equal_rows, zero_rows, no_rows: latents of such batches.
    loaded, resaved: it read back from a folder, and the bytes of both savings. refusals: what a spoiled folder or input
    led to: the message of the UserError, or None.
    permutation, permuted: an order of the latents, and the dictionary with its weights in that order.
    """

    dictionary: Dictionary
    again: Dictionary
    other: Dictionary
    seeded: bool
    x: Tensor
    x_after: Tensor
    z: Tensor
    x_hat: Tensor
    alone: Tensor
    equal_rows: Tensor
    zero_rows: Tensor
    no_rows: Tensor
    loaded: Dictionary
    bytes_saved: tuple[bytes, bytes]
    refusals: dict[str, str | None]
    permutation: Tensor
    permuted: Dictionary


def activations(seed: int = 0, n: int = BATCH) -> Tensor:
    """Correlated and away from zero, as a residual stream is."""
    generator = torch_generator(seed, "conformance-activations")
    mix = torch.randn(D, D, generator=torch_generator(0, "conformance-mix"))
    return torch.randn(n, D, generator=generator) @ mix + 3.0


def gather(case: DictionaryCase, folder: Path) -> DictionaryEvidence:
    """Make the dictionary and use it in every way."""
    dictionary, x = case.make(0), activations()
    x_after = x.clone()
    z = dictionary.encode(x_after)
    permutation = torch.randperm(dictionary.n_latents, generator=torch_generator(0, "conformance-permutation"))
    loaded, bytes_saved = _save_twice(dictionary, folder)
    return DictionaryEvidence(
        dictionary=dictionary,
        again=case.make(0),
        other=case.make(1),
        seeded=case.seeded,
        x=x,
        x_after=x_after,
        z=z,
        x_hat=dictionary.reconstruct(x_after),
        alone=torch.cat([dictionary.encode(row[None]) for row in x]),
        equal_rows=dictionary.encode(x[:1].expand(7, -1)),
        zero_rows=dictionary.encode(torch.zeros(3, D)),
        no_rows=dictionary.encode(x[:0]),
        loaded=loaded,
        bytes_saved=bytes_saved,
        refusals={**_bad_inputs(dictionary, x), **_bad_folders(dictionary, folder)},
        permutation=permutation,
        permuted=_permuted(dictionary, permutation),
    )


def _save_twice(dictionary: Dictionary, folder: Path) -> tuple[Dictionary, tuple[bytes, bytes]]:
    folders = [folder / "first", folder / "second"]
    for each in folders:
        each.mkdir(parents=True)
    dictionary.save(folders[0])
    loaded = Dictionary.load(folders[0])
    loaded.save(folders[1])
    first, second = (b"".join(file.read_bytes() for file in sorted(each.iterdir())) for each in folders)
    return loaded, (first, second)


def _permuted(dictionary: Dictionary, order: Tensor) -> Dictionary:
    sparsifier = dictionary.sparsifier
    return Dictionary(
        W_enc=dictionary.W_enc[order],
        b_enc=dictionary.b_enc[order],
        W_dec=dictionary.W_dec[order],
        b_dec=dictionary.b_dec,
        sparsifier=JumpReLU(sparsifier.theta[order]) if isinstance(sparsifier, JumpReLU) else sparsifier,
    )


def refusal(action: Callable[[], object]) -> str | None:
    """The message of the UserError that an action ends in; None when it does not."""
    try:
        action()
    except UserError as error:
        return str(error)
    return None


def _bad_inputs(dictionary: Dictionary, x: Tensor) -> dict[str, str | None]:
    nan, infinite = x.clone(), x.clone()
    nan[5, 2], infinite[0, 0] = torch.nan, -torch.inf
    inputs = {"NaN": nan, "infinity": infinite, "another width": x[:, 1:]}
    return {name: refusal(lambda bad=bad: dictionary.encode(bad)) for name, bad in inputs.items()}


def _bad_folders(dictionary: Dictionary, folder: Path) -> dict[str, str | None]:
    """What loading says of folders with one thing wrong."""
    dictionary.save(folder)
    config, weights = folder / "config.json", folder / "dictionary.safetensors"
    sound_config, sound_weights = json.loads(config.read_text()), safetensors.torch.load(weights.read_bytes())
    nan = sound_weights["W_dec"].clone()
    nan[0, 0] = torch.nan
    configs = {
        "an unknown key": {**sound_config, "colour": "red"},
        "a missing key": {name: value for name, value in sound_config.items() if name != "d_in"},
        "another size": {**sound_config, "n_latents": sound_config["n_latents"] + 1},
    }
    tensors = {
        "an unknown tensor": {**sound_weights, "W_skip": torch.zeros(1)},
        "a missing tensor": {name: value for name, value in sound_weights.items() if name != "b_dec"},
        "NaN in a tensor": {**sound_weights, "W_dec": nan},
    }
    found: dict[str, str | None] = {}
    for name, content in configs.items():
        config.write_text(json.dumps(content))
        found[name] = refusal(lambda: Dictionary.load(folder))
    config.write_text(json.dumps(sound_config))
    for name, content in tensors.items():
        safetensors.torch.save_file(content, weights)
        found[name] = refusal(lambda: Dictionary.load(folder))
    weights.write_bytes(b"no weights")
    found["damaged weights"] = refusal(lambda: Dictionary.load(folder))
    return found


def _random_dictionary(sparsifier: Sparsifier) -> Callable[[int], Dictionary]:
    """Free rows, biases of every sign."""

    def make(seed: int) -> Dictionary:
        generator = torch_generator(seed, "conformance-dictionary")
        return Dictionary(
            W_enc=torch.randn(N_LATENTS, D, generator=generator),
            b_enc=torch.randn(N_LATENTS, generator=generator),
            W_dec=torch.randn(N_LATENTS, D, generator=generator),
            b_dec=torch.randn(D, generator=generator),
            sparsifier=sparsifier,
        )

    return make


def _exported(architecture: Architecture) -> Callable[[int], Dictionary]:
    def make(seed: int) -> Dictionary:
        module = architecture.build(D, N_LATENTS, torch_generator(seed, "conformance-build"))
        return module.export(torch.linspace(-1, 1, D, dtype=torch.float64), 2.5)

    return make


CASES = (
    DictionaryCase(name="identity", make=_random_dictionary(Identity())),
    DictionaryCase(name="relu", make=_random_dictionary(ReLU())),
    DictionaryCase(name="topk", make=_random_dictionary(TopK(3))),
    DictionaryCase(name="topk_all", make=_random_dictionary(TopK(N_LATENTS))),
    DictionaryCase(name="abs_topk", make=_random_dictionary(AbsTopK(3))),
    DictionaryCase(name="jumprelu", make=_random_dictionary(JumpReLU(torch.linspace(0, 4, N_LATENTS)))),
    DictionaryCase(name="tied_l1_exported", make=_exported(TiedL1Config(coefficient=0.5))),
    DictionaryCase(name="topk_exported", make=_exported(TopKConfig(k=4))),
)
