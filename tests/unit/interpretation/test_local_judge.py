"""Oracle: the model itself, asked directly; and the record of calls."""

from pathlib import Path

import numpy as np
import pytest

from monosemy.core import UserError
from monosemy.interpretation import CallStore, Explanation, LocalConfig, LocalJudge
from monosemy.interpretation.local_model import loaded
from monosemy.interpretation.prompts import (
    escaped_tokens,
    plain_explain,
    plain_intruder,
    plain_simulate,
    slot_pieces,
)
from tests.unit.interpretation.samples_of_tests import sample, texts
from tests.unit.interpretation.tiny_judges import saved


def test_it_says_and_predicts_what_the_model_does(tmp_path: Path) -> None:
    folder = saved(tmp_path / "tiny")
    text = texts(3, length=12, unrecorded=[0, 3])
    direct = loaded(str(folder), None)
    with CallStore(tmp_path / "calls") as calls:
        judge = LocalJudge(LocalConfig(model=str(folder), max_explanation_tokens=8), calls)
        explanation = judge.explain(sample(length=8))
        simulation = judge.simulate(Explanation(text="words"), text)
        picked = judge.pick(("one", "two", "three"))
    assert explanation.text == " ".join(direct.generate(plain_explain(sample(length=8)), 8).split())
    assert simulation.answered.all()
    for row in range(3):
        pieces = slot_pieces(escaped_tokens(text.fragments, row))
        expected = direct.slot_values(plain_simulate("words"), pieces, keep_prefix=False)
        np.testing.assert_allclose(simulation.values[row], np.where(text.fragments.mask[row], expected, 0), atol=1e-4)
    assert not simulation.values[:, [0, 3]].any()
    letters = ("A", "B", "C")
    p = direct.next_probabilities(plain_intruder(("one", "two", "three"), letters), letters)
    assert picked.value == int(p.argmax())


def test_every_pass_is_made_once(tmp_path: Path) -> None:
    config = LocalConfig(model=str(saved(tmp_path / "tiny")), max_explanation_tokens=4)
    values = []
    for run in range(2):
        with CallStore(tmp_path / "calls") as calls:
            judge = LocalJudge(config, calls)
            judge.explain(sample(length=8))
            values.append(judge.simulate(Explanation(text="words"), texts(4, length=8)).values)
            counts = calls.counts()
            assert (counts["asked"], counts["cached"]) == ((5, 0) if run == 0 else (0, 5))
    np.testing.assert_array_equal(values[0], values[1])


def test_what_the_model_cannot_read_is_a_failure_with_its_reason(tmp_path: Path) -> None:
    folder = saved(tmp_path / "tiny", "gpt2", n_context=600)
    with CallStore(tmp_path / "calls") as calls:
        judge = LocalJudge(LocalConfig(model=str(folder)), calls)
        explanation = judge.explain(sample())  # longer than this model reads
        assert explanation.text is None
        assert str(explanation.reason).startswith("too_long: ")
        simulation = judge.simulate(Explanation(text="words"), texts(2, length=64))
        assert not simulation.answered.any() and len(simulation.reasons) == 2
        assert calls.counts()["failed/too_long"] == 3


def test_the_identity_is_of_the_weights_not_of_the_folder(tmp_path: Path) -> None:
    with CallStore(tmp_path / "calls") as calls:
        identities = [
            LocalJudge(LocalConfig(model=str(saved(tmp_path / where / "tiny", seed=seed))), calls).identity()
            for where, seed in (("a", 0), ("b", 0), ("c", 1))
        ]
    assert identities[0] == identities[1]
    assert identities[0].revision.startswith("tiny@") and identities[0].name == "local"
    assert identities[2].revision != identities[0].revision


def test_options_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="max_explanation_tokens"):
        LocalConfig(model="m", max_explanation_tokens=0)
    with CallStore(tmp_path / "calls") as calls:
        judge = LocalJudge(LocalConfig(model=str(saved(tmp_path / "tiny"))), calls)
        with pytest.raises(UserError, match="2 to 10"):
            judge.pick(("one",))
