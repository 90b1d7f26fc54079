"""Where two prompts of a pair differ, and what the model says at the end when the activation from there on is another.

Positions before the first token in which the prompts differ have the same activations in both (attention is causal), so
they are computed once. A pair's *window* is its positions from that token to its last one; tensors hold windows padded
on the right to the longest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from monosemy.core import Tokens, UserError
from monosemy.corpus.tasks import Pair
from monosemy.lm import RESIDUAL_LOCATIONS, LanguageModel, Prefix, Site, replace

Windows = Float[Tensor, "rows window d_site"]
Rows = Int64[Tensor, " rows"]
LastLogits = Float[Tensor, "rows vocab"]

POSITIONS_A_PASS = 8192
"""So many positions go through the model at once at most: some tens of MiB of a small model's activations."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Group:
    """Pairs of one length whose prompts differ from the same position on.

    first: that position. pairs: their numbers. clean: the clean prompts. x: their activations, all positions. prefix:
    what is kept of the positions before `first`; None where there are none, or the site is not a residual one.
    """

    first: int
    pairs: Int64[Tensor, " members"]
    clean: Tokens
    x: Float[Tensor, "members seq d_site"]
    prefix: Prefix | None

    @property
    def n_window(self) -> int:
        return self.clean.shape[1] - self.first

    def whole(self, window: Tensor, members: Tensor) -> Tensor:
        """The activation at every position, the window's being the one given."""
        return torch.cat([self.x[members, : self.first], window], dim=1)


