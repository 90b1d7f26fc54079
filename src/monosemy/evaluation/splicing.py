"""What a dictionary does to the language model: its reconstruction is put in the place of the activation."""

import numpy as np
import torch

from monosemy.core import Advance, Interval, Result, UserError, bootstrap, ignore_advance
from monosemy.dictionaries import Dictionary
from monosemy.evaluation.metric import Subject, Sums
from monosemy.evaluation.splice_reference import (
    ReferenceBatch,
    SpliceReference,
    continued,
    cross_entropy,
    log_probabilities,
    predicted,
    recorded,
)
from monosemy.lm import LanguageModel, Site

_COLUMNS = ("n_predictions", "ce_original", "ce_zero", "ce_mean", "ce_spliced", "kl", "n_agreements")
_UNITS = {
    "ce_increase": "nats a token",
    "loss_recovered_zero": "fraction",
    "loss_recovered_mean": "fraction",
    "kl": "nats a token",
    "top1_agreement": "fraction",
}


def spliced_sums(
    lm: LanguageModel,
    site: Site,
    dictionary: Dictionary,
    reference: SpliceReference,
    advance: Advance = ignore_advance,
) -> dict[str, np.ndarray]:
    """Sums over the reference's predictions, each `[units]`, of the model with x_hat at every recorded position.

    A row's first position and separators keep their own activation, in the ablations too. Sums: n_predictions;
    ce_original, ce_zero, ce_mean, ce_spliced (nats); kl = sum_v p_v (log p_v - log q_v) with p the original's and q the
    spliced model's distribution; n_agreements of their most likely tokens, ties to the lowest id. A prediction counts
    for the unit of its target. `advance` counts sequences. Raises UserError when the reference is another model's or
    lacks the site, or the dictionary is of another width.
    """
    if lm.fingerprint() != reference.lm:
        raise UserError(
            f"the splice reference is of language model {reference.lm}, not of {lm.fingerprint()}; make it for this one"
        )
    if (dictionary.d_in, dictionary.d_out) != (lm.d_site(site), lm.d_site(site)):
        raise UserError(
            f"the dictionary reads {dictionary.d_in} and writes {dictionary.d_out} dimensions, {site} has "
            f"{lm.d_site(site)}; splice it at the site it was trained on"
        )
    totals = np.zeros((len(_COLUMNS), len(reference.units)))
    for batch in reference.batches(str(site)):
        totals += _batch_sums(lm, site, dictionary, batch, len(reference.units))
        advance(len(batch.tokens))
    return dict(zip(_COLUMNS, totals, strict=True))


def splicing_results(sums: Sums, subject: Subject, generator: np.random.Generator) -> list[Result]:
    """ce_increase, loss_recovered_zero, loss_recovered_mean, kl and top1_agreement with intervals over units.

        ce_increase = CE(spliced) - CE(original)
        loss_recovered_a = (CE(a) - CE(spliced)) / (CE(a) - CE(original)), a the zero or the mean ablation

    Where ablating the site does not raise the loss (the interval of CE(a) - CE(original) is not above 0) there is
    nothing to recover and loss_recovered_a is `not_applicable`.
    """
    table = np.stack([sums[name] for name in _COLUMNS], axis=1)
    table = table[sums["n_predictions"] > 0]
    intervals = bootstrap(table, _statistics, generator)
    ends = zip(intervals.value.tolist(), intervals.low.tolist(), intervals.high.tolist(), strict=True)
    *measured, harm_zero, harm_mean = (Interval(value=value, low=low, high=high) for value, low, high in ends)
    harms = {"loss_recovered_zero": harm_zero, "loss_recovered_mean": harm_mean}
    results: list[Result] = []
    for (metric, unit), interval in zip(_UNITS.items(), measured, strict=True):
        harm = harms.get(metric)
        if harm is not None and not harm.low > 0:
            ablation = metric.rsplit("_", 1)[1]
            reason = (
                f"{ablation} ablation changes the loss by {harm.value:.3g} [{harm.low:.3g}, {harm.high:.3g}] nats: "
                "there is no loss to recover"
            )
            results.append(subject.not_applicable(metric, unit, reason))
        else:
            results.append(subject.measured(metric, interval, unit, n=len(table)))
    return results


def _batch_sums(
    lm: LanguageModel, site: Site, dictionary: Dictionary, batch: ReferenceBatch, n_units: int
) -> np.ndarray:
    """[columns units]."""
    tokens = batch.tokens.long()
    x_hat = dictionary.reconstruct(batch.x.flatten(0, 1)).view_as(batch.x)
    at = torch.from_numpy(recorded(batch.index))
    with torch.inference_mode():
        log_q = log_probabilities(continued(lm, site, tokens, batch.x, x_hat, at))
        kl = (batch.log_p.exp() * (batch.log_p - log_q)).sum(dim=-1, dtype=torch.float64)
        agrees = batch.log_p.argmax(dim=-1) == log_q.argmax(dim=-1)  # of equal maxima torch takes the first
        columns = torch.stack(
            [
                torch.ones_like(kl),
                *(part.double() for part in (batch.ce, batch.ce_zero, batch.ce_mean)),
                cross_entropy(log_q, tokens),
                kl,
                agrees.double(),
            ]
        )
    counted = predicted(batch.index)
    unit = batch.unit[:, 1:][counted]
    return np.stack([np.bincount(unit, column[counted], minlength=n_units) for column in columns.numpy()])


def _statistics(totals: np.ndarray) -> np.ndarray:
    """[resamples columns] -> the five metrics, and the harm a token of each ablation."""
    n, original, zero, mean, spliced, kl, agreements = totals.T
    recovered = [
        np.where(ablated > original, (ablated - spliced) / (ablated - original), np.nan) for ablated in (zero, mean)
    ]
    harms = [(zero - original) / n, (mean - original) / n]
    return np.stack([(spliced - original) / n, *recovered, kl / n, agreements / n, *harms], axis=1)
