"""The part of a statement that a token stands in: a reader of lexemes that never looks ahead.

Python's grammar is read with one stack of open brackets and lambdas, so whatever is said of a token follows from the
lexemes before it. That `ast` says the same of whole statements is tested, not used.
"""

from dataclasses import dataclass, field
from typing import Literal

from monosemy.corpus.labels.catalogue import bits
from monosemy.corpus.labels.lexical import Lexeme
from monosemy.corpus.labels.words import KEYWORDS, word_set

FrameKind = Literal[
    "statement", "call", "subscript", "list", "group", "braces", "parameters", "bases", "lambda", "body"
]
"""`lambda` are a lambda's parameters, `body` is its body."""

_KIND_BITS: dict[FrameKind, int] = {
    "statement": 0,
    "call": bits("call_arguments"),
    "subscript": bits("subscript"),
    "list": bits("list_display"),
    "group": bits("grouping"),
    "braces": 0,
    "parameters": 0,
    "bases": 0,
    "lambda": 0,
    "body": 0,
}
# What holds in brackets further inside, too.
_DEEP_BITS: dict[FrameKind, int] = {"bases": bits("base_classes"), "body": bits("lambda_body")}

_AFTER_EQUALS: dict[FrameKind, int] = {
    "call": bits("keyword_value"),
    "bases": bits("keyword_value"),
    "parameters": bits("default_value"),
    "lambda": bits("default_value"),
}
_AFTER_COLON: dict[FrameKind, int] = {"braces": bits("dict_value"), "parameters": bits("annotation")}

_STATEMENT_BITS = {
    "@": bits("decorator"),
    "for": bits("for_target"),
    "while": bits("while_test"),
    "if": bits("if_test"),
    "elif": bits("if_test"),
    "return": bits("return_value"),
    "raise": bits("raise_value"),
    "assert": bits("assert_test"),
    "except": bits("except_type"),
    "with": bits("with_item"),
}
_HEADERS = word_set("if elif else for while try except finally with def class")
_STATEMENTS = _HEADERS | word_set("import from global nonlocal") | frozenset(_STATEMENT_BITS)
_AUGMENTED = word_set("+= -= *= /= //= %= @= &= |= ^= >>= <<= **=")
_SOFT_KEYWORDS = word_set("match case")
# After these, `match` is a name like any other; after what is left, such as `match (x)`, one must read on to know.
_NAME_GOES_ON = _AUGMENTED | word_set("= . , : ; == != < <= > >= / // % ** @ & | ^ << >> in is and or if")

Slot = Literal[
    "", "def_name", "class_name", "attribute", "parameter", "import_module", "imported_name", "declared", "target"
]
"""The place of a word, as the lexemes before it decide it; `target` is a comprehension's, "" is any other place."""

_FOR_TARGET, _FOR_ITERABLE = bits("for_target"), bits("for_iterable")
_ASSIGNED, _ANNOTATION, _SLICE = bits("assigned_value"), bits("annotation"), bits("slice_part")
_PARAMETER, _LOCAL = bits("parameter_use"), bits("local_name")
_COMPREHENSION, _LAMBDA_BODY = bits("comprehension"), bits("lambda_body")


