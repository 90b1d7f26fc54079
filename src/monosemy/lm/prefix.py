"""What is kept of the first positions of a pass, so that many continuations of them need not compute them again."""

from dataclasses import dataclass
from typing import final

from jaxtyping import Float, Int64
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from monosemy.lm.sites import Site

Kept = Float[Tensor, "rows heads positions d_head"]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Prefix:
    """Attention keys and values of the first positions, in the layers that run from `site` on.

    site: where the pass was continued from. n_rows: how many sequences. n_positions: how many positions are kept of
    each. n_layers_below: the layers that do not run. keys, values: one tensor a layer that runs; none where no layer
    does, after the last one. Attention is causal: what follows never changes them.
    """

    site: Site
    n_rows: int
    n_positions: int
    n_layers_below: int
    keys: tuple[Kept, ...]
    values: tuple[Kept, ...]

    def rows(self, index: Int64[Tensor, " chosen"]) -> "Prefix":
        """The prefixes of the chosen sequences, in that order; a sequence may come several times."""
        return Prefix(
            self.site,
            len(index),
            self.n_positions,
            self.n_layers_below,
            tuple(keys.index_select(0, index) for keys in self.keys),
            tuple(values.index_select(0, index) for values in self.values),
        )

    def cache(self) -> DynamicCache:
        """The same as the model takes it; what the model adds to it does not come back here."""
        # The model asks the cache's first layer how long the past is. Where that layer does not run it is given the
        # tensors of the first that does: it is never written to, and lends nothing but its length.
        if not self.keys:
            return DynamicCache()
        below = [(self.keys[0], self.values[0])] * self.n_layers_below
        cache = DynamicCache()
        cache.layers.extend(_layer(*both) for both in (*below, *zip(self.keys, self.values, strict=True)))
        return cache


def kept(cache: DynamicCache, site: Site, n_layers_below: int, n_rows: int, n_positions: int) -> Prefix:
    """The prefix that a pass of n_rows sequences of n_positions, continued from `site`, has left in an empty cache."""
    layers = [layer for layer in cache.layers[n_layers_below:] if isinstance(layer, DynamicLayer)]
    keys = tuple(layer.keys for layer in layers if layer.keys is not None)
    values = tuple(layer.values for layer in layers if layer.values is not None)
    return Prefix(site, n_rows, n_positions, n_layers_below, keys, values)


def _layer(keys: Tensor, values: Tensor) -> DynamicLayer:
    """A layer of the cache that holds these tensors without a copy; appending to it makes new ones."""
    layer = DynamicLayer()
    layer.lazy_initialization(keys, values)
    layer.keys, layer.values = keys, values
    return layer
