"""The second half of a case study: what ablating a latent does to the next token, and what its logit lens says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float64, Int64

from monosemy.causal import (
    MAX_USED_NORM,
    REMOVALS,
    AblationEffect,
    ActivePositions,
    Removal,
    ablation_effects,
    excess_kurtosis,
    lens_agreement,
    logit_lens,
    plain_lens,
    used_tokens,
)
from monosemy.core import UserError, bootstrap_ratio, bootstrap_ratios
from monosemy.experiments.case_bench import CaseBench, ReadLatent

PRECISION_AT = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class EffectConfig:
    """Where a latent is ablated, and how much of the effect is told."""

    n_positions: int = 200  # of those where the latent fires, drawn
    edited: Literal["position", "row"] = "position"  # where: at that position alone, or in the row up to it
    n_tokens: int = 20  # told of those lowered most, and of those raised most
    watched: tuple[int, ...] = ()  # further tokens, by id

    def __post_init__(self) -> None:
        if self.n_positions < 1 or self.n_tokens < 1:
            raise UserError(f"n-positions is {self.n_positions} and n-tokens {self.n_tokens}; give at least 1 of each")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Effects:
    """The effect of each removal at the same positions, and the unit of each."""

    places: Int64[np.ndarray, " n"]
    unit: Int64[np.ndarray, " n"]
    of: dict[Removal, AblationEffect]


def measured_effects(
    bench: CaseBench, read: ReadLatent, config: EffectConfig, removals: Sequence[Removal] = REMOVALS
) -> Effects:
    """Ablate a latent, which must fire somewhere, at a seeded sample of the places where it does."""
    active = read.places[read.values > 0]
    n = min(config.n_positions, len(active))
    drawn = np.sort(bench.generator("positions", read.latent).choice(len(active), n, replace=False))
    places = active[drawn]
    positions: ActivePositions = bench.text.positions(places)
    everywhere = config.edited == "row"
    return Effects(
        places=places,
        unit=bench.text.unit(places),
        of=ablation_effects(bench.passes, read.dictionary, read.latent, positions, removals, everywhere=everywhere),
    )


def lens_of(bench: CaseBench, read: ReadLatent) -> Float64[np.ndarray, " vocab"]:
    """The logit lens of the latent's direction, over the tokens that the tokenizer has."""
    return logit_lens(bench.lm, bench.site, read.dictionary.W_dec[[read.latent]])[0, : len(bench.words)].numpy()


