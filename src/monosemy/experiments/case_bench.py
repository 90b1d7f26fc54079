"""What the case study of a latent is made with: the model, one dictionary, a text with its stored activations."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal, final

import numpy as np
from jaxtyping import Float32, Int64

from monosemy.activations import ActivationStore
from monosemy.causal import NO_TOKEN, ActivePositions, LatentReader, RowPasses, flipped, read_latents
from monosemy.core import numpy_generator
from monosemy.dictionaries import Dictionary, DictionaryCard
from monosemy.evaluation import unit_names, unit_of_documents
from monosemy.experiments.contexts import vocabulary
from monosemy.experiments.learning import opened_store
from monosemy.lm import LanguageModel, ModelSource, Site

CaseSide = Literal["positive", "negative"]


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CaseText:
    """A text that was read into a store: its rows of tokens, and the document and unit of each token."""

    store: ActivationStore
    tokens: Int64[np.ndarray, "rows seq"]
    document: Int64[np.ndarray, "rows seq"]
    index: Int64[np.ndarray, "rows seq"]
    units: tuple[str, ...]
    unit_of_document: Int64[np.ndarray, " documents"]

    @staticmethod
    def open(path: Path) -> "CaseText":
        """The text of a store's folder."""
        store = opened_store(path)
        rows = store.sequences()
        return CaseText(
            store=store,
            tokens=rows.tokens.astype(np.int64),
            document=rows.document.astype(np.int64),
            index=rows.index.astype(np.int64),
            units=unit_names(store.documents),
            unit_of_document=unit_of_documents(store.documents),
        )

    @property
    def length(self) -> int:
        """Tokens a row."""
        return self.tokens.shape[1]

    def positions(self, places: Int64[np.ndarray, " n"]) -> ActivePositions:
        """Flat places as rows and positions; what follows at a row's end or before another document is no token."""
        row, position = np.divmod(places, self.length)
        after = np.minimum(position + 1, self.length - 1)
        is_followed = (position + 1 < self.length) & (self.index[row, after] > self.index[row, position])
        return ActivePositions(
            row=row, position=position, next_token=np.where(is_followed, self.tokens[row, after], NO_TOKEN)
        )

    def unit(self, places: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
        """The number in `units` of what each place is of."""
        return self.unit_of_document[self.document.ravel()[places]]

    def around(self, place: int, n_before: int, n_after: int) -> Int64[np.ndarray, " n"]:
        """The flat places around one, of its row and document, in order."""
        row, position = divmod(place, self.length)
        columns = np.arange(max(0, position - n_before), min(self.length, position + n_after + 1))
        same = (self.document[row, columns] == self.document[row, position]) & (self.index[row, columns] >= 0)
        return row * self.length + columns[same]


@final
@dataclass(frozen=True, kw_only=True, eq=False)  # no slots: `at_place` is kept
class ReadLatent:
    """One latent over a whole text; its activation at the places of the store's rows, below zero as zero."""

    latent: int
    side: CaseSide
    dictionary: Dictionary
    places: Int64[np.ndarray, " rows"]
    values: Float32[np.ndarray, " rows"]

    @cached_property
    def at_place(self) -> dict[int, float]:
        """Place -> activation, of the places where the latent fires."""
        fires = self.values > 0
        return dict(zip(self.places[fires].tolist(), self.values[fires].tolist(), strict=True))

    def value(self, place: int) -> float:
        """The activation at a place, 0 where it was not stored."""
        return self.at_place.get(place, 0.0)


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CaseBench:
    """The model, a dictionary and a text, opened; words: what each token id stands for."""

    lm: LanguageModel
    dictionary: Dictionary
    card: DictionaryCard
    text: CaseText
    words: list[str]
    passes: RowPasses
    seed: int

    @property
    def site(self) -> Site:
        """Where the dictionary reads."""
        return Site.parse(self.card.site)

    def read(self, latents: Sequence[tuple[int, CaseSide]]) -> list[ReadLatent]:
        """The latents over the whole text, in one pass over the store."""
        places, z = read_latents(self.dictionary, self.text.store, self.card.site, [latent for latent, _ in latents])
        return [
            ReadLatent(
                latent=latent,
                side=side,
                dictionary=self.dictionary if side == "positive" else flipped(self.dictionary, latent),
                places=places,
                values=np.maximum(z[:, i] if side == "positive" else -z[:, i], 0.0),
            )
            for i, (latent, side) in enumerate(latents)
        ]

    def reader(self, dictionary: Dictionary, latent: int) -> LatentReader:
        """The latent on any text."""
        return LatentReader(lm=self.lm, site=self.site, dictionary=dictionary, latent=latent)

    def generator(self, purpose: str, latent: int) -> np.random.Generator:
        """The stream of what is drawn for a latent."""
        return numpy_generator(self.seed, f"case-study/{purpose}", rank=latent)


def opened_bench(
    source: ModelSource, dictionary: Dictionary, card: DictionaryCard, store: Path, seed: int
) -> CaseBench:
    """The bench of one dictionary on one text. Raises UserError when the model does not have its site."""
    lm = source.load()
    text = _text(store)
    return CaseBench(
        lm=lm,
        dictionary=dictionary,
        card=card,
        text=text,
        words=_words(source),
        passes=_passes(source, store, card.site),
        seed=seed,
    )


@lru_cache(maxsize=2)
def _text(store: Path) -> CaseText:
    return CaseText.open(store)


@lru_cache(maxsize=1)
def _words(source: ModelSource) -> list[str]:
    return vocabulary(source.load())


@lru_cache(maxsize=1)
def _passes(source: ModelSource, store: Path, site: str) -> RowPasses:
    """The model's passes over the rows of a text, shared by the jobs of a process that need the same site."""
    return RowPasses(source.load(), Site.parse(site), _text(store).tokens)
