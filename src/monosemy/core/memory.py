"""How the C library gives memory back to the system."""

import ctypes
import sys

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
