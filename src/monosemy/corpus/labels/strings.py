"""String literals and comments: which of their labels are visible where."""

import re
from dataclasses import dataclass

from monosemy.corpus.labels.catalogue import bits
from monosemy.corpus.labels.lexical import SPACE, Lexeme

_OPENING = re.compile(r"([A-Za-z]*)('''|\"\"\"|'|\")")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(://)[^\s'\"<>()`]*")
_DOCTEST = ">>>"
_STRING_START, _TRIPLE_QUOTED = bits("string_start"), bits("triple_quoted")


@dataclass(frozen=True, slots=True)
class Opening:
    """How a string literal opens: the offset of its first quote and of the text after its quotes, and its labels."""

    quote: int
    inside: int
    labels: int
    """Once the first quote is visible."""
    is_formatted: bool
    may_be_docstring: bool

    @classmethod
    def of(cls, lexeme: Lexeme) -> "Opening":
        """Reads the opening of a string lexeme."""
        match = _OPENING.match(lexeme.text)
        if match is None:
            raise ValueError(f"no string literal begins with {lexeme.text[:8]!r}")
        prefix, quotes = match[1].lower(), match[2]
        labels = bits("string", "single_quoted" if quotes[0] == "'" else "double_quoted")
        for letter, label in (("f", "fstring"), ("r", "raw_string"), ("b", "bytes_string")):
            labels |= bits(label) if letter in prefix else 0
        quote = lexeme.start + len(prefix)
        return cls(quote, quote + len(quotes), labels, "f" in prefix, not {"f", "b"} & set(prefix))

    def bits(self, first: int, end: int) -> int:
        """The labels of a token whose first character is `first` and which ends before `end`."""
        labels = self.labels
        if first <= self.quote:
            labels |= _STRING_START
        if self.inside - self.quote == 3 and end >= self.inside:
            labels |= _TRIPLE_QUOTED
        return labels


def is_doctest(text: str, lexeme: Lexeme, first: int, end: int) -> bool:
    """Whether the line of a string, up to `end`, begins with the prompt."""
    line = max(text.rfind("\n", lexeme.start, first) + 1, lexeme.start)
    while line < end and text[line] in SPACE:
        line += 1
    return text.startswith(_DOCTEST, line, end)


def url_spans(lexeme: Lexeme) -> list[tuple[int, int, int]]:
    """(start, end of its `://`, end) of everything in the lexeme that looks like a URL."""
    if "://" not in lexeme.text:
        return []
    found = (match.span() + match.span(1) for match in _URL.finditer(lexeme.text))
    return [(lexeme.start + start, lexeme.start + shown, lexeme.start + end) for start, end, _, shown in found]
