"""The page of a tree. Oracle: what a reader must find on it, and what a page may not do."""

import re
from pathlib import Path

from monosemy.report import tree_answer, write_tree_page
from tests.unit.report.tree_folder import node, tree_content, write_circuit, write_explanations, write_tree


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", html))


def written(tmp_path: Path, **changed: object) -> str:
    explained = write_explanations(tmp_path / "interpretation-a", "topk-resid_post.1-seed0", {3: "fires on brackets"})
    path = tmp_path / "tree.html"
    tree = write_tree(tmp_path / "t", tree_content(**changed))
    write_tree_page(path, tree, [write_circuit(tmp_path / "c")], [explained], {"command": "monosemy tree x"})
    return path.read_text(encoding="utf-8")


def test_the_answer_comes_first() -> None:
    words = plain(tree_answer(tree_content()).html)
    assert words.startswith("Latent 2.7 fires mostly on ) (90 % of the positions at half of its peak or more).")
    assert "Without 1.3 it falls by 75 % [65, 85], without 1.4 by 25 %" in words
    assert "Of the ten latents that exact ablation ranks highest, 9 are among the 5" in words


def test_a_tree_without_children_says_why() -> None:
    alone = tree_content(nodes=[node(2, 7, ")", why_leaf="no latent lowers it by 5 % or more")], edges=[])
    assert plain(tree_answer(alone).html).endswith("no latent lowers it by 5 % or more.")


def test_the_page_holds_the_drawing_the_check_contexts_and_tasks(tmp_path: Path) -> None:
    html = written(tmp_path)
    words = plain(html)
    assert html.count("<svg") == 3
    assert "recall of the exact top ten within 5 candidates 90 %" in words
    assert "Spearman rank correlation 0.80 over all latents, 0.70 over the active ones" in words
    assert words.count("Latent 1.3 of topk-resid_post.1-seed0") == 1 and "fires on brackets" in words
    assert "No latent lowers it." in words
    assert '<mark class="fires heat-4" title="2.5">)</mark>' in html
    assert "No latent was named" in words and "monosemy tree x" in words
    assert 'id="task-c1"' in html
    assert "<script" not in html and "<b>" not in re.sub(r"<figcaption>.*?</figcaption>", "", html)


def test_a_named_latent_has_no_criterion(tmp_path: Path) -> None:
    assert "No latent was named" not in plain(written(tmp_path, chosen=False))
