"""One scale for a decoder whose directions are given."""

import torch

from monosemy.baselines.moments import Batches, first_rows
from monosemy.core import UserError
from monosemy.dictionaries import Dictionary

N_ROWS = 1 << 16
"""So many rows tell the scale, and the mean, to a fraction of a percent."""

_BLOCK_ROWS = 4096


def rescaled(dictionary: Dictionary, batches: Batches, n_rows: int = N_ROWS) -> Dictionary:
    """The same encoder and directions, with the scale and offset of the decoder that minimize E |x - x_hat|^2.

        x_hat = mean(x) + s (u - mean(u)),   u = z W_dec,   s = E (x - mean(x)).(u - mean(u)) / E |u - mean(u)|^2

    over the first `n_rows` rows, in float64. One number for all latents, so directions and choices of a top-k form
    stay. It is meant for random directions, whose responses overlap: the sum of k of n answers is no estimate of x.
    Raises UserError as `second_moments`, and when the dictionary's reconstruction is constant.
    """
    x = first_rows(batches, n_rows)
    blocks = x.split(_BLOCK_ROWS)
    W_dec = dictionary.W_dec.cpu().to(torch.float64)
    u = torch.cat([dictionary.encode(block.to(torch.float32)).to(torch.float64) @ W_dec for block in blocks])
    x64 = x.to(torch.float64)
    mean_x, mean_u = x64.mean(dim=0), u.mean(dim=0)
    spread = (u - mean_u).square().sum()
    if not spread > 0:
        raise UserError("the dictionary reconstructs every activation alike, so it has no scale; it has no live latent")
    scale = ((x64 - mean_x) * (u - mean_u)).sum() / spread
    return Dictionary(
        W_enc=dictionary.W_enc,
        b_enc=dictionary.b_enc,
        W_dec=(scale * W_dec).to(torch.float32),
        b_dec=(mean_x - scale * mean_u).to(torch.float32),
        sparsifier=dictionary.sparsifier,
    )
