"""Throughput of capturing every resid_post site at once, against the bare forward pass of the same model.

The three are run in turn, round after round, so that whatever else the machine does meets all alike; each round gives
one ratio of speeds, and the median over the rounds is printed with its quartiles.

    bare        the Hugging Face model in inference mode, logits and all
    body        the same without the unembedding: what a capture that stops after the last block has to compute
    capture     LanguageModel.capture of every resid_post site
    run         LanguageModel.run: logits and every resid_post site

Run with `python benchmarks/capture.py [n_rounds] [cpu|cuda]`; the model has the embedded model's sizes.
"""

import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from tokenizers import Tokenizer, models

from monosemy.lm import Architecture, LanguageModel, build, wrap

BATCH = 32


def model(device: str) -> LanguageModel:
    """A randomly initialized model of the embedded model's sizes; speed does not depend on the weights."""
    lm = wrap(build(Architecture(), seed=0), Tokenizer(models.BPE()), "benchmark")
    torch.nn.Module.to(lm.model, torch.device(device))
    return lm


def contestants(lm: LanguageModel) -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, lm.vocab_size, (BATCH, lm.context_length), generator=generator).to(lm.device)
    sites = lm.sites("resid_post")
    body = lm.model.base_model

    @torch.inference_mode()
    def bare() -> object:
        return lm.model(tokens, use_cache=False)

    @torch.inference_mode()
    def without_unembedding() -> object:
        return body(tokens, use_cache=False)

    return {
        "bare": bare,
        "body": without_unembedding,
        "capture": lambda: lm.capture(tokens, sites),
        "run": lambda: lm.run(tokens, sites),
    }


def seconds(fn: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """(wall, processor) seconds of one call; processor seconds are those of this process, whoever else is busy."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    wall, cpu = time.perf_counter(), time.process_time()
    fn()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - wall, time.process_time() - cpu


def report(name: str, ratios: np.ndarray) -> str:
    low, median, high = np.quantile(ratios, [0.25, 0.5, 0.75])
    return f"{name:<16} {100 * median:6.1f} %   quartiles {100 * low:.1f} to {100 * high:.1f} %"


def main(n_rounds: int, device: str) -> None:
    lm = model(device)
    runs = contestants(lm)
    times = {name: np.zeros((n_rounds, 2)) for name in runs}
    for name in runs:
        seconds(runs[name], lm.device)  # the first call allocates
    for i in range(n_rounds):
        names = list(runs) if i % 2 == 0 else list(reversed(runs))
        for name in names:
            times[name][i] = seconds(runs[name], lm.device)
    n_tokens = BATCH * lm.context_length
    lines = [
        f"{n_rounds} rounds of {BATCH} x {lm.context_length} tokens, {torch.get_num_threads()} threads, {lm.device}"
    ]
    lines += [f"{name:<16} {n_tokens / np.median(t[:, 0]):12,.0f} tokens/s" for name, t in times.items()]
    for kind, clock in enumerate(("wall", "processor")):
        for a, b in (("capture", "bare"), ("capture", "body"), ("run", "bare")):
            lines.append(report(f"{a} / {b}", times[b][:, kind] / times[a][:, kind]) + f"   ({clock} time)")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30, sys.argv[2] if len(sys.argv) > 2 else "cpu")
