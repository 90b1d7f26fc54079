"""`monosemy convert`, through the command line.

Oracles: what SAELens computed from the folders that it wrote; the folder as it was before a mistake.
"""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from monosemy.cli import main
from monosemy.core import open_artifact, write_artifact
from monosemy.dictionaries import Dictionary, DictionaryCard, Identity, TopK, load_dictionary, write_card
from monosemy.dictionaries.formats import read_saelens
from tests.unit.dictionaries.formats.folders import SAELENS, expected

CARD = DictionaryCard(
    name="a-seed0",
    method="topk",
    lm="0123",
    lm_kind="trained",
    site="attn_out.3",
    seed=0,
    n_latents=8,
    expansion_factor=1.6,
    n_steps=5,
    n_tokens=50,
    store="4567",
)


def own(folder: Path, site: str = "attn_out.3", *, sparsifier: TopK | Identity | None = None) -> Dictionary:
    """An artifact as a run leaves it."""
    generator = torch.Generator().manual_seed(3)
    made = Dictionary(
        W_enc=torch.randn(8, 5, generator=generator),
        b_enc=torch.randn(8, generator=generator),
        W_dec=torch.randn(8, 5, generator=generator),
        b_dec=torch.randn(5, generator=generator),
        sparsifier=sparsifier or TopK(3),
    )
    with write_artifact(folder, kind="dictionary", config={}) as path:
        made.save(path)
        write_card(path, replace(CARD, site=site))
    return made


