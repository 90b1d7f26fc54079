"""How one latent answers when the text before it is changed: tokens taken away, put in front, put behind, repeated.

Every text is read from the beginning: the model's beginning-of-sequence token, where it has one, then the text's
tokens. What is read is the latent at the text's last token. Source: Cunningham et al. 2023 (arXiv 2309.08600),
section 5 and appendix D; their notebooks' minimal texts were made by hand, `minimal_text` is a rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import torch
from jaxtyping import Float64

from monosemy.core import UserError
from monosemy.dictionaries import Dictionary
from monosemy.lm import LanguageModel, Site

Text = tuple[int, ...]
SweepSide = Literal["before", "behind"]

_BATCH_TOKENS = 8192


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LatentReader:
    """Texts, as token ids -> the latent at the last token of each, float64."""

    lm: LanguageModel
    site: Site
    dictionary: Dictionary
    latent: int

    @property
    def prefix(self) -> Text:
        """What stands before every text: the model's beginning-of-sequence token, or nothing."""
        return () if self.lm.bos_id is None else (self.lm.bos_id,)

    def __call__(self, texts: Sequence[Text]) -> Float64[np.ndarray, " n"]:
        """The latent at the last token of each text (at the beginning-of-sequence token, of an empty one).

        Raises UserError when a text is longer than the model's context, or empty with nothing before it.
        """
        whole = [self.prefix + tuple(text) for text in texts]
        lengths = np.array([len(text) for text in whole], dtype=np.int64)
        if len(lengths) and lengths.min() == 0:
            raise UserError(f"{self.lm.name} has no beginning-of-sequence token, so that a text needs a token")
        found = np.zeros(len(whole))
        rest = np.argsort(lengths, kind="stable")[::-1]
        while len(rest):
            longest = int(lengths[rest[0]])
            batch, rest = np.split(rest, [max(1, _BATCH_TOKENS // longest)])
            found[batch] = self._read([whole[i] for i in batch], longest)
        return found

    def everywhere(self, text: Text) -> Float64[np.ndarray, " n"]:
        """The latent at every token of one text, what stands before it left out."""
        x = self.lm.capture(torch.tensor([self.prefix + text]), [self.site])[self.site][0, len(self.prefix) :]
        return self.dictionary.encode(x)[:, self.latent].double().cpu().numpy()

    def all_latents(self, text: Text) -> Float64[np.ndarray, " n_latents"]:
        """Every latent of the dictionary at the last token of a text."""
        x = self.lm.capture(torch.tensor([self.prefix + text]), [self.site])[self.site][:, -1]
        return self.dictionary.encode(x)[0].double().cpu().numpy()

    def _read(self, texts: Sequence[Text], longest: int) -> Float64[np.ndarray, " n"]:
        # Filled up behind with a text's own last token: attention is causal, what stands behind is not seen.
        tokens = torch.tensor([text + text[-1:] * (longest - len(text)) for text in texts])
        last = torch.tensor([len(text) - 1 for text in texts])
        x = self.lm.capture(tokens, [self.site])[self.site][torch.arange(len(texts)), last]
        return self.dictionary.encode(x)[:, self.latent].double().cpu().numpy()


def context_ablation(reader: LatentReader, text: Text, n_context: int) -> Float64[np.ndarray, " n_removed"]:
    """Change of the latent at the last token when each of the tokens before it is left out, in the text's order.

    At most the last `n_context` tokens before the last are left out, one at a time.
    """
    shortened = [text[:i] + text[i + 1 :] for i in range(max(0, len(text) - 1 - n_context), len(text) - 1)]
    values = reader([text, *shortened])
    return values[1:] - values[0]


def minimal_text(reader: LatentReader, text: Text, keep: float = 0.5) -> Text:
    """The shortest end of the text on whose last token the latent is at least `keep` of what it is on the whole.

    Raises ValueError when the text is empty, or the latent does not fire on its last token.
    """
    suffixes = [text[-n:] for n in range(1, len(text) + 1)]
    values = reader(suffixes) if suffixes else np.zeros(0)
    if len(values) == 0 or values[-1] <= 0:
        raise ValueError("a minimal text is made of a text on whose last token the latent fires")
    return suffixes[int(np.argmax(values >= keep * values[-1]))]


def token_sweep(
    reader: LatentReader, text: Text, side: SweepSide, tokens: Sequence[int]
) -> Float64[np.ndarray, " n_tokens"]:
    """The latent at the last token when each of the tokens is put before the text, or behind it."""
    return reader([(token, *text) if side == "before" else (*text, token) for token in tokens])


def greedy_text(reader: LatentReader, n_tokens: int, tokens: Sequence[int]) -> tuple[Text, Float64[np.ndarray, " n"]]:
    """From the empty text, `n_tokens` times the token that makes the latent largest at the end; and the latent there.

    Of equal tokens the first one is taken.
    """
    text: Text = ()
    values = np.zeros(n_tokens)
    for i in range(n_tokens):
        found = token_sweep(reader, text, "behind", tokens)
        text = (*text, tokens[int(found.argmax())])
        values[i] = found.max()
    return text, values
