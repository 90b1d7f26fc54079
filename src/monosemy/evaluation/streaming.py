"""One pass over stored activations: every metric sees every row once, with the unit that it belongs to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int64
from torch import Tensor

from monosemy.core import Advance, UserError, ignore_advance
from monosemy.dictionaries import Dictionary, DictionaryCard
from monosemy.evaluation.metric import EvaluationBatch, Metric

CHUNK_ROWS = 8192


@runtime_checkable
class DocumentPlace(Protocol):
    """What is read of a stored document."""

    @property
    def unit(self) -> str: ...
    @property
    def first_token(self) -> int | None: ...


@runtime_checkable
class Sequences(Protocol):
    """Packed rows: tokens, document (a number in the store's list) and index (-1 at separators), each [rows seq]."""

    @property
    def tokens(self) -> np.ndarray: ...
    @property
    def document(self) -> np.ndarray: ...
    @property
    def index(self) -> np.ndarray: ...


@runtime_checkable
class Chunk(Protocol):
    """Rows of a store: flat positions in its sequences, and x `[rows d_site]` float32 of each site."""

    @property
    def place(self) -> np.ndarray: ...
    @property
    def x(self) -> dict[str, Tensor]: ...


@runtime_checkable
class TextOrderRows(Protocol):
    """What an evaluation reads of an activation store; `activations.ActivationStore` is one.

    A Protocol, so that an evaluation can be tested on rows made in memory.
    """

    @property
    def n_rows(self) -> int: ...
    @property
    def config(self) -> Mapping[str, Any]: ...
    @property
    def documents(self) -> Sequence[DocumentPlace]: ...
    def d_site(self, site: str) -> int: ...
    def sequences(self) -> Sequences: ...
    def chunks(
        self, sites: Sequence[str], max_rows: int = CHUNK_ROWS, n_rows: int | None = None
    ) -> Iterator[Chunk]: ...


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Evaluation:
    """The sums of several metrics over the same rows: `units` names the first axis of every array."""

    units: tuple[str, ...]
    sums: dict[str, np.ndarray]


def unit_names(documents: Sequence[DocumentPlace]) -> tuple[str, ...]:
    """The units of the documents, sorted: their numbers everywhere in an evaluation."""
    return tuple(sorted({document.unit for document in documents}))


def unit_of_documents(documents: Sequence[DocumentPlace]) -> Int64[np.ndarray, " documents"]:
    """Document number -> number of its unit in `unit_names`."""
    number = {name: i for i, name in enumerate(unit_names(documents))}
    return np.array([number[document.unit] for document in documents], dtype=np.int64)


def check_fits(dictionary: Dictionary, store: TextOrderRows, site: str, card: DictionaryCard | None = None) -> None:
    """Raise UserError when the dictionary was made for other activations: another width, or by its card another site
    or language model."""
    if card is not None and card.site != site:
        raise UserError(f"dictionary {card.name} was trained on {card.site}, not on {site}; evaluate it there")
    if card is not None and card.lm != store.config["lm"]:
        raise UserError(
            f"dictionary {card.name} was trained on language model {card.lm}, the activations are of "
            f"{store.config['lm']}; harvest the model of the dictionary"
        )
    width = store.d_site(site)
    if dictionary.d_in != width or dictionary.d_out != width:
        raise UserError(
            f"the dictionary reads {dictionary.d_in} and writes {dictionary.d_out} dimensions, the store's {site} has "
            f"{width}; evaluate it on the site it was trained on"
        )


def evaluate(
    dictionary: Dictionary,
    store: TextOrderRows,
    site: str,
    metrics: Sequence[Metric],
    *,
    card: DictionaryCard | None = None,
    n_rows: int | None = None,
    advance: Advance = ignore_advance,
) -> Evaluation:
    """Give every metric all rows of a site (the first `n_rows`), encoded and reconstructed once.

    Units are all units of the store's documents, also those of which no row was read. `card`, where given, is checked
    against the site and the store's model. Raises UserError when the dictionary does not fit, and ValueError when two
    metrics give sums of one name.
    """
    check_fits(dictionary, store, site, card)
    unit_of_place = unit_of_documents(store.documents)[store.sequences().document.ravel()]
    for chunk in store.chunks((site,), CHUNK_ROWS, n_rows):
        x = chunk.x[site]
        z = dictionary.encode(x)
        batch = EvaluationBatch(x=x, z=z, x_hat=dictionary.decode(z), unit=unit_of_place[chunk.place])
        for metric in metrics:
            metric.update(batch)
        advance(len(x))
    parts = [metric.sums() for metric in metrics]
    names = list(chain.from_iterable(parts))
    if len(set(names)) < len(names):
        raise ValueError(f"two metrics give sums of one name: {sorted(names)}")
    return Evaluation(
        units=unit_names(store.documents), sums={name: value for part in parts for name, value in part.items()}
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DictionaryCodes:
    """The latents of the first `n_rows` rows of a store, in stored order, as often as they are asked for.

    Raises UserError when the dictionary is of another width than the site.
    """

    dictionary: Dictionary
    store: TextOrderRows
    site: str
    n_rows: int

    def __post_init__(self) -> None:
        check_fits(self.dictionary, self.store, self.site)

    def __call__(self, every: int = 1) -> Iterator[Float[Tensor, "_ n_latents"]]:
        """Blocks of the latents of rows 0, every, 2 every... Only those rows are encoded."""
        start = 0
        for chunk in self.store.chunks((self.site,), CHUNK_ROWS, self.n_rows):
            x = chunk.x[self.site]
            kept = x[-start % every :: every]
            if len(kept):
                yield self.dictionary.encode(kept)
            start += len(x)
