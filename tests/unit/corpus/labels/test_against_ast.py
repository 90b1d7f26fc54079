"""The reader of lexemes against two independent authorities, on the embedded corpus: `ast` and `symtable`."""

import ast
import symtable
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest

from monosemy.corpus import StdlibCorpus
from monosemy.corpus.labels import CATALOGUE, label_tokens
from tests.unit.corpus.labels.snippet import pieces

COLUMN = {label.name: i for i, label in enumerate(CATALOGUE)}
# Between them they have every kind of statement and expression that is asked for below.
DOCUMENTS = {"functools.py", "glob.py", "pstats.py", "symtable.py"}
Node = ast.AST
Region = tuple[int, int]


class Source:
    """A document, its pieces, their labels, and positions of the syntax tree as character offsets."""

    def __init__(self, text: str) -> None:
        self.text, self.tree, parts = text, ast.parse(text), pieces(text)
        self.labels = label_tokens(text, [len(part.encode()) for part in parts])
        self.starts = np.cumsum([0, *map(len, parts)])[:-1]
        self._lines = text.split("\n")
        self._line_starts = np.cumsum([0, *(len(line) + 1 for line in self._lines)])

    def offset(self, line: int, column: int) -> int:
        return int(self._line_starts[line - 1]) + len(self._lines[line - 1].encode()[:column].decode())

    def region(self, first: Node, last: Node | None = None) -> Region:
        """From the start of a node to the end of it, or of a later one."""
        end = first if last is None else last
        return self.offset(first.lineno, first.col_offset), self.offset(end.end_lineno, end.end_col_offset)  # pyright: ignore

    def holds(self, label: str) -> np.ndarray:
        return self.labels.values[:, COLUMN[label]]

    def is_word(self) -> np.ndarray:
        """Pieces that are a name or number: the marks that end a region belong to the label, but to no node."""
        return self.holds("name") | self.holds("number")


@cache
def sources() -> tuple[Source, ...]:
    documents = [document for split in ("validation", "test") for document in StdlibCorpus().documents(split)]
    return tuple(Source(document.text) for document in documents if document.id in DOCUMENTS)


def present(*nodes: Node | None) -> list[tuple[Node, Node]]:
    return [(node, node) for node in nodes if node is not None]


def is_def(node: Node) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def body(node: Node) -> list[tuple[Node, Node]]:
    """The body of a class or function, from the decorators of its first statement on."""
    first, last = node.body[0], node.body[-1]  # pyright: ignore[reportAttributeAccessIssue]
    return [([*getattr(first, "decorator_list", ()), first][0], last)]