def fails(words: list[str], capsys: pytest.CaptureFixture[str], *parts: str) -> None:
    assert main(["convert", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and captured.err.startswith("error: ")
    for part in parts:
        assert part in captured.err


@pytest.mark.parametrize(
    ("case", "method", "variant", "site", "sparsity"),
    [
        ("standard", "norm_weighted_l1", "saelens", "resid_post.3", ""),
        ("old_standard", "relu_l1", "saelens", "resid_pre.5", ""),
        ("topk", "topk", "saelens", "resid_post.3", "k=3"),
        ("abstopk", "topk", "saelens_abstopk", "resid_post.3", "k=3"),
        ("batchtopk", "batch_topk", "saelens", "resid_post.3", ""),
        ("matryoshka", "matryoshka", "saelens", "resid_post.3", ""),
        ("jumprelu_scaled", "jumprelu", "saelens", "resid_post.3", ""),
        ("gated", "gated", "saelens", "resid_post.3", ""),
        ("standard_hook_z", "norm_weighted_l1", "saelens", "attn_heads.1", ""),
    ],
)
def test_from_saelens(
    case: str, method: str, variant: str, site: str, sparsity: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "converted"
    assert main(["convert", str(SAELENS / case), "--to", "monosemy", "--out", str(out)]) == 0
    assert str(out) in capsys.readouterr().out
    dictionary, card = load_dictionary(out)
    x, z, x_hat = expected(case)
    torch.testing.assert_close(dictionary.encode(x), z, rtol=2e-6, atol=2e-5)
    torch.testing.assert_close(dictionary.reconstruct(x), x_hat, rtol=2e-6, atol=2e-5)
    assert (card.method, card.variant, card.site, card.sparsity) == (method, variant, site, sparsity)
    assert (card.name, card.n_latents, card.lm, card.store) == ("converted-seed0", 10, "unknown", "unknown")


def test_other_files_give_another_fingerprint(tmp_path: Path) -> None:
    for case in ("topk", "topk_rescaled"):
        assert main(["convert", str(SAELENS / case), "--to", "monosemy", "--out", str(tmp_path / case)]) == 0
    prints = [open_artifact(tmp_path / case, kind="dictionary").fingerprint for case in ("topk", "topk_rescaled")]
    assert prints[0] != prints[1]


def test_a_name_and_a_site_that_are_given(tmp_path: Path) -> None:
    out = tmp_path / "mine-seed4"
    words = [
        "convert",
        str(SAELENS / "topk"),
        "--to",
        "monosemy",
        "--out",
        str(out),
        "--seed",
        "4",
        "--site",
        "mlp_out.1",
    ]
    assert main(words) == 0
    card = load_dictionary(out)[1]
    assert (card.name, card.seed, card.site) == ("mine-seed4", 4, "mlp_out.1")


def test_there_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = own(tmp_path / "own")
    there, back = tmp_path / "there", tmp_path / "back"
    assert main(["convert", str(tmp_path / "own"), "--to", "saelens", "--out", str(there), "--model", "gpt2"]) == 0
    assert "blocks.3.hook_attn_out" in capsys.readouterr().out
    read, info = read_saelens(there)
    assert torch.equal(read.W_enc, made.W_enc) and read.sparsifier == TopK(3)
    assert (info.hook_name, info.model_name) == ("blocks.3.hook_attn_out", "gpt2")
    assert main(["convert", str(there), "--to", "monosemy", "--out", str(back)]) == 0
    dictionary, card = load_dictionary(back)
    assert torch.equal(dictionary.W_dec, made.W_dec) and card.site == "attn_out.3"


def test_a_folder_without_a_card_and_saelens_in_a_newer_layout(tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    own(tmp_path / "own").save(tmp_path / "bare")
    to = ["--to", "saelens", "--out"]
    assert main(["convert", str(tmp_path / "bare"), *to, str(tmp_path / "a"), "--site", "resid_mid.0"]) == 0
    assert read_saelens(tmp_path / "a")[1].site == "resid_mid.0"
    assert main(["convert", str(SAELENS / "old_topk"), *to, str(tmp_path / "b")]) == 0
    assert read_saelens(tmp_path / "b")[1].version == "6.54.12"


def test_mistakes_are_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own(tmp_path / "own")
    mine, theirs, out = str(tmp_path / "own"), str(SAELENS / "topk"), str(tmp_path / "out")
    fails([theirs, "--to", "sparsify", "--out", out], capsys, "sparsify", "saelens", "monosemy")
    fails([theirs, "--out", out], capsys, "--to")
    fails([str(tmp_path / "no"), "--to", "saelens", "--out", out], capsys, "is not a folder")
    fails([str(tmp_path), "--to", "saelens", "--out", out], capsys, "config.json is missing")
    fails([mine, "--to", "monosemy", "--out", out], capsys, "SAELens folders")
    fails([mine, "--to", "saelens", "--out", out, "--scaling-factor", "2"], capsys, "--scaling-factor", "leave it out")
    fails([theirs, "--to", "monosemy", "--out", out, "--scaling-factor", "2"], capsys, "none", "leave it out")
    fails([theirs, "--to", "monosemy", "--out", out, "--site", "resid_post"], capsys, "unknown site")
    fails([str(SAELENS / "transcoder"), "--to", "monosemy", "--out", out], capsys, "hook_mlp_in", "--site")
    fails([str(SAELENS / "transcoder"), "--to", "saelens", "--out", out], capsys, "width 6 to 8")
    assert not Path(out).exists()


def test_what_saelens_cannot_have_is_refused_and_nothing_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own(tmp_path / "centered", site="resid_post.3.centered")
    own(tmp_path / "identity", sparsifier=Identity())
    for name, part in {"centered": "resid_post.3.centered", "identity": "Identity"}.items():
        fails([str(tmp_path / name), "--to", "saelens", "--out", str(tmp_path / "out")], capsys, part)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("to", ["saelens", "monosemy"])
def test_an_existing_folder_is_left_as_it_is(to: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own(tmp_path / "own")
    before = {file.name: file.read_bytes() for file in (tmp_path / "own").iterdir()}
    fails([str(SAELENS / "topk"), "--to", to, "--out", str(tmp_path / "own")], capsys, "not empty", "--out")
    assert before == {file.name: file.read_bytes() for file in (tmp_path / "own").iterdir()}
