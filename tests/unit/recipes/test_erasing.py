"""What `monosemy erase` chooses and refuses. Oracle: cards written out; a model of other tokens."""

from dataclasses import replace
from pathlib import Path

import pytest

from monosemy.core import Progress, UserError
from monosemy.dictionaries import DictionaryCard
from monosemy.recipes import Erase, default_dictionaries, erase, opened_dictionary
from monosemy.recipes.study import Target
from tests.unit.recipes.test_causal_tree import card
from tests.unit.recipes.test_study import target

__all__ = ["target"]  # a fixture

HEAD = "topk-seed0"


def with_l0(name: str, method: str, l0: float, site: str = "resid_post.1") -> DictionaryCard:
    return replace(card(name, method, site, "l1=1"), l0_train=l0)


def test_tied_l1_of_the_nearest_sparsity_and_the_random_one_stand_beside_the_headline() -> None:
    cards = [
        with_l0(HEAD, "topk", 16.0),
        with_l0("l1-a-seed0", "tied_l1", 60.0),
        with_l0("l1-b-seed0", "tied_l1", 19.0),
        with_l0("l1-c-seed0", "tied_l1", 16.0, site="resid_post.2"),
        with_l0("random-seed0", "random", 160.0),
        with_l0("pca-seed0", "pca", 160.0),
    ]
    by_name = {each.name: each for each in cards}
    assert default_dictionaries(by_name, HEAD) == (HEAD, "l1-b-seed0", "random-seed0")
    assert default_dictionaries({HEAD: by_name[HEAD]}, HEAD) == (HEAD,)


@pytest.mark.parametrize(
    ("concepts", "message"),
    [(("comment",), "'comment' is an exact label of the embedded corpus"), ((), "female names are one token")],
    ids=["a label", "gender"],
)
def test_what_the_model_and_the_text_do_not_allow_is_refused(
    target: Target, concepts: tuple[str, ...], message: str
) -> None:
    """Without exact labels gender is erased, for which the tokenizer has to have the names."""
    with (
        opened_dictionary(target, command=["monosemy"], progress=Progress(quiet=True)) as study,
        pytest.raises(UserError, match=message),
    ):
        erase(Erase(target=Target(target=Path("x")), concepts=concepts), study)
