"""Oracles: the page faults that the kernel counts for the process; files written by hand in the kernel's formats."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from monosemy.core import available_memory
from monosemy.core.memory import _left_in_container, _mem_available

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
@pytest.mark.slow
def test_an_array_freed_is_an_array_kept() -> None:
    def faults(how: str) -> int:
        return int(
            subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, check=True, text=True).stdout
        )

    pages = 20 * 330_000 * 8 // resource.getpagesize()  # of the arrays that are there at once
    assert faults("given back") > 5 * pages  # nearly all of them are faulted in anew in each of the ten rounds
    assert faults("kept") < pages


def test_available_memory_lies_between_nothing_and_what_the_machine_has() -> None:
    available = available_memory()
    assert available is not None
    assert 0 < available < 1.01 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.skipif(sys.platform != "linux", reason="of /proc and cgroups")
def test_the_limit_of_a_container_counts_with_its_cache_given_up(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 900 kB\nMemAvailable:     123 kB\n")
    assert _mem_available(tmp_path / "meminfo") == 123 * 1024
    assert _mem_available(tmp_path / "nowhere") is None and _left_in_container(tmp_path) is None
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 400\ninactive_file 250\n")
    assert _left_in_container(tmp_path) == 550
    (tmp_path / "memory.max").write_text("max\n")
    assert _left_in_container(tmp_path) is None
