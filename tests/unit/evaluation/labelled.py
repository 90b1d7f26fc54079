"""What the tests of label scores share: invented labels on invented rows, and codes that hold them with noise."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from monosemy.core import numpy_generator
from monosemy.corpus import FrozenLabel, Split
from monosemy.evaluation import LabelData, labelled_rows

N_ROWS, N_DOCUMENTS, N_UNITS = 1200, 24, 12
BASE_RATES = (0.5, 0.2, 0.12, 0.3, 0.15)


def frozen(name: str, *, contextual: bool = True) -> FrozenLabel:
    zero = {"train": 0, "validation": 0, "test": 0}
    return FrozenLabel(
        name=name, family="syntax", definition=f"It is {name}.", values_plane=0, scored_plane=0, n_scored=zero,
        n_positive=zero, n_documents=zero, table_f1=0.2 if contextual else 0.9,
    )  # fmt: skip


def labels(seed: int = 0, split: Split = "validation", *, n_rows: int = N_ROWS, rare: bool = False) -> LabelData:
    """Five labels, the even ones contextual, two of them scored on a part of the rows; `rare` adds a sixth."""
    random = numpy_generator(seed, "test-labels")
    rates = (*BASE_RATES, 0.01) if rare else BASE_RATES
    values = random.random((n_rows, len(rates))) < rates
    scored = np.ones(values.shape, dtype=bool)
    scored[:, 1] = scored[:, 3] = random.random(n_rows) < 0.7
    document = np.sort(random.integers(N_DOCUMENTS, size=n_rows))
    return labelled_rows(
        values, scored, unit=document // 2, document=document, units=tuple(f"u{i:02}" for i in range(N_UNITS)),
        labels=[frozen(f"label_{i}", contextual=i % 2 == 0) for i in range(len(rates))], split=split,
    )  # fmt: skip


def noisy_codes(data: LabelData, n_latents: int = 7, *, signed: bool, sparse: bool, seed: int = 0) -> np.ndarray:
    """Latents that follow labels 0..4 (in sign - where signed and odd), and others that follow none; float32."""
    random = numpy_generator(seed, "test-codes")
    z = random.normal(size=(data.n_rows, n_latents))
    for latent in range(min(n_latents, 5)):
        z[:, latent] += 1.5 * data.values[:, latent] * (-1 if signed and latent % 2 else 1)
    z = z if signed else np.maximum(z, 0.0)
    if sparse:
        z *= np.abs(z) > 1.3
    return z.astype(np.float32)


def codes_of(z: np.ndarray, block: int = 100) -> Callable[..., Iterator[Tensor]]:
    """Latents in blocks, as `Codes` gives them."""

    def codes(every: int = 1) -> Iterator[Tensor]:
        yield from torch.from_numpy(z[::every]).split(block)

    return codes
