"""Names and their bindings: what each statement binds, by `ast`, and what a word means by the bindings seen so far."""

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from monosemy.corpus.labels.catalogue import bits
from monosemy.corpus.labels.words import BUILTINS, EXCEPTIONS

BoundBy = Literal["import", "function", "class", "parameter", "other"]

_BOUND_BY_BITS: dict[BoundBy, int] = {
    "import": bits("imported_use"),
    "function": bits("function_use"),
    "class": bits("class_use"),
    "parameter": 0,
    "other": 0,
}
_PARAMETER, _LOCAL, _ENCLOSING, _MODULE = (
    bits(label) for label in ("parameter_use", "local_name", "enclosing_name", "module_name")
)
_BUILTIN, _NOT_BOUND, _GLOBAL = (bits(label) for label in ("builtin_use", "not_bound_yet", "global_declared"))


@dataclass(slots=True)
class Bindings:
    """What one statement, or the header of one, binds in its own scope and, if it opens a scope, in that one."""

    names: dict[str, BoundBy] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()
    global_names: tuple[str, ...] = ()
    nonlocal_names: tuple[str, ...] = ()


@dataclass(slots=True)
class Scope:
    """The names bound so far in a module, class or function body."""

    kind: Literal["module", "class", "function"]
    parent: "Scope | None" = None
    names: dict[str, BoundBy] = field(default_factory=dict)
    global_names: set[str] = field(default_factory=set)
    nonlocal_names: set[str] = field(default_factory=set)

    def bind(self, bindings: Bindings) -> None:
        """A statement of this scope has been read."""
        self.global_names.update(bindings.global_names)
        self.nonlocal_names.update(bindings.nonlocal_names)
        for name, bound_by in bindings.names.items():
            home = self._home(name).names
            # A parameter that is assigned to is still one.
            home[name] = "parameter" if bound_by == "other" and home.get(name) == "parameter" else bound_by

    def resolve(self, word: str) -> int:
        """The scope labels of a word that stands here as a name."""
        declared = _GLOBAL if word in self.global_names else 0
        if word in self.names:
            bound_by = self.names[word]
            where = _MODULE if self.kind == "module" else _PARAMETER if bound_by == "parameter" else _LOCAL
            return where | _BOUND_BY_BITS[bound_by]
        scope = self._module() if declared else self._outer()
        while scope is not None:
            if word in scope.names:
                where = _MODULE if scope.kind == "module" else _ENCLOSING
                return declared | where | _BOUND_BY_BITS[scope.names[word]]
            scope = scope._outer()
        return declared | (_BUILTIN if word in BUILTINS or word in EXCEPTIONS else _NOT_BOUND)

    def _home(self, name: str) -> "Scope":
        """The scope in which a binding of the name here takes effect."""
        if name in self.global_names:
            return self._module()
        outer = self._outer()
        while name in self.nonlocal_names and outer is not None:
            if name in outer.names:
                return outer
            outer = outer._outer()
        return self

    def _outer(self) -> "Scope | None":
        """The next scope whose names are visible here: class bodies are skipped."""
        scope = self.parent
        while scope is not None and scope.kind == "class":
            scope = scope.parent
        return scope

    def _module(self) -> "Scope":
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope


def parse(text: str) -> ast.Module | None:
    """The syntax tree, or None where there is none; without the warnings of the parser."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        # The parser gives up on texts that are nested too deep with the last two.
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def statement_bindings(tree: ast.Module, text: str) -> dict[int, Bindings]:
    """Character offset of a statement (or `except`) -> what it binds; captures of `case` are left out."""
    lines = text.split("\n")
    starts, offset = [], 0
    for line in lines:
        starts.append(offset)
        offset += len(line) + 1
    has_walrus = ":=" in text
    found: dict[int, Bindings] = {}
    for node in _statements(tree):
        bindings = _bindings(node, has_walrus)
        if bindings is not None:
            # ast counts bytes of UTF-8 in a line.
            column = len(lines[node.lineno - 1].encode()[: node.col_offset].decode())
            found[starts[node.lineno - 1] + column] = bindings
    return found


def _statements(tree: ast.Module) -> Iterator[ast.stmt | ast.ExceptHandler]:
    pending: list[ast.stmt | ast.ExceptHandler | ast.match_case] = list(tree.body)
    while pending:
        node = pending.pop()
        if not isinstance(node, ast.match_case):
            yield node
        for name in ("body", "handlers", "orelse", "finalbody", "cases"):
            pending.extend(vars(node).get(name, ()))


def _bindings(node: ast.stmt | ast.ExceptHandler, has_walrus: bool) -> Bindings | None:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return Bindings(names={node.name: "function"}, parameters=tuple(_parameters(node.args)))
        case ast.ClassDef():
            return Bindings(names={node.name: "class"})
        case ast.Import():
            return Bindings(names={alias.asname or alias.name.partition(".")[0]: "import" for alias in node.names})
        case ast.ImportFrom():
            return Bindings(names={alias.asname or alias.name: "import" for alias in node.names if alias.name != "*"})
        case ast.Global():
            return Bindings(global_names=tuple(node.names))
        case ast.Nonlocal():
            return Bindings(nonlocal_names=tuple(node.names))
    names: dict[str, BoundBy] = {name: "other" for target in _targets(node) for name in _stored(target)}
    if has_walrus:
        names |= {name: "other" for name in _assigned_in_expressions(node)}
    return Bindings(names=names) if names else None


def _parameters(arguments: ast.arguments) -> Iterator[str]:
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
        if argument is not None:
            yield argument.arg


def _targets(node: ast.stmt | ast.ExceptHandler) -> Iterator[ast.expr]:
    match node:
        case ast.Assign():
            yield from node.targets
        case ast.AugAssign() | ast.AnnAssign() | ast.For() | ast.AsyncFor():
            yield node.target
        case ast.With() | ast.AsyncWith():
            yield from (item.optional_vars for item in node.items if item.optional_vars is not None)
        case ast.ExceptHandler(name=str(name)):
            yield ast.Name(name, ast.Store())


def _stored(target: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Starred):
        yield from _stored(target.value)
    elif isinstance(target, ast.Tuple | ast.List):
        for element in target.elts:
            yield from _stored(element)


def _assigned_in_expressions(node: ast.stmt | ast.ExceptHandler) -> Iterator[str]:
    """Targets of `:=`; those inside a lambda are its own."""
    pending = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr | ast.withitem)]
    while pending:
        child = pending.pop()
        if isinstance(child, ast.NamedExpr):
            yield child.target.id
        if not isinstance(child, ast.Lambda):
            pending.extend(ast.iter_child_nodes(child))  # pyright: ignore[reportArgumentType]
