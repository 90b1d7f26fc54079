"""Training steps of Monosemy and of other toolkits, side by side: `make bench`.

One process, one task, all contestants in turn on the same batches, block after block, so that whatever else the machine
does meets all alike. Two kinds of rows:

    trained state   Monosemy first trains for `--pretrain` steps, from the stream's true directions, so that few steps
                    are enough. From these weights, with fresh moments, every contestant takes the same further steps
                    on the same tokens; ms are medians over blocks; fvu and l0 are of held-out tokens after the last
                    step, and agree where all did the same work.
    whole run       the sweep: every contestant from the same first weights to the end; ms is the mean step of the run.

Times are the process's own (processor) time at one thread; for the row at two threads, whose peer is Monosemy at one
thread, it is wall time, so that the machine has to be quiet. Rows go into `results/training.json` as soon as they are
measured and replace the same row of an earlier run. Targets stand in `TARGETS`; what is below one is shown as missed.

    python benchmarks/training.py [--only topk] [--quick] [--out FILE]
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from contestants import Contestant, Monosemy, Name, Start, Task, quality, sweep
from peers import PEERS, PeerMissing, versions
from sweeps import OneByOne, Vmap, weights
from synthetic import Stream
from torch import Tensor

from monosemy import __version__
from monosemy.core import set_threads
from monosemy.training.fast import Engine

RESULTS = Path(__file__).parent / "results" / "training.json"
TARGETS = {
    ("topk", 2048, "saelens"): 4.5,
    ("topk", 4096, "saelens"): 4.5,
    ("topk", 2048, "dictionary_learning"): 4.5,
    ("topk", 4096, "dictionary_learning"): 4.5,
    ("topk", 2048, "sparsify"): 2.5,
    ("topk", 4096, "sparsify"): 1.6,
    ("batch_topk", 2048, "saelens"): 5.5,
    ("batch_topk", 4096, "saelens"): 5.5,
    ("batch_topk", 2048, "dictionary_learning"): 5.5,
    ("batch_topk", 4096, "dictionary_learning"): 5.5,
    ("relu_l1", 2048, "saelens"): 4.5,
    ("relu_l1", 2048, "dictionary_learning"): 3.7,
    ("tied_l1", 2048, "one_by_one"): 2.2,
    ("tied_l1", 2048, "vmap_torchopt"): 2.5,
    ("topk", 4096, "monosemy_one_thread"): 1.6,
}
"""The least ratio that each row has to reach."""

TOLERANCE = 0.01  # between the FVU and the L0 of the two sides of a row


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is done. lr: of the further steps; coefficients: of the sweep's members."""

    d: int = 512
    batch: int = 1024
    sizes: tuple[int, ...] = (2048, 4096)
    k: int = 32
    l1: float = 3.1
    pretrain: int = 300
    pretrain_lr: float = 3e-4
    lr: float = 1e-4
    warm_steps: int = 8
    n_blocks: int = 9
    block_steps: int = 3
    sweep_steps: int = 200
    sweep_lr: float = 1e-3
    coefficients: tuple[float, ...] = (0.7, 1.0, 1.4, 1.8, 2.3, 3.0, 4.0, 5.5)
    held_out: int = 8


