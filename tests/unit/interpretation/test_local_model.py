"""Oracle: the full logits of the plain model on the whole text, in float64, one text a slot; greedy by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch

from monosemy.core import UserError
from monosemy.interpretation import LocalModel
from monosemy.interpretation.local_model import loaded
from monosemy.interpretation.prompts import plain_simulate, slot_pieces
from monosemy.interpretation.questions import Unusable
from tests.unit.interpretation.tiny_judges import FAMILIES, Family, local, model, saved, tokenizer

PIECES = slot_pieces(("The", " é", "\\n", "10", " x\\\\", "1"))
PREFIX = plain_simulate("numbers as words")


def by_hand(of: LocalModel, prefix: str, pieces: tuple[str, ...]) -> np.ndarray:
    """p(v) [n 11] from a float64 copy of the model and one pass for every slot (and one for the "1" there)."""
    exact = of.model.double()
    ids = [of.tokenizer.bos_token_id, *of.ids(prefix)]
    p = np.zeros((len(pieces), 11))
    one, zero, ten, end = (of.ids(text) for text in ("1", "0", "10", "\n"))
    for row, piece in enumerate(pieces):
        ids = ids + of.ids(piece)
        with torch.no_grad():
            logits = exact(torch.tensor([ids])).logits[0, -1].numpy()
            after = exact(torch.tensor([ids + one])).logits[0, -1].numpy()
        weights = np.exp(np.array([logits[of.ids(str(v))[0]] for v in range(10)]))
        if len(ten) == 1:
            weights = np.append(weights, np.exp(logits[ten[0]]))
        else:
            q = np.exp(after[zero[0]]) / (np.exp(after[zero[0]]) + np.exp(after[end[0]]))
            weights = np.append(weights, weights[1] * q)
            weights[1] *= 1 - q
        p[row] = weights / weights.sum()
    of.model.float()
    return p


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("ten_is_one", [True, False], ids=["10 is one token", "10 is two"])
def test_the_expected_values_are_those_of_the_full_logits(tmp_path: Path, family: Family, ten_is_one: bool) -> None:
    of = local(tmp_path, family, ten_is_one=ten_is_one)
    assert len(of.ids("10")) == (1 if ten_is_one else 2)
    expected = by_hand(of, PREFIX, PIECES)
    assert expected.max() > 0.2  # far from uniform
    for keep_prefix in (False, True, True):
        found = of.slot_probabilities(PREFIX, PIECES, keep_prefix=keep_prefix)
        np.testing.assert_allclose(found, expected, atol=2e-5)
        values = of.slot_values(PREFIX, PIECES, keep_prefix=keep_prefix)
        np.testing.assert_allclose(values, expected @ np.arange(11), atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("ten_is_one", [True, False], ids=["10 is one token", "10 is two"])
def test_the_kept_prefix_changes_nothing_and_is_used_again(tmp_path: Path, family: Family, ten_is_one: bool) -> None:
    of = local(tmp_path, family, ten_is_one=ten_is_one)
    n_tokens: list[int] = []
    of.model.register_forward_pre_hook(
        lambda _, args, kwargs: n_tokens.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    others = slot_pieces(("a", "b"))
    plain = [of.slot_values(PREFIX, pieces, keep_prefix=False) for pieces in (PIECES, others, PIECES)]
    whole, n_tokens[:] = n_tokens.copy(), []
    kept = [of.slot_values(PREFIX, pieces) for pieces in (PIECES, others, PIECES)]
    for a, b in zip(plain, kept, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    n_prefix = 1 + len(of.ids(PREFIX))
    assert n_tokens == [n_prefix, *(n - n_prefix for n in whole)]
    of.slot_values(PREFIX + "x", others)
    assert n_tokens[-2] == n_prefix + 1  # another prefix, computed anew


def test_generation_is_greedy_and_ends_with_the_line(tmp_path: Path) -> None:
    of = local(tmp_path)
    for prompt in ("Explanation of unit 3: it", "a\tb", "x"):
        ids = [0, *of.ids(prompt)]
        with torch.no_grad():
            for _ in range(12):
                ids.append(int(of.model(torch.tensor([ids])).logits[0, -1].argmax()))
                if ids[-1] == 0:
                    ids.pop()
                    break
        expected = of.tokenizer.decode(ids[1 + len(of.ids(prompt)) :]).lstrip().split("\n")[0].strip()
        assert of.generate(prompt, 12) == expected


@pytest.mark.parametrize("ten_is_one", [True, False])
def test_a_choice_is_by_the_options_tokens(tmp_path: Path, ten_is_one: bool) -> None:
    """The tokenizer writes " A" as two tokens, of which the first is the same for all."""
    of = local(tmp_path, ten_is_one=ten_is_one)
    found = of.next_probabilities("odd one is excerpt", ("A", "B", "C"))
    with torch.no_grad():
        logits = of.model.double()(torch.tensor([[0, *of.ids("odd one is excerpt ")]])).logits[0, -1].numpy()
    of.model.float()
    weights = np.exp([logits[of.ids(letter)[0]] for letter in "ABC"])
    np.testing.assert_allclose(found, weights / weights.sum(), atol=1e-5)
    with pytest.raises(UserError, match="alike"):
        of.next_probabilities("odd one is excerpt", ("A", "AB"))


def test_a_text_longer_than_the_model_reads_is_no_answer(tmp_path: Path) -> None:
    of = local(tmp_path, "gpt2", n_context=64)
    for keep_prefix in (True, False):
        with pytest.raises(Unusable, match="64 at most") as caught:
            of.slot_values("x" * 60, PIECES, keep_prefix=keep_prefix)
        assert caught.value.status == "too_long"
    with pytest.raises(Unusable, match="64 at most"):
        of.generate("x" * 60, 10)


def test_logits_that_are_not_finite_are_no_answer(tmp_path: Path) -> None:
    of = local(tmp_path)
    with torch.no_grad():
        of.model.lm_head.weight.fill_(float("nan"))
    with pytest.raises(Unusable, match="not finite"):
        of.slot_values("x", PIECES)
    with pytest.raises(Unusable, match="not finite"):
        of.generate("x", 3)


def test_the_fingerprint_is_of_the_weights_and_the_vocabulary(tmp_path: Path) -> None:
    same = [local(tmp_path / name).fingerprint for name in ("a", "b")]
    assert same[0] == same[1]
    other = loaded(str(saved(tmp_path / "c", seed=1)), None).fingerprint
    words = tokenizer(ten_is_one=True)
    words.add_tokens(["new"])
    network = model("llama", len(words))
    assert len({same[0], other, LocalModel(network, words, "d").fingerprint}) == 3


def test_what_cannot_be_loaded_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be loaded"):
        loaded(str(tmp_path), None)
    folder = saved(tmp_path / "judge")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="cannot be loaded"):
        loaded(str(folder), None)


def test_a_tokenizer_without_digits_is_refused() -> None:
    words = tokenizer(ten_is_one=True)

    class Joined:
        bos_token_id = eos_token_id = None

        def __call__(self, text: str, **options: bool) -> dict[str, list[int]]:
            return {"input_ids": [hash(text) % 1000]}

        def get_vocab(self) -> dict[str, int]:
            return {}

    with pytest.raises(UserError, match="joins"):
        LocalModel(model("llama", len(words)), Joined(), "joined")
