"""Files and functions stay small enough to be read at one sitting.

Oracle: Python's own parser, and planted long functions.
"""

import ast
from pathlib import Path

from tests.architecture.source_tree import PACKAGE, ROOT, python_files

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


def long_functions(source: str) -> list[str]:
    """`name (lines)` of every function in `source` over the limit, its docstring and decorators counted."""
    functions = (
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    sizes = (
        (node.name, (node.end_lineno or 0) - min([node.lineno, *(d.lineno for d in node.decorator_list)]) + 1)
        for node in functions
    )
    return [f"{name} ({size})" for name, size in sizes if size > MAX_FUNCTION_LINES]


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_source_file_is_too_long() -> None:
    sizes = {shown(path): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files(PACKAGE)}
    assert sizes
    assert {name: size for name, size in sizes.items() if size > MAX_FILE_LINES} == {}


def test_no_function_is_too_long() -> None:
    found = {shown(path): long_functions(path.read_text(encoding="utf-8")) for path in python_files(PACKAGE)}
    assert {name: functions for name, functions in found.items() if functions} == {}


def test_a_long_function_is_found() -> None:
    body = "    pass\n" * (MAX_FUNCTION_LINES - 1)
    assert long_functions("def fits():\n" + body) == []
    assert long_functions("async def too_long():\n" + body + "    pass\n") == [f"too_long ({MAX_FUNCTION_LINES + 1})"]
    assert long_functions("@decorated\ndef too_long():\n" + body) == [f"too_long ({MAX_FUNCTION_LINES + 1})"]