@final
class Continuation:
    """Pairs at a site: the activations of both prompts, and the last logits when others take the clean one's place.

    base, target: the activations of the clean and of the corrupt prompt, `[pairs window d_site]`, zero at padding.
    base_logits, target_logits: at the last position, `[pairs vocab]`. is_real: False at padding. n_tokens: the length
    of each pair's prompts, the positions before the window included. All but n_tokens on the model's device.

    Raises UserError without pairs, when a prompt is longer than the model's context, or the model lacks the site.
    """

    def __init__(self, lm: LanguageModel, site: Site, pairs: Sequence[Pair]) -> None:
        _check(lm, site, pairs)
        self.lm = lm
        self.site = site
        self.n_pairs = len(pairs)
        self.n_tokens = torch.tensor([pair.n_tokens for pair in pairs])
        firsts = torch.tensor([pair.changed_positions[0] for pair in pairs])
        n_window = int((self.n_tokens - firsts).max())
        kept = {"dtype": lm.dtype, "device": lm.device}
        self.base = torch.zeros(len(pairs), n_window, lm.d_site(site), **kept)
        self.target = torch.zeros_like(self.base)
        self.base_logits = torch.zeros(len(pairs), lm.vocab_size, **kept)
        self.target_logits = torch.zeros_like(self.base_logits)
        self.is_real: Bool[Tensor, "pairs window"] = (torch.arange(n_window) < (self.n_tokens - firsts)[:, None]).to(
            lm.device
        )
        self._groups: list[_Group] = []
        # Of each pair the number of its group, and its place in it.
        self._place = torch.zeros(2, len(pairs), dtype=torch.int64)
        kinds = torch.stack([firsts, self.n_tokens], dim=1)
        for first, n_tokens in kinds.unique(dim=0).tolist():
            members = ((firsts == first) & (self.n_tokens == n_tokens)).nonzero()[:, 0]
            self._place[0, members], self._place[1, members] = len(self._groups), torch.arange(len(members))
            self._groups.append(self._group(first, members, [pairs[int(member)] for member in members]))

    @property
    def n_window(self) -> int:
        """The longest window, in positions."""
        return self.base.shape[1]

    def logits(self, x: Windows, rows: Rows) -> LastLogits:
        """The last position's logits of pair rows[i] when the clean prompt's activation is x[i] in its window.

        A pair may come several times, and in any order. At a residual site the pass continues after the keys and values
        of the positions before the window; at another one the whole prompt runs with the activation replaced.
        """
        return self._by_group(x, rows, self._reusing if self.site.location in RESIDUAL_LOCATIONS else self._replacing)

    def whole_logits(self, x: Windows, rows: Rows, *, grad: bool = False) -> LastLogits:
        """`logits` with every position computed: the definition. With `grad` they can be differentiated by x."""
        is_residual = self.site.location in RESIDUAL_LOCATIONS

        def run(group: _Group, members: Tensor, window: Tensor) -> Tensor:
            if not is_residual:
                return self._replacing(group, members, window, grad=grad)
            return self.lm.run_from(self.site, group.whole(window, members), grad=grad, n_last=1)

        return self._by_group(x, rows, run)

    # --- how ------------------------------------------------------------------------------------------------------

    def _group(self, first: int, members: Rows, pairs: Sequence[Pair]) -> _Group:
        """Run both prompts of the pairs that are alike in length and first difference, and keep what they say."""
        found: list[tuple[Tensor, Tensor]] = []
        for tokens in ([pair.clean_ids for pair in pairs], [pair.corrupt_ids for pair in pairs]):
            run = self.lm.run(torch.tensor(tokens), [self.site], n_last=1)
            found.append((run.activations[self.site], run.logits[:, 0]))
        (clean, clean_logits), (corrupt, corrupt_logits) = found
        n_window = clean.shape[1] - first
        self.base[members, :n_window], self.base_logits[members] = clean[:, first:], clean_logits
        self.target[members, :n_window], self.target_logits[members] = corrupt[:, first:], corrupt_logits
        reuse = first > 0 and self.site.location in RESIDUAL_LOCATIONS
        return _Group(
            first=first,
            pairs=members,
            clean=torch.tensor([pair.clean_ids for pair in pairs]),
            x=clean.clone(),  # free of inference mode, so that a gradient can pass beside it
            prefix=self.lm.prefix_from(self.site, clean[:, :first]) if reuse else None,
        )

    def _by_group(self, x: Windows, rows: Rows, run: Callable[[_Group, Tensor, Tensor], Tensor]) -> Tensor:
        """The last logits of every row, a group and POSITIONS_A_PASS at a time."""
        number, member = self._place[:, rows.cpu()]
        found: list[Tensor] = []
        order: list[Tensor] = []
        for n, group in enumerate(self._groups):
            chosen = (number == n).nonzero()[:, 0]
            if len(chosen) == 0:
                continue
            for part in chosen.split(max(1, POSITIONS_A_PASS // group.n_window)):
                members = member[part].to(x.device)
                found.append(run(group, members, x[part.to(x.device), : group.n_window])[:, 0])
                order.append(part)
        if not found:
            return x.new_zeros(0, self.lm.vocab_size)
        return torch.cat(found)[torch.cat(order).argsort().to(x.device)]

    def _reusing(self, group: _Group, members: Tensor, window: Tensor) -> Tensor:
        if group.prefix is None:
            return self.lm.run_from(self.site, window, n_last=1)
        return self.lm.run_after(group.prefix.rows(members), window, n_last=1)

    def _replacing(self, group: _Group, members: Tensor, window: Tensor, *, grad: bool = False) -> Tensor:
        edit = replace(self.site, group.whole(window, members))
        return self.lm.splice(group.clean[members.cpu()], [edit], grad=grad, n_last=1)


def _check(lm: LanguageModel, site: Site, pairs: Sequence[Pair]) -> None:
    lm.check(site)
    if not pairs:
        raise UserError("there is no pair to patch; generate at least one")
    longest = max(pairs, key=lambda pair: pair.n_tokens)
    if longest.n_tokens > lm.context_length:
        raise UserError(
            f"the prompts of a pair of {longest.task} ({longest.template}) have {longest.n_tokens} tokens; the model's "
            f"context is {lm.context_length}; choose shorter templates"
        )
