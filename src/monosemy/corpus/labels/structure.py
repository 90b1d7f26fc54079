"""Brackets, indentation and lines: what the lexemes alone decide, whether the text parses or not."""

from dataclasses import dataclass, field

from monosemy.corpus.labels.catalogue import bits
from monosemy.corpus.labels.lexical import NOT_FIRST, Lexeme

_DEPTH = (bits("depth_0"), bits("depth_1"), bits("depth_2"), bits("depth_3_plus"))
_INNERMOST = {"(": bits("in_parentheses"), "[": bits("in_square"), "{": bits("in_braces")}
_INDENT = tuple(bits(f"indent_{level}") for level in ("0", "1", "2", "3", "4_plus"))

FIRST_LINE_BITS = bits("block_first_line", "after_dedent")
_CONTINUATION_LINE = bits("continuation_line")

LINE_BITS = sum(_INDENT) | FIRST_LINE_BITS | _CONTINUATION_LINE
"""What is known of a line only once its first character that is no white space is."""


@dataclass(slots=True)
class Structure:
    """Follows the lexemes; the labels of what comes next are `brackets` and, inside a logical line, `line`."""

    brackets: int = _DEPTH[0]
    line: int = 0
    is_line_open: bool = False
    _open: list[str] = field(default_factory=list)
    _level: int = 0

    @property
    def depth(self) -> int:
        """How many brackets are open."""
        return len(self._open)

    def enter(self, lexeme: Lexeme, gap: str) -> None:
        """The first character of the lexeme has been seen; `gap` is what stood between it and the one before."""
        if lexeme.level != NOT_FIRST:
            self.line = _INDENT[min(lexeme.level, len(_INDENT) - 1)]
            if lexeme.level != self._level:
                self.line |= bits("block_first_line" if lexeme.level > self._level else "after_dedent")
            self._level = lexeme.level
            self.is_line_open = True
        elif self.is_line_open and "\n" in gap:
            self.line = self.line & ~FIRST_LINE_BITS | _CONTINUATION_LINE

    def leave(self, lexeme: Lexeme) -> None:
        """The lexeme is complete."""
        if lexeme.kind == "line_end":
            self.is_line_open, self.line = False, 0
        elif lexeme.kind == "operator" and lexeme.text in "([{":
            self._open.append(lexeme.text)
            self._set_brackets()
        elif lexeme.kind == "operator" and lexeme.text in ")]}":
            self._open.pop()
            self._set_brackets()
        elif lexeme.kind == "string" and "\n" in lexeme.text:
            self.line = self.line & ~FIRST_LINE_BITS | _CONTINUATION_LINE

    def _set_brackets(self) -> None:
        innermost = _INNERMOST[self._open[-1]] if self._open else 0
        self.brackets = _DEPTH[min(self.depth, len(_DEPTH) - 1)] | innermost
