"""Write the small SAELens folders of the tests: what SAELens saved, inputs, and what SAELens computes from them.

    make bench-env
    .venv-bench/bin/python benchmarks/make_saelens_fixtures.py

makes tests/data/saelens/<case>/ anew: the folder as SAELens left it and `expected.safetensors` with x, z and x_hat.
"""

import shutil
from pathlib import Path

import safetensors.torch
from saelens_cases import CASES, Sizes, inputs

TARGET = Path(__file__).resolve().parents[1] / "tests" / "data" / "saelens"
SIZES = Sizes(d=6, n_latents=10, k=3, seed=7)


def main() -> None:
    """Write every case."""
    shutil.rmtree(TARGET, ignore_errors=True)
    for case in CASES:
        folder = TARGET / case.name
        reference = case.write(folder, SIZES)
        x = inputs(SIZES, 16)
        z, x_hat = reference(x)
        tensors = {"x": x, "z": z.contiguous(), "x_hat": x_hat.contiguous()}
        safetensors.torch.save_file(tensors, folder / "expected.safetensors")
        n_bytes = sum(file.stat().st_size for file in folder.iterdir())
        print(f"{case.name:24} {n_bytes:6} bytes, L0 {(z != 0).sum(1).float().mean():.1f}")  # noqa: T201


if __name__ == "__main__":
    main()
