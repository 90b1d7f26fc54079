"""What may lie in the project's tree, and that its documents agree with its code.

Oracle: the bytes of the files, planted lines, and the lists of names that the code exports.
"""

import ast
import dataclasses
import json
import re
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest

from monosemy.core import METHODS, STATUSES, Result
from tests.architecture.source_tree import ROOT, project_files

MAX_FILE_BYTES = 5_000_000

# The names are put together here, so that this file does not hold what it looks for.
MACHINE_FOLDERS = re.compile(
    r"(?<![\w.])/(?:" + "|".join(("home", "root", "Users", "tmp", "work", "opt", "venv")) + r")/[\w.]+"
)
REGISTRY_HOSTS = re.compile(
    r"\b[\w.-]*(?:"
    + "|".join(("pypi", "pythonhosted", r"download\.pytorch", "npmjs", "anaconda"))
    + r")\.(?:org|com)\b"
)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text_files() -> dict[str, str]:
    """Relative path -> text of every UTF-8 file of the project; binary files (archives, weights) are left out."""
    texts: dict[str, str] = {}
    for path in project_files():
        data = path.read_bytes()
        if b"\0" in data:
            continue
        try:
            texts[relative(path)] = data.decode("utf-8")
        except UnicodeDecodeError:
            continue
    return texts


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return text_files()


def lines_with(pattern: re.Pattern[str], texts: dict[str, str]) -> list[str]:
    """`file:line: match` of every match of `pattern`."""
    return [
        f"{name}:{number}: {match.group()}"
        for name, text in texts.items()
        if pattern.search(text)
        for number, line in enumerate(text.splitlines(), 1)
        if (match := pattern.search(line))
    ]


def test_no_file_is_large() -> None:
    sizes = {relative(path): path.stat().st_size for path in project_files()}
    assert "pyproject.toml" in sizes
    assert {name: size for name, size in sizes.items() if size > MAX_FILE_BYTES} == {}


def test_no_file_names_a_folder_of_a_machine(texts: dict[str, str]) -> None:
    assert lines_with(MACHINE_FOLDERS, texts) == []


def test_no_file_names_a_package_registry(texts: dict[str, str]) -> None:
    assert lines_with(REGISTRY_HOSTS, texts) == []


def test_what_must_not_be_in_a_file_is_found() -> None:
    registry = "python" + "hosted.org"
    assert lines_with(MACHINE_FOLDERS, {"a": f"x = 1\ncache = '/{'home'}/ann/x'"}) == [f"a:2: /{'home'}/ann"]
    assert lines_with(MACHINE_FOLDERS, {"a": "src/home/page.html and https://example.com/home/x"}) == []
    assert lines_with(REGISTRY_HOSTS, {"a": f"https://files.{registry}/x.whl"}) == [f"a:1: files.{registry}"]
    assert lines_with(REGISTRY_HOSTS, {"a": "pytorch.org, and the pypi index"}) == []


def test_no_notebook_has_outputs(texts: dict[str, str]) -> None:
    notebooks = {name: json.loads(text) for name, text in texts.items() if name.endswith(".ipynb")}
    assert [name for name, book in notebooks.items() if any(cell.get("outputs") for cell in book["cells"])] == []


def distribution(name: str) -> str:
    """The canonical name of a package in a requirement or an import."""
    known = {"sklearn": "scikit-learn"}
    return known.get(name, re.split(r"[\[<>=!~; ]", name)[0].lower().replace("_", "-"))


def declared(texts: dict[str, str], *extras: str) -> set[str]:
    """The packages that pyproject.toml asks for, those of the extras included."""
    project = tomllib.loads(texts["pyproject.toml"])["project"]
    listed = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"][name] for name in extras)]
    return {distribution(name) for name in listed} - {"monosemy"}


def imported_packages(source: str) -> set[str]:
    """The packages that a module imports, anywhere in it; not the standard library's, not our own."""
    nodes = list(ast.walk(ast.parse(source)))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 0]
    return {distribution(name.split(".")[0]) for name in names} - {*sys.stdlib_module_names, "monosemy"}


def test_every_dependency_is_pinned(texts: dict[str, str]) -> None:
    pins = [line for line in texts["constraints.txt"].splitlines() if line and not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", pin)] == []
    pinned = [pin.split("==")[0] for pin in pins]
    assert pinned == sorted(set(pinned))
    needed = declared(texts, "data", "judge", "dev")
    assert {"torch", "pytest"} <= needed
    assert needed - set(pinned) == set()


def test_every_imported_package_is_declared(texts: dict[str, str]) -> None:
    sources = {name: text for name, text in texts.items() if name.startswith("src/") and name.endswith(".py")}
    allowed = declared(texts, "data", "judge") | {
        "triton"
    }  # comes with torch for CUDA, and is imported only where it is
    foreign = {name: imported_packages(source) - allowed for name, source in sources.items()}
    assert {name: packages for name, packages in foreign.items() if packages} == {}
    assert imported_packages("import os, a_b.c\ndef f():\n    from sklearn.x import y\n") == {"a-b", "scikit-learn"}


def section(document: str, heading: str) -> str:
    """The text under the heading `## heading`, up to the next heading of the same rank."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", document, re.M | re.S)
    assert found is not None, f"docs/definitions.md has no section '{heading}'"
    return found.group(1)


def listed(document: str, heading: str) -> list[str]:
    """The names in the first column of the table in that section."""
    return re.findall(r"^\| `([a-z0-9_]+)` \|", section(document, heading), re.M)


def test_the_methods_are_those_of_the_definitions(texts: dict[str, str]) -> None:
    assert tuple(listed(texts["docs/definitions.md"], "Methods")) == METHODS


def test_the_statuses_are_those_of_the_definitions(texts: dict[str, str]) -> None:
    assert tuple(listed(texts["docs/definitions.md"], "Statuses")) == tuple(STATUSES)


def test_the_fields_of_a_result_are_those_of_the_definitions(texts: dict[str, str]) -> None:
    assert listed(texts["docs/definitions.md"], "Fields of a result") == [
        field.name for field in dataclasses.fields(Result)
    ]