@dataclass(slots=True)
class Frame:
    """An open bracket or lambda, or the statement itself, with the labels of what stands in it.

    outer: those that last until it closes and hold further inside, too; segment: those that last until the next comma
    and hold further inside; own: those of this frame alone. names: what a lambda or comprehension binds here.
    """

    kind: FrameKind
    outer: int = 0
    segment: int = 0
    own: int = 0
    is_target: bool = False
    names: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Syntax:
    """Follows the lexemes of a statement; `labels` are those of the place where the next one stands.

    statement: its keyword, `names` after the `import` of a `from`, or "" before its first lexeme and in expressions.
    is_undecided: the line may be a `match` or `case` statement, so nothing can be said of it.
    ended: what the last lexeme ended, a statement's header or the whole statement.
    """

    statement: str = ""
    labels: int = 0
    is_first: bool = True
    is_async: bool = False
    is_undecided: bool = False
    ended: Literal["", "header", "statement"] = ""
    previous: tuple[str, str, str] = ("", "", "")
    """The texts of the last lexemes of the statement, the latest first."""
    _ends_value: bool = False
    _is_soft: bool = False
    _frames: list[Frame] = field(default_factory=lambda: [Frame("statement")])

    def begin(self, *, new_line: bool) -> None:
        """A new statement begins with the next lexeme."""
        self.statement, self.labels, self.previous, self.ended = "", 0, ("", "", ""), ""
        self.is_first, self.is_async, self._ends_value, self._is_soft = True, False, False, False
        self.is_undecided = self.is_undecided and not new_line
        self._frames = [Frame("statement")]

    @property
    def is_string_argument(self) -> bool:
        """Whether a string that comes next stands directly in a call's parentheses."""
        return self._frames[-1].kind == "call"

    def resolve(self, word: str) -> int:
        """The scope label of a word that a lambda or comprehension around the next lexeme has bound, otherwise 0."""
        for frame in reversed(self._frames):
            if word in frame.names:
                return _PARAMETER if frame.kind in ("lambda", "body") else _LOCAL
        return 0

    def slot(self) -> Slot:
        """The place of a word, if one comes next."""
        last = self.previous[0]
        if self.statement in ("import", "from", "names"):
            if last not in ("import", "from", "as", ",", "(", ".", "..."):
                return ""
            return "imported_name" if last == "as" or self.statement == "names" else "import_module"
        if last == ".":
            return "attribute"
        if last in ("def", "class"):
            return "def_name" if last == "def" else "class_name"
        if self.statement in ("global", "nonlocal"):
            return "declared"
        frame = self._frames[-1]
        if frame.kind in ("parameters", "lambda") and last in ("(", ",", "*", "**", "lambda"):
            return "parameter"
        return "target" if frame.is_target and last in ("for", ",", "(", "[", "*") else ""

    def read(self, lexeme: Lexeme) -> None:
        """The lexeme is complete."""
        text = lexeme.text
        if self._is_soft and self.previous[1] == "" and text not in _NAME_GOES_ON:
            self.is_undecided = True
        if self.is_first:
            self._read_first(text)
        elif lexeme.kind == "word":
            self._read_word(text)
        if lexeme.kind == "operator":
            self._read_operator(text)
            self._ends_value = text in (")", "]", "}")
        else:
            self._ends_value = lexeme.kind == "string" or (lexeme.kind == "word" and text not in KEYWORDS)
        self.previous = (text, *self.previous[:2])
        top = self._frames[-1]
        self.labels = top.outer | top.segment | top.own

    def _read_first(self, text: str) -> None:
        if text == "async":
            self.is_async = True
            return
        self.is_first = False
        self._is_soft = text in _SOFT_KEYWORDS
        if text in _STATEMENTS:
            self.statement = text
            self._frames[0].segment = _STATEMENT_BITS.get(text, 0)
        elif text == "lambda":
            self._read_word(text)

    def _read_word(self, text: str) -> None:
        top = self._frames[-1]
        if text == "lambda":
            self._frames.append(Frame("lambda", outer=top.outer | top.segment))
        elif text == "for":
            self._close_bodies()
            top = self._frames[-1]
            if top.kind != "statement":
                top.outer, top.segment, top.is_target = top.outer | _COMPREHENSION, 0, True
        elif text == "in":
            if top.kind == "statement" and top.segment == _FOR_TARGET:
                top.segment = _FOR_ITERABLE
            top.is_target = False
        elif text == "import" and self.statement == "from":
            self.statement = "names"
        elif (top.kind == "lambda" or top.is_target) and self.slot() in ("parameter", "target"):
            top.names.add(text)

    def _read_operator(self, text: str) -> None:
        if text in ("(", "[", "{"):
            self._open(text)
        elif text in (")", "]", "}"):
            while self._frames.pop().kind in ("lambda", "body"):
                pass
        elif text == ",":
            self._close_bodies()
            top = self._frames[-1]
            if top.kind != "statement":
                top.segment, top.own = 0, top.own & ~_SLICE
        elif text == ":":
            self._read_colon()
        elif text == ";":
            self.ended = "statement"
        elif text == "=" or text in _AUGMENTED:
            top = self._frames[-1]
            is_assignment = top.kind == "statement" and not self.statement
            top.segment = _ASSIGNED if is_assignment else _AFTER_EQUALS.get(top.kind, top.segment)
        elif text == "->" and self.statement == "def":
            self._frames[-1].segment = _ANNOTATION

    def _read_colon(self) -> None:
        self._close_bodies()
        top = self._frames[-1]
        if top.kind == "lambda":
            top.kind, top.segment, top.outer = "body", 0, top.outer | _LAMBDA_BODY
        elif top.kind == "subscript":
            top.own |= _SLICE
        elif top.kind != "statement":
            top.segment = _AFTER_COLON.get(top.kind, top.segment)
        elif self.statement in _HEADERS or self.is_undecided:
            self.ended = "header"
        elif not self.statement:
            top.segment = _ANNOTATION

    def _open(self, text: str) -> None:
        top = self._frames[-1]
        kind: FrameKind = "braces"
        if text == "(":
            kind = "call" if self._ends_value else "group"
            if top.kind == "statement" and self.statement in ("def", "class"):
                kind = "parameters" if self.statement == "def" else "bases"
        elif text == "[":
            kind = "subscript" if self._ends_value else "list"
        frame = Frame(kind, outer=top.outer | top.segment | _DEEP_BITS.get(kind, 0), own=_KIND_BITS[kind])
        if top.is_target and kind in ("group", "list"):
            frame.is_target, frame.names = True, top.names
        self._frames.append(frame)

    def _close_bodies(self) -> None:
        """A lambda's body ends at whatever cannot stand in it; the bracket or lambda around it goes on."""
        while self._frames[-1].kind == "body":
            self._frames.pop()
