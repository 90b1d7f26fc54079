"""A training that is killed again and again: a program for tests/integration/test_training_kills.py.

It trains a small ensemble once without a break, then once more in processes that are forked off (so that Python and
torch start only once) and killed at random moments, each going on from what the one before left. Prints how many kills
there were, at how many steps each process had arrived, and which files differ in the end.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monosemy.core import numpy_generator, torch_generator
from monosemy.dictionaries import BatchTopKConfig, TiedL1Config, TopKConfig
from monosemy.training import Batch, BatchStream, EarlyStop, Learner, Member, StreamState, calibrate_, train_members

SITES = {"a": 4, "b": 6}
NORMALIZATION = {"a": (np.zeros(4), 1.0), "b": (np.ones(6), 2.0)}
SLOW_SECONDS = 0.005


def member(name: str, site: str, **changed: Any) -> Member:
    fields: dict[str, Any] = {
        "method": "topk",
        "architecture": TopKConfig(k=1),
        "n_latents": 24,
        "seed": 0,
        "learning_rate": 0.01,
    }
    fields |= {"n_steps": 60, "batch_size": 16, "warm_up_steps": 5, "decay_fraction": 0.2, "dead_after_tokens": 64}
    return Member(name=name, site=site, **(fields | changed))


MEMBERS = [
    member("topk", "a", resample_every_steps=7),
    member("batch", "b", architecture=BatchTopKConfig(k=2), n_steps=45),
    member(
        "tied",
        "b",
        architecture=TiedL1Config(coefficient=0.1),
        optimizer="frozen_adam",
        sparsity_warm_up_steps=20,
        early_stop=EarlyStop(window_steps=5, patience_windows=3, min_improvement=0.3),
    ),
]


def stream(told: int | None) -> BatchStream:
    """Random batches; where somebody is told of each, through a pipe, they come slowly enough to be shot at."""

    def batches(state: StreamState | None) -> Generator[tuple[Batch, StreamState], None, None]:
        for step in range(0 if state is None else state["step"], 1000):
            if told is not None:
                os.write(told, b".")
                time.sleep(SLOW_SECONDS)
            generator = torch_generator(step, "killed-stream")
            yield {site: torch.randn(16, d, generator=generator) for site, d in SITES.items()}, {"step": step + 1}

    return BatchStream(open=batches)


def train(folder: Path, told: int | None = None) -> None:
    """Train, and write what was made as a dictionary each."""
    folders = {each.name: folder / each.name for each in MEMBERS}

    trained = train_members(
        MEMBERS,
        stream(told),
        NORMALIZATION,
        folders=folders,
        checkpoint_every_seconds=0.03,
        before_export=calibrate,
        log_every=3,
    )
    for each in trained:
        assert each.dictionary is not None and each.notes == (), each.notes
        each.dictionary.save(folders[each.member.name])


def calibrate(learner: Learner) -> None:
    if learner.member.name == "batch":
        x = torch.randn(64, 6, generator=torch_generator(0, "killed-calibration"))
        calibrate_(learner.module, lambda: [x])


def tree(folder: Path) -> dict[str, bytes]:
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: data for name, data in files.items() if "/state-" not in name and "/timing" not in name}


def latest(folder: Path) -> int:
    return max((int(path.stem.partition("-")[2]) for path in folder.glob("topk/state-*.json")), default=0)


def killed_after(n_batches: int, more_seconds: float, folder: Path) -> bool:
    """Train in a process of its own, and kill that when it has read so many batches; False: it was done before."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        train(folder, write)
        os._exit(0)
    os.close(write)
    while n_batches > 0 and os.read(read, 1):
        n_batches -= 1
    time.sleep(more_seconds)
    os.kill(pid, signal.SIGKILL)
    os.close(read)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def main(folder: Path, n_kills: int, seed: int) -> None:
    torch.set_num_threads(1)
    train(folder / "whole")
    rng, arrived = numpy_generator(seed, "kill-moments"), []
    for _ in range(n_kills):
        n_batches, more_seconds = int(rng.integers(1, 60 // n_kills)), float(rng.uniform(0, 0.02))
        was_killed = killed_after(n_batches, more_seconds, folder / "killed")
        arrived.append(latest(folder / "killed") if was_killed else None)
    train(folder / "killed")
    whole, killed = tree(folder / "whole"), tree(folder / "killed")
    names = sorted(whole.keys() | killed.keys())
    differing = [name for name in names if whole.get(name) != killed.get(name)]
    print(json.dumps({"arrived": arrived, "differing": differing, "n_files": len(whole)}))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
