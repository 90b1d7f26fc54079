"""The third part of a case study: which words of a text a latent needs, and which tokens make it fire."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from monosemy.causal import LatentReader, SweepSide, Text, context_ablation, greedy_text, minimal_text, token_sweep
from monosemy.core import UserError
from monosemy.experiments.case_activity import top_rows
from monosemy.experiments.case_bench import CaseBench, ReadLatent

N_TRIED = 10
"""Of the top examples so many are tried until one makes the latent fire when only its last tokens are read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepConfig:
    """On which text a latent is tried, and how."""

    text: tuple[int, ...] | None = None  # token ids; none: the top example, cut to its last tokens
    n_context: int = 40  # tokens before the last that are kept of an example, and left out one at a time
    keep: float = 0.5  # part of the activation that the minimal text must keep
    n_listed: int = 10  # tokens listed at either end of a sweep
    n_repeats: int = 3  # tokens of the greedy text
    max_tokens: int | None = None  # tokens of the vocabulary that are tried, drawn; none: all

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise UserError(f"keep is {self.keep}; give the part of the activation to keep, above 0 and at most 1")
        for name in ("n_context", "n_listed", "n_repeats"):
            if getattr(self, name) < 1:
                raise UserError(f"{name.replace('_', '-')} is {getattr(self, name)}; give at least 1")
        if self.max_tokens is not None and self.max_tokens < 1:
            raise UserError(f"max-sweep-tokens is {self.max_tokens}; give at least 1, or none for all")


def texts_part(bench: CaseBench, read: ReadLatent, config: SweepConfig) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Context ablation, sweeps and the greedy text, as JSON and as arrays; `reason` says why there are none."""
    reader = bench.reader(read.dictionary, read.latent)
    vocabulary = _tried(bench, read, config)
    greedy, strengths = greedy_text(reader, config.n_repeats, vocabulary)
    part: dict[str, Any] = {
        "is_given": config.text is not None,
        "n_swept": len(vocabulary),
        "greedy": {"tokens": _words(bench, greedy), "values": strengths.tolist()},
    }
    text = config.text if config.text is not None else _example(bench, read, reader, config.n_context)
    if text is None:
        last = f"the last {config.n_context + 1} tokens"
        reason = f"of its {N_TRIED} strongest examples none makes it fire when only {last} of it are read"
        return {**part, "reason": reason}, {}
    whole = float(reader([text])[0])
    if whole <= 0:
        return {**part, "reason": "it does not fire on the last token of the text"}, {}
    change = context_ablation(reader, text, config.n_context)
    shortest = minimal_text(reader, text, config.keep)
    swept: dict[SweepSide, Float64[np.ndarray, " n"]] = {
        side: token_sweep(reader, shortest, side, vocabulary) for side in _SIDES
    }
    part |= {
        "reason": None,
        "tokens": _words(bench, text),
        "value": whole,
        "context_change": change.tolist(),
        "minimal": {"tokens": _words(bench, shortest), "value": float(reader([shortest])[0]), "keep": config.keep},
        **{side: _listed(bench, values, vocabulary, config.n_listed) for side, values in swept.items()},
    }
    arrays = {"sweep/token": np.array(vocabulary), "context_change": change}
    return part, arrays | {f"sweep/{side}": values for side, values in swept.items()}


def _tried(bench: CaseBench, read: ReadLatent, config: SweepConfig) -> list[int]:
    n = len(bench.words)
    if config.max_tokens is None or config.max_tokens >= n:
        return list(range(n))
    return np.sort(bench.generator("sweep", read.latent).choice(n, config.max_tokens, replace=False)).tolist()


def _example(bench: CaseBench, read: ReadLatent, reader: LatentReader, n_context: int) -> Text | None:
    """The end of the strongest example on which the latent also fires when nothing else is read."""
    for i in top_rows(bench.text, read, N_TRIED):
        text = tuple(bench.text.tokens.ravel()[bench.text.around(int(read.places[i]), n_context, 0)].tolist())
        if reader([text])[0] > 0:
            return text
    return None


def _listed(bench: CaseBench, values: Float64[np.ndarray, " n"], tokens: list[int], n: int) -> dict[str, Any]:
    """The tokens at both ends, and on how many the latent does not fire; equals in the order of the vocabulary."""
    order = np.argsort(-values, kind="stable")
    ends = {"top": order[:n], "bottom": np.argsort(values, kind="stable")[:n]}
    return {
        **{
            name: [{"token": bench.words[tokens[i]], "value": float(values[i])} for i in ids.tolist()]
            for name, ids in ends.items()
        },
        "n_silent": int((values <= 0).sum()),
    }


def _words(bench: CaseBench, text: Text) -> list[str]:
    return [bench.words[token] for token in text]


_SIDES: tuple[SweepSide, ...] = ("before", "behind")
