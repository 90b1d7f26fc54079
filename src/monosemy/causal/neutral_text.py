"""What an edit does to text that it is not meant for: the distance of the predictions, and the loss."""

from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float64

from monosemy.causal.interventions import Intervention
from monosemy.core import Advance, ignore_advance
from monosemy.evaluation import SpliceSample
from monosemy.evaluation.splice_reference import continued, cross_entropy, log_probabilities, predicted, recorded
from monosemy.lm import LanguageModel, Site

DAMAGE_COLUMNS = ("n_predictions", "kl", "ce_increase", "n_outside", "kl_outside", "n_edited", "edit_norm")
_BATCH_LOGITS = 1 << 22


@final
class NeutralText:
    """Sequences with the predictions of the unchanged model, run once, on which any number of edits is measured.

    The edit acts at every recorded position: everywhere but at a row's first one and at separators. Memory: the
    log-probabilities, sequences x targets x vocabulary x 4 bytes (100 MB for 48 x 255 x 2048).
    """

    def __init__(self, lm: LanguageModel, site: Site, sample: SpliceSample) -> None:
        self.lm, self.site, self.sample = lm, site, sample
        size = max(1, _BATCH_LOGITS // (sample.tokens.shape[1] * lm.vocab_size))
        self._rows = [slice(start, start + size) for start in range(0, len(sample.tokens), size)]
        self._base: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]] = []
        for rows in self._rows:
            tokens = torch.from_numpy(sample.tokens[rows]).long()
            run = lm.run(tokens, [site])
            log_p = log_probabilities(run.logits)
            self._base.append((tokens, run.activations[site].cpu(), log_p, cross_entropy(log_p, tokens)))

    @property
    def units(self) -> Sequence[str]:
        """The names of the units that sums are given for."""
        return self.sample.units

    def n_predictions(self) -> Float64[np.ndarray, " units"]:
        """How many predictions count, a unit."""
        counted, unit = predicted(self.sample.index), self.sample.unit[:, 1:]
        return np.bincount(unit[counted], minlength=len(self.units)).astype(np.float64)

    def damage(
        self,
        edit: Intervention,
        outside: Bool[np.ndarray, "sequences seq"] | None = None,
        advance: Advance = ignore_advance,
    ) -> Float64[np.ndarray, "units columns"]:
        """Sums a unit, the columns being DAMAGE_COLUMNS; `advance` counts sequences.

        n_predictions: targets that are tokens of a document. kl: sum of KL(base || edited), nats. ce_increase: sum of
        CE(edited) - CE(base), nats. n_outside, kl_outside: the same of predictions at positions of `outside` (None:
        nowhere). n_edited, edit_norm: edited positions, and the sum of |x' - x| over them.
        """
        n_units = len(self.sample.units)
        totals = np.zeros((n_units, len(DAMAGE_COLUMNS)))
        for rows, (tokens, x, log_p, ce) in zip(self._rows, self._base, strict=True):
            index, unit = self.sample.index[rows], self.sample.unit[rows]
            at = torch.from_numpy(recorded(index))
            with torch.inference_mode():
                edited = edit(x)
                log_q = log_probabilities(continued(self.lm, self.site, tokens, x, edited, at))
                kl = (log_p.exp() * (log_p - log_q)).sum(dim=-1, dtype=torch.float64).numpy()
                rise = (cross_entropy(log_q, tokens) - ce).double().numpy()
                norm = (edited - x).double().norm(dim=-1).numpy()
            counted = predicted(index)
            aside = counted & outside[rows, :-1] if outside is not None else np.zeros_like(counted)
            # A prediction counts for the unit of its target, an edit for that of its own token.
            of_target = unit[:, 1:]
            parts = [
                (of_target, counted, np.ones_like(kl)),
                (of_target, counted, kl),
                (of_target, counted, rise),
                (of_target, aside, np.ones_like(kl)),
                (of_target, aside, kl),
                (unit, at.numpy(), np.ones_like(norm)),
                (unit, at.numpy(), norm),
            ]
            for column, (owner, where, values) in enumerate(parts):
                totals[:, column] += np.bincount(owner[where], values[where], minlength=n_units)
            advance(len(tokens))
        return totals
