"""What SAELens itself writes: every architecture and option that Monosemy reads, made by SAELens' own classes.

Runs in the benchmark environment, where sae-lens is installed. `saelens_equality.py` compares both toolkits on these,
`make_saelens_fixtures.py` writes small ones for the tests.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sae_lens  # pyright: ignore[reportMissingImports]
import safetensors.torch
import torch
from sae_lens.training.activation_scaler import (  # pyright: ignore[reportMissingImports]
    ActivationScaler,
    ActivationWhitening,
)
from torch import Tensor

SCALE = 0.4  # by which SAELens multiplied the activations, where it did
METADATA = dict(
    model_name="EleutherAI/pythia-70m", hook_name="blocks.3.hook_resid_post", context_size=128, prepend_bos=True
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A folder that SAELens writes, and what it computes from it: write(folder, sizes) -> the reference.

    The reference takes raw activations and gives latents and reconstructions.
    """

    name: str
    write: Callable[[Path, "Sizes"], "Reference"]


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """d_in, n_latents, k, and the seed of the weights."""

    d: int
    n_latents: int
    k: int
    seed: int


Reference = Callable[[Tensor], tuple[Tensor, Tensor]]


def inputs(sizes: Sizes, batch: int) -> Tensor:
    """Activations with a mean that is not 0 and a scale that is not 1."""
    generator = torch.Generator().manual_seed(sizes.seed + 1)
    return 3 * torch.randn(batch, sizes.d, generator=generator) + torch.linspace(-2, 2, sizes.d)


