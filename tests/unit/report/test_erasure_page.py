"""The page of erased concepts. Oracle: the planted figures, looked for in its text."""

from pathlib import Path

import pytest

from monosemy.core import UserError
from monosemy.report import write_erasure_page
from tests.unit.report.erased_folders import write_erased
from tests.unit.report.test_page import Reader

MADE = {"command": "monosemy erase runs/default", "seconds": 50.0}


def test_the_answer_stands_first(tmp_path: Path) -> None:
    folders = write_erased(tmp_path)
    for name in ("a", "b"):
        write_erasure_page(tmp_path / f"{name}.html", folders, MADE)
    html = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert html == (tmp_path / "b.html").read_text(encoding="utf-8")
    assert "<script" not in html and "<comment>" not in html
    text = " ".join(Reader(html).text.split())
    expected = [
        "Erasing comment and call_arguments",
        "comment: a linear probe is right on 90.0 % of tokens",
        "after LEACE on 50.0 %, at a KL of 0.05 nats a token; a probe with a hidden layer is still right on 52.0 %",
        "Of TopK k=16, 4 latents projected off do as much (51.5 %), at a KL of 0.3.",
        "call_arguments: a linear probe",
        "It holds for 14.3 % of the tokens reported on",
        "At the most that was taken out",
        "Every edit, on test.",
        "3, 1, 2, 9",
        "monosemy erase runs/default",
        "bootstrap over packages or files (30 of them for the costs)",
    ]
    places = [text.index(part) for part in expected]
    assert places == sorted(places)


def test_what_latents_leave_is_said_where_they_do_less(tmp_path: Path) -> None:
    folders = write_erased(tmp_path, ("comment",))
    path = folders[1] / "erasure.json"
    path.write_text(path.read_text().replace('"value": 0.515', '"value": 0.7'))
    write_erasure_page(tmp_path / "a.html", folders, MADE)
    text = " ".join(Reader((tmp_path / "a.html").read_text(encoding="utf-8")).text.split())
    assert "Of TopK k=16, 4 latents projected off leave 70.0 %, at a KL of 0.3." in text


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"erasure\.json is missing"):
        write_erasure_page(tmp_path / "a.html", [tmp_path], MADE)
    assert not (tmp_path / "a.html").exists()
