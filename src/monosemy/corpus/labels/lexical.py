"""Code as lexemes: what `tokenize` finds, at character offsets, alike on every version of Python."""

import io
import tokenize
from collections.abc import Iterator
from itertools import accumulate
from tokenize import TokenInfo
from typing import Literal, NamedTuple

Kind = Literal["word", "number", "string", "operator", "comment", "line_end"]
"""`line_end` is the end of a logical line."""

SPACE = " \t\n\r\f\v"
"""White space of code; the wider characters of Unicode are not."""

NOT_FIRST = -1

_KINDS: dict[int, Kind] = {
    tokenize.NAME: "word",
    tokenize.NUMBER: "number",
    tokenize.STRING: "string",
    tokenize.OP: "operator",
    tokenize.COMMENT: "comment",
    tokenize.NEWLINE: "line_end",
}
# From Python 3.12 on a formatted string is a run of tokens between these two; before, it is one STRING.
_FSTRING_START: int = vars(tokenize).get("FSTRING_START", -1)
_FSTRING_END: int = vars(tokenize).get("FSTRING_END", -1)
_CLOSERS = {")": "(", "]": "[", "}": "{"}
# Valid only inside formatted strings or nowhere: the versions disagree on whether `tokenize` lets them pass.
_FOREIGN = {"!", "$", "?", "`"}


class Lexeme(NamedTuple):
    """A token of Python; start and end are character offsets.

    level: how many times its line is indented, if it is the first code of a logical line; otherwise NOT_FIRST.
    """

    kind: Kind
    text: str
    start: int
    end: int
    level: int


class NotTokenizable(Exception):
    """The text is not a sequence of Python tokens."""


def lex(text: str) -> list[Lexeme]:
    """The lexemes of a text, formatted strings whole; without the line ends that end no logical line.

    Raises NotTokenizable, on every version for the same texts: unbalanced brackets, NUL, a byte order mark and a lone
    carriage return are refused.
    """
    if "\0" in text or "\r" in text.replace("\r\n", "") or text.startswith("\ufeff"):
        raise NotTokenizable
    lexemes: list[Lexeme] = []
    brackets: list[str] = []
    level, is_first = 0, True
    try:
        for kind, source, start, end in _spans(text):
            if kind in (tokenize.INDENT, tokenize.DEDENT):
                level += 1 if kind == tokenize.INDENT else -1
            elif kind in _KINDS:
                if kind == tokenize.OP:
                    _balance(brackets, source)
                counts = is_first and kind not in (tokenize.COMMENT, tokenize.NEWLINE)
                lexemes.append(Lexeme(_KINDS[kind], source, start, end, level if counts else NOT_FIRST))
                is_first = kind == tokenize.NEWLINE or (is_first and not counts)
            elif kind == tokenize.ERRORTOKEN:
                raise NotTokenizable
    except (tokenize.TokenError, SyntaxError) as error:
        raise NotTokenizable from error
    if brackets:
        raise NotTokenizable
    return lexemes


def _balance(brackets: list[str], source: str) -> None:
    if source in "([{":
        brackets.append(source)
    elif source in _FOREIGN or (source in _CLOSERS and (not brackets or brackets.pop() != _CLOSERS[source])):
        raise NotTokenizable


def _spans(text: str) -> Iterator[tuple[int, str, int, int]]:
    """(type, text, start, end) of every token, a formatted string as one STRING."""
    # Lines end at "\n" alone, for tokenize and for the offsets: form feeds and U+0085 stand inside lines.
    line_starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
    tokens = tokenize.generate_tokens(io.StringIO(text, newline="\n").readline)
    for token in tokens:
        last = _fstring_end(tokens) if token.type == _FSTRING_START else token
        start = line_starts[token.start[0] - 1] + token.start[1]
        if last is token:
            yield token.type, token.string, start, start + len(token.string)
        else:
            end = line_starts[last.end[0] - 1] + last.end[1]
            yield tokenize.STRING, text[start:end], start, end


def _fstring_end(tokens: Iterator[TokenInfo]) -> TokenInfo:
    depth = 1
    for token in tokens:
        depth += (token.type == _FSTRING_START) - (token.type == _FSTRING_END)
        if depth == 0:
            return token
    raise NotTokenizable
