"""Oracle: the page faults that the kernel counts for the process."""

import resource
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
from monosemy.core import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def work():
    for _ in range(10):
        arrays = [np.ones(330_000) for _ in range(20)]
        del arrays
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_an_array_freed_is_an_array_kept() -> None:
    def faults(how: str) -> int:
        return int(
            subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, check=True, text=True).stdout
        )

    pages = 20 * 330_000 * 8 // resource.getpagesize()  # of the arrays that are there at once
    assert faults("given back") > 5 * pages  # nearly all of them are faulted in anew in each of the ten rounds
    assert faults("kept") < pages
