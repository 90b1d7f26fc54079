"""What ablating one latent does to the next token's logits, at the positions where it is active.

    latent      x' = x - z_i d_i                 the latent's contribution is taken away ("less than rank one")
    direction   x' = x - (x . d_i) d_i / |d_i|^2   all that lies along its direction is

Only the position itself is edited, so that what changes is what the latent does *there*; with `everywhere`, every
position of the row up to it. The context is the whole row before the position, as the model read it. Source: Cunningham
et al. 2023 (arXiv 2309.08600), section 5.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final, get_args

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64, Integer
from torch import Tensor

from monosemy.causal.interventions import Intervention, ablated, encoded, latent_indices, projected_out
from monosemy.causal.logit_lens import written
from monosemy.core import Advance, UserError, ignore_advance
from monosemy.dictionaries import Dictionary
from monosemy.lm import RESIDUAL_LOCATIONS, LanguageModel, Prefix, Site

Removal = Literal["latent", "direction"]
REMOVALS: tuple[Removal, ...] = get_args(Removal)

NO_TOKEN = -1
_BATCH_TOKENS = 4096
_MAX_KEPT_BYTES = 1 << 29


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ActivePositions:
    """Where the latent is looked at: the row of tokens, the position in it, and the token that follows (-1: none)."""

    row: Int64[np.ndarray, " n"]
    position: Int64[np.ndarray, " n"]
    next_token: Int64[np.ndarray, " n"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AblationEffect:
    """What an ablation changes at each position; ablated minus original, in nats where it is of log-probabilities.

    original: the log-probabilities before the ablation. activation: the latent there. next_token: change of the
    log-probability of the token that follows, NaN where none does. kl: KL(original || ablated) of the next token's
    distribution.
    """

    original: Float32[np.ndarray, "n vocab"]
    logits: Float32[np.ndarray, "n vocab"]
    log_probs: Float32[np.ndarray, "n vocab"]
    next_token: Float64[np.ndarray, " n"]
    kl: Float64[np.ndarray, " n"]
    activation: Float64[np.ndarray, " n"]


@dataclass(frozen=True, slots=True, eq=False)
class RowPass:
    """One row's activations: x at the site, the residual stream at `start`, and what later positions need of it."""

    x: Float[Tensor, "seq d_site"]
    start: Float[Tensor, "seq d_model"]
    prefix: Prefix

    @property
    def n_bytes(self) -> int:
        """The memory that it takes."""
        kept = (self.x, self.start, *self.prefix.keys, *self.prefix.values)
        return sum(tensor.numel() * tensor.element_size() for tensor in kept)


