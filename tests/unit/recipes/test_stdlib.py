"""The options of the default run, and what they make of a model. Oracles: lists written by hand."""

from typing import Any

import pytest

from monosemy.core import UserError
from monosemy.corpus import StdlibCorpus
from monosemy.lm import ModelSource
from monosemy.recipes import StdlibRun, Subject, Training, parse_layers, stdlib, stdlib_full
from monosemy.recipes.stdlib import subject_of
from tests.unit.lm.tiny_models import CONTEXT, D_MODEL, tiny_lm

GOOD = {
    "all": [0, 1, 2, 3],
    "0": [0],
    "0-2": [0, 1, 2],
    "1,3": [1, 3],
    "3,1": [1, 3],
    "0-1,3": [0, 1, 3],
    " 2 , 0-1": [0, 1, 2],
    "1-1": [1],
    "1,1-2,2": [1, 2],
}
BAD = ["", "all,1", "x", "1-", "-1", "1,,2", "1-2-3", "0.5", "1 - 2", "0:2", ","]
ABSENT = ["4", "0-4", "1,7", "2-1"]


@pytest.mark.parametrize("text", GOOD)
def test_layers_that_can_be_read(text: str) -> None:
    assert parse_layers(text, 4) == GOOD[text]


@pytest.mark.parametrize("text", BAD)
def test_layers_that_cannot_be_read(text: str) -> None:
    with pytest.raises(UserError, match="cannot be read; write all, a range as 0-2, or a list as 1,3") as caught:
        parse_layers(text, 4)
    assert repr(text) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ABSENT)
def test_layers_that_the_model_has_not(text: str) -> None:
    with pytest.raises(UserError, match=r"the model has layers 0 to 3; a range goes upwards$"):
        parse_layers(text, 4)


def subject(**options: Any) -> Subject:
    return subject_of(StdlibRun(**options), ModelSource(name="tiny"), tiny_lm("gpt_neox"), StdlibCorpus())


@pytest.mark.parametrize(
    ("layers", "middle", "others"), [("all", 1, (0, 2)), ("0", 0, ()), ("1,2", 1, (2,)), ("0,2", 0, (2,))]
)
def test_methods_meet_at_the_middle_layer(layers: str, middle: int, others: tuple[int, ...]) -> None:
    found = subject(layers=layers)
    assert [place.site for place in found.places] == [f"resid_post.{n}" for n in sorted((middle, *others))]
    assert found.middle.site == f"resid_post.{middle}" and found.middle.d_site == D_MODEL
    assert {m.site for m in found.members if m.method == "tied_l1"} == {found.middle.site}
    assert {m.site for m in found.members} == {place.site for place in found.places}
    assert [m.name for m in found.control] == [f"control-topk-k16-r4-resid_post.{middle}-seed0"]
    assert {m.n_latents for m in found.members} == {4 * D_MODEL, 2 * D_MODEL}


def test_the_full_sweep_reads_the_mlps_too() -> None:
    found = subject(sweep="full")
    assert [place.site for place in found.places] == [
        f"{location}.{layer}" for location in ("resid_post", "mlp_out") for layer in range(3)
    ]
    assert {m.site for m in found.members} == {place.site for place in found.places}
    assert len(found.control) == 6


def test_a_context_is_no_longer_than_the_models() -> None:
    assert subject(context_length=8).context_length == 8
    assert subject().context_length == CONTEXT < StdlibRun().context_length


def test_options_reach_the_subject() -> None:
    training = Training(n_steps=3, k=2)
    found = subject(training=training, seed=9)
    assert (found.training, found.seed) == (training, 9)
    assert {m.n_steps for m in (*found.members, *found.control)} == {3}
    assert {m.seed for m in found.members} == {0, 1, 2}  # of the dictionaries; the run's own seed is another thing


def test_the_recipes_have_folders_of_their_own_and_meet_at_one_point() -> None:
    default, full = stdlib(), stdlib_full()
    assert default.out != full.out and (default.sweep, full.sweep) == ("default", "full")
    assert full.training == default.training
    assert default.model == full.model == "embedded" and default.corpus == "stdlib"
