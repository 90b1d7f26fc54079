"""How much of a planted truth each architecture finds, over seeds of data and weights, beside random directions.

The toy recipe of the paper's replication: 256 dimensions, 512 features of which about 5 are active, one correlated draw
a batch; dictionaries of 1,024 latents, 4,000 batches of 256. `relu_l1` is trained as there: raw activations, neither
centered nor scaled, loss mean (x - x_hat)^2 + .316 |z|_1 / n_latents. The others have activations of root mean square 1
and the settings below. "small" is a quick look at the same in 64 dimensions with 128 features.

    mmcs     mean over the true directions of the largest cosine to a decoder row
    floor    the same for as many random directions
    found    share of the true directions with a cosine above .9
    l0       active latents a sample in the last tenth of the steps

Run with `python benchmarks/recovery.py [full|small] [n_seeds] [name ...]`; prints a row for each architecture.
"""

import sys
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from monosemy.core import numpy_generator
from monosemy.corpus import PlantedConfig, PlantedData
from monosemy.dictionaries import (
    Architecture,
    BatchTopKConfig,
    GatedConfig,
    JumpReLUConfig,
    MatryoshkaConfig,
    NormWeightedL1Config,
    ReLUL1Config,
    TiedL1Config,
    TopKConfig,
)
from monosemy.evaluation import mcs, mmcs
from monosemy.training import BatchStream, Learner, Member, calibrate_, train_members

SITE = "planted"


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """A truth and how long dictionaries learn from it."""

    d: int
    n_features: int
    mean_active: float
    n_latents: int
    n_steps: int
    batch_size: int = 256


SIZES = {
    "full": Size(d=256, n_features=512, mean_active=5.0, n_latents=1024, n_steps=4000),
    "small": Size(d=64, n_features=128, mean_active=3.0, n_latents=256, n_steps=1500),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """An architecture, given the number of latents, and its training. scaled: to a root mean square of 1."""

    architecture: Callable[[int], Architecture]
    learning_rate: float
    scaled: bool = True
    sparsity_warm_up_fraction: float = 0.0


_PREFIXES = (0.5, 1.0)
RECIPES = {
    "relu_l1": Recipe(
        architecture=lambda n: ReLUL1Config(coefficient=0.316 / n, reduction="mean", decoder_bias=False),
        learning_rate=1e-3,
        scaled=False,
    ),
    "tied_l1": Recipe(architecture=lambda _: TiedL1Config(coefficient=1.0), learning_rate=3e-3),
    "norm_weighted_l1": Recipe(architecture=lambda _: NormWeightedL1Config(coefficient=1.0), learning_rate=3e-3),
    "topk": Recipe(architecture=lambda _: TopKConfig(k=5), learning_rate=3e-3),
    "batch_topk": Recipe(architecture=lambda _: BatchTopKConfig(k=5), learning_rate=3e-3),
    "matryoshka": Recipe(architecture=lambda _: MatryoshkaConfig(k=5, prefix_fractions=_PREFIXES), learning_rate=3e-3),
    "jumprelu": Recipe(
        architecture=lambda _: JumpReLUConfig(coefficient=3.0), learning_rate=3e-3, sparsity_warm_up_fraction=0.1
    ),
    "gated": Recipe(architecture=lambda _: GatedConfig(coefficient=2.0), learning_rate=3e-3),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Recovery:
    """What was found of the truth; see the top of the file."""

    mmcs: float
    floor: float
    found: float
    l0: float


def recover(name: str, size: Size, seed: int) -> Recovery:
    """Train one dictionary on one truth, both of this seed."""
    recipe = RECIPES[name]
    config = PlantedConfig(d=size.d, n_features=size.n_features, mean_active=size.mean_active, draw="legacy", seed=seed)
    data = PlantedData(config)

    def batches(state: Mapping[str, int] | None) -> Generator[tuple[dict[str, Tensor], dict[str, int]], None, None]:
        number = 0 if state is None else state["batch"]
        for x in data.batches(size.batch_size, number):
            number += 1
            yield {SITE: torch.from_numpy(x)}, {"batch": number}

    # Of batches that no training comes to; thresholds are calibrated on them, too.
    sample = np.concatenate([data.batch(1_000_000 + i, 256) for i in range(40)]).astype(np.float64)
    mean = sample.mean(axis=0)
    scale = float(np.sqrt(np.square(sample - mean).mean())) if recipe.scaled else 1.0
    member = Member(
        name=f"{name}-seed{seed}",
        method=name,
        site=SITE,
        architecture=recipe.architecture(size.n_latents),
        n_latents=size.n_latents,
        seed=seed,
        learning_rate=recipe.learning_rate,
        n_steps=size.n_steps,
        batch_size=size.batch_size,
        warm_up_steps=0,
        decay_fraction=0.0 if name == "relu_l1" else 0.2,
        dead_after_tokens=100 * size.batch_size,
        sparsity_warm_up_steps=round(recipe.sparsity_warm_up_fraction * size.n_steps),
    )

    def calibrate(learner: Learner) -> None:
        calibrate_(learner.module, lambda: [learner.normalize(torch.from_numpy(sample).float())])

    trained = train_members([member], BatchStream(open=batches), {SITE: (mean, scale)}, before_export=calibrate)[0]
    if trained.dictionary is None:
        raise RuntimeError(f"{member.name} failed: {trained.failure}")
    truth, rows = torch.from_numpy(data.features), trained.dictionary.W_dec.double()
    random = torch.from_numpy(numpy_generator(seed, "recovery-floor").standard_normal(tuple(rows.shape)))
    cosines = mcs(truth, rows)
    return Recovery(
        mmcs=float(cosines.mean()),
        floor=mmcs(truth, random),
        found=float((cosines > 0.9).mean()),
        l0=trained.l0_train,
    )


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    size = SIZES[sys.argv[1] if len(sys.argv) > 1 else "full"]
    n_seeds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    sys.stdout.write(f"{'':<18}{'worst':>7}{'mean':>7}{'floor':>7}{'found':>7}{'l0':>7}{'s':>7}   mmcs of each seed\n")
    for name in sys.argv[3:] or RECIPES:
        begun = time.monotonic()
        runs = [recover(name, size, seed) for seed in range(n_seeds)]
        seconds = (time.monotonic() - begun) / n_seeds
        each = [run.mmcs for run in runs]
        means = [float(np.mean([getattr(run, field) for run in runs])) for field in ("mmcs", "floor", "found", "l0")]
        figures = "".join(f"{value:7.3f}" for value in (min(each), *means[:3]))
        listed = " ".join(f"{value:.3f}" for value in each)
        sys.stdout.write(f"{name:<18}{figures}{means[3]:7.2f}{seconds:7.1f}   {listed}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
