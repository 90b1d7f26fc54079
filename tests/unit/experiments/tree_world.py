"""The embedded model's activations on a little text, and random dictionaries of three layers, as artifacts."""

from pathlib import Path

import numpy as np
import torch

from monosemy.activations import StoredDocument
from monosemy.core import Artifact
from monosemy.corpus import StdlibCorpus
from monosemy.dictionaries import Dictionary, TopK
from monosemy.lm import ModelSource, Site
from tests.unit.experiments.stores_of_experiments import write_dictionary, write_store

SOURCE = ModelSource()
N_LATENTS, CONTEXT, N_SEQUENCES = 24, 32, 12
SITES = tuple(Site(layer, "resid_post") for layer in range(3))
DEAD = N_LATENTS - 1


def write_texts(folder: Path) -> tuple[Artifact, Artifact]:
    """Validation and test: rows of two documents."""
    lm = SOURCE.load()
    stores = []
    for split in ("validation", "test"):
        document = max(StdlibCorpus().tokenized(split), key=lambda each: len(each.tokens))
        tokens = np.array(document.tokens[: N_SEQUENCES * CONTEXT], dtype=np.int64).reshape(N_SEQUENCES, CONTEXT)
        captured = lm.capture(torch.from_numpy(tokens), SITES)
        index = np.arange(tokens.size).reshape(tokens.shape)
        stores.append(
            write_store(
                folder / split,
                {str(site): captured[site][:, 1:].reshape(-1, lm.d_model).clone() for site in SITES},
                tokens=tokens,
                document=np.zeros_like(tokens),
                index=index,
                documents=[StoredDocument(id=document.id, unit=document.unit, n_tokens=tokens.size, first_token=None)],
                lm=lm.fingerprint(),
                split=split,
            )
        )
    return stores[0], stores[1]


def write_dictionaries(folder: Path) -> list[Artifact]:
    """One a site, with random directions; the last latent of each never fires."""
    made = []
    for site in SITES:
        W = torch.randn(N_LATENTS, SOURCE.load().d_model, generator=torch.Generator().manual_seed(site.layer))
        W /= W.norm(dim=1, keepdim=True)
        bias = torch.zeros(N_LATENTS)
        bias[DEAD] = -1e4
        dictionary = Dictionary(W_enc=W, b_enc=bias, W_dec=W.clone(), b_dec=torch.zeros(W.shape[1]), sparsifier=TopK(6))
        name = f"topk-{site}-seed0"
        made.append(
            write_dictionary(
                folder / name, dictionary, name, site=str(site), lm=SOURCE.load().fingerprint(), sparsity="k=6"
            )
        )
    return made
