"""The table of model families: which module of a Hugging Face model holds which site."""

from dataclasses import dataclass
from typing import Literal

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from monosemy.core import UserError, nearest
from monosemy.lm.sites import CENTERABLE_LOCATIONS, LOCATIONS, Location, Site


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """Module names of one family; `blocks` and `final_norm` from the model, the others from a block."""

    blocks: str
    final_norm: str
    attn: str
    attn_projection: str
    mlp: str
    mlp_norm: str
    mlp_projection: str
    norm: Literal["LayerNorm", "RMSNorm"]


FAMILIES: dict[str, Family] = {
    "gpt_neox": Family(
        blocks="gpt_neox.layers",
        final_norm="gpt_neox.final_layer_norm",
        attn="attention",
        attn_projection="attention.dense",
        mlp="mlp",
        mlp_norm="post_attention_layernorm",
        mlp_projection="mlp.dense_4h_to_h",
        norm="LayerNorm",
    ),
    "gpt2": Family(
        blocks="transformer.h",
        final_norm="transformer.ln_f",
        attn="attn",
        attn_projection="attn.c_proj",
        mlp="mlp",
        mlp_norm="ln_2",
        mlp_projection="mlp.c_proj",
        norm="LayerNorm",
    ),
    "llama": Family(
        blocks="model.layers",
        final_norm="model.norm",
        attn="self_attn",
        attn_projection="self_attn.o_proj",
        mlp="mlp",
        mlp_norm="post_attention_layernorm",
        mlp_projection="mlp.down_proj",
        norm="RMSNorm",
    ),
}
"""`config.model_type` of Hugging Face -> family. A new family is a new row and its fixture in the tests."""


@dataclass(frozen=True, slots=True)
class Port:
    """A tensor of a module that a hook can read and replace: its first input, or its (first) output."""

    module: nn.Module
    side: Literal["input", "output"]


def family_of(model_type: str) -> Family:
    """The family of a Hugging Face `model_type`. Raises UserError when it is not in the table."""
    if model_type not in FAMILIES:
        hint = nearest(model_type, FAMILIES)
        raise UserError(f"model family {model_type!r} is not supported{hint}; allowed: {', '.join(sorted(FAMILIES))}")
    return FAMILIES[model_type]


class SiteMap:
    """The sites of one model: which exist, how wide they are and which module holds them."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self.model_type: str = model.config.model_type
        self.family = family_of(self.model_type)
        # Only GPT-NeoX has the choice: attention and MLP may both read the block's input.
        self.is_parallel = self.model_type == "gpt_neox" and bool(model.config.use_parallel_residual)
        self.d_model: int = model.config.hidden_size
        # A tuple of its own, since `skip_layers` shortens the model's list for a while.
        self.blocks: tuple[nn.Module, ...] = tuple(model.get_submodule(self.family.blocks).children())
        self.final_norm: nn.Module = model.get_submodule(self.family.final_norm)

    @property
    def n_layers(self) -> int:
        """Number of transformer blocks."""
        return len(self.blocks)

    @property
    def locations(self) -> tuple[Location, ...]:
        """The locations that every layer of this model has."""
        return tuple(location for location in LOCATIONS if not (location == "resid_mid" and self.is_parallel))

    def check(self, site: Site) -> None:
        """Raise UserError, naming what is allowed, when the model does not have `site`."""
        if site.layer >= self.n_layers:
            raise UserError(f"site {site} does not exist: the model has layers 0 to {self.n_layers - 1}")
        if site.location not in self.locations:
            raise UserError(
                f"site {site} does not exist: attention and MLP of this {self.model_type} model read the same residual"
                f" (use_parallel_residual); allowed: {', '.join(self.locations)}"
            )
        if site.centered and self.family.norm != "LayerNorm":
            raise UserError(
                f"site {site} cannot be centered: {self.model_type} uses {self.family.norm}, which sees the mean that"
                f" centering removes; use {site.location}.{site.layer}"
            )
        if site.centered and site.location not in CENTERABLE_LOCATIONS:
            raise UserError(
                f"site {site} cannot be centered: its mean has an effect outside the residual stream's space; allowed:"
                f" {', '.join(location for location in self.locations if location in CENTERABLE_LOCATIONS)}"
            )

    def port(self, site: Site) -> Port:
        """The module and side where the activation of `site` passes (resid_mid is written by `hooks` in three)."""
        block, family = self.blocks[site.layer], self.family
        match site.location:
            case "resid_pre":
                return Port(block, "input")
            case "attn_heads":
                return Port(block.get_submodule(family.attn_projection), "input")
            case "attn_out":
                return Port(block.get_submodule(family.attn), "output")
            case "resid_mid":
                return Port(block.get_submodule(family.mlp_norm), "input")
            case "mlp_hidden":
                return Port(block.get_submodule(family.mlp_projection), "input")
            case "mlp_out":
                return Port(block.get_submodule(family.mlp), "output")
            case "resid_post":
                return Port(block, "output")

    def d_site(self, site: Site) -> int:
        """Width of the activation at `site`. Raises UserError when the model does not have it."""
        self.check(site)
        if site.location in CENTERABLE_LOCATIONS:
            return self.d_model
        projection = self.port(site).module
        if isinstance(projection, nn.Linear):
            return projection.in_features
        assert isinstance(projection, Conv1D)  # GPT-2 keeps its matrices as [inputs outputs]
        return projection.weight.shape[0]
