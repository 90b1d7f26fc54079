"""Named, independent streams of random numbers; nothing in the package draws from a global one."""

import hashlib

import numpy as np
import torch


def torch_generator(seed: int, purpose: str, rank: int = 0, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator of its own for (seed, purpose, rank), the same in every process and on every machine.

    The values drawn depend on the kind of device. PyTorch's CPU generator keeps 32 bits of its seed, so two of n
    streams coincide with probability about n^2 / 2^33 (1e-4 for a thousand streams).
    """
    generator = torch.Generator(device=device)
    generator.manual_seed(int.from_bytes(_digest(seed, purpose, rank)[:8], "big") >> 1)  # torch takes 63 bits
    return generator


def numpy_generator(seed: int, purpose: str, rank: int = 0) -> np.random.Generator:
    """A numpy generator (PCG64, whose stream numpy keeps from version to version) for (seed, purpose, rank)."""
    return np.random.Generator(np.random.PCG64(int.from_bytes(_digest(seed, purpose, rank), "big")))


def _digest(seed: int, purpose: str, rank: int) -> bytes:
    """sha256 of "seed/purpose/rank"; distinct triples have distinct texts, as only the purpose may hold a slash."""
    if not purpose or rank < 0:
        raise ValueError(f"a stream needs a purpose and a rank >= 0, not {purpose!r} and {rank}")
    return hashlib.sha256(f"{seed}/{purpose}/{rank}".encode()).digest()
