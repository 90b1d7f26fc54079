"""What steering is meant to do: to turn the answer of a counterfactual pair, or to make some tokens more likely."""

from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from monosemy.causal.interventions import Intervention
from monosemy.corpus.tasks import Pair, logit_difference, stack_pairs
from monosemy.evaluation import SpliceSample
from monosemy.evaluation.splice_reference import continued, log_probabilities, predicted, recorded
from monosemy.lm import LanguageModel, Site

_BATCH_LOGITS = 1 << 22


@final
class PairGoal:
    """The corrupt prompts of a task are to be answered like the clean ones.

    effect = LD(edited corrupt prompt) - LD(corrupt prompt),  LD = log P(clean answer) - log P(corrupt answer)

    in nats, a pair. The edit acts at every real position but the first. `gap` is what the clean prompt itself has:
    LD(clean prompt) - LD(corrupt prompt), the effect of turning the answer fully.
    """

    def __init__(self, lm: LanguageModel, site: Site, pairs: Sequence[Pair]) -> None:
        self.lm, self.site, self.pairs = lm, site, tuple(pairs)
        self.batch = stack_pairs(self.pairs)
        self._at = self.batch.is_real.clone()
        self._at[:, 0] = False
        run = lm.run(self.batch.corrupt, [site])
        self._x = run.activations[site].cpu()
        self._base = self._difference(run.logits.cpu())
        self.gap: Float64[np.ndarray, " pairs"] = (
            self._difference(lm.logits(self.batch.clean).cpu()) - self._base
        ).numpy()

    def effect(self, edit: Intervention) -> Float64[np.ndarray, " pairs"]:
        """Of each pair by how much the edit moves the answer towards the clean prompt's."""
        with torch.inference_mode():
            logits = continued(self.lm, self.site, self.batch.corrupt, self._x, edit(self._x), self._at)
        return (self._difference(logits.cpu()) - self._base).numpy()

    def mean_difference(self) -> Float64[Tensor, " d_site"]:
        """Mean of x(clean) - x(corrupt) over the pairs and over their positions from the first changed one on."""
        clean = self.lm.capture(self.batch.clean, [self.site])[self.site].cpu()
        from_change = torch.zeros_like(self._at)
        for row, pair in enumerate(self.pairs):
            from_change[row, pair.changed_positions[0] : pair.n_tokens] = True
        return (clean - self._x)[from_change].double().mean(dim=0)

    def gradient(self) -> Float64[Tensor, " d_site"]:
        """Mean over pairs of the sum over edited positions of dLD/dx on the corrupt prompt: the first-order effect of a
        vector v that is added everywhere is v . gradient."""
        run = self.lm.run(self.batch.corrupt, [self.site], grad=True)
        x = run.activations[self.site]
        with torch.inference_mode(False), torch.enable_grad():
            last = self.batch.at_last(run.logits)
            total = logit_difference(last.double(), self.pairs, "clean").sum()
            (gradient,) = torch.autograd.grad(total, x)
        return gradient.cpu().double()[self._at].sum(dim=0) / len(self.pairs)

    def _difference(self, logits: Float[Tensor, "pairs seq vocab"]) -> Float64[Tensor, " pairs"]:
        return logit_difference(self.batch.at_last(logits).double(), self.pairs, "clean")


@final
class TokenGoal:
    """Some tokens are to become more likely everywhere in a text.

    effect = mean over a sequence's predictions of log P(tokens | edited) - log P(tokens), nats, a sequence

    P(tokens) is the sum of their probabilities. The edit acts where `NeutralText`'s does.
    """

    def __init__(self, lm: LanguageModel, site: Site, sample: SpliceSample, tokens: Sequence[int]) -> None:
        self.lm, self.site, self.sample, self.tokens = lm, site, sample, tuple(tokens)
        size = max(1, _BATCH_LOGITS // (sample.tokens.shape[1] * lm.vocab_size))
        self._rows = [slice(start, start + size) for start in range(0, len(sample.tokens), size)]
        self._base: list[tuple[Int64[Tensor, "some seq"], Tensor, Tensor]] = []
        for rows in self._rows:
            ids = torch.from_numpy(sample.tokens[rows]).long()
            run = lm.run(ids, [site])
            self._base.append((ids, run.activations[site].cpu(), self._log_p(run.logits)))

    def effect(self, edit: Intervention) -> Float64[np.ndarray, " sequences"]:
        """Of each sequence by how much the edit makes the tokens more likely."""
        found: list[np.ndarray] = []
        for rows, (ids, x, base) in zip(self._rows, self._base, strict=True):
            index = self.sample.index[rows]
            with torch.inference_mode():
                logits = continued(self.lm, self.site, ids, x, edit(x), torch.from_numpy(recorded(index)))
                rise = (self._log_p(logits) - base).numpy()
            counted = predicted(index)
            found.append((rise * counted).sum(axis=1) / np.maximum(1, counted.sum(axis=1)))
        return np.concatenate(found)

    def mean_difference(self) -> Float64[Tensor, " d_site"]:
        """Mean activation where the next token is one of the tokens, minus the mean where it is not."""
        x = torch.cat([x for _, x, _ in self._base])[:, :-1]
        counted = predicted(self.sample.index) & recorded(self.sample.index)[:, :-1]
        wanted = np.isin(self.sample.tokens[:, 1:], self.tokens)
        with_token, without = (torch.from_numpy(counted & kind) for kind in (wanted, ~wanted))
        if not bool(with_token.any()):
            return torch.zeros(x.shape[-1], dtype=torch.float64)
        return x[with_token].double().mean(dim=0) - x[without].double().mean(dim=0)

    def _log_p(self, logits: Float[Tensor, "some seq vocab"]) -> Float64[Tensor, "some targets"]:
        return log_probabilities(logits)[..., list(self.tokens)].double().logsumexp(dim=-1)
