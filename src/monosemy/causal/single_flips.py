"""A set of patched latents, and what patching or un-patching one more does: nothing that is known is run again."""

from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from monosemy.causal.patching import EDIT_NUMBERS, LatentMask, Patching


@final
class SingleFlips:
    """The KL of every pair with a set of latents patched, and with one latent of it flipped (taken out, or put in).

    Flipping latent l in pair p gives a KL that depends on the patched latents that are changed in p, and on no other:
    it is kept until one of those is flipped. Latents that are not changed in p change nothing and are never run.
    Exact, but for the last bits of the arithmetic: rows that run in other batches, and an edit that is made by adding
    or taking away one latent's part, are rounded differently.

    latents: the set now. kl: each pair's KL with it. n_rows: (latent, pair) flips that were run. n_passes: batches.
    """

    def __init__(self, patching: Patching, latents: LatentMask) -> None:
        self.patching = patching
        self.latents = latents.copy()
        self.kl = patching.kl(latents)
        self.n_rows = 0
        self.n_passes = 0
        self._edits = patching.edits(_repeated(latents, patching.n_pairs), torch.arange(patching.n_pairs))
        self._flipped = np.zeros((patching.n_latents, patching.n_pairs))
        # Of which version of the pair's set a flip was run; every version counts from 0, so -1 is none.
        self._made_at = np.full(self._flipped.shape, -1)
        self._version = np.zeros(patching.n_pairs, dtype=np.int64)
        self._changed = np.ascontiguousarray(patching.changed.T)

    def unknown(self, latent: int) -> Int64[np.ndarray, " n"]:
        """The pairs in which flipping the latent has yet to be run."""
        return np.flatnonzero(self._changed[latent] & (self._made_at[latent] != self._version))

    def run(self, latents: Sequence[int]) -> None:
        """Run what is unknown of the flips of these latents, each of them from the set as it is now."""
        unknown = [self.unknown(latent) for latent in latents]
        pairs = np.concatenate(unknown) if unknown else np.zeros(0, dtype=np.int64)
        if len(pairs) == 0:
            return
        flipped = np.repeat(np.asarray(latents), [len(some) for some in unknown])
        self._flipped[flipped, pairs] = self._kl_flipped(flipped, pairs)
        self._made_at[flipped, pairs] = self._version[pairs]
        self.n_rows += len(pairs)
        self.n_passes += 1

    def increase(self, latent: int) -> float:
        """Mean KL with the latent flipped minus mean KL now, over all pairs; what is unknown of it runs now."""
        self.run([latent])
        changed = self._changed[latent]
        return float((self._flipped[latent, changed] - self.kl[changed]).sum()) / self.patching.n_pairs

    def flip(self, latent: int) -> None:
        """Take the latent out of the set, or put it in."""
        self.run([latent])
        changed = np.flatnonzero(self._changed[latent])
        self.latents[latent] = not self.latents[latent]
        self.kl[changed] = self._flipped[latent, changed]
        self._version[changed] += 1
        # From the whole set, so that no rounding piles up over the flips.
        rows = torch.from_numpy(changed)
        self._edits[rows] = self.patching.edits(_repeated(self.latents, len(changed)), rows)

    def _kl_flipped(
        self, latents: Int64[np.ndarray, " rows"], pairs: Int64[np.ndarray, " rows"]
    ) -> Float64[np.ndarray, " rows"]:
        difference, directions = self.patching.difference, self.patching.dictionary.W_dec
        sign = torch.from_numpy(np.where(self.latents[latents], -1.0, 1.0)).to(directions)
        found: list[np.ndarray] = []
        size = max(1, EDIT_NUMBERS // self._edits[0].numel())
        for part in torch.arange(len(pairs)).split(size):
            latent = torch.from_numpy(latents)[part].to(directions.device)
            pair = torch.from_numpy(pairs)[part].to(directions.device)
            # One latent's part: its difference at each position of the window along its direction.
            amount = difference[pair, :, latent] * sign[part.to(sign.device), None]
            written = amount[..., None] * directions[latent][:, None]
            found.append(self.patching.kl_of_edits(self._edits[pair] + written.to(self._edits.dtype), pair))
        return np.concatenate(found)


def _repeated(latents: LatentMask, n: int) -> Bool[Tensor, "n n_latents"]:
    return torch.from_numpy(latents).expand(n, -1)