def regions(node: Node) -> dict[str, list[tuple[Node, Node]]]:
    """Label -> (first, last) node of the stretches over which it holds because of this node."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            annotated = {"annotation": present(node.returns)}
            return annotated | {"decorator": present(*node.decorator_list), "in_function": body(node)}
        case ast.ClassDef():
            bases = {"base_classes": present(*node.bases, *node.keywords)}
            return bases | {"decorator": present(*node.decorator_list), "in_class": body(node)}
        case ast.arguments():
            return {"default_value": present(*node.defaults, *node.kw_defaults)}
        case ast.arg():
            return {"annotation": present(node.annotation)}
        case ast.AnnAssign():
            return {"annotation": present(node.annotation), "assigned_value": present(node.value)}
        case ast.Assign():
            return {"assigned_value": present(*node.targets[1:], node.value)}
        case ast.AugAssign():
            return {"assigned_value": present(node.value)}
        case ast.For():
            return {"for_target": present(node.target), "for_iterable": present(node.iter)}
        case ast.While():
            return {"while_test": present(node.test)}
        case ast.If():
            return {"if_test": present(node.test)}
        case ast.Return():
            return {"return_value": present(node.value)}
        case ast.Raise():
            return {"raise_value": present(node.exc, node.cause)}
        case ast.Assert():
            return {"assert_test": present(node.test, node.msg)}
        case ast.withitem():
            return {"with_item": present(node.context_expr, node.optional_vars)}
        case ast.keyword(arg=str()):
            return {"keyword_value": present(node.value)}
        case ast.Dict():
            return {"dict_value": present(*(v for k, v in zip(node.keys, node.values, strict=True) if k is not None))}
        case ast.DictComp():
            return {"dict_value": present(node.value), "comprehension": [(node.generators[0].target, node)]}
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
            return {"comprehension": [(node.generators[0].target, node)]}
        case ast.Lambda():
            return {"lambda_body": present(node.body)}
    return {}


REGIONS = [
    "annotation",
    "decorator",
    "in_function",
    "base_classes",
    "in_class",
    "default_value",
    "assigned_value",
    "for_target",
    "for_iterable",
    "while_test",
    "if_test",
    "return_value",
    "raise_value",
    "assert_test",
    "with_item",
    "keyword_value",
    "dict_value",
    "comprehension",
    "lambda_body",
]


@pytest.mark.parametrize("label", REGIONS)
def test_a_region_covers_the_words_of_its_nodes(label: str) -> None:
    n_inside = 0
    for source in sources():
        inside = np.zeros(len(source.starts), dtype=bool)
        for node in ast.walk(source.tree):
            for first, last in regions(node).get(label, ()):
                start, end = source.region(first, last)
                inside |= (source.starts >= start) & (source.starts < end)
        looked_at = source.is_word() & source.labels.scored[:, COLUMN[label]]
        np.testing.assert_array_equal(source.holds(label)[looked_at], inside[looked_at])
        n_inside += int(inside[looked_at].sum())
    assert n_inside > 3


def places(source: Source, node: Node) -> Iterator[tuple[str, int]]:
    """(label, offset) of the words that get their label from this node."""
    match node:
        case ast.Attribute():
            yield "attribute_name", source.region(node)[1] - len(node.attr)
        case ast.arg():
            yield "parameter_name", source.region(node)[0]
        case ast.FunctionDef():
            yield "def_name", source.region(node)[0] + len("def ")
        case ast.AsyncFunctionDef():
            yield "def_name", source.region(node)[0] + len("async def ")
        case ast.ClassDef():
            yield "class_name", source.region(node)[0] + len("class ")


@pytest.mark.parametrize("label", ["attribute_name", "parameter_name", "def_name", "class_name"])
def test_a_name_stands_where_its_node_says(label: str) -> None:
    for source in sources():
        expected = {
            offset for node in ast.walk(source.tree) for found, offset in places(source, node) if found == label
        }
        scored = set(source.starts[source.labels.scored[:, COLUMN[label]]].tolist())
        assert set(source.starts[source.holds(label)].tolist()) == expected & scored


def own_names(function: ast.FunctionDef) -> Iterator[ast.Name]:
    """Names read or bound by the statements of a function, outside the scopes and formatted strings within it."""
    pending: list[Node] = list(function.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Name):
            yield node
        if not isinstance(node, NOT_ITS_OWN):
            pending.extend(ast.iter_child_nodes(node))


NOT_ITS_OWN = (
    ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp
    | ast.GeneratorExp | ast.JoinedStr
)  # fmt: skip


def tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from tables(child)


def test_what_a_name_means_agrees_with_the_symbol_table() -> None:
    n_seen = dict.fromkeys(("parameter_use", "local_name", "enclosing_name", "global"), 0)
    for source in sources():
        found = {(t.get_name(), t.get_lineno()): t for t in tables(symtable.symtable(source.text, "", "exec"))}
        rows = {int(start): i for i, start in enumerate(source.starts)}
        for function in (node for node in ast.walk(source.tree) if isinstance(node, ast.FunctionDef)):
            table = found.get((function.name, function.lineno))
            assert table is not None
            for name in own_names(function):
                symbol, row = table.lookup(name.id), rows[source.region(name)[0]]
                holds = {label: bool(source.holds(label)[row]) for label in SCOPES}
                assert holds["parameter_use"] == symbol.is_parameter()
                assert not holds["local_name"] or (symbol.is_local() and not symbol.is_parameter())
                assert not holds["global_declared"] or symbol.is_declared_global()
                # Where a local name is bound for the first time, the text before says only what it meant outside.
                is_global, is_new = holds["module_name"] or holds["builtin_use"], isinstance(name.ctx, ast.Store)
                assert not is_global or symbol.is_global() or is_new
                assert not holds["enclosing_name"] or symbol.is_free() or is_new
                for label in ("parameter_use", "local_name", "enclosing_name"):
                    n_seen[label] += holds[label]
                n_seen["global"] += is_global
    assert min(n_seen.values()) > 0
    assert n_seen["parameter_use"] > 500 and n_seen["local_name"] > 500


SCOPES = ("parameter_use", "local_name", "enclosing_name", "global_declared", "module_name", "builtin_use")
