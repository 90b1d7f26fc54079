"""Oracle: a dictionary that is the identity loses nothing; the same one in SAELens' files gives the same numbers."""

import json
from pathlib import Path

import pytest
import torch

from monosemy.cli import main
from monosemy.core import Result, read_results, write_artifact
from monosemy.dictionaries import DICTIONARY_KIND, Dictionary, DictionaryCard, ReLU, write_card
from monosemy.lm import ModelSource, Site
from tests.unit.lm.tiny_models import saved_model

SITE = "resid_post.0"
TEXT = "def add(a, b):\n    return a + b\n\n"
FEW = [
    *("--context-length", "16", "--n-score-sequences", "8", "--n-mean-sequences", "8", "--n-splice-sequences", "4"),
    *("--threads", "1"),
]


def identity(d: int, factor: float = 1.0) -> Dictionary:
    """factor x, as positive parts of x and of -x."""
    eye = torch.cat([torch.eye(d), -torch.eye(d)])
    return Dictionary(W_enc=eye, b_enc=torch.zeros(2 * d), W_dec=factor * eye, b_dec=torch.zeros(d), sparsifier=ReLU())


def saved(folder: Path, dictionary: Dictionary, lm: str, site: str = SITE) -> Path:
    """The artifact that a run would have left."""
    card = DictionaryCard(
        name=f"{folder.name}-seed0",
        method="neurons_relu",
        lm=lm,
        lm_kind="trained",
        site=site,
        seed=0,
        n_latents=dictionary.n_latents,
        expansion_factor=2.0,
        n_steps=0,
        n_tokens=0,
        store="none",
    )
    with write_artifact(folder, kind=DICTIONARY_KIND, config=card) as inside:
        dictionary.save(inside)
        write_card(inside, card)
    return folder


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options that name a tiny model and a folder of texts."""
    texts = tmp_path_factory.mktemp("texts")
    for i in range(40):
        (texts / f"{i}.py").write_text(f"x{i} = {i}\n" + TEXT * 20)
    return ["--model", str(saved_model(tmp_path_factory.mktemp("model"), "gpt_neox")), "--corpus", str(texts)]


def made(folder: Path, subject: list[str], factor: float = 1.0) -> Path:
    lm = ModelSource(name=subject[1]).load()
    return saved(folder, identity(lm.d_site(Site.parse(SITE)), factor), lm.fingerprint())


def values(out: Path) -> dict[str, float | None]:
    return {r.metric: r.value for r in _test_results(out)}


def _test_results(out: Path) -> list[Result]:
    return [r for r in read_results(out / "results.jsonl") if r.split == "test"]


def test_the_identity_loses_nothing_and_half_of_it_something(
    subject: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, half = made(tmp_path / "whole", subject), made(tmp_path / "half", subject, 0.5)
    for folder in (whole, half):
        assert main(["evaluate", str(folder), *subject, *FEW, "--out", str(tmp_path / f"{folder.name}-out")]) == 0
    nothing, something = values(tmp_path / "whole-out"), values(tmp_path / "half-out")
    assert nothing["fvu"] == pytest.approx(0, abs=1e-9) and nothing["ce_increase"] == pytest.approx(0, abs=1e-4)
    assert nothing["l0"] == something["l0"]
    assert (something["fvu"] or 0) > 0.2 and abs(something["kl"] or 0) > 1e-3
    assert json.loads((tmp_path / "whole-out" / "run.json").read_text())["status"] == "complete"
    told = capsys.readouterr().out
    assert "fvu" in told and "exact labels exist for the embedded corpus only" in told


def test_saelens_files_give_the_same_numbers_and_a_second_time_is_cached(subject: list[str], tmp_path: Path) -> None:
    own, theirs = made(tmp_path / "own", subject, 0.7), tmp_path / "theirs"
    assert main(["convert", str(own), "--to", "saelens", "--out", str(theirs)]) == 0
    for folder, options in ((own, []), (theirs, ["--layer", "0"]), (theirs, ["--layer", "0"])):
        out = tmp_path / f"{folder.name}-out"
        assert main(["evaluate", str(folder), *subject, *FEW, *options, "--out", str(out)]) == 0
    ours, converted = values(tmp_path / "own-out"), values(tmp_path / "theirs-out")
    assert ours.keys() == converted.keys()
    for metric, value in ours.items():
        assert converted[metric] == (None if value is None else pytest.approx(value, rel=1e-5, abs=1e-7))
    stages = json.loads((tmp_path / "theirs-out" / "run.json").read_text())["stages"]
    assert {stage["status"] for stage in stages} == {"cached"}