@final
class RowPasses:
    """The unchanged model's passes over rows of tokens, run when a row is first asked for and kept up to 512 MiB.

    start: the residual stream from which an edited pass goes on: the site itself where it is a residual one, else the
    first residual stream that what the site writes is part of. What an edit of the site changes there is its change,
    through the block's output projection where there is one between.
    """

    def __init__(self, lm: LanguageModel, site: Site, tokens: Integer[np.ndarray, "rows seq"]) -> None:
        lm.check(site)
        self.lm, self.site, self.tokens = lm, site, tokens
        self.start = _first_residual(lm, site)
        self._kept: dict[int, RowPass] = {}

    def of(self, row: int, ahead: Int64[np.ndarray, " n"]) -> RowPass:
        """The pass of a row. ahead: rows that are wanted too, of which the next ones run in the same batch."""
        if row not in self._kept:
            if sum(kept.n_bytes for kept in self._kept.values()) > _MAX_KEPT_BYTES:
                self._kept = {}
            wanted = [other for other in np.unique(ahead[ahead > row]).tolist() if other not in self._kept]
            self._run([row, *wanted[: max(1, _BATCH_TOKENS // self.tokens.shape[1]) - 1]])
        return self._kept[row]

    def written(self, difference: Float[Tensor, "n d_site"]) -> Float[Tensor, "n d_model"]:
        """What differences of the site's activation are in the residual stream at `start`."""
        return written(self.lm, self.site, difference).to(difference.dtype)

    def _run(self, rows: list[int]) -> None:
        found = self.lm.capture(torch.from_numpy(self.tokens[rows].astype(np.int64)), [self.site, self.start])
        prefix = self.lm.prefix_from(self.start, found[self.start])
        for i, row in enumerate(rows):
            start, x = found[self.start][i].clone(), found[self.site][i].clone()
            self._kept[row] = RowPass(x, start, prefix.rows(torch.tensor([i], device=start.device)))


def removal(dictionary: Dictionary, latent: int, how: Removal) -> Intervention:
    """The edit of an activation. Raises UserError when there is no such latent, or the dictionary is a transcoder."""
    index = latent_indices(dictionary, [latent])
    taken = ablated(dictionary, index)  # refuses a dictionary that writes another width than it reads
    return taken if how == "latent" else projected_out(dictionary.W_dec[index])


def ablation_effects(
    passes: RowPasses,
    dictionary: Dictionary,
    latent: int,
    positions: ActivePositions,
    removals: Sequence[Removal] = REMOVALS,
    *,
    everywhere: bool = False,
    advance: Advance = ignore_advance,
) -> dict[Removal, AblationEffect]:
    """The effect of each removal at each position, in the order given. Raises UserError as `removal` does.

    A single position's edits run alone behind the keys and values of the positions before it, which they leave as they
    are; with `everywhere` the row runs again.
    """
    edits = [removal(dictionary, latent, how) for how in removals]
    n, n_vocab = len(positions.row), passes.lm.vocab_size
    effects: dict[Removal, AblationEffect] = {how: _empty(n, n_vocab) for how in removals}
    order = np.argsort(positions.row, kind="stable")
    for i, row in zip(order.tolist(), positions.row[order].tolist(), strict=True):
        kept = passes.of(row, ahead=positions.row)
        position = int(positions.position[i])
        logits = (_whole if everywhere else _behind)(passes, kept, edits, position)
        activation = float(encoded(dictionary, kept.x[None, [position]])[0, 0, latent])
        _fill(list(effects.values()), i, logits, int(positions.next_token[i]), activation)
        advance(1)
    return effects


def _behind(passes: RowPasses, kept: RowPass, edits: Sequence[Intervention], position: int) -> Tensor:
    """Logits [1 + edits, vocab] at a position: the original, and with each edit of that position alone."""
    x = kept.x[None, [position]]
    differences = torch.cat([edit(x)[0] - x[0] for edit in edits])
    start = kept.start[[position]]
    stacked = torch.cat([start, start + passes.written(differences)])
    if position == 0:
        return passes.lm.run_from(passes.start, stacked[:, None])[:, -1].double()
    prefix = kept.prefix
    before = Prefix(
        prefix.site,
        len(stacked),
        position,
        prefix.n_layers_below,
        tuple(keys[:, :, :position].expand(len(stacked), -1, -1, -1) for keys in prefix.keys),
        tuple(values[:, :, :position].expand(len(stacked), -1, -1, -1) for values in prefix.values),
    )
    return passes.lm.run_after(before, stacked[:, None], n_last=1)[:, -1].double()


def _whole(passes: RowPasses, kept: RowPass, edits: Sequence[Intervention], position: int) -> Tensor:
    """The same with each edit at every position up to that one."""
    x, start = kept.x[None, : position + 1], kept.start[: position + 1]
    changed = [start + passes.written(edit(x)[0] - x[0]) for edit in edits]
    return passes.lm.run_from(passes.start, torch.stack([start, *changed]), n_last=1)[:, -1].double()


def _fill(effects: Sequence[AblationEffect], i: int, logits: Tensor, next_token: int, activation: float) -> None:
    """Put what the original's and the edits' logits say into entry i of each effect."""
    log_probs = logits.log_softmax(dim=1)
    probabilities = log_probs[0].exp()
    for number, effect in enumerate(effects, start=1):
        change = log_probs[number] - log_probs[0]
        effect.original[i] = log_probs[0].float().cpu().numpy()
        effect.logits[i] = (logits[number] - logits[0]).float().cpu().numpy()
        effect.log_probs[i] = change.float().cpu().numpy()
        effect.kl[i] = float(-(probabilities * change).sum())
        effect.next_token[i] = np.nan if next_token == NO_TOKEN else float(change[next_token])
        effect.activation[i] = activation


def _empty(n: int, n_vocab: int) -> AblationEffect:
    return AblationEffect(
        original=np.zeros((n, n_vocab), dtype=np.float32),
        logits=np.zeros((n, n_vocab), dtype=np.float32),
        log_probs=np.zeros((n, n_vocab), dtype=np.float32),
        next_token=np.full(n, np.nan),
        kl=np.zeros(n),
        activation=np.zeros(n),
    )


def _first_residual(lm: LanguageModel, site: Site) -> Site:
    if site.location in RESIDUAL_LOCATIONS:
        return site
    between = Site(site.layer, "resid_mid")
    if site.location in ("attn_out", "attn_heads") and _has(lm, between):
        return between  # the block's MLP reads what its attention wrote
    return Site(site.layer, "resid_post")


def _has(lm: LanguageModel, site: Site) -> bool:
    """Whether the model has the site: where attention and MLP read the same residual, there is none between them."""
    try:
        lm.check(site)
    except UserError:
        return False
    return True
