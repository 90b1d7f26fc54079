"""`monosemy interpret DICTIONARY`: what does not fit is said at once; test_dictionary_run.py has the rest."""

from pathlib import Path

import pytest

from monosemy.cli import main
from monosemy.lm import ModelSource, Site
from tests.unit.lm.tiny_models import saved_model
from tests.unit.recipes.test_evaluate import identity, saved

TEXT = "def add(a, b):\n    return a + b\n\n"


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options that name a tiny model and a folder of texts."""
    texts = tmp_path_factory.mktemp("texts")
    for i in range(40):
        (texts / f"{i}.py").write_text(f"x{i} = {i}\n" + TEXT * 20)
    model = saved_model(tmp_path_factory.mktemp("model"), "gpt_neox")
    return ["--lm", str(model), "--corpus", str(texts), "--context-length", "64", "--latents", "2", "--threads", "1"]


def made(folder: Path, words: list[str], d: int | None = None) -> Path:
    lm = ModelSource(name=words[1]).load()
    return saved(folder, identity(d or lm.d_site(Site.parse("resid_post.0"))), lm.fingerprint())


def test_rows_shorter_than_a_fragment(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["interpret", str(made(tmp_path / "given", words)), *words, "--out", str(tmp_path / "out")]) == 2
    assert "rows of 16 positions are shorter than a fragment" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_dictionary_that_does_not_fit(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = made(tmp_path / "wrong", words, d=3)
    assert main(["interpret", str(wrong), *words, "--out", str(tmp_path / "out")]) == 2
    assert "is of width 3" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
