"""Which latents are active, for many members at once and on any device."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


def selected(
    pre_acts: Float[Tensor, "members batch n_latents"],
    ks: Sequence[int] | None,
    selected_in: Literal["row", "batch"] = "row",
) -> Bool[Tensor, "members batch n_latents"]:
    """The k largest of each row of a member, or the k n_rows largest of its batch; None: all that are positive.

    Ties go to the lowest index, as everywhere; NaN counts as the largest. ks: of each member. What is kept need not be
    positive. The least kept value comes from torch.topk, which promises nothing about ties, so these are settled after.
    """
    if ks is None:
        return ~(pre_acts <= 0)
    if selected_in == "row":
        return _largest(pre_acts, ks)
    n_members, n_rows = pre_acts.shape[:2]
    flat = pre_acts.reshape(n_members, 1, -1)
    return _largest(flat, [n_rows * k for k in ks]).reshape(pre_acts.shape)


def _largest(values: Float[Tensor, "members rows n"], ks: Sequence[int]) -> Bool[Tensor, "members rows n"]:
    least = torch.stack(
        [rows.topk(k, dim=1, sorted=False).values.amin(dim=1, keepdim=True) for rows, k in zip(values, ks, strict=True)]
    )
    kept = ~(values < least)
    wanted = torch.tensor(ks, device=values.device)[:, None].expand(kept.shape[:2])
    has_ties = kept.sum(dim=2) > wanted
    if bool(has_ties.any()):
        kept[has_ties] = _settled(values[has_ties], least[has_ties], wanted[has_ties])
    return kept


def _settled(
    values: Float[Tensor, "rows n"], least: Float[Tensor, "rows 1"], wanted: Int64[Tensor, " rows"]
) -> Bool[Tensor, "rows n"]:
    """All above the least value kept, and of those equal to it the first, as many as there is room for."""
    above = values > least
    tied = ~above & ~(values < least)
    return above | (tied & (tied.cumsum(dim=1) <= (wanted - above.sum(dim=1))[:, None]))
