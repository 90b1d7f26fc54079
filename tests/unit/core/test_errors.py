"""Oracle: the contract of the two, stated as examples."""

import pickle

import pytest

from monosemy.core import DamagedArtifact, UserError, nearest


def test_a_user_error_is_one_line() -> None:
    assert str(UserError("the server said:\nno\r\nand why")) == "the server said: no and why"


def test_a_user_error_survives_pickling_between_processes() -> None:
    error = pickle.loads(pickle.dumps(DamagedArtifact("a\nb")))
    assert isinstance(error, UserError)
    assert str(error) == "a b"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("topk", ""), ("n_latent", " (did you mean 'n_latents'?)"), ("zzz", ""), ("seeds", " (did you mean 'seed'?)")],
)
def test_the_nearest_name_is_offered_where_one_is_near(name: str, expected: str) -> None:
    assert nearest(name, ["n_latents", "seed", "n_tokens"]) == expected
