"""Imports point downwards, and importing a module does nothing but define names.

Oracle: import-linter's contracts (pyproject.toml); the state of a fresh interpreter before and after, and its audit
events; and modules planted in a temporary folder, one for each thing an import must not do.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

from tests.architecture.source_tree import ROOT, SOURCE, module_name, python_files

PROBE = Path(__file__).with_name("import_probe.py")


def probe(source: Path, modules: list[str], folder: Path) -> dict[str, list[str] | dict[str, str]]:
    """What importing `modules` (under `source`) changes in a fresh interpreter at home and at work in `folder`."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(source),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(folder),
        "MPLCONFIGDIR": str(folder / "matplotlib"),
        "OMP_NUM_THREADS": "2",
    }
    run = subprocess.run(
        [sys.executable, str(PROBE), str(source), *modules],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_the_import_contracts_are_kept(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    status = lint_imports(cache_dir=None, no_cache=True)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


@pytest.mark.slow
def test_importing_any_module_has_no_side_effect(tmp_path: Path) -> None:
    modules = [module_name(path) for path in python_files() if path.stem != "__main__"]
    assert probe(SOURCE, modules, tmp_path) == {"changed": [], "effects": [], "heavy": [], "errors": {}}


FAULTS = {
    "draws_torch": ("import torch\ntorch.rand(1)", "changed", "torch random state"),
    "draws_numpy": ("import numpy\nnumpy.random.rand()", "changed", "numpy random state"),
    "seeds": ("import random\nrandom.seed(0)", "changed", "random's state"),
    "sets_threads": ("import torch\ntorch.set_num_threads(1)", "changed", "torch threads"),
    "sets_environment": ("import os\nos.environ['X_PLANTED'] = '1'", "changed", "environment"),
    "logs": ("import logging\nlogging.basicConfig()", "changed", "log handlers"),
    "silences": ("import warnings\nwarnings.simplefilter('ignore')", "changed", "warning filters"),
    "writes": ("open('left_behind.txt', 'w').close()", "effects", "open for writing left_behind.txt"),
    "makes_a_folder": ("import pathlib\npathlib.Path('left_behind').mkdir()", "effects", "os.mkdir left_behind"),
    "imports_datasets": ("import datasets", "heavy", "datasets"),
    "raises": ("1 / 0", "errors", "planted.raises"),
}


def test_every_kind_of_side_effect_is_found(tmp_path: Path) -> None:
    package = tmp_path / "source" / "planted"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package.parent / "datasets.py").touch()
    for name, (text, _, _) in FAULTS.items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    found = probe(package.parent, [f"planted.{name}" for name in FAULTS], tmp_path)
    assert {name for name, (_, kind, expected) in FAULTS.items() if expected not in found[kind]} == set()
