"""Monosemy and SAELens on each other's folders: the largest differences of latents and reconstructions.

    make bench-env
    .venv-bench/bin/python benchmarks/saelens_equality.py

Reading: every architecture and option of `saelens_cases.py`, written by SAELens, read by both. Writing: a dictionary of
every sparsifier that SAELens has, written by Monosemy, read by both. Differences are relative to the largest value;
`choice` is the fraction of latents that are active in one and not in the other (a pre-activation may lie within
rounding of a threshold). Exits with 1 where a difference is above 1e-5, or a choice above 1e-4.
"""

import sys
import tempfile
from pathlib import Path

import sae_lens  # pyright: ignore[reportMissingImports]
import torch
from saelens_cases import CASES, Reference, Sizes, inputs, runs

from monosemy.dictionaries import AbsTopK, Dictionary, JumpReLU, ReLU, Sparsifier, TopK
from monosemy.dictionaries.formats import SaelensInfo, read_saelens, write_saelens

SIZES = Sizes(d=64, n_latents=256, k=16, seed=11)
BATCH = 1024
INFO = SaelensInfo(model_name="EleutherAI/pythia-70m", hook_name="blocks.3.hook_resid_post", context_size=128)


def differences(dictionary: Dictionary, reference: Reference) -> tuple[float, float, float]:
    """(latents, reconstructions, choice) on the same activations."""
    x = inputs(SIZES, BATCH)
    z, x_hat = dictionary.encode(x), dictionary.reconstruct(x)
    their_z, their_x_hat = reference(x)
    choice = ((z != 0) != (their_z != 0)).double().mean().item()
    same = ((z != 0) == (their_z != 0)).all(dim=1)
    return (
        ((z - their_z)[same].abs().max() / their_z.abs().max()).item(),
        ((x_hat - their_x_hat)[same].abs().max() / their_x_hat.abs().max()).item(),
        choice,
    )


def random_dictionary(sparsifier: Sparsifier, dtype: torch.dtype) -> Dictionary:
    """Weights of no particular kind."""
    generator = torch.Generator().manual_seed(SIZES.seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=dtype)

    return Dictionary(
        W_enc=draw(SIZES.n_latents, SIZES.d) / 8,
        b_enc=draw(SIZES.n_latents),
        W_dec=draw(SIZES.n_latents, SIZES.d) / 8,
        b_dec=draw(SIZES.d),
        sparsifier=sparsifier,
    )


def main() -> int:
    """Compare, print, and say whether all is equal."""
    is_equal = True
    rows: list[tuple[str, tuple[float, float, float]]] = []
    theta = torch.rand(SIZES.n_latents, generator=torch.Generator().manual_seed(1))
    sparsifiers = {
        "ReLU": (ReLU(), torch.float32),
        "ReLU float64": (ReLU(), torch.float64),
        "TopK": (TopK(SIZES.k), torch.float32),
        "AbsTopK": (AbsTopK(SIZES.k), torch.float32),
        "JumpReLU": (JumpReLU(theta), torch.float32),
    }
    with tempfile.TemporaryDirectory() as temporary:
        for case in CASES:
            folder = Path(temporary) / case.name
            reference = case.write(folder, SIZES)
            rows.append((f"read {case.name}", differences(read_saelens(folder)[0], reference)))
        for name, (sparsifier, dtype) in sparsifiers.items():
            folder = Path(temporary) / f"written {name}"
            dictionary = random_dictionary(sparsifier, dtype)
            write_saelens(dictionary, folder, INFO)
            rows.append((f"write {name}", differences(dictionary, runs(sae_lens.SAE.load_from_disk(folder)))))
    print(f"sae-lens {sae_lens.__version__}, torch {torch.__version__}; {BATCH} activations of width {SIZES.d}")  # noqa: T201
    print(f"{'folder':32} {'latents':>9} {'x_hat':>9} {'choice':>9}")  # noqa: T201
    for name, (z, x_hat, choice) in rows:
        print(f"{name:32} {z:9.1e} {x_hat:9.1e} {choice:9.1e}")  # noqa: T201
        is_equal &= z <= 1e-5 and x_hat <= 1e-5 and choice <= 1e-4
    print("equal" if is_equal else "NOT equal")  # noqa: T201
    return 0 if is_equal else 1


if __name__ == "__main__":
    sys.exit(main())
