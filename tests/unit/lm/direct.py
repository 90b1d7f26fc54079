"""Independent reading and writing of activations, on module names written out here.

Nothing of `monosemy.lm` is used: residual sites come from sums of what attention and MLP add, and edits of inner
activations are made by recomputing the output of the module around them.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers import PreTrainedModel

Fn = Callable[[Tensor], Tensor]

TOLERANCE = 1e-9


def close(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool((a - b).abs().max() < TOLERANCE)


def double_and_shift(x: Tensor) -> Tensor:
    return 2.0 * x + 0.3


def hook_count(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


NAMES = {  # blocks, attention, its projection, MLP, its projection
    "gpt_neox": ("gpt_neox.layers", "attention", "dense", "mlp", "dense_4h_to_h"),
    "gpt2": ("transformer.h", "attn", "c_proj", "mlp", "c_proj"),
    "llama": ("model.layers", "self_attn", "o_proj", "mlp", "down_proj"),
}


def parts(model: PreTrainedModel, layer: int) -> tuple[nn.Module, nn.Module, nn.Module, nn.Module, nn.Module]:
    blocks, attn, attn_proj, mlp, mlp_proj = NAMES[model.config.model_type]
    block = model.get_submodule(f"{blocks}.{layer}")
    attention, feed_forward = block.get_submodule(attn), block.get_submodule(mlp)
    return block, attention, attention.get_submodule(attn_proj), feed_forward, feed_forward.get_submodule(mlp_proj)


def on_output(module: nn.Module, fn: Callable[[Any], Any]) -> RemovableHandle:
    return module.register_forward_hook(lambda *call: fn(call[-1]))


def on_input(module: nn.Module, fn: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    def hook(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        new = fn(args[0])
        return None if new is None else (new, *args[1:])

    return module.register_forward_pre_hook(hook)


@torch.no_grad()
def direct_activations(model: PreTrainedModel, tokens: Tensor, layer: int) -> dict[str, Tensor]:
    """Every location of a layer. The residual stream is read from `output_hidden_states` and from sums."""
    _, attention, attn_proj, mlp, mlp_proj = parts(model, layer)
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[Tensor], None]:
        return lambda x: seen.update({name: x.clone()})

    handles = [
        on_input(attn_proj, keep("attn_heads")),
        on_output(attention, lambda out: keep("attn_out")(out[0])),
        on_input(mlp_proj, keep("mlp_hidden")),
        on_output(mlp, keep("mlp_out")),
    ]
    hidden_states = model(tokens, output_hidden_states=True, use_cache=False).hidden_states
    for handle in handles:
        handle.remove()
    seen["resid_pre"] = hidden_states[layer]
    seen["resid_mid"] = seen["resid_pre"] + seen["attn_out"]
    seen["resid_post"] = seen["resid_mid"] + seen["mlp_out"]
    return seen


@torch.no_grad()
def direct_edit(model: PreTrainedModel, tokens: Tensor, layer: int, location: str, fn: Fn) -> Tensor:
    """Logits with the activation at (layer, location) replaced by fn of it."""
    block, attention, attn_proj, mlp, mlp_proj = parts(model, layer)
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[Tensor], None]:
        return lambda x: seen.update({name: x})

    def recomputed(projection: nn.Module) -> Tensor:
        return projection.forward(fn(seen["inner"]))  # forward, so that the hook on it does not see this call

    handles: dict[str, Callable[[], list[RemovableHandle]]] = {
        "resid_pre": lambda: [on_input(block, fn)],
        "resid_post": lambda: [on_output(block, fn)],
        "attn_out": lambda: [on_output(attention, lambda out: (fn(out[0]), *out[1:]))],
        "mlp_out": lambda: [on_output(mlp, fn)],
        "attn_heads": lambda: [
            on_input(attn_proj, keep("inner")),
            on_output(attention, lambda out: (recomputed(attn_proj), *out[1:])),
        ],
        "mlp_hidden": lambda: [on_input(mlp_proj, keep("inner")), on_output(mlp, lambda _: recomputed(mlp_proj))],
        # resid_mid = resid_pre + attn_out, so an edit of the sum is an edit of attn_out.
        "resid_mid": lambda: [
            on_input(block, keep("pre")),
            on_output(attention, lambda out: (fn(seen["pre"] + out[0]) - seen["pre"], *out[1:])),
        ],
    }
    installed = handles[location]()
    logits = model(tokens, use_cache=False).logits
    for handle in installed:
        handle.remove()
    return logits
