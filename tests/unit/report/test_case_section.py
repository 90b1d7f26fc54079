"""A latent's section. Oracle: what must and must not stand in it, for planted records."""

from typing import Any

from monosemy.report import ShownCase, case_section
from tests.unit.report.case_folder import HOSTILE, case_record, silent_record
from tests.unit.report.test_case_charts import PATTERN


def html(**changed: Any) -> str:
    section = case_section(ShownCase(group="named", record=case_record(**changed), rule_score=None))
    return "".join(part.html for part in section.body)


def test_the_answer_comes_first_and_every_part_is_there() -> None:
    found = html()
    assert found.index("Fires on") < found.index("<figure") < found.index("strongest, one a row")
    assert "-0.87 [-1.00, -0.50] nats" in found and "The lens agrees" in found
    assert "keeps 50 %" in found and "4 never-used tokens masked" in found and "tokens asked for" in found
    assert "by -2.00" in found and "zero with 77 of 2,048" in found and "dense" not in found.split("<figure")[0]
    assert HOSTILE not in found and "&lt;b&gt;$x$&amp;" in found


def test_what_was_not_measured_is_said() -> None:
    text = case_record()["text"] | {"reason": "of its examples none"}
    assert "not measured, of its examples none" in html(text=text)
    assert "no token stands before it" in html(text=case_record()["text"] | {"tokens": [" if"], "context_change": []})
    unharmed = case_record()["text"] | {"context_change": [0.5, 0.1], "is_given": True}
    assert "no single token before lowers it" in html(text=unharmed) and "On the text given" in html(text=unharmed)


def test_dense_latents_and_patterns_have_their_remark_and_figure() -> None:
    assert "inactive\u201d has no meaning" in html(is_dense=True)
    assert "below zero" in html(is_dense=True, side="negative")
    assert html(pattern=PATTERN).count("<figure ") == 3


def test_a_silent_latent_is_told_as_one() -> None:
    section = case_section(ShownCase(group="random", record=silent_record(5), rule_score=None))
    words = "".join(part.html for part in section.body)
    assert section.title == "Latent 5" and "never fires on the 40,000 tokens" in words and "<figure" not in words
