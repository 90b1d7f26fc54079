"""Oracle: the ranges that the docstring gives."""

from typing import Any

import pytest

from monosemy.core import UserError, from_json, to_json
from monosemy.interpretation import RulesConfig


@pytest.mark.parametrize(
    "fault",
    [
        {"max_rules": 0},
        {"max_literals": 0},
        {"max_literals": 4},
        {"max_tokens": 0},
        {"beam": 0},
        {"min_fragments": 0},
        {"bits_penalty": -1.0},
        {"paper_bits_penalty": -0.1},
        {"min_gain_se": -1.0},
    ],
)
def test_numbers_out_of_range_are_refused(fault: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"{next(iter(fault))} is .*; give"):
        RulesConfig(**fault)


def test_json_both_ways() -> None:
    config = RulesConfig(max_rules=3, bits_penalty=1.5)
    assert from_json(RulesConfig, to_json(config)) == config
