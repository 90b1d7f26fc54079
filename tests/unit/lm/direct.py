"""Independent reading and writing of activations, on module names written out here.

Nothing of `monosemy.lm` is used: residual sites come from sums of what attention and MLP add, and edits of inner
activations are made by recomputing the output of the module around them.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

Fn = Callable[[Tensor], Tensor]

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


@torch.no_grad()
def direct_activations(model: PreTrainedModel, tokens: Tensor, layer: int) -> dict[str, Tensor]:
    """Every location of a layer. The residual stream is read from `output_hidden_states` and from sums."""
    _, attention, attn_proj, mlp, mlp_proj = parts(model, layer)
    seen: dict[str, Tensor] = {}
    handles = [
        attn_proj.register_forward_hook(lambda _, args, __: seen.update(attn_heads=args[0].clone())),
        attention.register_forward_hook(lambda _, __, out: seen.update(attn_out=out[0].clone())),
        mlp_proj.register_forward_hook(lambda _, args, __: seen.update(mlp_hidden=args[0].clone())),
        mlp.register_forward_hook(lambda _, __, out: seen.update(mlp_out=out.clone())),
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

    def outer(module: nn.Module, projection: nn.Module) -> list[torch.utils.hooks.RemovableHandle]:
        def keep(_: nn.Module, args: tuple[Tensor, ...], __: Tensor) -> None:
            seen.setdefault("inner", args[0])

        def recompute(_: nn.Module, __: object, out: Tensor | tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
            new = projection(fn(seen["inner"]))
            return (new, *out[1:]) if isinstance(out, tuple) else new

        return [projection.register_forward_hook(keep), module.register_forward_hook(recompute)]

    if location == "attn_heads":
        handles = outer(attention, attn_proj)
    elif location == "mlp_hidden":
        handles = outer(mlp, mlp_proj)
    elif location == "attn_out":
        handles = [attention.register_forward_hook(lambda _, __, out: (fn(out[0]), *out[1:]))]
    elif location == "mlp_out":
        handles = [mlp.register_forward_hook(lambda _, __, out: fn(out))]
    elif location == "resid_post":
        handles = [block.register_forward_hook(lambda _, __, out: fn(out))]
    elif location == "resid_pre":
        handles = [block.register_forward_pre_hook(lambda _, args: (fn(args[0]), *args[1:]))]
    else:  # resid_mid = resid_pre + attn_out, so the edit of the sum is an edit of attn_out
        handles = [
            block.register_forward_pre_hook(lambda _, args: seen.update(pre=args[0])),
            attention.register_forward_hook(
                lambda _, __, out: (fn(seen["pre"] + out[0]) - seen["pre"], *out[1:])
            ),
        ]  # fmt: skip
    logits = model(tokens, use_cache=False).logits
    for handle in handles:
        handle.remove()
    return logits