def effect_part(
    bench: CaseBench, read: ReadLatent, effects: Effects, lens: Float64[np.ndarray, " vocab"], config: EffectConfig
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What the ablations do, as JSON, and the arrays behind it: mean changes [vocab], and those of the next token."""
    part: dict[str, Any] = {"n_positions": len(effects.places), "edited": config.edited}
    arrays: dict[str, np.ndarray] = {"effect/unit": effects.unit}
    for how, effect in effects.of.items():
        logits = effect.logits[:, : len(lens)].astype(np.float64).mean(axis=0)
        log_probs = effect.log_probs[:, : len(lens)].astype(np.float64).mean(axis=0)
        agreement = lens_agreement(lens, logits, PRECISION_AT)
        by_change = np.argsort(logits, kind="stable")
        shown = {"lowered": by_change[: config.n_tokens], "raised": by_change[::-1][: config.n_tokens]}
        shown["watched"] = np.array(config.watched, dtype=np.int64)
        part[how] = {
            **{name: _token_rows(bench, read, effects, effect, ids) for name, ids in shown.items()},
            "kl": float(effect.kl.mean()),
            "next": _next_token(bench, read, effects, effect),
            "spearman": agreement.spearman,
            "precision": agreement.precision,
        }
        arrays |= {
            f"effect/{how}/logits": logits.astype(np.float32),
            f"effect/{how}/log_probs": log_probs.astype(np.float32),
            f"effect/{how}/next_token": effect.next_token,
            f"effect/{how}/kl": effect.kl,
        }
    return part, arrays


def lens_part(
    bench: CaseBench, read: ReadLatent, lens: Float64[np.ndarray, " vocab"], n_tokens: int
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What the lens says, as JSON and as arrays; `paper`: the plain f W_U, without the tokens that the paper masks."""
    direction = read.dictionary.W_dec[[read.latent]]
    plain = plain_lens(bench.lm, bench.site, direction)[0, : len(lens)].numpy()
    used = used_tokens(bench.lm)[: len(lens)]
    part = {
        **_ends(bench.words, lens, np.ones(len(lens), dtype=np.bool_), n_tokens),
        "kurtosis": float(excess_kurtosis(lens[None])[0]),
        "paper": {
            **_ends(bench.words, plain, used, n_tokens),
            "kurtosis": float(excess_kurtosis(plain[None, used])[0]) if used.any() else None,
            "n_masked": int((~used).sum()),
            "max_norm": MAX_USED_NORM,
        },
    }
    return part, {"lens": lens.astype(np.float32), "plain_lens": plain.astype(np.float32)}


def _ends(
    words: Sequence[str], values: Float64[np.ndarray, " n"], allowed: Bool[np.ndarray, " n"], n: int
) -> dict[str, list[dict[str, Any]]]:
    """The highest and the lowest of what is allowed."""
    order = np.flatnonzero(allowed)[np.argsort(-values[allowed], kind="stable")]
    sides = {"top": order[:n], "bottom": order[::-1][:n]}
    return {name: [{"token": words[i], "value": float(values[i])} for i in ids.tolist()] for name, ids in sides.items()}


def _token_rows(
    bench: CaseBench, read: ReadLatent, effects: Effects, effect: AblationEffect, ids: Int64[np.ndarray, " n"]
) -> list[dict[str, Any]]:
    """Mean change of chosen tokens, of the logit and of the log-probability, with intervals over units of the former.

    probability: the mean probability before the ablation, which says whether a change matters at all.
    """
    if len(ids) == 0:
        return []
    logits = effect.logits[:, ids].astype(np.float64)
    sums, n = _by_unit(logits, effects.unit, len(bench.text.units))
    found = bootstrap_ratios(sums, n, bench.generator("tokens", read.latent))
    return [
        {
            "token": bench.words[token],
            "logit": float(found.value[i]),
            "low": float(found.low[i]),
            "high": float(found.high[i]),
            "log_prob": float(effect.log_probs[:, token].astype(np.float64).mean()),
            "probability": float(np.exp(effect.original[:, token].astype(np.float64)).mean()),
        }
        for i, token in enumerate(ids.tolist())
    ]


def _next_token(bench: CaseBench, read: ReadLatent, effects: Effects, effect: AblationEffect) -> dict[str, Any]:
    """Mean change of the log-probability of the token that does follow, with its interval over units."""
    known = np.isfinite(effect.next_token)
    if not known.any():
        return {"mean": None, "low": None, "high": None, "n": 0, "n_units": 0}
    sums, n = _by_unit(effect.next_token[known, None], effects.unit[known], len(bench.text.units))
    found = bootstrap_ratio(sums[:, 0], n[:, 0], bench.generator("next-token", read.latent))
    return {
        "mean": found.value,
        "low": found.low,
        "high": found.high,
        "n": int(known.sum()),
        "n_units": len(np.unique(effects.unit[known])),
    }


def _by_unit(
    values: Float64[np.ndarray, "n k"], unit: Int64[np.ndarray, " n"], n_units: int
) -> tuple[Float64[np.ndarray, "_ k"], Float64[np.ndarray, "_ k"]]:
    """Sums and counts of the units that occur."""
    sums, n = np.zeros((n_units, values.shape[1])), np.zeros(n_units)
    np.add.at(sums, unit, values)
    np.add.at(n, unit, 1.0)
    kept = n > 0
    return sums[kept], np.repeat(n[kept, None], values.shape[1], axis=1)
