"""What the page of a tree is made of, read back. Oracle: the files as the test writes them."""

from pathlib import Path

import pytest

from monosemy.core import UserError
from monosemy.report import read_explanations, read_tree_files
from monosemy.report.tree_reading import named, node_name, shown_token, token_words
from tests.unit.report.tree_folder import LAYERS, circuit_content, node, write_circuit, write_explanations, write_tree


def test_files_are_read(tmp_path: Path) -> None:
    explained = write_explanations(tmp_path / "interpretation-a", "topk-resid_post.1-seed0", {3: "fires on brackets"})
    files = read_tree_files(write_tree(tmp_path / "t"), [write_circuit(tmp_path / "c")], [explained])
    assert len(files.tree["nodes"]) == 4
    assert files.circuits[0]["task"] == circuit_content()["task"]
    assert files.explanations == {("topk-resid_post.1-seed0", 3): "fires on brackets"}


def test_a_missing_file_or_part_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tree\.json is missing"):
        read_tree_files(tmp_path, [], [])
    with pytest.raises(UserError, match=r"tree\.json lacks layers"):
        read_tree_files(write_tree(tmp_path / "t", {"nodes": []}), [], [])
    (tmp_path / "about.json").write_text('{"name": "x"}')
    with pytest.raises(UserError, match=r"latents\.jsonl is missing; interpret the dictionary again"):
        read_explanations([tmp_path])


def test_names_carry_the_layer_of_the_model() -> None:
    latent, error = named([node(2, 7, ")"), {"layer": 1, "latent": None}], LAYERS)
    assert (node_name(latent), latent["dictionary"]) == ("2.7", "topk-resid_post.2-seed0")
    assert node_name(error) == "1.error"


def test_tokens_show_their_spaces_and_rare_ones_are_left_out() -> None:
    assert [shown_token(token) for token in (" a", "b ", "\n", "\ud8ff")] == ["\u2423a", "b\u2423", "\u21b5", "\\xff"]
    assert token_words([["a", 0.001], ["b", 0.5], ["c", 0.004]]) == [("a", 0.001), ("b", 0.5)]
