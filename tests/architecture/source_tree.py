"""Where the files of the project are: the only part of the architecture tests that looks at the disk."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
PACKAGE = SOURCE / "monosemy"
UNTRACKED_FOLDERS = {"build", "dist", "runs", "artifacts", "node_modules", "__pycache__"}


def project_files() -> list[Path]:
    """Every file of the project: what git tracks or would track; without git, all but environments, caches, outputs."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        return sorted(walk(ROOT))
    files = [ROOT / name for name in listing.split("\0") if name]
    return sorted(path for path in files if path.is_file())


def walk(folder: Path) -> Iterator[Path]:
    """The files under `folder`, leaving out hidden folders (all but .ci) and those of builds and runs."""
    for path in folder.iterdir():
        hidden = path.name.startswith(".") and path.name != ".ci"
        if path.is_dir():
            if not hidden and path.name not in UNTRACKED_FOLDERS and not path.name.endswith(".egg-info"):
                yield from walk(path)
        elif path.is_file():
            yield path


def python_files(folder: Path = PACKAGE) -> list[Path]:
    """The Python files under `folder`, sorted."""
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def module_name(path: Path, source: Path = SOURCE) -> str:
    """The dotted name of the module in `path`, which lies under `source`."""
    parts = path.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
