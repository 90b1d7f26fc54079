"""Every module is reached through the names that its package exports: no file lies there that nobody uses.

Oracle: the files themselves, parsed; and packages planted in a temporary folder, one for each fault.
"""

import ast
import importlib
import re
from pathlib import Path

import pytest

from tests.architecture.source_tree import PACKAGE, module_name, python_files

# At the top of the package stand packages, and beside them only what starts the program.
PROGRAM = {"cli", "__main__"}


def isort_key(name: str) -> tuple[int, list[str | int]]:
    """The order of ruff's rule RUF022 for `__all__`: CONSTANTS, Classes, the rest; numbers inside a name by value."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def literal_all(init: ast.Module) -> list[str] | None:
    """The names in `__all__`, where a plain list or tuple of strings is assigned to it; else None."""
    for node in init.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        if "__all__" in names and isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            return list(ast.literal_eval(node.value))
    return None


def imported_names(init: ast.Module, package: str) -> dict[str, set[str]]:
    """Module directly in `package` -> the names that its `__init__` imports from it, under the names they get there."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(init):
        if not isinstance(node, ast.ImportFrom):
            continue
        source = node.module or ""
        absolute = f"{package}.{source}".rstrip(".") if node.level == 1 else source
        if absolute.startswith(f"{package}."):
            module = absolute.removeprefix(f"{package}.").split(".")[0]
            found.setdefault(module, set()).update(alias.asname or alias.name for alias in node.names)
    return found


def export_faults(folder: Path, package: str, *, exempt: frozenset[str] = frozenset()) -> list[str]:
    """What is wrong with the exports of the package in `folder`, as lines; a subpackage is looked at by itself.

    Faults: no `__init__.py` beside modules; no literal `__all__`; a name twice or out of order; a module that nothing
    in `__all__` comes from, and that none of the modules behind `__all__` is built on.
    """
    modules = sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    if not (folder / "__init__.py").is_file():
        return [f"{package} has modules and no __init__.py"] if modules else []
    init = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
    names = literal_all(init)
    if names is None:
        return [f"{package} has no literal __all__"]
    faults = [f"{package}.__all__ names {name!r} twice" for name in sorted(set(names)) if names.count(name) > 1]
    if names != sorted(names, key=isort_key):
        faults.append(f"{package}.__all__ is not sorted: {sorted(names, key=isort_key)}")
    imported = imported_names(init, package)
    reached = {module for module in modules if imported.get(module, set()) & set(names)}
    todo = list(reached)
    while todo:
        tree = ast.parse((folder / f"{todo.pop()}.py").read_text(encoding="utf-8"))
        built_on = (set(imported_names(tree, package)) & set(modules)) - reached
        reached |= built_on
        todo += built_on
    return faults + [f"{package} exports nothing from {each}.py" for each in modules if each not in reached | exempt]


def packages(folder: Path = PACKAGE) -> list[Path]:
    """The folders that hold Python files, the package itself first."""
    return sorted({path.parent for path in python_files(folder)})


@pytest.mark.parametrize("folder", packages(), ids=lambda folder: module_name(folder / "__init__.py"))
def test_every_module_is_exported_by_its_package(folder: Path) -> None:
    package = module_name(folder / "__init__.py")
    assert export_faults(folder, package, exempt=frozenset(PROGRAM if folder == PACKAGE else {"__main__"})) == []


@pytest.mark.parametrize("folder", packages(), ids=lambda folder: module_name(folder / "__init__.py"))
def test_every_exported_name_exists(folder: Path) -> None:
    package = importlib.import_module(module_name(folder / "__init__.py"))
    assert [name for name in package.__all__ if name not in vars(package)] == []


def plant(folder: Path, files: dict[str, str]) -> list[str]:
    """The faults found in a package `planted` made of `files`."""
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return export_faults(folder, "planted")


SOUND = 'from planted.one import A, b\nfrom planted.two import c\n\n__all__ = ["A", "b", "c"]\n'


def test_a_sound_package_has_no_fault(tmp_path: Path) -> None:
    assert plant(tmp_path, {"__init__.py": SOUND, "one.py": "", "two.py": ""}) == []


def test_a_file_that_nobody_exports_is_a_fault(tmp_path: Path) -> None:
    assert plant(tmp_path, {"__init__.py": SOUND, "one.py": "", "two.py": "", "three.py": ""}) == [
        "planted exports nothing from three.py"
    ]


def test_a_module_behind_an_exported_name_is_no_fault(tmp_path: Path) -> None:
    files = {"__init__.py": SOUND, "one.py": "from planted.three import helper\n", "two.py": "", "three.py": ""}
    assert plant(tmp_path, files) == []


def test_two_files_that_only_use_each_other_are_a_fault(tmp_path: Path) -> None:
    orphans = {"three.py": "from planted.four import x\n", "four.py": "from planted.three import y\n"}
    faults = plant(tmp_path, {"__init__.py": SOUND, "one.py": "", "two.py": "", **orphans})
    assert faults == ["planted exports nothing from four.py", "planted exports nothing from three.py"]


@pytest.mark.parametrize(
    ("init", "fault"),
    [
        ("from .one import A, b\nfrom .two import c\n\n__all__ = ['b', 'A', 'c']\n", "is not sorted"),
        ("from .one import A\nfrom .two import c\n\n__all__ = ['A']\n", "exports nothing from two.py"),
        ("from .one import A\nfrom .two import c\n\n__all__ = ['A', 'c', 'c']\n", "names 'c' twice"),
        ("from planted.one import A\nfrom planted.two import c\n", "no literal __all__"),
        ("from .one import A\nimport planted.two\n\n__all__ = ['A']\n", "exports nothing from two.py"),
    ],
)
def test_every_kind_of_fault_is_found(tmp_path: Path, init: str, fault: str) -> None:
    faults = plant(tmp_path, {"__init__.py": init, "one.py": "", "two.py": ""})
    assert len(faults) == 1
    assert fault in faults[0]


def test_modules_without_an_init_are_a_fault(tmp_path: Path) -> None:
    assert plant(tmp_path, {"one.py": ""}) == ["planted has modules and no __init__.py"]
