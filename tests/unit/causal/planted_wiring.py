"""A model of three layers whose wiring is known, its dictionaries and its text: what a causal tree must find.

    resid_post.0 = C c + sum_j z_j d_j              z: what the token says, some of CAUSE_HERE, CAUSE_BEFORE, DECOY, ...
    resid_post.1 = resid_post.0 + u (z_here + GAIN mean over positions of z_before)       one neuron, one uniform head
    resid_post.2 = resid_post.1 + v u-part of resid_post.1                                          one neuron

all directions orthonormal and without mean. C is large, so that a LayerNorm divides by almost the same number whatever
is ablated: an unrelated latent changes another one by a share of about z^2 / 2 C^2.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from monosemy.causal import LayerTexts, read_site_text
from monosemy.dictionaries import Dictionary, ReLU
from monosemy.lm import LanguageModel, Site
from tests.unit.evaluation.rows_in_memory import MemoryDocument, MemoryRows, MemorySequences
from tests.unit.lm.tiny_models import tiny_tokenizer

D, N_FEATURES, VOCAB, SEQ = 24, 6, 280, 12
CONSTANT, GAIN = 100.0, 2.0
CAUSE_HERE, CAUSE_BEFORE, DECOY = 0, 1, 2
MIDDLE, TARGET = 0, 0
"""Latents of resid_post.1 and resid_post.2 that the wiring makes; the others copy the features."""
SITES = tuple(Site(layer, "resid_post") for layer in range(3))


@dataclass(frozen=True)
class Planted:
    lm: LanguageModel
    z: Tensor
    layers: tuple[LayerTexts, ...]
    stores: tuple[MemoryRows, MemoryRows]


def directions() -> Tensor:
    """Orthonormal rows without mean: the constant, the features, the two written directions."""
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(D, N_FEATURES + 3, generator=generator, dtype=torch.float64)
    return torch.linalg.qr(raw - raw.mean(dim=0)).Q.T


def features() -> Tensor:
    """What each token says [vocab features]; the decoy stands wherever the first cause does."""
    generator = torch.Generator().manual_seed(1)
    z = torch.rand(VOCAB, N_FEATURES, generator=generator, dtype=torch.float64) + 1.0
    z *= torch.rand(VOCAB, N_FEATURES, generator=generator) < 0.35
    z[:, DECOY] = z[:, CAUSE_HERE]
    return z


@torch.no_grad()
def planted_lm(z: Tensor) -> LanguageModel:
    config = GPTNeoXConfig(
        vocab_size=VOCAB,
        hidden_size=D,
        num_hidden_layers=3,
        num_attention_heads=1,
        intermediate_size=2,
        max_position_embeddings=SEQ,
        hidden_act="relu",
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = GPTNeoXForCausalLM(config).double()
    for name, parameter in model.named_parameters():
        parameter.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)
    q = directions()
    written, last = q[N_FEATURES + 1], q[N_FEATURES + 2]
    undo = CONSTANT / D**0.5  # what the norms divide by
    parameters = dict(model.named_parameters())
    parameters["gpt_neox.embed_in.weight"].copy_(CONSTANT * q[0] + z @ q[1 : N_FEATURES + 1])
    model.get_output_embeddings().weight[1], model.get_output_embeddings().weight[2] = last, -last
    parameters["gpt_neox.layers.1.mlp.dense_h_to_4h.weight"][0] = undo * q[1 + CAUSE_HERE]
    parameters["gpt_neox.layers.1.mlp.dense_4h_to_h.weight"][:, 0] = written
    parameters["gpt_neox.layers.1.attention.query_key_value.weight"][2 * D] = undo * q[1 + CAUSE_BEFORE]
    parameters["gpt_neox.layers.1.attention.dense.weight"][:, 0] = GAIN * written
    parameters["gpt_neox.layers.2.mlp.dense_h_to_4h.weight"][0] = undo * written
    parameters["gpt_neox.layers.2.mlp.dense_4h_to_h.weight"][:, 0] = last
    return LanguageModel(model, tiny_tokenizer(), "planted")


def planted_dictionary(layer: int) -> Dictionary:
    """ReLU latents along the features, in the later layers after one along the direction written there; one is dead."""
    q = directions()
    rows = list(q[1 : N_FEATURES + 1])
    if layer:
        rows = [q[N_FEATURES + layer], *rows]
    bias = torch.zeros(len(rows) + 1, dtype=torch.float64)
    bias[-1] = -100.0
    rows.append(q[1])
    directions_ = torch.stack(rows)
    return Dictionary(
        W_enc=directions_, b_enc=bias, W_dec=directions_.clone(), b_dec=CONSTANT * q[0], sparsifier=ReLU()
    )


def planted_store(lm: LanguageModel, seed: int, n_sequences: int = 40) -> MemoryRows:
    tokens = np.random.default_rng(seed).integers(0, VOCAB, (n_sequences, SEQ)).astype(np.int32)
    captured = lm.capture(torch.from_numpy(tokens).long(), SITES)
    recorded = np.ones(tokens.shape, dtype=np.bool_)
    recorded[:, 0] = False
    place = np.flatnonzero(recorded).astype(np.int64)
    return MemoryRows(
        x={str(site): captured[site].flatten(0, 1)[place].clone() for site in SITES},
        place=place,
        documents=[MemoryDocument(unit="u", first_token=0)],
        packed=MemorySequences(tokens=tokens, document=np.zeros_like(tokens), index=np.ones_like(tokens)),
        rows_per_chunk=100,
    )


def planted() -> Planted:
    z = features()
    lm = planted_lm(z)
    stores = planted_store(lm, 0), planted_store(lm, 1)
    layers = []
    for layer, site in enumerate(SITES):
        texts = [read_site_text(f"planted-{layer}-seed0", planted_dictionary(layer), store, site) for store in stores]
        layers.append(LayerTexts(fit=texts[0], score=texts[1]))
    return Planted(lm=lm, z=z, layers=tuple(layers), stores=stores)
