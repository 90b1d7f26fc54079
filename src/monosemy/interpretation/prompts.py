"""What language models are asked: the texts of the prompts, and tokens written so that each stays on its line.

The structure is that of Bills et al. (2023): an explainer sees tokens with activations from 0 to 10, a simulator the
explanation and a table of tokens whose activations are unknown. The words are our own.
"""

import re
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from jaxtyping import Float32

from monosemy.core import fingerprint
from monosemy.evaluation import FragmentTable
from monosemy.interpretation.evidence import TOP_LEVEL, Sample

UNKNOWN = "unknown"
"""What stands in a simulator's table where the activation goes."""

MAX_EXPLANATION_BYTES = 1000
"""An explanation longer than this, in UTF-8, is not one sentence and counts as malformed."""

N_SHOWN = 16
"""How many fragments of the full budget an explainer is shown, at most: 12 on which the latent fires, 4 silent ones."""

N_SHOWN_SILENT = 4
"""How many of those are silent ones, where there are as many."""

DENSE_SHARE = 0.2
"""Where fewer tokens than this share are not silent, those are listed once more."""

Role = Literal["system", "user", "assistant"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


_EXPLAIN = (
    "A unit inside a language model gives every token of a text an activation, a whole number from 0 (silent) to "
    f"{TOP_LEVEL} (its strongest). You are shown excerpts, one token a line followed by a tab and the activation. "
    "Find what the tokens with high activations, or what comes before them, have in common and what sets them apart "
    "from the silent ones. Answer with one short sentence that names the pattern, in general words where a general "
    "pattern holds, without listing the excerpts."
)
_SIMULATE = (
    "A unit inside a language model gives every token of a text an activation, a whole number from 0 (silent) to "
    f"{TOP_LEVEL} (its strongest). You are told in one sentence what the unit responds to. For each token of an "
    "excerpt, say which activation you expect, judging by that token and those before it. Most activations are 0."
)
_INTRUDER = (
    "Several excerpts of text are given, one a line. All of them but one have something in common: they make the same "
    "unit inside a language model respond, the odd one does not. Say which one is the odd one."
)
_JSON_EXPLAIN = 'Answer with JSON only: {"explanation": "..."}.'
_JSON_SIMULATE = (
    'Answer with JSON only: {"activations": [...]}, a list of one whole number for each numbered token, in order.'
)
_JSON_INTRUDER = 'Answer with JSON only: {"odd": number of the excerpt}.'
_REPAIR = "That answer could not be used: {reason}. Give the whole answer again, in the form that was asked for."

# Two made-up units, so that a model sees the form of question and answer.
_EXAMPLE_TOKENS = (
    ("The", " train", " left", " at", " seven", " with", " two", " dogs", " and", " 3", " cats", "."),
    ("def", " read", "(", "path", "):", "\\n", " return", " open", "(", "path", ")"),
)
_EXAMPLE_LEVELS = ((0, 0, 0, 0, 9, 0, 8, 0, 0, 2, 0, 0), (0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0))
_EXAMPLE_SENTENCES = ("numbers written out as words", "the name of a function right after `def`")

_PLAIN_EXPLAIN = "Explanation of unit {k}: it responds to"
_PLAIN_SIMULATE = "Unit {k} responds to: {sentence}\nActivations of unit {k}:\n"
_TABLE = "Excerpt {k}:\n{rows}\n"
_AGAIN = "The tokens of these excerpts that are not silent, once more:\n{rows}\n"

PROMPT_HASH = fingerprint(
    [
        *(_EXPLAIN, _SIMULATE, _INTRUDER, _JSON_EXPLAIN, _JSON_SIMULATE, _JSON_INTRUDER, _REPAIR),
        *(_PLAIN_EXPLAIN, _PLAIN_SIMULATE, _TABLE, _AGAIN, UNKNOWN, N_SHOWN, N_SHOWN_SILENT, DENSE_SHARE),
        *(_EXAMPLE_TOKENS, _EXAMPLE_LEVELS, _EXAMPLE_SENTENCES, MAX_EXPLANATION_BYTES),
    ]
)
"""Changes with every word of the templates (16 hexadecimal characters of their sha256)."""

_NAMED = {"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def escape(text: str) -> str:
    r"""A token's text on one line, without tabs, and encodable; different texts stay different.

    A backslash is doubled; \n, \t and \r are written so; a byte that is no UTF-8 (a surrogate of
    `errors="surrogateescape"`) is \xNN; everything else that cannot be printed is \uNNNN or \UNNNNNNNN; no text is \e.
    """
    return "".join(map(_escaped, text)) if text else "\\e"


def passage(tokens: tuple[str, ...]) -> str:
    """The text of consecutive tokens on one line; bytes that make a character together are joined, others are \ufffd.

    What is left unprintable is escaped.
    """
    text = re.sub("[\ud800-\udc7f\udd00-\udfff]", "\ufffd", "".join(tokens))
    return escape(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))


def escaped_tokens(fragments: FragmentTable, row: int) -> tuple[str, ...]:
    """The tokens of one fragment, escaped."""
    return tuple(escape(fragments.text[token]) for token in fragments.tokens[row].tolist())


def shown_rows(sample: Sample) -> tuple[int, ...]:
    """Which fragments of a sample an explainer is shown, in the order in which it is.

    Under the paper's budget all. Under the full one at most `N_SHOWN`: of N fragments on which the latent fires, ranked
    by peak, those of rank floor(i N / 12), i = 0..11, then of the silent ones the same of 4, in the sample's order.
    """
    n = len(sample.text)
    if sample.budget == "paper":
        return tuple(range(n))
    peak = sample.values.max(axis=1) if n else np.zeros(0, dtype=np.float32)
    ranked = np.argsort(-peak, kind="stable")
    firing, silent = ranked[peak[ranked] > 0].tolist(), np.flatnonzero(peak <= 0).tolist()
    return (*_spread(firing, N_SHOWN - N_SHOWN_SILENT), *_spread(silent, N_SHOWN_SILENT))


def levels(values: Float32[np.ndarray, "..."]) -> np.ndarray:
    """min(10, floor(max(value, 0))): the whole levels that an explainer is shown."""
    return np.clip(np.floor(values), 0, TOP_LEVEL).astype(np.int64)


def explain_messages(sample: Sample) -> tuple[Message, ...]:
    """The conversation that asks for an explanation as JSON."""
    turns = [Message(role="system", content=f"{_EXPLAIN} {_JSON_EXPLAIN}")]
    for tokens, given, sentence in zip(_EXAMPLE_TOKENS, _EXAMPLE_LEVELS, _EXAMPLE_SENTENCES, strict=True):
        turns.append(Message(role="user", content=_tables([(tokens, given)])))
        turns.append(Message(role="assistant", content=f'{{"explanation": "{sentence}"}}'))
    return (*turns, Message(role="user", content=_tables(_shown(sample))))


def simulate_messages(sentence: str, tokens: tuple[str, ...]) -> tuple[Message, ...]:
    """The conversation that asks for the activations of escaped tokens as JSON; the tokens are numbered from 1."""
    turns = [Message(role="system", content=f"{_SIMULATE} {_JSON_SIMULATE}")]
    for shown, given, said in zip(_EXAMPLE_TOKENS, _EXAMPLE_LEVELS, _EXAMPLE_SENTENCES, strict=True):
        turns.append(Message(role="user", content=_numbered(said, shown)))
        turns.append(Message(role="assistant", content=f'{{"activations": {list(given)}}}'))
    return (*turns, Message(role="user", content=_numbered(sentence, tokens)))


def intruder_messages(passages: tuple[str, ...]) -> tuple[Message, ...]:
    """The conversation that asks which of some passages, numbered from 1, is the odd one, as JSON."""
    rows = "\n".join(f"{number}. {text}" for number, text in enumerate(passages, 1))
    system = Message(role="system", content=f"{_INTRUDER} {_JSON_INTRUDER}")
    return (system, Message(role="user", content=f"Excerpts 1 to {len(passages)}:\n{rows}"))


def repair_messages(answer: str, reason: str) -> tuple[Message, ...]:
    """What is added to a conversation whose answer could not be used."""
    question = Message(role="user", content=_REPAIR.format(reason=reason))
    return (Message(role="assistant", content=answer), question) if answer else (question,)


def plain_explain(sample: Sample) -> str:
    """The question for an explanation as a text that a model without instructions goes on with."""
    parts = [f"{_EXPLAIN}\n"]
    for k, (tokens, given, sentence) in enumerate(
        zip(_EXAMPLE_TOKENS, _EXAMPLE_LEVELS, _EXAMPLE_SENTENCES, strict=True), 1
    ):
        parts += [f"Unit {k}\n{_tables([(tokens, given)])}", f"{_PLAIN_EXPLAIN.format(k=k)} {sentence}.\n"]
    k = len(_EXAMPLE_TOKENS) + 1
    return "\n".join([*parts, f"Unit {k}\n{_tables(_shown(sample))}", _PLAIN_EXPLAIN.format(k=k)])


def plain_simulate(sentence: str) -> str:
    """The beginning of a text, up to the table of tokens and unknown activations: it depends on the sentence only."""
    parts = [f"{_SIMULATE}\n"]
    for k, (tokens, given, said) in enumerate(
        zip(_EXAMPLE_TOKENS, _EXAMPLE_LEVELS, _EXAMPLE_SENTENCES, strict=True), 1
    ):
        parts.append(f"{_PLAIN_SIMULATE.format(k=k, sentence=said)}{_rows(tokens, given)}\n")
    return "\n".join([*parts, _PLAIN_SIMULATE.format(k=len(_EXAMPLE_TOKENS) + 1, sentence=sentence)])


def slot_pieces(tokens: tuple[str, ...]) -> tuple[str, ...]:
    """The table of escaped tokens whose activations are unknown, cut before each activation: one piece a token.

    Each ends with the tab after which the activation of its token would stand.
    """
    return tuple(f"{UNKNOWN}\n{token}\t" if number else f"{token}\t" for number, token in enumerate(tokens))


def plain_intruder(passages: tuple[str, ...], letters: tuple[str, ...]) -> str:
    """The question for the odd passage as a text that goes on with its letter."""
    rows = "\n".join(f"{letter}. {text}" for letter, text in zip(letters, passages, strict=True))
    return f"{_INTRUDER}\n\n{rows}\n\nThe odd one is excerpt"


def _escaped(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if character == " " or character.isprintable():
        return character
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _spread(rows: list[int], n: int) -> list[int]:
    return rows if len(rows) <= n else [rows[i * len(rows) // n] for i in range(n)]


def _shown(sample: Sample) -> list[tuple[tuple[str, ...], tuple[int, ...]]]:
    """Tokens and levels of the fragments that an explainer is shown."""
    rows = shown_rows(sample)
    return [(escaped_tokens(sample.text.fragments, row), tuple(levels(sample.values[row]).tolist())) for row in rows]


def _tables(excerpts: list[tuple[tuple[str, ...], tuple[int, ...]]]) -> str:
    """Excerpts with their activations; where fewer than a fifth are not 0, those once more."""
    text = "".join(_TABLE.format(k=k, rows=_rows(*excerpt)) for k, excerpt in enumerate(excerpts, 1))
    pairs = [pair for tokens, given in excerpts for pair in zip(tokens, given, strict=True)]
    active = [pair for pair in pairs if pair[1] != 0]
    if active and len(active) < DENSE_SHARE * len(pairs):
        text += _AGAIN.format(rows="\n".join(f"{token}\t{level}" for token, level in active))
    return text


def _rows(tokens: tuple[str, ...], given: tuple[int, ...]) -> str:
    return "\n".join(f"{token}\t{level}" for token, level in zip(tokens, given, strict=True))


def _numbered(sentence: str, tokens: tuple[str, ...]) -> str:
    rows = "\n".join(f"{number}\t{token}\t{UNKNOWN}" for number, token in enumerate(tokens, 1))
    return f"The unit responds to: {sentence}\nThe {len(tokens)} tokens, with activations that you are to tell:\n{rows}"
