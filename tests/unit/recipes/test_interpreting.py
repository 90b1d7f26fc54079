"""Which members stand on an axis through the headline's point. Oracle: their names, written by hand."""

import pytest

from monosemy.core import UserError
from monosemy.interpretation import OpenAIConfig, RulesConfig
from monosemy.recipes import Interpreting
from monosemy.recipes.interpreting import Axis, check_interpreting, interpretation_config, on_axis
from tests.unit.recipes.subjects import SUBJECT

POINT = {"topk-k4-r4-resid_post.0-seed0", "tied_l1-2-r4-resid_post.0-seed0"}
SEEDS = {f"{what}-r4-resid_post.0-seed{seed}" for what in ("topk-k4", "tied_l1-2") for seed in (1, 2)}
LAYERS = {"topk-k4-r4-resid_post.1-seed0"}
SIZES = {"topk-k4-r2-resid_post.0-seed0", "tied_l1-2-r2-resid_post.0-seed0"}
FROZEN = {"topk-k4-frozen_decoder-r4-resid_post.0-seed0"}


@pytest.mark.parametrize(
    ("axes", "further"),
    [
        ((), set()),
        (("seeds",), SEEDS),
        (("layers",), LAYERS),
        (("sizes",), SIZES),
        (("controls",), FROZEN),
        (("seeds", "layers", "sizes", "controls"), SEEDS | LAYERS | SIZES | FROZEN),
    ],
)
def test_the_members_of_an_axis(axes: tuple[Axis, ...], further: set[str]) -> None:
    found = {member.name for member in SUBJECT.members if on_axis(member, SUBJECT, Interpreting(axes=axes))}
    assert found == POINT | further


def test_a_judge_that_is_paid_sees_few_fragments() -> None:
    by_rules = interpretation_config(Interpreting(), RulesConfig(), 0.1, 0)
    asked = interpretation_config(Interpreting(), OpenAIConfig(model="m"), 0.1, 0)
    assert by_rules.n_uniform is None and asked.n_uniform == 20
    assert interpretation_config(Interpreting(n_uniform=7), OpenAIConfig(model="m"), 0.1, 0).n_uniform == 7


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UserError, match="unknown method 'tpok'"):
        check_interpreting(Interpreting(methods=("tpok",)))
    with pytest.raises(UserError, match="--latents is 0"):
        check_interpreting(Interpreting(latents=0))
