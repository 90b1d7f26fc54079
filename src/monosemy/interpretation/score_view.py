"""What scores explanations: the paper's ten fragments of a latent and the uniform ones, of the test split only."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float32, Int64

from monosemy.core import numpy_generator
from monosemy.evaluation import ScoreFragments
from monosemy.evaluation.fragment_parts import position_of
from monosemy.interpretation.text import Text, text_of

N_EACH = 5
N_PAPER_FRAGMENTS = 2 * N_EACH
"""Fragments of the paper's score: 5 of the highest activation and 5 random ones."""


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Scored:
    """Fragments, what one latent does on them, which tokens count, and the unit of each, a number."""

    text: Text
    activations: Float32[np.ndarray, "n_fragments position"]
    mask: Bool[np.ndarray, "n_fragments position"]
    unit: Int64[np.ndarray, " n_fragments"]


@final
class ScoreView:
    """The fragments of the test split as scores need them.

    n_uniform: how many of the uniform fragments are used, drawn with the seed (for judges that are paid by the
    fragment); None: all of them. `units` are the names of all units of the split, in the order of the text.
    """

    def __init__(self, fragments: ScoreFragments, *, n_uniform: int | None = None, seed: int = 0) -> None:
        self._fragments = fragments
        table = fragments.table
        self.units = tuple(dict.fromkeys(document.unit for document in table.documents))
        number = {unit: place for place, unit in enumerate(self.units)}
        self._unit = np.array([number[unit] for unit in table.units()], dtype=np.int64)
        self._text = text_of(table)
        self._uniform = fragments.uniform()
        rows = np.arange(len(self._uniform), dtype=np.int32)
        if n_uniform is not None and n_uniform < len(rows):
            drawn = numpy_generator(seed, "interpretation/uniform").choice(len(rows), size=n_uniform, replace=False)
            rows = np.sort(drawn).astype(np.int32)
        self._drawn = rows
        self._uniform_row = fragments.uniform_row[rows]
        # One object for all latents: a judge that prepares a text does so once.
        self.uniform_text = self._text.take(self._uniform_row)

    def shown(self, latent: int) -> tuple[Scored, int]:
        """The paper's fragments and how many of them, the first ones, are those of high activation.

        Of the n fragments of highest activation that were kept those of rank floor((i + 1/2) n / 5): of the paper's 20
        the ranks of its validation part, 2, 6, 10, 14, 18. Then the first 5 of the random sample of fragments on which
        the latent fires, the former among them or not. Fewer where there are fewer. Raises UserError when nothing was
        kept of this latent.
        """
        top, firing = (self._fragments.kept[group] for group in ("top", "firing"))
        place = position_of(latent, self._fragments.latents)
        n_top, n_firing = (int((kept.row[place] >= 0).sum()) for kept in (top, firing))
        n = min(N_EACH, n_top)
        ranks = [(2 * i + 1) * n_top // (2 * n) for i in range(n)]
        slots = (ranks, list(range(min(N_EACH, n_firing))))
        rows = np.concatenate([kept.row[place, s] for kept, s in zip((top, firing), slots, strict=True)])
        values = [
            kept.values.dense(place * kept.row.shape[1], (place + 1) * kept.row.shape[1])[s]
            for kept, s in zip((top, firing), slots, strict=True)
        ]
        text = self._text.take(rows)
        scored = Scored(text=text, activations=np.concatenate(values), mask=text.fragments.mask, unit=self._unit[rows])
        return scored, n

    def uniform(self, latent: int) -> Scored:
        """The uniform fragments, in the order of the text. Raises as `shown`."""
        table = self.uniform_text.fragments
        return Scored(
            text=self.uniform_text,
            activations=self._uniform.activations(latent)[self._drawn],
            mask=table.mask,
            unit=self._unit[self._uniform_row],
        )
