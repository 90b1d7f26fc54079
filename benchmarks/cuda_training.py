"""Training steps on a GPU: members as one stack against one by one, and where the sparse step in Triton pays.

    stack       steps of `--members` tied L1 members of 2048 latents, as one stack and one after the other by autograd
                (float32, as torch comes); tokens/s of the batch, which all members see.
    crossover   steps of one TopK member, k / n_latents from 2 % down: the sparse step against a stack of one, which is
                the dense step in bfloat16. The first density at which the sparse one is faster is what `SPARSE_BELOW`
                in monosemy.training.cuda should be; today that is an estimate.

Medians of blocks that take turns. Has not run on a GPU so far; where there is none it says so in one line.

    python benchmarks/cuda_training.py [--members 16] [--batch 2048] [--d 512]
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from monosemy.core import torch_generator
from monosemy.dictionaries import LossContext, TiedL1Config, TopKConfig, TrainableDictionary
from monosemy.training import Adam, AutogradStepper
from monosemy.training.cuda import SPARSE_BELOW, MemberStack, TritonStepper, has_triton

RATE, WARM_STEPS, BLOCKS, BLOCK_STEPS = 1e-4, 5, 7, 10


def seconds_a_step(contestants: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The median over blocks of each one's seconds a step; blocks take turns, and end when the GPU has done them."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for step_ in contestants.values():
        for _ in range(WARM_STEPS):
            step_()
    for _ in range(BLOCKS):
        for name, step_ in contestants.items():
            torch.cuda.synchronize()
            begun = time.perf_counter()
            for _ in range(BLOCK_STEPS):
                step_()
            torch.cuda.synchronize()
            times[name].append((time.perf_counter() - begun) / BLOCK_STEPS)
    return {name: statistics.median(found) for name, found in times.items()}


def context_of(module: TrainableDictionary) -> LossContext:
    """No latent is dead."""
    n_latents = len(module.latent_parameters()[0])
    return LossContext(fraction_done=0.0, is_dead=torch.zeros(n_latents, dtype=torch.bool, device="cuda"))


def stack_of(modules: list[TrainableDictionary]) -> MemberStack:
    """A stack, whose members' parameters become views of it."""
    forms = [form for module in modules if (form := module.sparse_form()) is not None]
    return MemberStack(forms, [Adam(module) for module in modules])


def stacked_against_one_by_one(x: Tensor, n_members: int) -> None:
    """Prints tokens/s of both."""

    def members() -> list[TrainableDictionary]:
        configs = [TiedL1Config(coefficient=0.5 + 0.25 * i) for i in range(n_members)]
        return [
            config.build(x.shape[1], 2048, torch_generator(i, "benchmark")).cuda() for i, config in enumerate(configs)
        ]

    alone = members()
    steppers = [AutogradStepper(module, Adam(module)) for module in alone]
    stack, context = stack_of(members()), context_of(alone[0])
    found = seconds_a_step(
        {
            "stacked": lambda: stack.step_(x, [context] * n_members, [RATE] * n_members),
            "one by one": lambda: [stepper.step_(x, context, RATE) for stepper in steppers],
        }
    )
    for name, seconds in found.items():
        print(f"{n_members} tied_l1 of 2048  {name:12} {1e3 * seconds:8.2f} ms  {len(x) / seconds:12,.0f} tokens/s")  # noqa: T201


def crossover(x: Tensor, k: int) -> None:
    """Prints both times at each density, and the highest density at which the sparse step is the faster one."""
    faster: list[float] = []
    for n_latents in (50 * k, 100 * k, 150 * k, 250 * k, 500 * k, 1000 * k):
        config = TopKConfig(k=k)
        one, two = (config.build(x.shape[1], n_latents, torch_generator(0, "benchmark")).cuda() for _ in range(2))
        form, optimizer, context = one.sparse_form(), Adam(one), context_of(one)
        sparse, stack = TritonStepper(form, optimizer, AutogradStepper(one, optimizer), 1.0), stack_of([two])

        def sparse_step(stepper: TritonStepper = sparse, given: LossContext = context) -> object:
            return stepper.step_(x, given, RATE)

        def dense_step(stack: MemberStack = stack, given: LossContext = context) -> object:
            return stack.step_(x, [given], [RATE])

        found = seconds_a_step({"sparse": sparse_step, "dense": dense_step})
        faster += [k / n_latents] if found["sparse"] < found["dense"] else []
        times = "  ".join(f"{name} {1e3 * seconds:7.2f} ms" for name, seconds in found.items())
        print(f"topk k={k} of {n_latents:6} ({k / n_latents:.2%})  {times}")  # noqa: T201
    pays = f"from {max(faster):.2%} down" if faster else "nowhere here"
    print(f"the sparse step pays {pays}; SPARSE_BELOW is {SPARSE_BELOW:.2%}")  # noqa: T201


def main() -> None:
    """See the top of the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for name, default in (("members", 16), ("batch", 2048), ("d", 512), ("k", 32)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("There is no GPU here that torch can use: nothing was measured.")  # noqa: T201
        return
    x = torch.randn(arguments.batch, arguments.d, generator=torch_generator(0, "benchmark-batch")).cuda()
    stacked_against_one_by_one(x, arguments.members)
    if has_triton():
        crossover(x, arguments.k)
    else:
        print("triton is not installed: the sparse step was not measured.")  # noqa: T201


if __name__ == "__main__":
    main()
