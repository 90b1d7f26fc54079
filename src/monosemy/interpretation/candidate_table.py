"""All predicates that a rule may use on one sample, and weighted sums over the rows where each of them holds."""

from typing import Literal, final

import numpy as np
from jaxtyping import Bool, Float64, Int64

from monosemy.interpretation.left_context import N_RECENT
from monosemy.interpretation.predicates import (
    PLACES,
    REPETITIONS,
    AnyPredicate,
    AtPosition,
    HasAffix,
    HasLabel,
    HasSurface,
    Repeats,
    TokenIs,
    TokenRecently,
)
from monosemy.interpretation.surface import SURFACE_FORMS
from monosemy.interpretation.text import Text
from monosemy.interpretation.text_context import text_context
from monosemy.interpretation.vocabulary_features import vocabulary_features

_FLAG_ROWS = 2048  # of the flags in 32 bits at once: what the cache holds


@final
class CandidateTable:
    """The candidates of a sample, numbered: tokens (3 places), recent tokens, surfaces (2 places), affixes, flags.

    A row is a recorded position. Token predicates are summed up by counting token codes, and what depends on the token
    alone from those counts; the flags (labels, positions, repetitions) by one product with a 0/1 matrix.
    """

    def __init__(self, text: Text) -> None:
        fragments = text.fragments
        mask = fragments.mask
        self.fragment: Int64[np.ndarray, " row"] = np.nonzero(mask)[0]
        features = vocabulary_features(fragments.text)
        context = text_context(text)
        backs = np.stack([context.back(back)[mask] for back in range(N_RECENT + 1)])
        seen = np.zeros(int(features.ids[-1]) + 2, dtype=np.bool_)
        seen[backs] = True  # "no token" is -1, the last place
        known = np.flatnonzero(seen[features.ids])
        self._ids = features.ids[known]
        self._n = len(self._ids)  # this is also the code of "no token"
        number = np.full(len(seen), self._n)
        number[self._ids] = np.arange(self._n)
        codes = number[backs]
        self._code, self._recent = codes[:3], _distinct(codes[1:], self._n)
        self._texts = [features.texts[i] for i in known.tolist()]
        self.n_tokens = len(features.ids)
        self._forms = np.zeros((self._n + 1, len(SURFACE_FORMS)))
        self._forms[:-1] = features.forms[known]
        self._affixes = features.affixes
        self._affix_code = [_shared(a.code[known], len(a.characters)) for a in self._affixes]
        labels = text.labels
        n_labels = 0 if labels is None else len(labels.names)
        none = np.zeros((mask.size, 0), dtype=np.bool_)
        self._labels = none if labels is None else labels.values.reshape(-1, n_labels)
        self._at = np.flatnonzero(mask)
        self._has_previous = backs[1] >= 0
        self._flag_predicates = _flag_predicates(text)
        self._others = _others(text, self._flag_predicates[2 * n_labels :])
        sizes = [self._n] * 4 + [len(SURFACE_FORMS)] * 2 + [len(a.characters) for a in self._affixes]
        self._starts = np.cumsum([0, *sizes])  # the flags come last
        self.n_candidates = int(self._starts[-1]) + len(self._flag_predicates)
        self.bits = self._all_bits()
        self.can_be_negated = self._negatable()

    @property
    def n_rows(self) -> int:
        """The number of recorded positions."""
        return len(self.fragment)

    def sums(
        self, rows: Int64[np.ndarray, " m"], values: Float64[np.ndarray, "k m"]
    ) -> Float64[np.ndarray, "k+1 n_candidates"]:
        """For each candidate the sums of values over those of the rows where it holds, and how many these are.

        Sums of flags have about seven digits.
        """
        n = self._n
        out = np.empty((len(values) + 1, self.n_candidates))
        codes = [code[rows] for code in self._code]
        recent = self._recent[:, rows].ravel()
        for of, value in zip(out, [*values, None], strict=True):
            by_token = [np.bincount(code, value, n + 1) for code in codes]
            repeated = None if value is None else np.tile(value, N_RECENT)
            parts = [counted[:n] for counted in by_token]
            parts.append(np.bincount(recent, repeated, n + 1)[:n])
            parts += [counted @ self._forms for counted in by_token[:2]]
            parts += [
                np.bincount(code, by_token[0], len(a.characters) + 1)[:-1]
                for a, code in zip(self._affixes, self._affix_code, strict=True)
            ]
            of[: self._starts[-1]] = np.concatenate(parts)
        with_ones = np.ones((len(out), len(rows)), dtype=np.float32)
        with_ones[:-1] = values
        flags = np.zeros((len(out), len(self._flag_predicates)), dtype=np.float32)
        n = self._labels.shape[1]
        for start in range(0, len(rows), _FLAG_ROWS):
            some = slice(start, start + _FLAG_ROWS)
            block, at, of = with_ones[:, some], self._at[rows[some]], rows[some]
            flags[:, :n] += block @ self._labels[at].astype(np.float32)
            flags[:, n : 2 * n] += (block * self._has_previous[of]) @ self._labels[at - 1].astype(np.float32)
            flags[:, 2 * n :] += block @ self._others[of].astype(np.float32)
        out[:, self._starts[-1] :] = flags
        return out

    def token_segment(self, back: Literal[0, 1, 2]) -> slice:
        """The candidates that are single tokens at a place."""
        return slice(int(self._starts[back]), int(self._starts[back + 1]))

    def holds(self, candidate: int, rows: Int64[np.ndarray, " m"]) -> Bool[np.ndarray, " m"]:
        """On which of the rows a candidate holds."""
        kind, item = self._place(candidate)
        if kind < 3:
            return self._code[kind][rows] == item
        if kind == 3:
            return (self._recent[:, rows] == item).any(axis=0)
        if kind < 6:
            return self._forms[self._code[kind - 4][rows], item] > 0
        if kind < 6 + len(self._affixes):
            return self._affix_code[kind - 6][self._code[0][rows]] == item
        n = self._labels.shape[1]
        if item >= 2 * n:
            return self._others[rows, item - 2 * n]
        if item < n:
            return self._labels[self._at[rows], item]
        return self._labels[self._at[rows] - 1, item - n] & self._has_previous[rows]

    def holds_any(
        self, back: Literal[0, 1, 2], items: Int64[np.ndarray, " k"], rows: Int64[np.ndarray, " m"]
    ) -> Bool[np.ndarray, " m"]:
        """On which of the rows the token at a place is one of the candidates of that place's segment."""
        chosen = np.zeros(self._n + 1, dtype=np.bool_)
        chosen[items] = True
        return chosen[self._code[back][rows]]

    def token_code(self, back: Literal[0, 1, 2], rows: Int64[np.ndarray, " m"]) -> Int64[np.ndarray, " m"]:
        """The number, in that place's segment, of the token at a place; of no token the segment's size."""
        return self._code[back][rows]

    def predicate(self, candidate: int, negated: bool = False) -> AnyPredicate:
        """What a candidate says."""
        kind, item = self._place(candidate)
        if kind == 0 or kind == 1 or kind == 2:
            return self.tokens(kind, np.array([item]))
        if kind == 3:
            return TokenRecently(token=int(self._ids[item]), text=self._texts[item], n_tokens=self.n_tokens)
        if kind == 4 or kind == 5:
            return HasSurface(back=0 if kind == 4 else 1, form=SURFACE_FORMS[item], negated=negated)
        if kind < 6 + len(self._affixes):
            affixes = self._affixes[kind - 6]
            n = len(affixes.characters)
            return HasAffix(side=affixes.side, characters=affixes.characters[item], n_affixes=n)
        flag = self._flag_predicates[item]
        if isinstance(flag, HasLabel):
            return HasLabel(
                back=flag.back, label=flag.label, definition=flag.definition, n_labels=flag.n_labels, negated=negated
            )
        return Repeats(what=flag.what, negated=negated) if isinstance(flag, Repeats) else flag

    def tokens(self, back: Literal[0, 1, 2], items: Int64[np.ndarray, " k"]) -> TokenIs:
        """The predicate that the token at a place is one of the candidates of that place's segment."""
        items = np.sort(items)
        return TokenIs(
            back=back,
            tokens=tuple(self._ids[items].tolist()),
            texts=tuple(self._texts[item] for item in items.tolist()),
            n_tokens=self.n_tokens,
        )

    def _place(self, candidate: int) -> tuple[int, int]:
        """The kind of a candidate (which segment) and its number there."""
        kind = int(np.searchsorted(self._starts, candidate, side="right")) - 1
        return kind, candidate - int(self._starts[kind])

    def _all_bits(self) -> Float64[np.ndarray, " n_candidates"]:
        bits = np.empty(self.n_candidates)
        ends = [*self._starts[1:].tolist(), self.n_candidates]
        for start, end in zip(self._starts.tolist(), ends, strict=True):
            if end > start and start < self._starts[-1]:
                bits[start:end] = self.predicate(start).bits()
        bits[self._starts[-1] :] = [flag.bits() for flag in self._flag_predicates]
        return bits

    def _negatable(self) -> Bool[np.ndarray, " n_candidates"]:
        can = np.zeros(self.n_candidates, dtype=np.bool_)
        can[self._starts[4] : self._starts[6]] = True
        can[self._starts[-1] :] = [not isinstance(flag, AtPosition) for flag in self._flag_predicates]
        return can


