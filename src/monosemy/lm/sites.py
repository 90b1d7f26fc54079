"""A site: the place in a language model where an activation is read or written."""

from dataclasses import dataclass
from functools import total_ordering
from typing import Literal, get_args

from monosemy.core import UserError, nearest

Location = Literal["resid_pre", "attn_heads", "attn_out", "resid_mid", "mlp_hidden", "mlp_out", "resid_post"]
"""Where inside a block, in the order in which a block computes them:

resid_pre   residual stream at the block's input; layer 0 reads the embeddings (with positions, where they are added)
attn_heads  concatenated outputs of the attention heads, the input of the attention's output projection
attn_out    what the attention adds to the residual stream
resid_mid   residual stream between attention and MLP; does not exist where both read the same residual (parallel)
mlp_hidden  the MLP's neurons after their nonlinearity, the input of the MLP's down projection
mlp_out     what the MLP adds to the residual stream
resid_post  residual stream at the block's output, the resid_pre of the next layer
"""

LOCATIONS: tuple[Location, ...] = get_args(Location)

RESIDUAL_LOCATIONS: tuple[Location, ...] = ("resid_pre", "resid_mid", "resid_post")
"""Locations that hold the whole state from which the forward pass can go on."""

CENTERABLE_LOCATIONS: tuple[Location, ...] = (*RESIDUAL_LOCATIONS, "attn_out", "mlp_out")
"""Locations in the residual stream's space, where a LayerNorm model does not see the mean over d_model."""


@total_ordering
@dataclass(frozen=True, slots=True)
class Site:
    """One location in one layer; with `centered`, its activation is x - mean(x) over d_model.

    layer counts from 0. Sites sort in the order in which the forward pass computes them. `str(site)` is
    "resid_post.2" or "resid_post.2.centered", and `Site.parse` reads it back.
    """

    layer: int
    location: Location
    centered: bool = False

    def __post_init__(self) -> None:
        if self.location not in LOCATIONS:
            raise UserError(f"unknown location {self.location!r}; allowed: {', '.join(LOCATIONS)}")
        if self.layer < 0:
            raise UserError(f"layer {self.layer} of a site is negative; layers count from 0")

    def __str__(self) -> str:
        return f"{self.location}.{self.layer}" + (".centered" if self.centered else "")

    def __lt__(self, other: "Site") -> bool:
        return (*self.depth, self.centered) < (*other.depth, other.centered)

    @property
    def depth(self) -> tuple[int, int]:
        """(layer, rank of the location in its block): how far into the forward pass the site lies."""
        return self.layer, LOCATIONS.index(self.location)

    @staticmethod
    def parse(text: str) -> "Site":
        """The site whose `str` is `text`. Raises UserError on any other text."""
        location, _, rest = text.partition(".")
        layer, dot, suffix = rest.partition(".")
        if location not in LOCATIONS:
            hint = nearest(location, LOCATIONS)
            raise UserError(f"unknown site {text!r}{hint}; write location.layer with a location of: {_ALLOWED}")
        if not (layer.isascii() and layer.isdecimal()) or (dot and suffix != "centered"):
            raise UserError(f"unknown site {text!r}; write location.layer or location.layer.centered, as resid_post.2")
        return Site(int(layer), location, centered=bool(dot))


_ALLOWED = ", ".join(LOCATIONS)
