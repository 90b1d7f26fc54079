"""The sparse form of a dense dictionary, to compare methods at one number of active latents."""

from monosemy.core import UserError
from monosemy.dictionaries import AbsTopK, Dictionary, Identity, ReLU, TopK


def top_k_form(dictionary: Dictionary, k: int) -> Dictionary:
    """The same encoder and decoder with only the k largest responses of each token kept.

    Signed dictionaries (Identity) keep the k largest |z_i| with their signs: exactly k latents a token. Those with ReLU
    keep the k largest positive responses: at most k. Responses are ranked in the unit in which the method gives them:

    - neurons: raw coordinates of the activation, mean included;
    - random: the responses to unit directions, mean subtracted;
    - PCA: the coefficients on orthonormal directions, mean subtracted; the best k of its directions for each token;
    - ICA: sources of unit variance, so a source far out of its usual range wins over a large one that is always there.

    Nothing is fitted anew. For PCA, ICA and neurons the decoder needs nothing else; for random directions, which
    overlap, `rescaled` gives the decoder the scale that fits k of them. Raises UserError when k is not from 1 to
    n_latents, and for a dictionary that is sparse already.
    """
    if not 1 <= k <= dictionary.n_latents:
        raise UserError(
            f"k is {k}; a dictionary of {dictionary.n_latents} latents can keep 1 to {dictionary.n_latents}"
        )
    if isinstance(dictionary.sparsifier, Identity):
        return dictionary.with_sparsifier(AbsTopK(k))
    if isinstance(dictionary.sparsifier, ReLU):
        return dictionary.with_sparsifier(TopK(k))
    name = type(dictionary.sparsifier).__name__
    raise UserError(f"a top-k form is made of a dictionary with Identity or ReLU; this one has {name} already")
