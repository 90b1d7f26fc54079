"""The labels of the tokens of a language model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool

from monosemy.corpus.labels.catalogue import CATALOGUE, NOT_CAUSAL, family_bits
from monosemy.corpus.labels.lexical import SPACE, NotTokenizable, lex
from monosemy.corpus.labels.reader import Span, read
from monosemy.corpus.labels.scopes import parse, statement_bindings

LabelStatus = Literal["ok", "no_syntax_tree", "no_tokens"]

_N_BYTES = (len(CATALOGUE) + 7) // 8
_NEEDS_TREE = family_bits(["syntax", "scope"])


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenLabels:
    """Which labels hold at each token of a text (`values`), and where that can be known at the token (`scored`).

    Columns follow CATALOGUE; a value that is not scored is False. status: `no_syntax_tree` where the text does not
    parse, so that syntax and scope labels are scored nowhere; `no_tokens` where it is no sequence of Python tokens, so
    that nothing is.
    """

    values: Bool[np.ndarray, "n_tokens n_labels"]
    scored: Bool[np.ndarray, "n_tokens n_labels"]
    status: LabelStatus


def label_tokens(text: str, token_lengths: Sequence[int]) -> TokenLabels:
    """The labels of the tokens of a text of Python source.

    token_lengths: the bytes of UTF-8 of each token; together they are the text, and they may split a character.
    A token has the labels of the first character in it that is not white space, or of its white space if there is
    nothing else. Every scored value is decided by the text up to the end of the token.
    Raises ValueError if the lengths do not add up to the text.
    """
    spans = token_spans(text, token_lengths)
    try:
        lexemes = lex(text)
    except NotTokenizable:
        nothing = np.zeros((len(spans), len(CATALOGUE)), dtype=bool)
        return TokenLabels(values=nothing, scored=nothing.copy(), status="no_tokens")
    tree = parse(text)
    found = read(text, lexemes, spans, {} if tree is None else statement_bindings(tree, text))
    never = NOT_CAUSAL if tree is not None else NOT_CAUSAL | _NEEDS_TREE
    scored = ~_unpack([unscored | never for _, unscored in found])
    values = _unpack([labels for labels, _ in found]) & scored
    return TokenLabels(values=values, scored=scored, status="ok" if tree is not None else "no_syntax_tree")


def token_spans(text: str, token_lengths: Sequence[int]) -> list[Span]:
    """What each token shows of the text, in characters.

    Raises ValueError if the lengths do not add up to the text.
    """
    encoded = np.frombuffer(text.encode(), dtype=np.uint8)
    ends = np.cumsum(np.asarray(token_lengths, dtype=np.int64))
    if len(encoded) != (ends[-1] if len(ends) else 0):
        raise ValueError(f"the tokens have {ends[-1] if len(ends) else 0} bytes, the text has {len(encoded)}")
    starts = ends - np.asarray(token_lengths, dtype=np.int64)
    is_first_byte = (encoded & 0xC0) != 0x80
    # The character of every byte; a byte past the end belongs to the character past the end.
    character = np.append(np.cumsum(is_first_byte) - 1, np.count_nonzero(is_first_byte))
    is_space = np.append(np.isin(encoded[is_first_byte], np.frombuffer(SPACE.encode(), dtype=np.uint8)), False)
    code = np.flatnonzero(~is_space)
    next_code = code[np.searchsorted(code, np.arange(len(is_space)))]
    # A character that is not complete before the end of the token has not been seen.
    begin, end = character[starts], character[ends]
    first = next_code[begin]
    is_cut = (first >= end) & ((ends == starts) | np.append(~is_first_byte, False)[ends])
    shows_space = (first >= end) & ~is_cut
    first = np.where(shows_space, begin, first)
    return [Span(*span) for span in zip(*(a.tolist() for a in (first, end, shows_space, is_cut)), strict=True)]


def _unpack(label_sets: Sequence[int]) -> Bool[np.ndarray, "n_tokens n_labels"]:
    packed = b"".join(labels.to_bytes(_N_BYTES, "little") for labels in label_sets)
    rows = np.frombuffer(packed, dtype=np.uint8).reshape(len(label_sets), _N_BYTES)
    return np.unpackbits(rows, axis=1, count=len(CATALOGUE), bitorder="little").astype(bool)
