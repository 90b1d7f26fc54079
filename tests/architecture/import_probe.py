"""Imports every module of a package in a fresh interpreter and prints, as JSON, what that changed.

Run as a program by test_imports.py: `import_probe.py <source folder> <module>...`. What the libraries do when they are
imported is not counted: before anything is measured, the modules' own import statements of libraries are run.
"""

import ast
import json
import logging
import os
import random
import sys
import threading
import traceback
import warnings
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_info

# Libraries that only some users have, or that are slow to import and used by one command: imported where they are used.
HEAVY = ("datasets", "pyarrow", "pandas", "openai", "fastapi", "uvicorn", "playwright", "pytest", "IPython")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
EFFECTS = {
    *("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.system", "os.posix_spawn", "os.fork"),
    *("subprocess.Popen", "socket.connect", "socket.getaddrinfo"),
}


def state() -> dict[str, object]:
    """What an import must not change, as values that can be compared."""
    return {
        "torch random state": torch.get_rng_state().numpy().tobytes().hex(),
        "numpy random state": repr(np.random.get_state()),
        "random's state": repr(random.getstate()),
        "torch threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "library threads": sorted((pool["filepath"], pool["num_threads"]) for pool in threadpool_info()),
        "running threads": sorted(thread.name for thread in threading.enumerate()),
        "environment": dict(os.environ),
        "working folder": str(Path.cwd()),
        "warning filters": repr(warnings.filters),
        "log handlers": repr(logging.getLogger().handlers) + str(logging.getLogger().level),
        "torch defaults": repr((torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled())),
        "import path": list(sys.path),
    }


class Watch:
    """An audit hook that notes every file written, folder made, process started and connection opened."""

    def __init__(self) -> None:
        self.active = False
        self.seen: list[str] = []

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        # What compilers keep in __pycache__, Python's and numba's, is no effect of the program.
        if not self.active or "__pycache__" in str(arguments[:1]):
            return
        if event in EFFECTS:
            self.seen.append(f"{event} {arguments[0]}")
        elif event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING:
            self.seen.append(f"open for writing {arguments[0]}")


def import_libraries(source: Path, modules: list[str]) -> None:
    """Run the import statements at the top level of the modules that name other packages than theirs."""
    root = modules[0].split(".")[0]
    for module in modules:
        path = source.joinpath(*module.split("."))
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
            if names and not any(name.split(".")[0] == root for name in names):
                exec(compile(ast.Module([node], []), str(file), "exec"), {})


def import_each_alone(modules: list[str]) -> dict[str, str]:
    """Import every module as the first of its package, which shows a circular import; module -> its error."""
    errors: dict[str, str] = {}
    root = modules[0].split(".")[0]
    for module in modules:
        for name in [name for name in sys.modules if name == root or name.startswith(f"{root}.")]:
            del sys.modules[name]
        try:
            __import__(module)
        except Exception:  # the probe reports whatever an import raises
            errors[module] = traceback.format_exc().strip().splitlines()[-1]
    return errors


def main(source: Path, modules: list[str]) -> None:
    """Print one JSON object: `changed`, `effects`, `heavy`, `errors`."""
    watch = Watch()
    sys.addaudithook(watch)
    loaded = set(sys.modules)
    import_libraries(source, modules)
    before = state()
    watch.active = True
    errors = import_each_alone(modules)
    watch.active = False
    after = state()
    report = {
        "changed": [name for name in before if before[name] != after[name]],
        "effects": watch.seen,
        "heavy": [name for name in HEAVY if name in sys.modules and name not in loaded],
        "errors": errors,
    }
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
