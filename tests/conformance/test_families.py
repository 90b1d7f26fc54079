"""Every family of language models has a fixture, so that a new row of the table meets every test of `tests/unit/lm`.

Oracle: the table itself.
"""

from monosemy.lm import FAMILIES
from tests.unit.lm.tiny_models import VARIANTS, tiny_model


def test_every_family_has_a_fixture() -> None:
    assert {tiny_model(variant).config.model_type for variant in VARIANTS} == set(FAMILIES)
