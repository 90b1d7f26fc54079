"""One pass over lexemes and model tokens together: what is known at the end of each token."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from monosemy.corpus.labels.blocks import BLOCK_BITS, Blocks
from monosemy.corpus.labels.catalogue import bits, family_bits
from monosemy.corpus.labels.lexical import Lexeme
from monosemy.corpus.labels.scopes import Bindings
from monosemy.corpus.labels.strings import Opening, is_doctest, url_spans
from monosemy.corpus.labels.structure import FIRST_LINE_BITS, LINE_BITS, Structure
from monosemy.corpus.labels.syntax import Slot, Syntax
from monosemy.corpus.labels.words import KEYWORDS, SELF_WORDS, number_bits, operator_bits, word_bits

_SLOT_BITS: dict[Slot, int] = {
    "": 0,
    "def_name": bits("def_name"),
    "class_name": bits("class_name"),
    "attribute": bits("attribute_name"),
    "parameter": bits("parameter_name"),
    "import_module": bits("import_module"),
    "imported_name": bits("imported_name"),
    "declared": 0,
    "target": 0,
}
_WORD_CONTINUATION, _LINE_START, _WHITE_SPACE = bits("word_continuation"), bits("line_start"), bits("white_space")
_LINE_END, _BLANK_LINE = bits("line_end"), bits("blank_line")
_COMMENT, _OWN_LINE, _DOCSTRING = bits("comment"), bits("comment", "own_line_comment"), bits("docstring")
_STRING_ARGUMENT, _DOCTEST, _URL = bits("string_argument"), bits("doctest"), bits("url")
_SELF_ATTRIBUTE, _SEEN = bits("attribute_of_self"), bits("seen_before")

_STRING_LABELS = bits(
    "string", "string_start", "single_quoted", "double_quoted", "triple_quoted", "fstring", "raw_string"
)
# In a formatted string there is code, which the versions of Python read differently: nothing is said of it.
_UNSCORED_IN_FSTRING = (
    (family_bits(["lexical"]) & ~_STRING_LABELS & ~bits("bytes_string"))
    | family_bits(["scope"])
    | sum(_SLOT_BITS[slot] for slot in _SLOT_BITS)
)
_UNSCORED_IF_UNDECIDED = family_bits(["syntax", "scope"]) & ~BLOCK_BITS
UNSCORED = family_bits(["lexical", "structure", "syntax", "scope"])


class Span(NamedTuple):
    """What a model token shows: characters from `first` to before `end`.

    first: its first one that is no white space, or its first if there is none such.
    is_space: it shows white space only. is_cut: it shows only a part of the character it begins in, or nothing.
    """

    first: int
    end: int
    is_space: bool
    is_cut: bool


@dataclass(slots=True)
class Reader:
    """Reads lexemes in order and labels the model tokens that begin in each, or in the gap before it."""

    text: str
    blocks: Blocks
    structure: Structure = field(default_factory=Structure)
    syntax: Syntax = field(default_factory=Syntax)
    _seen: set[str] = field(default_factory=set)
    _slot: Slot = ""
    _opening: Opening = field(init=False)
    _urls: list[tuple[int, int, int]] = field(default_factory=list)
    _is_line_start: bool = True
    _previous_end: int = 0
    _after_line_end: bool = True

    def enter(self, lexeme: Lexeme) -> None:
        """The first character of the lexeme has been seen."""
        gap = self.text[self._previous_end : lexeme.start]
        self._is_line_start = self._after_line_end or "\n" in gap
        self.structure.enter(lexeme, gap)
        if lexeme.kind not in ("comment", "line_end"):
            self.blocks.enter(lexeme, begins_statement=self.syntax.previous[0] == "")
        self._slot = self.syntax.slot() if lexeme.kind == "word" else ""
        if lexeme.kind == "string":
            self._opening = Opening.of(lexeme)
        if lexeme.kind in ("string", "comment"):
            self._urls = url_spans(lexeme)

    def leave(self, lexeme: Lexeme) -> None:
        """The lexeme is complete."""
        self._previous_end, self._after_line_end = lexeme.end, lexeme.kind == "line_end"
        if lexeme.kind == "comment":
            return
        self.structure.leave(lexeme)
        if lexeme.kind != "line_end":
            self.syntax.read(lexeme)
        self.blocks.read(lexeme, self.syntax)
        if lexeme.kind == "line_end" or self.syntax.ended:
            self.syntax.begin(new_line=lexeme.kind == "line_end")
        if lexeme.kind == "word" and lexeme.text not in KEYWORDS:
            self._seen.add(lexeme.text)

    def between(self, span: Span) -> tuple[int, int]:
        """(labels, what is not scored) of a token that begins in no lexeme: white space or a backslash."""
        own = self._space_bits(span) if span.is_space else 0
        if not self.structure.is_line_open or (span.is_space and self._ends_line(span)):
            return own | self.structure.brackets, LINE_BITS | BLOCK_BITS
        return own | self._context(), self._unscored() | (BLOCK_BITS if self.blocks.is_unknown else 0)

    def inside(self, span: Span, lexeme: Lexeme) -> tuple[int, int]:
        """(labels, what is not scored) of a token that begins in the lexeme that was entered last."""
        visible = min(span.end, lexeme.end)
        at_start = _LINE_START if self._is_line_start and span.first == lexeme.start else 0
        if lexeme.kind == "line_end":
            return self.between(span)
        if lexeme.kind == "comment":
            return self._comment(span, at_start)
        if lexeme.kind == "string" and visible > self._opening.quote:
            return self._string(span, lexeme, at_start)
        later = _WORD_CONTINUATION if span.first > lexeme.start else 0
        shown = self.text[lexeme.start : visible]
        if lexeme.kind == "operator":
            own = operator_bits(shown)
        elif lexeme.kind == "number":
            own = number_bits(shown) | later
        else:
            own = self._word(shown) | later
        return own | at_start | self._context(), self._unscored()

    def _ends_line(self, span: Span) -> bool:
        """Whether the logical line ends in the white space: it does, unless a bracket or a backslash goes on."""
        end = self.text.find("\n", span.first, span.end)
        is_joined = end > self._previous_end and self.text[end - 1] == "\\"
        return end >= 0 and self.structure.depth == 0 and not is_joined

    def _context(self) -> int:
        return self.structure.brackets | self.structure.line | self.blocks.labels | self.syntax.labels

    def _unscored(self) -> int:
        return _UNSCORED_IF_UNDECIDED if self.syntax.is_undecided else 0

    def _space_bits(self, span: Span) -> int:
        shown = self.text[span.first : span.end]
        first_end = shown.find("\n")
        if first_end < 0:
            return _WHITE_SPACE
        line = self.text[self.text.rfind("\n", 0, span.first) + 1 : span.first + first_end]
        is_blank = not line.strip() or shown.count("\n") > 1
        return _WHITE_SPACE | _LINE_END | (_BLANK_LINE if is_blank else 0)

    def _comment(self, span: Span, at_start: int) -> tuple[int, int]:
        own = (_OWN_LINE if self._is_line_start else _COMMENT) | at_start | self.structure.brackets
        own |= self._space_bits(span) if span.is_space else 0
        own |= _URL if self._urls and self._is_url(span) else 0
        if not self.structure.is_line_open:
            return own, LINE_BITS | BLOCK_BITS
        own |= self.structure.line | self.blocks.labels
        return own, BLOCK_BITS if self.blocks.is_unknown else 0

    def _string(self, span: Span, lexeme: Lexeme, at_start: int) -> tuple[int, int]:
        opening, context = self._opening, self._context()
        # Of the string's own lines, only the first is the statement's first.
        if self.text.find("\n", lexeme.start, span.first) >= 0:
            context &= ~FIRST_LINE_BITS
        own = opening.bits(span.first, span.end) | context | at_start | (_WHITE_SPACE if span.is_space else 0)
        own |= _STRING_ARGUMENT if self.syntax.is_string_argument else 0
        own |= _DOCSTRING if self.blocks.may_be_docstring and opening.may_be_docstring else 0
        if opening.is_formatted:
            return own, self._unscored() | _UNSCORED_IN_FSTRING
        own |= _DOCTEST if is_doctest(self.text, lexeme, span.first, min(span.end, lexeme.end)) else 0
        own |= _URL if self._urls and self._is_url(span) else 0
        return own, self._unscored()

    def _is_url(self, span: Span) -> bool:
        return any(start <= span.first < stop and shown <= span.end for start, shown, stop in self._urls)

    def _word(self, shown: str) -> int:
        slot = self._slot
        if shown == "import" and self.syntax.statement == "from" and self.syntax.previous[0] in (".", "..."):
            slot = ""
        own = word_bits(shown, slot != "") | _SLOT_BITS[slot]
        if shown in KEYWORDS and slot == "":
            return own
        if slot == "attribute" and self.syntax.previous[1] in SELF_WORDS and self.syntax.previous[2] != ".":
            own |= _SELF_ATTRIBUTE
        if slot == "":
            own |= self.syntax.resolve(shown) or self.blocks.scope.resolve(shown)
        return own | (_SEEN if shown in self._seen else 0)


def read(
    text: str, lexemes: Sequence[Lexeme], spans: Sequence[Span], bindings: dict[int, Bindings]
) -> list[tuple[int, int]]:
    """(labels, what is not scored) of every span; the spans are in order."""
    reader = Reader(text, Blocks(bindings))
    found: list[tuple[int, int]] = []
    n_spans, i = len(spans), 0
    for lexeme in lexemes:
        while i < n_spans and spans[i].first < lexeme.start:
            found.append((0, UNSCORED) if spans[i].is_cut else reader.between(spans[i]))
            i += 1
        reader.enter(lexeme)
        while i < n_spans and spans[i].first < lexeme.end:
            found.append((0, UNSCORED) if spans[i].is_cut else reader.inside(spans[i], lexeme))
            i += 1
        reader.leave(lexeme)
    return found + [(0, UNSCORED) if span.is_cut else reader.between(span) for span in spans[i:]]
