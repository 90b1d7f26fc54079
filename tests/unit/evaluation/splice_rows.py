"""What the tests of splicing share: a tiny model, packed sequences with separators inside, an independent splice."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from monosemy.dictionaries import Dictionary, Identity
from monosemy.evaluation import SpliceReference, SpliceSample, read_reference, sample_sequences, write_reference
from monosemy.lm import LanguageModel, Site
from tests.unit.evaluation.rows_in_memory import MemoryRows, packed_rows
from tests.unit.lm.direct import direct_edit
from tests.unit.lm.tiny_models import CONTEXT, VOCAB

SITES = tuple(Site.parse(name) for name in ("resid_pre.1", "resid_post.1", "mlp_out.1", "mlp_hidden.0"))


def rows() -> MemoryRows:
    """Documents of 9 tokens in rows of 16: every row has a separator or two inside."""
    documents, packed, place = packed_rows(20, 9, CONTEXT, vocabulary=VOCAB)
    return MemoryRows(x={}, place=place, documents=documents, packed=packed)


def means(lm: LanguageModel) -> dict[Site, np.ndarray]:
    return {site: np.linspace(-1, 1, lm.d_site(site)) for site in SITES}


def reference_in(folder: Path, lm: LanguageModel, sample: SpliceSample | None = None) -> SpliceReference:
    folder.mkdir(exist_ok=True)
    write_reference(folder, lm, sample or sample_sequences(rows(), 6, seed=0), means(lm))
    return read_reference(folder)


def affine(d: int, scale: float, shift: np.ndarray | float = 0.0) -> Dictionary:
    """x_hat = scale x + shift."""
    b_dec = torch.zeros(d) + torch.as_tensor(shift, dtype=torch.float32)
    return Dictionary(
        W_enc=torch.eye(d), b_enc=torch.zeros(d), W_dec=scale * torch.eye(d), b_dec=b_dec, sparsifier=Identity()
    )


def replaced(index: np.ndarray) -> np.ndarray:
    """By hand: not the first position of a row, not a separator."""
    return np.array([[at > 0 and number >= 0 for at, number in enumerate(row)] for row in index.tolist()])


def log_probabilities_with(lm: LanguageModel, site: Site, dictionary: Dictionary, sample: SpliceSample) -> Tensor:
    """Float64 log p of the passes in which hooks of our own replace x by the dictionary's reconstruction."""
    at = torch.from_numpy(replaced(sample.index))[:, :, None]
    w_enc, w_dec = dictionary.W_enc.double(), dictionary.W_dec.double()

    def change(x: Tensor) -> Tensor:
        pre = x @ w_enc.T + dictionary.b_enc.double()
        z = dictionary.sparsifier(pre.flatten(0, 1)).view_as(pre)
        return torch.where(at, z @ w_dec + dictionary.b_dec.double(), x)

    tokens = torch.from_numpy(sample.tokens).long()
    return direct_edit(lm.model, tokens, site.layer, site.location, change).log_softmax(-1)[:, :-1]


def sums_by_hand(values: np.ndarray, sample: SpliceSample) -> np.ndarray:
    """Sums [units] of a value of each prediction whose target is a token, for the target's unit."""
    totals = np.zeros(len(sample.units))
    for row in range(len(sample.tokens)):
        for at in range(sample.tokens.shape[1] - 1):
            if sample.index[row, at + 1] >= 0:
                totals[sample.unit[row, at + 1]] += values[row, at]
    return totals


def nats(log_p: Tensor, sample: SpliceSample) -> np.ndarray:
    targets = torch.from_numpy(sample.tokens[:, 1:]).long()
    return -log_p.gather(2, targets[:, :, None])[:, :, 0].numpy()
