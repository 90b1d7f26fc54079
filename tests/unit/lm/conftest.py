"""Fixtures of the tests of `monosemy.lm`."""

import pytest

from monosemy.lm import LanguageModel
from tests.unit.lm.tiny_models import VARIANTS, tiny_lm


@pytest.fixture(scope="session", params=VARIANTS)
def lm(request: pytest.FixtureRequest) -> LanguageModel:
    """A tiny float64 model of each family; nobody changes it."""
    return tiny_lm(request.param)
