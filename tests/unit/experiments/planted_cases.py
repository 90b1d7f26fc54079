"""A tiny model, a text with its activations, a dictionary with a planted latent: for the tests of case studies.

The site is the embeddings: latent PLANTED fires on the token WORD and on no other, SILENT never, the rest anywhere.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from monosemy.activations import StoredDocument
from monosemy.core import Artifact
from monosemy.dictionaries import Dictionary, DictionaryCard, Identity, ReLU, Sparsifier, load_dictionary
from monosemy.experiments.case_bench import CaseBench, opened_bench
from monosemy.lm import ModelSource, Site
from tests.unit.evaluation.rows_in_memory import packed_rows
from tests.unit.experiments.stores_of_experiments import write_dictionary, write_store
from tests.unit.lm.tiny_models import saved_model

SITE, N_WORDS, N_LATENTS, SILENT, PLANTED, WORD = "resid_pre.0", 12, 5, 1, 0, 7


@dataclass(frozen=True)
class PlantedCase:
    """What the jobs are given."""

    source: ModelSource
    store: Artifact
    dictionary: Artifact

    def bench(self, dictionary: Artifact | None = None) -> CaseBench:
        """The bench of the planted dictionary, or of another one."""
        loaded, card = load_dictionary((dictionary or self.dictionary).path)
        return opened_bench(self.source, loaded, card, self.store.path, 0)

    def card(self) -> DictionaryCard:
        return load_dictionary(self.dictionary.path)[1]


def planted_case(folder: Path) -> PlantedCase:
    """Everything, under an empty folder."""
    (folder / "lm").mkdir(parents=True)
    source = ModelSource(name=str(saved_model(folder / "lm", "gpt_neox")), device="cpu")
    documents, packed, place = packed_rows(40, 13, 12, vocabulary=N_WORDS)
    lm = source.load()
    x = lm.capture(torch.from_numpy(packed.tokens.astype(np.int64)), [Site.parse(SITE)])[Site.parse(SITE)]
    store = write_store(
        folder / "store",
        {SITE: x.flatten(0, 1)[torch.from_numpy(place)]},
        tokens=packed.tokens,
        document=packed.document,
        index=packed.index,
        documents=[
            StoredDocument(id=f"d{i}", unit=each.unit, n_tokens=each.n_tokens, first_token=None)
            for i, each in enumerate(documents)
        ],
        lm=lm.fingerprint(),
        split="validation",
    )
    dictionary = write_dictionary(
        folder / "dictionary", planted_dictionary(source, ReLU()), lm=lm.fingerprint(), site=SITE
    )
    return PlantedCase(source, store, dictionary)


def planted_dictionary(source: ModelSource, sparsifier: Sparsifier) -> Dictionary:
    """Latent 0 reads one embedding above all others (the words' own); with Identity the rest take both signs."""
    embedding = source.load().model.get_input_embeddings().weight.detach()  # pyright: ignore
    words = embedding[:N_WORDS] - embedding[:N_WORDS].mean(dim=0)
    # The direction on which this word is 1 and every other one 0, so that half of it separates them.
    reads = torch.linalg.pinv(words)[:, WORD]
    W = torch.randn(N_LATENTS, embedding.shape[1], generator=torch.Generator().manual_seed(4)) / 5
    b = torch.full((N_LATENTS,), -0.1)
    W[PLANTED], b[PLANTED] = reads, -float(reads @ embedding[:N_WORDS].mean(dim=0)) - 0.5
    W[SILENT], b[SILENT] = 0.0, -1.0
    W_dec = W.clone()
    W_dec[PLANTED], W_dec[SILENT] = embedding[WORD], embedding[3]
    if isinstance(sparsifier, Identity):
        b = torch.zeros_like(b)
    return Dictionary(W_enc=W, b_enc=b, W_dec=W_dec, b_dec=torch.zeros(embedding.shape[1]), sparsifier=sparsifier)
