"""The page of steering. Oracle: the planted curves, looked for in its text."""

import json
from pathlib import Path

from monosemy.report import write_steering_page
from tests.unit.experiments.test_steering_files import written
from tests.unit.report.test_page import Reader

MADE = {"command": "monosemy steer runs/default"}


def read(path: Path) -> str:
    return " ".join(Reader(path.read_text(encoding="utf-8")).text.split())


def test_the_answer_stands_first(tmp_path: Path) -> None:
    folders = [written(tmp_path / "pairs"), written(tmp_path / "tokens", "own_tokens")]
    for name in ("a", "b"):
        write_steering_page(tmp_path / f"{name}.html", folders, MADE)
    html = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert html == (tmp_path / "b.html").read_text(encoding="utf-8")
    assert "<script" not in html
    text = read(tmp_path / "a.html")
    expected = [
        "Steering with TopK k=2: C1 and latent 3's own tokens",
        "C1, TopK k=2: latent 3 scaled where active moves it by 2.00 nats at strength 1 (33 % of turning",
        "random directions: nothing",
        "close the quote",
        "95 % of 3 held-out pairs right",
        "Which latents were tried",
        "'a' (+0.50), 'b' (+0.25)",
        "monosemy steer runs/default",
    ]
    places = [text.index(part) for part in expected]
    assert places == sorted(places)


def test_success_needs_the_damage_to_hold_on_test_too(tmp_path: Path) -> None:
    write_steering_page(tmp_path / "a.html", [written(tmp_path / "s")], MADE)
    text = read(tmp_path / "a.html")
    assert "latent 3 added everywhere 1 1.50 [1.40, 1.60] 0.120 [0.120, 0.120] no" in text
    assert "latent 3 scaled where active 1 2.00 [1.90, 2.10] 0.050 [0.050, 0.050] yes" in text


def test_a_behavior_that_the_model_does_not_have_is_said(tmp_path: Path) -> None:
    folder = written(tmp_path / "s")
    data = json.loads((folder / "steering.json").read_text())
    (folder / "steering.json").write_text(json.dumps(data | {"accuracy": 0.4}))
    write_steering_page(tmp_path / "a.html", [folder], MADE)
    assert "Below the gate: the model gets only 40 % of the pairs right" in read(tmp_path / "a.html")