def fill(sae: Any, seed: int) -> Any:
    """Random numbers in every tensor: decoder rows of many norms, thresholds on both sides of 0."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in sorted(sae.state_dict().items()):
        drawn = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        if name == "W_dec":
            drawn *= torch.linspace(0.2, 3, len(drawn))[:, None] / drawn.shape[1] ** 0.5
        if name == "W_enc":
            drawn /= 2 * drawn.shape[0] ** 0.5
        if name == "topk_threshold":
            drawn = torch.full_like(drawn, 0.9)
        tensor.copy_(0.3 * drawn if name == "r_mag" else drawn)
    return sae


def runs(sae: Any) -> Reference:
    """SAELens' own encode and decode, in the file's precision or in float32 where that is a half."""
    if sae.dtype in (torch.float16, torch.bfloat16):
        sae = sae.to(dtype=torch.float32)

    @torch.no_grad()
    def reference(x: Tensor) -> tuple[Tensor, Tensor]:
        z = sae.encode(x)
        return z, sae.decode(z)

    return reference


def plain(config: str, **options: object) -> Callable[[Path, Sizes], Reference]:
    """An inference dictionary, saved and loaded again by SAELens."""

    def write(folder: Path, sizes: Sizes) -> Reference:
        given = {name: sizes.k if value == "k" else value for name, value in options.items()}
        cfg = getattr(sae_lens, config)(d_in=sizes.d, d_sae=sizes.n_latents, **given)
        cfg.metadata = type(cfg.metadata)(**METADATA)
        sae = fill(sae_lens.SAE.get_sae_class_for_architecture(cfg.architecture())(cfg), sizes.seed)
        sae.save_model(folder)
        return runs(sae_lens.SAE.load_from_disk(folder))

    return write


def hook_z(folder: Path, sizes: Sizes) -> Reference:
    """Activations with an axis of heads, of width 2 each; the reference takes them end to end, as Monosemy has them."""
    cfg = sae_lens.StandardSAEConfig(d_in=sizes.d, d_sae=sizes.n_latents, reshape_activations="hook_z")
    cfg.metadata = type(cfg.metadata)(**{**METADATA, "hook_name": "blocks.1.attn.hook_z"})
    fill(sae_lens.StandardSAE(cfg), sizes.seed).save_model(folder)
    sae = sae_lens.SAE.load_from_disk(folder)

    def reference(x: Tensor) -> tuple[Tensor, Tensor]:
        z, x_hat = runs(sae)(x.reshape(len(x), -1, 2))
        return z, x_hat.reshape(len(x), -1)

    return reference


def transcoder(config: str) -> Callable[[Path, Sizes], Reference]:
    """A dictionary whose output is of another site and width."""

    def write(folder: Path, sizes: Sizes) -> Reference:
        cfg = getattr(sae_lens, config)(
            d_in=sizes.d, d_sae=sizes.n_latents, d_out=sizes.d + 2, apply_b_dec_to_input=False
        )
        hooks = dict(hook_name="blocks.3.hook_mlp_in", hook_name_out="blocks.3.hook_mlp_out")
        cfg.metadata = type(cfg.metadata)(**{**METADATA, **hooks})
        sae = fill(sae_lens.SAE.get_sae_class_for_architecture(cfg.architecture())(cfg), sizes.seed)
        sae.save_model(folder)
        return runs(sae_lens.SAE.load_from_disk(folder))

    return write


def checkpoint(config: str, normalize: str = "none", **options: object) -> Callable[[Path, Sizes], Reference]:
    """A checkpoint of a training, not folded; the reference is what SAELens makes of it at the end of a training."""

    def write(folder: Path, sizes: Sizes) -> Reference:
        given = {name: sizes.k if value == "k" else value for name, value in options.items()}
        if "matryoshka_widths" in given:
            given["matryoshka_widths"] = [sizes.n_latents // 2, sizes.n_latents]
        cfg = getattr(sae_lens, config)(d_in=sizes.d, d_sae=sizes.n_latents, normalize_activations=normalize, **given)
        cfg.metadata = type(cfg.metadata)(**METADATA)
        sae = fill(sae_lens.TrainingSAE.get_sae_class_for_architecture(cfg.architecture())(cfg), sizes.seed)
        sae.save_model(folder)
        scaler = ActivationScaler(scaling_factor=SCALE if normalize == "expected_average_only_in" else None)
        if normalize == "covariance_whitening":
            scaler.whitening = whitening(sizes)
        scaler.save(str(folder / "activation_scaler.json"))
        if scaler.scaling_factor is not None:
            sae.fold_activation_norm_scaling_factor(scaler.scaling_factor)
        if scaler.whitening is not None:
            parts = scaler.whitening
            sae.fold_activation_whitening(parts.mean, parts.matrix, parts.inverse_matrix)
        final = folder / "final"
        sae.save_inference_model(final)
        loaded = sae_lens.SAE.load_from_disk(final)
        for file in final.iterdir():
            file.unlink()
        final.rmdir()
        return runs(loaded)

    return write


def whitening(sizes: Sizes) -> ActivationWhitening:
    """A mean, and a matrix with its inverse."""
    generator = torch.Generator().manual_seed(sizes.seed + 2)
    matrix = torch.eye(sizes.d, dtype=torch.float64)
    matrix += 0.3 * torch.randn(sizes.d, sizes.d, generator=generator, dtype=torch.float64) / sizes.d**0.5
    mean = torch.linspace(-2, 2, sizes.d, dtype=torch.float64)
    return ActivationWhitening(mean=mean, matrix=matrix, inverse_matrix=torch.linalg.inv(matrix).contiguous())


def old(**options: object) -> Callable[[Path, Sizes], Reference]:
    """The flat layout of before version 6, which SAELens still loads: its own weights under a configuration of then."""

    def write(folder: Path, sizes: Sizes) -> Reference:
        given = {name: {"k": sizes.k} if value == "k" else value for name, value in options.items()}
        gated = given.get("architecture") == "gated"
        cfg = (sae_lens.GatedSAEConfig if gated else sae_lens.StandardSAEConfig)(d_in=sizes.d, d_sae=sizes.n_latents)
        sae = fill((sae_lens.GatedSAE if gated else sae_lens.StandardSAE)(cfg), sizes.seed)
        folder.mkdir(parents=True)
        tensors = {name: tensor.contiguous() for name, tensor in sae.state_dict().items()}
        # Written by the versions before 4, and dropped on loading when it is 1.
        tensors["scaling_factor"] = torch.ones(sizes.n_latents)
        safetensors.torch.save_file(tensors, folder / "sae_weights.safetensors")
        flat = dict(
            **dict(d_in=sizes.d, d_sae=sizes.n_latents, dtype="torch.float32", device="cpu", prepend_bos=True),
            **dict(model_name="gpt2-small", hook_point="blocks.5.hook_resid_pre", hook_point_layer=5),
            **dict(context_size=128, dataset_path="Skylion007/openwebtext", finetuning_scaling_factor=False),
        )
        (folder / "cfg.json").write_text(json.dumps({**flat, **given}))
        return runs(sae_lens.SAE.load_from_disk(folder))

    return write


def _cases() -> tuple[Case, ...]:
    scaled, white = "expected_average_only_in", "covariance_whitening"
    made = {
        "standard": plain("StandardSAEConfig"),
        "standard_no_pre_bias": plain("StandardSAEConfig", apply_b_dec_to_input=False),
        "standard_bfloat16": plain("StandardSAEConfig", dtype="bfloat16"),
        "standard_float64": plain("StandardSAEConfig", dtype="float64"),
        "standard_hook_z": hook_z,
        "standard_scaled": checkpoint("StandardTrainingSAEConfig", scaled),
        "standard_whitened": checkpoint("StandardTrainingSAEConfig", white, apply_b_dec_to_input=False),
        "topk": plain("TopKSAEConfig", k="k"),
        "topk_rescaled": plain("TopKSAEConfig", k="k", rescale_acts_by_decoder_norm=True),
        "topk_scaled": checkpoint("TopKTrainingSAEConfig", scaled, k="k"),
        "topk_whitened": checkpoint("TopKTrainingSAEConfig", white, k="k"),
        "abstopk": plain("AbsTopKSAEConfig", k="k", apply_b_dec_to_input=False),
        "jumprelu": plain("JumpReLUSAEConfig"),
        "jumprelu_no_pre_bias": plain("JumpReLUSAEConfig", apply_b_dec_to_input=False),
        "jumprelu_scaled": checkpoint("JumpReLUTrainingSAEConfig", scaled),
        "gated": plain("GatedSAEConfig"),
        "gated_no_pre_bias": plain("GatedSAEConfig", apply_b_dec_to_input=False),
        "gated_whitened": checkpoint("GatedTrainingSAEConfig", white, apply_b_dec_to_input=False),
        "batchtopk": checkpoint("BatchTopKTrainingSAEConfig", scaled, k="k"),
        "matryoshka": checkpoint("MatryoshkaBatchTopKTrainingSAEConfig", k="k", matryoshka_widths=None),
        "batchtopk_not_rescaled": checkpoint(
            "BatchTopKTrainingSAEConfig", scaled, k="k", rescale_acts_by_decoder_norm=False
        ),
        "transcoder": transcoder("TranscoderConfig"),
        "jumprelu_transcoder": transcoder("JumpReLUTranscoderConfig"),
        "old_standard": old(activation_fn_str="relu", normalize_sae_decoder=True),
        "old_topk": old(
            activation_fn_str="topk",
            activation_fn_kwargs="k",
            normalize_activations=None,
            apply_b_dec_to_input=False,
            sae_lens_training_version="5.3.1",
        ),
        "old_gated": old(architecture="gated", normalize_activations="none"),
    }
    return tuple(Case(name=name, write=write) for name, write in made.items())


CASES = _cases()
