"""What stands to the left of each position of a fragment: in the same fragment and the same document."""

from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from jaxtyping import Bool, Int32

from monosemy.evaluation import FragmentTable
from monosemy.interpretation.vocabulary_features import vocabulary_features

N_RECENT = 8
"""How many tokens to the left count as recent."""

Place = Literal["line", "document", "fragment"]
"""What tokens are counted in."""

Repetition = Literal["token", "pair", "previous"]
"""What stood before: the token, the pair of previous and current token, the previous token."""


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TokenPlace:
    """How many tokens stand before each one, in its line for example; where that is not known it is a lower bound."""

    n_before: Int32[np.ndarray, "n_fragments position"]
    known: Bool[np.ndarray, "n_fragments position"]


def token_back(fragments: FragmentTable, back: int) -> Int32[np.ndarray, "n_fragments position"]:
    """The id of the token so many places to the left (0: the token itself); -1 where the fragment does not show it.

    That is so at a separator, and where the place lies before the fragment or before the document's first token.
    """
    seen = np.where(fragments.index >= 0, fragments.tokens, -1).astype(np.int32)
    if back == 0:
        return seen
    moved = np.full_like(seen, -1)
    moved[:, back:] = np.where(_n_shown(fragments)[:, back:] >= back, seen[:, :-back], -1)
    return moved


def token_place(fragments: FragmentTable, place: Place) -> TokenPlace:
    """How many tokens stand before each one in its line, its document or the fragment; -1 at separators."""
    is_token = fragments.index >= 0
    if place == "line":
        at = line_place(fragments)
    elif place == "document":
        at = TokenPlace(n_before=fragments.index, known=is_token)
    else:
        position = np.arange(is_token.shape[1], dtype=np.int32)
        at = TokenPlace(n_before=np.broadcast_to(position, is_token.shape), known=is_token)
    return TokenPlace(n_before=np.where(is_token, at.n_before, np.int32(-1)), known=at.known & is_token)


def repeats(fragments: FragmentTable, what: Repetition) -> Bool[np.ndarray, "n_fragments position"]:
    """Where something stood before in the same document of the same fragment."""
    if what == "pair":
        return seen_before(pair_numbers(fragments), fragments)
    return seen_before(token_back(fragments, 0 if what == "token" else 1), fragments)


def line_place(fragments: FragmentTable) -> TokenPlace:
    """Tokens since the line began, which it does after a token with a line end in it, and with the document.

    Where the fragment does not show that, the number of tokens of the document that it shows to the left.
    """
    ends = vocabulary_features(fragments.text).of_form("line_end")
    previous = token_back(fragments, 1)
    begins = (fragments.index == 0) | np.isin(previous, ends)
    position = np.arange(begins.shape[1], dtype=np.int32)
    last = np.maximum.accumulate(np.where(begins, position, -1), axis=1)
    shown = _n_shown(fragments)
    since = position - last
    known = (last >= 0) & (since <= shown)
    return TokenPlace(n_before=np.where(known, since, shown).astype(np.int32), known=known)


def seen_before(
    values: Int32[np.ndarray, "n_fragments position"], fragments: FragmentTable
) -> Bool[np.ndarray, "n_fragments position"]:
    """Whether a value (-1: none) stood before in the same document of the same fragment."""
    n, width = values.shape
    row = np.arange(n, dtype=np.int64)[:, None]
    of_document = row * (int(fragments.document.max(initial=0)) + 1) + fragments.document
    key = of_document * (int(values.max(initial=0)) + 2) + (values + 1)
    first = np.unique(key, return_index=True)[1]  # of equals the leftmost
    seen = np.ones(n * width, dtype=np.bool_)
    seen[first] = False
    return seen.reshape(n, width) & (values >= 0)


def pair_numbers(fragments: FragmentTable) -> Int32[np.ndarray, "n_fragments position"]:
    """A number for each pair of previous and current token, -1 where the fragment does not show the previous one."""
    previous, current = token_back(fragments, 1).astype(np.int64), token_back(fragments, 0).astype(np.int64)
    pair = previous * (int(current.max(initial=0)) + 1) + current
    numbers = np.unique(pair, return_inverse=True)[1].reshape(pair.shape).astype(np.int32)
    return np.where((previous >= 0) & (current >= 0), numbers, np.int32(-1))


def _n_shown(fragments: FragmentTable) -> Int32[np.ndarray, "n_fragments position"]:
    """How many tokens of the same document the fragment shows to the left of each position."""
    position = np.arange(fragments.index.shape[1], dtype=np.int32)
    return np.minimum(np.maximum(fragments.index, 0), position).astype(np.int32)