QUICK = Plan(
    d=64, batch=128, sizes=(256,), k=8, pretrain=60, warm_steps=2, n_blocks=3, block_steps=2, sweep_steps=20, held_out=2
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the results. ms, peer_ms: of a step (of all members, where it is a sweep)."""

    architecture: Name
    n_latents: int
    batch: int
    threads: int
    peer: str
    ms: float
    peer_ms: float
    ratio: float
    fvu: float
    peer_fvu: float
    l0: float
    peer_l0: float

    def line(self) -> str:
        """For people."""
        target = TARGETS.get((self.architecture, self.n_latents, self.peer))
        verdict = "" if target is None else f"{'reached' if self.ratio >= target else 'MISSED'} {target}"
        alike = all(
            abs(a - b) <= TOLERANCE * max(abs(a), abs(b))
            for a, b in ((self.fvu, self.peer_fvu), (self.l0, self.peer_l0))
        )
        return (
            f"{self.architecture:10} n={self.n_latents:<5} {self.threads} thread  {self.peer:20} "
            f"{self.ms:7.1f} ms  {self.peer_ms:7.1f} ms  {self.ratio:5.2f}x  fvu {self.fvu:.4f} {self.peer_fvu:.4f}  "
            f"l0 {self.l0:.1f} {self.peer_l0:.1f}  {'' if alike else 'NOT ALIKE  '}{verdict}"
        )


class Results:
    """The file, kept whole after every row."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[tuple[object, ...], dict[str, object]] = {}
        if path.is_file():
            for row in json.loads(path.read_text())["rows"]:
                self.rows[_key(row)] = row

    def add(self, row: Row) -> None:
        """Write a row, and say it."""
        self.rows[_key(asdict(row))] = asdict(row)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        content = {"machine": machine(), "versions": all_versions(), "rows": list(self.rows.values())}
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        temporary.replace(self.path)
        say(row.line())


def _key(row: Mapping[str, object]) -> tuple[object, ...]:
    return tuple(row[name] for name in ("architecture", "n_latents", "batch", "threads", "peer"))


def say(text: str) -> None:
    """A line at once, also into a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def machine() -> str:
    """The processor's name and how many cores there are."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    name = names[0] if names else platform.processor()
    cores = len(names) or 1
    return f"{name}, {cores} cores, {platform.system()} {platform.machine()}"


def all_versions() -> dict[str, str]:
    """Of both sides and of what they stand on."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "monosemy": __version__,
        **versions(),
    }


def seconds(contestant: Contestant, batches: list[Tensor], clock: Callable[[], float]) -> float:
    """What a block of steps takes."""
    start = clock()
    for x in batches:
        contestant.step(x)
    return clock() - start


def race(
    contestants: Mapping[str, Contestant], stream: Stream, plan: Plan, clock: Callable[[], float], first: int
) -> dict[str, float]:
    """Milliseconds of a step of each, medians over blocks taken in turn, from batch number `first` on."""
    names = list(contestants)
    for i in range(plan.warm_steps):
        x = stream.batch(first + i)
        for name in names:
            contestants[name].step(x)
    first += plan.warm_steps
    times: dict[str, list[float]] = {name: [] for name in names}
    for block in range(plan.n_blocks):
        # The first batch is not timed: it brings the contestant's weights back into the caches.
        batches = [stream.batch(first + i) for i in range(plan.block_steps + 1)]
        first += len(batches)
        for name in names if block % 2 == 0 else reversed(names):
            contestants[name].step(batches[0])
            times[name].append(seconds(contestants[name], batches[1:], clock))
    return {name: 1000 * float(np.median(times[name])) / plan.block_steps for name in names}


def rows(task: Task, ms: Mapping[str, float], measured: Mapping[str, tuple[float, float]], threads: int) -> list[Row]:
    """Monosemy beside each of the others."""
    (fvu, l0), own = measured["monosemy"], ms["monosemy"]
    return [
        Row(
            architecture=task.architecture,
            n_latents=task.n_latents,
            batch=task.batch,
            threads=threads,
            peer=peer,
            ms=round(own, 3),
            peer_ms=round(ms[peer], 3),
            ratio=round(ms[peer] / own, 3),
            fvu=round(fvu, 6),
            peer_fvu=round(measured[peer][0], 6),
            l0=round(l0, 3),
            peer_l0=round(measured[peer][1], 3),
        )
        for peer in ms
        if peer != "monosemy"
    ]


def pretrained(task: Task, stream: Stream, plan: Plan) -> Start:
    """The weights that Monosemy trains from the true directions, its learning rate decayed over the second half."""
    fresh = replace(task, learning_rate=plan.pretrain_lr, n_steps=plan.pretrain, decay_fraction=0.5)
    rows, n = stream.planted(task.n_latents), task.n_latents
    bias = torch.full((n,), -1.0 if task.architecture == "relu_l1" else 0.0)
    with Engine() as engine:
        ours = Monosemy([fresh], engine, Start(W_enc=rows, b_enc=bias, W_dec=rows, b_dec=torch.zeros(task.d)))
        for i in range(plan.pretrain):
            ours.step(stream.batch(i))
        fvu, l0 = quality(ours, [stream.batch(-100)])
        say(f"{task.architecture} n={task.n_latents}: {plan.pretrain} steps of training, fvu {fvu:.4f}, l0 {l0:.1f}")
        return ours.reached()


def beside_toolkits(task: Task, stream: Stream, plan: Plan, results: Results) -> Start:
    """Rows of one architecture and size against every toolkit that has it; the weights they started from."""
    start = pretrained(task, stream, plan)
    with Engine() as engine:
        contestants: dict[str, Contestant] = {"monosemy": Monosemy([task], engine, start)}
        for peer, make in PEERS.items():
            try:
                contestants[peer] = make(task, start)
            except PeerMissing as missing:
                say(f"{task.architecture} n={task.n_latents}: no row for {peer}: {missing}")
        ms = race(contestants, stream, plan, time.process_time, plan.pretrain)
        held_out = [stream.batch(-100 - i) for i in range(plan.held_out)]
        measured = {name: quality(contestant, held_out) for name, contestant in contestants.items()}
    for row in rows(task, ms, measured, threads=1):
        results.add(row)
    return start


def two_threads(task: Task, start: Start, stream: Stream, plan: Plan, results: Results) -> None:
    """The row of Monosemy at two threads beside Monosemy at one, in wall time."""
    with Engine(1) as one, Engine(2) as two:
        contestants: dict[str, Contestant] = {
            "monosemy": Monosemy([task], two, start),
            "monosemy_one_thread": Monosemy([task], one, start),
        }
        ms = race(contestants, stream, plan, time.perf_counter, plan.pretrain)
        held_out = [stream.batch(-100 - i) for i in range(plan.held_out)]
        measured = {name: quality(contestant, held_out) for name, contestant in contestants.items()}
    for row in rows(task, ms, measured, threads=2):
        results.add(row)


def compiled(task: Task, stream: Stream, engine: Engine) -> None:
    """Have the kernels compiled, dense and sparse: it is no part of a run, whose second start finds them compiled."""
    throwaway = Monosemy([task], engine)
    for i in range(6):
        throwaway.step(stream.batch(i))
        with torch.no_grad():
            throwaway.learners[0].module.latent_parameters()[1].fill_(-5.0)  # few latents are active from now on


def whole_sweep(task: Task, stream: Stream, plan: Plan, results: Results) -> None:
    """Rows of a sweep from its first step to its last."""
    with Engine() as engine:
        ours = Monosemy(sweep(task, plan.coefficients), engine)
        compiled(task, stream, engine)
        contestants: dict[str, Contestant] = {"monosemy": ours}
        for peer, kind in {"one_by_one": OneByOne, "vmap_torchopt": Vmap}.items():
            try:
                contestants[peer] = kind(weights(ours), plan.coefficients, task.learning_rate)
            except PeerMissing as missing:
                say(f"{task.architecture}: no row for {peer}: {missing}")
        spent = dict.fromkeys(contestants, 0.0)
        for i in range(plan.sweep_steps):
            x = stream.batch(i)
            for name in contestants if i % 2 == 0 else reversed(contestants):
                spent[name] += seconds(contestants[name], [x], time.process_time)
            if i & (i - 1) == 0:
                _, l0 = quality(ours, [stream.batch(-100)])
                say(f"sweep, step {i}: mean l0 {l0:.0f}; " + ", ".join(f"{n} {t:.1f} s" for n, t in spent.items()))
        ms = {name: 1000 * total / plan.sweep_steps for name, total in spent.items()}
        held_out = [stream.batch(-100 - i) for i in range(plan.held_out)]
        measured = {name: quality(contestant, held_out) for name, contestant in contestants.items()}
    for row in rows(task, ms, measured, threads=1):
        results.add(row)


def main(words: list[str]) -> int:
    """Measure what was asked for."""
    parts = ("topk", "batch_topk", "relu_l1", "threads", "sweep")
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=parts, default=parts, help="parts to measure")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it runs, measures nothing")
    parser.add_argument("--pretrain", type=int, help="steps before the comparison")
    parser.add_argument("--sweep-steps", type=int, help="steps of the sweep")
    parser.add_argument("--out", type=Path, help="the results' file")
    given = parser.parse_args(words)
    plan = QUICK if given.quick else Plan()
    plan = replace(plan, pretrain=given.pretrain or plan.pretrain, sweep_steps=given.sweep_steps or plan.sweep_steps)
    set_threads(1)
    out = given.out or (RESULTS.with_name("quick.json") if given.quick else RESULTS)
    results, stream = Results(out), Stream.make(d=plan.d, batch_size=plan.batch)
    common = dict(d=plan.d, batch=plan.batch)
    for n in plan.sizes:
        topk = Task(architecture="topk", n_latents=n, sparsity=plan.k, learning_rate=plan.lr, **common)
        if "topk" in given.only:
            beside_toolkits(topk, stream, plan, results)
        if "batch_topk" in given.only:
            beside_toolkits(replace(topk, architecture="batch_topk"), stream, plan, results)
        if "relu_l1" in given.only and n == plan.sizes[0]:
            beside_toolkits(replace(topk, architecture="relu_l1", sparsity=plan.l1), stream, plan, results)
        if "threads" in given.only and n == plan.sizes[-1]:
            two_threads(topk, pretrained(topk, stream, plan), stream, plan, results)
    if "sweep" in given.only:
        tied = Task(
            architecture="tied_l1", n_latents=plan.sizes[0], sparsity=1.0, learning_rate=plan.sweep_lr, **common
        )
        whole_sweep(tied, stream, plan, results)
    say(f"wrote {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
