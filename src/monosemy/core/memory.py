"""How much memory there is, and how the C library gives it back to the system."""

import ctypes
import os
import sys
from pathlib import Path

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_MMAP_BYTES = 1 << 25  # glibc takes no larger one
_TRIM_BYTES = 1 << 30


def keep_freed_memory() -> bool:
    """Have the process keep what it frees, arrays of up to 32 MiB and 1 GiB in all; whether that could be arranged.

    glibc gives an array of megabytes back at once and the next one of that size faults its pages in anew: a step of
    training, which makes a dozen of them, took a fifth longer. Only for worker processes, which do little else.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None)
    try:
        mallopt = libc.mallopt
    except AttributeError:  # another C library (musl)
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)) and bool(mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES))


def available_memory() -> int | None:
    """Bytes that programs can still get without swapping, as far as the system tells; None where it does not.

    Linux: MemAvailable, and what a container's limit (cgroup v2) leaves. Elsewhere the free pages, or, on macOS, half
    of the machine's memory, for it counts what it would give back as used.
    """
    if sys.platform == "linux":
        known = [n for n in (_mem_available(), _left_in_container()) if n is not None]
        return min(known, default=None)
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        if sys.platform == "darwin":
            return os.sysconf("SC_PHYS_PAGES") * page // 2
        return os.sysconf("SC_AVPHYS_PAGES") * page
    except (AttributeError, ValueError, OSError):
        return None


def _mem_available(path: Path = Path("/proc/meminfo")) -> int | None:
    """The line `MemAvailable:  123 kB`."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [line.split() for line in lines if line.startswith("MemAvailable:")]
    return 1024 * int(found[0][1]) if found else None


def _left_in_container(folder: Path = Path("/sys/fs/cgroup")) -> int | None:
    try:
        limit = (folder / "memory.max").read_text(encoding="ascii").strip()
        used = int((folder / "memory.current").read_text(encoding="ascii"))
        files = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
    except (OSError, ValueError):
        return None
    # Cached files are counted as used, and are given up when memory is wanted.
    return None if limit == "max" else max(0, int(limit) - used + int(files.get("inactive_file", 0)))
