"""Patching a pair of prompts through a dictionary: the corrupt prompt's latents in the clean prompt's run."""

from collections.abc import Sequence
from functools import cached_property
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from monosemy.causal.continuation import Continuation, Rows
from monosemy.causal.interventions import encoded
from monosemy.core import UserError
from monosemy.corpus.tasks import Pair
from monosemy.dictionaries import Dictionary
from monosemy.lm import LanguageModel, Site

LatentMask = Bool[np.ndarray, " n_latents"]
LatentSets = Bool[np.ndarray, "sets n_latents"]
PerPair = Float64[np.ndarray, " pairs"]
Edits = Float[Tensor, "rows window d_site"]

EDIT_NUMBERS = 1 << 24
"""So many numbers of edits are held at once: 64 MiB in float32."""


@final
class Patching:
    """What patching a set F of latents does to the model's answer, pair by pair.

        x'_s = x_base,s + sum_{j in F} (z_target,js - z_base,js) d_j        at every real position s

    base is the pair's clean prompt, target its corrupt one, z = encode(x), d_j the rows of W_dec: the base run's
    reconstruction error stays in x'. Measured by KL(patched || target) = sum p_patched (log p_patched - log p_target)
    of the next token after the last position, in nats, in float64 from the logits on. Only pairs in which a latent of F
    has different values in the two prompts are run, and only positions from their first difference on.

    n_latents, n_pairs. changed `[pairs n_latents]`: whether a latent differs between the two prompts at any position.
    n_entries `[pairs n_latents]`: at how many. difference `[pairs window n_latents]`: z_target - z_base in the windows
    of `continuation`, zero at padding; before the window it is zero by definition, as the prompts agree there.

    Source: Cunningham et al. 2023 (arXiv 2309.08600), section 4 and appendix F. Raises UserError without pairs, for a
    prompt longer than the model's context, and for a dictionary that does not read and write the site's width.
    """

    def __init__(self, lm: LanguageModel, site: Site, dictionary: Dictionary, pairs: Sequence[Pair]) -> None:
        self.continuation = Continuation(lm, site, pairs)
        _check_width(dictionary, lm.d_site(site), site)
        self.dictionary = dictionary.to(lm.device)
        here = self.continuation
        z_base, z_target = (encoded(self.dictionary, x) for x in (here.base, here.target))
        self.difference = ((z_target - z_base) * here.is_real[..., None]).clone()
        differs = self.difference != 0
        self.changed: Bool[np.ndarray, "pairs n_latents"] = differs.any(dim=1).cpu().numpy()
        self.n_entries: Int64[np.ndarray, "pairs n_latents"] = differs.sum(dim=1).cpu().numpy()
        self._log_target = here.target_logits.double().log_softmax(dim=-1)
        self.base_kl: PerPair = kl_to(here.base_logits, self._log_target).cpu().numpy()

    @property
    def n_latents(self) -> int:
        """How many latents the dictionary has."""
        return self.dictionary.n_latents

    @property
    def n_pairs(self) -> int:
        """How many pairs."""
        return self.continuation.n_pairs

    def none(self) -> LatentMask:
        """The empty set."""
        return np.zeros(self.n_latents, dtype=bool)

    def all(self) -> LatentMask:
        """The set of all latents."""
        return np.ones(self.n_latents, dtype=bool)

    def kl(self, latents: LatentMask, pairs: Int64[np.ndarray, " pairs"] | None = None) -> PerPair:
        """KL(patched || target) of each pair, or of the chosen ones, in nats, with the latents of the mask patched."""
        found = self.kl_of_sets(latents[None], pairs)
        return found[0]

    def kl_of_sets(
        self, sets: LatentSets, pairs: Int64[np.ndarray, " pairs"] | None = None
    ) -> Float64[np.ndarray, "sets pairs"]:
        """`kl` of many sets: a pair in which two sets change the same latents runs once for both."""
        chosen = np.arange(self.n_pairs) if pairs is None else pairs
        kl = np.empty((len(sets), len(chosen)))
        wanted: list[tuple[int, int]] = []  # (set, column) of what has to run
        same: dict[tuple[int, bytes], int] = {}
        where = np.full(kl.shape, -1)
        for column, pair in enumerate(chosen.tolist()):
            in_pair = sets & self.changed[pair]
            for n in range(len(sets)):
                if not in_pair[n].any():
                    kl[n, column] = self.base_kl[pair]
                    continue
                key = (pair, np.packbits(in_pair[n]).tobytes())
                if key not in same:
                    same[key] = len(wanted)
                    wanted.append((n, column))
                where[n, column] = same[key]
        if wanted:
            numbers, columns = np.array(wanted).T
            ran = self._kl_of_masks(sets[numbers], torch.from_numpy(chosen[columns]))
            kl[where >= 0] = ran[where[where >= 0]]
        return kl

    def naive_kl(self, latents: LatentMask) -> PerPair:
        """`kl` by its definition: every pair and every position runs, whatever the set."""
        rows = torch.arange(self.n_pairs)
        return self.kl_of_edits(self.edits(torch.from_numpy(latents).expand(self.n_pairs, -1), rows), rows, whole=True)

    def edit_norm(self, latents: LatentMask) -> PerPair:
        """Mean over the real positions of |x' - x|, of each pair, in the activation's unit."""
        rows = torch.arange(self.n_pairs)
        edits = self.edits(torch.from_numpy(latents).expand(self.n_pairs, -1), rows)
        return (edits.double().norm(dim=-1).sum(dim=1).cpu() / self.continuation.n_tokens).numpy()

    def entries(self, latents: LatentMask) -> PerPair:
        """How many (latent, position) entries patching the set changes, in each pair."""
        return self.n_entries[:, latents].sum(axis=1).astype(np.float64)

    def oracle(self) -> PerPair:
        """`kl` with x of the target in place of x' at every position: what patching everything would give."""
        here = self.continuation
        return self.kl_of_edits(here.target - here.base, torch.arange(self.n_pairs))

    def error_only(self) -> PerPair:
        """`kl` when only the reconstruction error x - x_hat is the target's, all latents the base's."""
        rows = torch.arange(self.n_pairs)
        here = self.continuation
        written = self.edits(torch.ones(1, self.n_latents, dtype=torch.bool).expand(self.n_pairs, -1), rows)
        return self.kl_of_edits(here.target - here.base - written, rows)

    # --- for the searches of this package -------------------------------------------------------------------------

    def edits(self, masks: Bool[Tensor, "rows n_latents"], rows: Rows) -> Edits:
        """x' - x_base of pair rows[i] with the latents of masks[i] patched, in the activation's precision."""
        masks, rows = masks.to(self.difference.device), rows.to(self.difference.device)
        written = (self.difference[rows] * masks[:, None]) @ self.dictionary.W_dec
        return written.to(self.continuation.base.dtype)

    def kl_of_edits(self, edits: Edits, rows: Rows, *, whole: bool = False) -> Float64[np.ndarray, " rows"]:
        """KL(patched || target) of pair rows[i] at x_base + edits[i]; whole: without the reuse of first positions."""
        rows = rows.to(edits.device)
        here = self.continuation
        x = here.base[rows] + edits
        logits = here.whole_logits(x, rows) if whole else here.logits(x, rows)
        return kl_to(logits, self._log_target[rows]).cpu().numpy()

    def gradient(self, fraction: float) -> Float[Tensor, "pairs window d_site"]:
        """d KL_p / d x of each pair at x_base + fraction * (all latents' edit)."""
        return self._gradient_at(fraction * self._full_edit)

    def gradient_with(self, latents: LatentMask) -> Float[Tensor, "pairs window d_site"]:
        """d KL_p / d x of each pair with the set patched."""
        masks = torch.from_numpy(latents).expand(self.n_pairs, -1)
        return self._gradient_at(self.edits(masks, torch.arange(self.n_pairs)))

    @cached_property
    def _full_edit(self) -> Edits:
        rows = torch.arange(self.n_pairs)
        return self.edits(torch.ones(1, self.n_latents, dtype=torch.bool).expand(self.n_pairs, -1), rows)

    def _gradient_at(self, edit: Edits) -> Tensor:
        here = self.continuation
        x = (here.base + edit).requires_grad_()
        with torch.enable_grad():
            rows = torch.arange(self.n_pairs, device=x.device)
            kl = kl_to(here.whole_logits(x, rows, grad=True), self._log_target)
            (gradient,) = torch.autograd.grad(kl.sum(), x)
        return gradient

    def _kl_of_masks(self, masks: LatentSets, rows: Rows) -> Float64[np.ndarray, " rows"]:
        size = max(1, EDIT_NUMBERS // (self.continuation.n_window * self.n_latents))
        parts = [
            self.kl_of_edits(self.edits(torch.from_numpy(masks[part.numpy()]), rows[part]), rows[part])
            for part in torch.arange(len(rows)).split(size)
        ]
        return np.concatenate(parts)


def kl_to(logits: Float[Tensor, "rows vocab"], log_target: Float[Tensor, "rows vocab"]) -> Float[Tensor, " rows"]:
    """KL(p || target) = sum_v p_v (log p_v - log target_v) in nats, float64; p = softmax(logits).

    Computed as sum_v p_v (logit_v - log target_v) - logsumexp(logits), which takes one exponential of each logit.
    """
    shifted = logits.double()
    shifted = shifted - shifted.amax(dim=-1, keepdim=True)
    p = shifted.exp()
    total = p.sum(dim=-1)
    return (p * (shifted - log_target)).sum(dim=-1) / total - total.log()


def _check_width(dictionary: Dictionary, d_site: int, site: Site) -> None:
    if dictionary.d_in != d_site or dictionary.d_out != d_site:
        raise UserError(
            f"the dictionary reads width {dictionary.d_in} and writes width {dictionary.d_out}; {site} has width "
            f"{d_site}; use a dictionary of this site"
        )
