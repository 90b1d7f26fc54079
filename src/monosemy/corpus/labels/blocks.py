"""The blocks a statement stands in, and the scopes of names that go with them."""

from dataclasses import dataclass, field

from monosemy.corpus.labels.catalogue import bits
from monosemy.corpus.labels.lexical import NOT_FIRST, Lexeme
from monosemy.corpus.labels.scopes import Bindings, BoundBy, Scope
from monosemy.corpus.labels.syntax import Syntax

_BODY_BITS = {
    "for": bits("in_loop"),
    "while": bits("in_loop"),
    "try": bits("in_try"),
    "except": bits("in_except"),
    "if": bits("in_if"),
    "elif": bits("in_if"),
    "else": bits("in_else"),
    "with": bits("in_with"),
}
# Blocks of the same function are forgotten in a function's body; what is a class or function around it stays.
_LASTING = bits("in_class", "in_function", "in_method", "in_nested_function", "in_async_function")

BLOCK_BITS = _LASTING | sum(_BODY_BITS[keyword] for keyword in ("for", "try", "except", "if", "else", "with"))
_UNKNOWN = -1


@dataclass(slots=True)
class Block:
    """A body: its labels, the scope of its statements, and its indentation, which is unknown up to its first line."""

    labels: int
    scope: Scope
    level: int = _UNKNOWN


@dataclass(slots=True)
class Blocks:
    """Follows the statements: the body that the next lexeme stands in, and what the names in it are bound to.

    bindings: offset of a statement -> what it binds; see `scopes.statement_bindings`.
    may_be_docstring: whether a string that comes next is, or continues, the docstring of a body.
    """

    bindings: dict[int, Bindings]
    may_be_docstring: bool = True
    _stack: list[Block] = field(default_factory=lambda: [Block(0, Scope("module"), 0)])
    _current: Bindings = field(default_factory=Bindings)
    _is_inline: bool = False

    @property
    def labels(self) -> int:
        """The blocks of the next lexeme."""
        return self._stack[-1].labels

    @property
    def scope(self) -> Scope:
        """The scope of the next lexeme if it is a name."""
        return self._stack[-1].scope

    @property
    def is_unknown(self) -> bool:
        """Whether a header has just ended, so that the next line may or may not be the first of its body."""
        return self._stack[-1].level == _UNKNOWN and not self._is_inline

    def enter(self, lexeme: Lexeme, *, begins_statement: bool) -> None:
        """The first character of the lexeme has been seen."""
        if lexeme.level != NOT_FIRST:
            if self._stack[-1].level == _UNKNOWN and lexeme.level > self._stack[-2].level:
                self._stack[-1].level = lexeme.level
            while self._stack[-1].level == _UNKNOWN or self._stack[-1].level > lexeme.level:
                self._stack.pop()
        if begins_statement:
            self._is_inline = self._stack[-1].level == _UNKNOWN
            self._current = self.bindings.get(lexeme.start, Bindings())

    def read(self, lexeme: Lexeme, syntax: Syntax) -> None:
        """The lexeme is complete, and `syntax` has read it."""
        is_line_end = lexeme.kind == "line_end"
        if lexeme.kind != "string" and not (is_line_end and self.is_unknown):
            self.may_be_docstring = False
        if is_line_end or syntax.ended:
            self.scope.bind(self._current)
            opened, self._current = self._current, Bindings()
            if is_line_end and self._is_inline:
                self._stack.pop()
                self._is_inline = False
            elif syntax.ended == "header" and not syntax.is_undecided:
                self._open(syntax, opened)

    def _open(self, syntax: Syntax, opened: Bindings) -> None:
        around, keyword = self._stack[-1], syntax.statement
        if keyword not in ("def", "class"):
            self._stack.append(Block(around.labels | _BODY_BITS.get(keyword, 0), around.scope))
            return
        labels = around.labels & _LASTING
        self.may_be_docstring = True
        if keyword == "class":
            self._stack.append(Block(labels | bits("in_class"), Scope("class", around.scope)))
            return
        labels |= bits("in_function") | (bits("in_async_function") if syntax.is_async else 0)
        labels |= {"class": bits("in_method"), "function": bits("in_nested_function"), "module": 0}[around.scope.kind]
        names: dict[str, BoundBy] = dict.fromkeys(opened.parameters, "parameter")
        self._stack.append(Block(labels, Scope("function", around.scope, names)))
