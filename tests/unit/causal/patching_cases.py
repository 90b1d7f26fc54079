"""Pairs, dictionaries and a direct computation, for the tests of patching."""

import torch
from torch import Tensor

from monosemy.corpus.tasks import Pair
from monosemy.dictionaries import Dictionary, Identity, ReLU
from monosemy.lm import LanguageModel, Site, replace
from tests.unit.lm.tiny_models import D_MODEL, VOCAB

KINDS = ((7, 3), (7, 3), (9, 3), (5, 0), (9, 6), (6, 5), (7, 3))
"""Of each pair the prompts' length and the first position at which they differ."""


def tiny_pairs(kinds: tuple[tuple[int, int], ...] = KINDS, seed: int = 0) -> list[Pair]:
    generator = torch.Generator().manual_seed(seed)
    pairs = []
    for length, first in kinds:
        clean = torch.randint(0, VOCAB, (length,), generator=generator).tolist()
        corrupt = list(clean)
        corrupt[first] = (corrupt[first] + 7) % VOCAB
        if first + 2 < length:
            corrupt[first + 2] = (corrupt[first + 2] + 5) % VOCAB
        pairs.append(pair_of(tuple(clean), tuple(corrupt)))
    return pairs


def pair_of(clean: tuple[int, ...], corrupt: tuple[int, ...]) -> Pair:
    return Pair(
        task="copy",
        template="tiny",
        clean_text="a",
        corrupt_text="b",
        clean_ids=clean,
        corrupt_ids=corrupt,
        answer_ids=(1,),
        wrong_ids=(2,),
    )


def sparse_dictionary(n_latents: int = 30, d_site: int = D_MODEL, seed: int = 0) -> Dictionary:
    """Random directions, ReLU, few latents active: most latents are alike in both prompts of a pair."""
    generator = torch.Generator().manual_seed(seed)
    W_enc = torch.randn(n_latents, d_site, generator=generator, dtype=torch.float64)
    return Dictionary(
        W_enc=W_enc,
        b_enc=torch.full((n_latents,), -1.5 * float(W_enc.norm(dim=1).mean()), dtype=torch.float64),
        W_dec=torch.randn(n_latents, d_site, generator=generator, dtype=torch.float64) / d_site**0.5,
        b_dec=torch.randn(d_site, generator=generator, dtype=torch.float64),
        sparsifier=ReLU(),
    )


def perfect_dictionary(d_site: int = D_MODEL, seed: int = 0) -> Dictionary:
    """Orthonormal rows, identity: reconstructs everything."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.linalg.qr(torch.randn(d_site, d_site, generator=generator, dtype=torch.float64))[0]
    zeros = torch.zeros(d_site, dtype=torch.float64)
    return Dictionary(W_enc=rows, b_enc=zeros, W_dec=rows.clone(), b_dec=zeros.clone(), sparsifier=Identity())


def direct_kl(
    lm: LanguageModel, site: Site, dictionary: Dictionary, pair: Pair, latents: set[int]
) -> tuple[float, float]:
    """KL(patched || target) and the mean edit norm of one pair: one position and one latent after the other."""
    clean, corrupt = torch.tensor([pair.clean_ids]), torch.tensor([pair.corrupt_ids])
    base, target = (lm.capture(tokens, [site])[site][0].double() for tokens in (clean, corrupt))
    x = base.clone()
    for s in range(len(base)):
        z_base, z_target = (dictionary.encode(each[s][None])[0] for each in (base, target))
        for j in latents:
            x[s] += (z_target[j] - z_base[j]) * dictionary.W_dec[j]
    patched = lm.splice(clean, [replace(site, x[None].to(lm.dtype))])[0, -1].double()
    return kl(patched, lm.logits(corrupt)[0, -1].double()), float((x - base).norm(dim=1).mean())


def kl(patched: Tensor, target: Tensor) -> float:
    p, q = patched.softmax(-1), target.softmax(-1)
    return float(sum(a * (a.log() - b.log()) for a, b in zip(p, q, strict=True)))
