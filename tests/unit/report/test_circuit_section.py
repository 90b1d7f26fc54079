"""A task's graph on a page. Oracle: the figures that the written folder holds, as a reader sees them."""

import re

from monosemy.report import circuit_section, circuit_sentence
from monosemy.report.page import join
from tests.unit.report.tree_folder import circuit_content


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", html))


def test_the_sentence_says_how_much_how_few_carry() -> None:
    words = plain(circuit_sentence(circuit_content()).html)
    assert "4 latents and error terms carry 90 % of it [80, 100], and without them 20 % [10, 30] is left" in words
    assert "No set of latents alone on the curve reaches 80 %" in words and "all 27 of them together: 100 %" in words
    assert "close &lt;quotes&gt;" in words
    assert "below" not in words


def test_a_task_that_the_model_does_not_do_is_said() -> None:
    failing = circuit_content(right=0.7, passes=False)
    assert "The model gets 70 % of its pairs right, below 90 %" in plain(circuit_sentence(failing).html)
    assert "C1: faithfulness (the model gets 70 % right)" in plain(join(circuit_section(failing, {}).body).html)


def test_the_section_holds_curves_nodes_and_sites() -> None:
    explained = {("topk-resid_post.2-seed0", 7): "closes a bracket"}
    section = circuit_section(circuit_content(), explained)
    html = join(section.body).html
    words = plain(html)
    assert section.title == "Task C1"
    assert html.count("<svg") == 2
    assert "5.00 nats, 0.00 with everything at its mean" in words
    assert "closes a bracket" in words and "0.error" in words and "what the dictionary does not reconstruct" in words
    assert "4, with errors (chosen)" in words and "[1.70, 2.10]" in words
    assert "resid_post.1" in words
