"""Oracle: hand-written answers, right and wrong."""

from pathlib import Path
from typing import Any

import pytest

from monosemy.interpretation import CallStore, Explanation, Reply
from monosemy.interpretation.local_judge import LocalConfig, LocalQuestions
from monosemy.interpretation.questions import (
    Question,
    Unusable,
    brief,
    explanation_by,
    json_object,
    recorded_reply,
    sentence_of,
    simulation_by,
    whole_levels,
)
from tests.unit.interpretation.samples_of_tests import sample, texts
from tests.unit.interpretation.test_calls import ask

QUESTIONS = LocalQuestions(LocalConfig(model="m"), "w")


@pytest.mark.parametrize("text", ["", "no", "[1]", '{"a": ', "}{", '{"a": 1} and {"b": 2}', "{" * 5000 + "}" * 5000])
def test_what_is_no_json_object_is_malformed(text: str) -> None:
    with pytest.raises(Unusable, match="no JSON object"):
        json_object(text)


def test_the_object_may_stand_in_other_text() -> None:
    assert json_object('Sure: ```{"a": {"b": 1}}``` ') == {"a": {"b": 1}}


def test_a_sentence_is_one_line_that_is_not_empty_or_long() -> None:
    assert sentence_of("  a\n\tb ") == "a b"
    assert sentence_of("half \ud800") == "half ?"
    for wrong in ("", " \n", None, 3, ["a"], "\u00e9" * 501):
        with pytest.raises(Unusable):
            sentence_of(wrong)
    assert len(sentence_of("\u00e9" * 500)) == 500


def test_levels_are_as_many_as_there_are_tokens() -> None:
    assert whole_levels([0, 10, 3], 3).tolist() == [0.0, 10.0, 3.0]
    for wrong in (None, "012", [0, 1], [0, 1, 2, 3], [0, 1, 11], [0, 1, -1], [0, 1, True], [0, 1, 2.0], [0, 1, None]):
        with pytest.raises(Unusable):
            whole_levels(wrong, 3)


def test_an_answer_in_a_message_is_short() -> None:
    assert brief("a\nb") == "'a b'"
    assert len(brief("x" * 1000)) == 122


def test_an_explanation_or_a_fragment_without_an_answer_has_its_reason() -> None:
    def refuse(_question: Question[Any]) -> Reply[Any]:
        return Reply(value=None, status="refused", reason="no")

    assert explanation_by(QUESTIONS, refuse, sample()) == Explanation(text=None, reason="refused: no")
    simulation = simulation_by(QUESTIONS, refuse, Explanation(text="a"), texts(2, length=4))
    assert simulation.reasons == ("refused: no", "refused: no")
    assert not simulation.answered.any() and not simulation.values.any()
    empty = simulation_by(
        QUESTIONS, refuse, Explanation(text="a"), texts(2, length=4).take(texts(1).fragments.number[:0])
    )
    assert empty.values.shape == (0, 4)
    with pytest.raises(ValueError, match="without text"):
        simulation_by(QUESTIONS, refuse, Explanation(text=None), texts(1, length=4))


def test_a_recorded_answer_that_cannot_be_read_any_more_is_none(tmp_path: Path) -> None:
    question = QUESTIONS.explain(sample())
    with CallStore(tmp_path / "calls") as calls:
        assert recorded_reply(calls, question) is None
        ask(calls, question.requests[0], response={"another": "form"})
        assert recorded_reply(calls, question) is None
    with CallStore(tmp_path / "other") as calls:
        ask(calls, question.requests[0], response={"text": "words"})
        found = recorded_reply(calls, question)
        assert found is not None and (found.value, found.status) == ("words", "ok")
