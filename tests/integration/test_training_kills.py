"""A training killed by SIGKILL at random moments ends with the bytes of one without a break, which is the oracle."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("killed_training.py")


TEN = [pytest.param(10, seed, marks=pytest.mark.slow) for seed in (1, 2)]


@pytest.mark.parametrize(("n_kills", "seed"), [(2, 0), *TEN])
def test_kills_leave_no_trace(tmp_path: Path, n_kills: int, seed: int) -> None:
    """Of the kills at least one came before the end; every file but the full states is compared."""
    command = [sys.executable, str(PROGRAM), str(tmp_path), str(n_kills), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["differing"] == []
    assert found["n_files"] > 20
    before_the_end = [step for step in found["arrived"] if step is not None and step < 60]
    assert len(before_the_end) >= 1, found
