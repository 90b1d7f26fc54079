"""One pass over stored rows.

Oracle: the whole matrix at once; the unit of every row followed by hand through place, document and list of units.
"""

import numpy as np
import pytest
import torch

from monosemy.activations import ActivationStore
from monosemy.core import UserError
from monosemy.dictionaries import Dictionary, DictionaryCard, TopK
from monosemy.evaluation import (
    DictionaryCodes,
    EvaluationBatch,
    Metric,
    Reconstruction,
    TextOrderRows,
    evaluate,
    unit_names,
    unit_of_documents,
)
from tests.unit.evaluation.rows_in_memory import MemoryRows, memory_rows

SITE = "resid_post.1"


def stores_are_rows(store: ActivationStore) -> TextOrderRows:
    """Not called: the type checker sees here that the store is what an evaluation reads."""
    return store


def dictionary(d: int = 5, n_latents: int = 9, k: int = 3) -> Dictionary:
    generator = torch.Generator().manual_seed(1)
    w = torch.nn.functional.normalize(torch.randn(n_latents, d, generator=generator), dim=1)
    return Dictionary(W_enc=w, b_enc=torch.zeros(n_latents), W_dec=w, b_dec=torch.zeros(d), sparsifier=TopK(k))


class Kept(Metric):
    """Keeps the batches."""

    def __init__(self) -> None:
        self.batches: list[EvaluationBatch] = []

    def update(self, batch: EvaluationBatch) -> None:
        self.batches.append(batch)

    def sums(self) -> dict[str, np.ndarray]:
        return {"n_batches": np.array([len(self.batches)], dtype=np.float64)}


def units_by_hand(store: MemoryRows) -> list[str]:
    n_seq = store.packed.document.shape[1]
    places = [(int(place) // n_seq, int(place) % n_seq) for place in store.place]
    return [store.documents[int(store.packed.document[row, at])].unit for row, at in places]


@pytest.mark.parametrize("rows_per_chunk", [1, 7, 1 << 20])
def test_every_row_comes_once_with_its_unit(rows_per_chunk: int) -> None:
    store, kept, done = memory_rows(rows_per_chunk=rows_per_chunk), Kept(), []
    found = evaluate(dictionary(), store, SITE, [kept], advance=done.append)
    assert torch.equal(torch.cat([batch.x for batch in kept.batches]), store.x[SITE])
    units = [found.units[number] for batch in kept.batches for number in batch.unit]
    assert units == units_by_hand(store)
    assert sum(done) == store.n_rows
    z = torch.cat([batch.z for batch in kept.batches])
    assert torch.allclose(z, dictionary().encode(store.x[SITE]), atol=1e-5)
    assert torch.allclose(torch.cat([batch.x_hat for batch in kept.batches]), dictionary().decode(z), atol=1e-5)


def test_only_the_first_rows_are_read() -> None:
    store, kept = memory_rows(), Kept()
    evaluate(dictionary(), store, SITE, [kept], n_rows=11)
    assert torch.equal(torch.cat([batch.x for batch in kept.batches]), store.x[SITE][:11])


def test_units_are_sorted_names() -> None:
    documents = memory_rows().documents
    names = unit_names(documents)
    assert list(names) == sorted({document.unit for document in documents})
    assert [names[number] for number in unit_of_documents(documents)] == [document.unit for document in documents]


def test_two_metrics_must_not_give_one_name() -> None:
    with pytest.raises(ValueError, match="n_batches"):
        evaluate(dictionary(), memory_rows(), SITE, [Kept(), Kept()])


def card(**fields: str) -> DictionaryCard:
    return DictionaryCard(
        name="topk-seed0", method="topk", lm=fields.get("lm", "lm-of-the-rows"), lm_kind="trained",
        site=fields.get("site", SITE), seed=0, n_latents=9, expansion_factor=1.8, n_steps=1, n_tokens=1, store="s",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("other", "card_fields", "message"),
    [
        (dictionary(d=6), {}, "the dictionary reads 6 and writes 6 dimensions, the store's resid_post.1 has 5"),
        (dictionary(), {"site": "mlp_out.0"}, "trained on mlp_out.0, not on resid_post.1"),
        (dictionary(), {"lm": "another"}, "trained on language model another, the activations are of lm-of-the-rows"),
    ],
)
def test_a_dictionary_of_something_else_is_refused(
    other: Dictionary, card_fields: dict[str, str], message: str
) -> None:
    store = memory_rows()
    metric = Reconstruction(1, 9, np.zeros(5))
    with pytest.raises(UserError, match=message) as told:
        evaluate(other, store, SITE, [metric], card=card(**card_fields))
    assert "\n" not in str(told.value)
    assert metric.sums()["n_tokens"].sum() == 0


def test_its_own_card_is_accepted() -> None:
    assert evaluate(dictionary(), memory_rows(), SITE, [Kept()], card=card()).sums["n_batches"].tolist() == [1.0]


def test_a_site_that_is_not_stored_is_refused() -> None:
    with pytest.raises(UserError, match=r"it has: resid_post\.1"):
        evaluate(dictionary(), memory_rows(), "resid_post.2", [Kept()])
    with pytest.raises(UserError, match="dimensions"):
        DictionaryCodes(dictionary=dictionary(d=6), store=memory_rows(), site=SITE, n_rows=3)


@pytest.mark.parametrize("rows_per_chunk", [1, 4, 7, 1 << 20])
@pytest.mark.parametrize("every", [1, 3, 10])
def test_codes_of_every_nth_row(rows_per_chunk: int, every: int) -> None:
    store = memory_rows(rows_per_chunk=rows_per_chunk)
    codes = DictionaryCodes(dictionary=dictionary(), store=store, site=SITE, n_rows=41)
    found = torch.cat(list(codes(every)))
    assert torch.allclose(found, dictionary().encode(store.x[SITE][:41:every]), atol=1e-5)
    assert torch.equal(torch.cat(list(codes(every))), found)