def _distinct(codes: Int64[np.ndarray, "recent row"], none: int) -> Int64[np.ndarray, "recent row"]:
    """Each row's codes, repeated ones replaced by "no token", so that counting counts each once."""
    distinct = codes.copy()
    for later in range(1, len(codes)):
        repeated = (codes[:later] == codes[later]).any(axis=0)
        distinct[later][repeated] = none
    return distinct


def _shared(code: Int64[np.ndarray, " token"], none: int) -> Int64[np.ndarray, " code"]:
    """The affix of each token of the sample and of "no token", where two or more of them share it; else none.

    What one token alone begins or ends with is better said by naming it.
    """
    several = np.bincount(code, minlength=none + 1) > 1
    return np.append(np.where(several[code], code, none), none)


def _flag_predicates(text: Text) -> list[HasLabel | AtPosition | Repeats]:
    flags: list[HasLabel | AtPosition | Repeats] = []
    if text.labels is not None:
        n = len(text.labels.names)
        named = list(zip(text.labels.names, text.labels.definitions, strict=True))
        flags += [HasLabel(back=0, label=name, definition=said, n_labels=n) for name, said in named]
        flags += [HasLabel(back=1, label=name, definition=said, n_labels=n) for name, said in named]
    flags += [AtPosition(place=place, least=least, most=most) for place, least, most in PLACES]
    flags += [Repeats(what=what) for what in REPETITIONS]
    return flags


def _others(text: Text, predicates: list[HasLabel | AtPosition | Repeats]) -> Bool[np.ndarray, "row n_others"]:
    """Where each of the flags holds that are no labels."""
    mask = text.fragments.mask
    return np.stack([predicate.holds(text)[mask] for predicate in predicates], axis=1)
