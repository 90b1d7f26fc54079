"""From what a user typed to the corpus: one file or folder of each kind, and everything that is of none."""

from pathlib import Path

import pytest

from monosemy.core import UserError
from monosemy.corpus import HubDataset, JsonLines, StdlibCorpus, TableFiles, TextFolder, open_corpus

NUMBERS = [str(i) for i in range(100)]


def refusal(spec: str | Path, pattern: str = "**/*") -> str:
    with pytest.raises(UserError) as caught:
        open_corpus(spec, pattern=pattern)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jsonl", JsonLines),
        ("a.jsonl.gz", JsonLines),
        ("a.parquet", TableFiles),
        ("a.arrow", TableFiles),
    ],
)
def test_a_file_is_opened_by_its_suffix_alone_or_in_a_folder(tmp_path: Path, name: str, kind: type) -> None:
    (tmp_path / name).touch()
    assert isinstance(open_corpus(tmp_path / name), kind)
    assert isinstance(open_corpus(tmp_path), kind)
    assert isinstance(open_corpus(str(tmp_path)), kind)


def test_a_folder_of_texts_is_a_text_folder(tmp_path: Path) -> None:
    for i in NUMBERS:
        (tmp_path / f"{i}.txt").write_text(i, encoding="utf-8")
    corpus = open_corpus(tmp_path, pattern="1*.txt")
    assert isinstance(corpus, TextFolder)
    assert {document.text for document in corpus.documents("train")} < {i for i in NUMBERS if i.startswith("1")}


def test_what_stands_beside_published_data_is_no_data(tmp_path: Path) -> None:
    for name in ("a.parquet", "README.md", "LICENSE", "dataset_info.json", "state.json"):
        (tmp_path / name).touch()
    assert isinstance(open_corpus(tmp_path), TableFiles)


def test_a_mixed_folder_is_refused_until_a_pattern_chooses(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.parquet", "c.txt", "d.txt"):
        (tmp_path / name).touch()
    assert "mixes 1 JSON Lines file(s), 1 table(s) and 2 other file(s); choose one kind" in refusal(tmp_path)
    assert "mixes 1 JSON Lines file(s), 0 table(s) and 2" in refusal(tmp_path, "*.[tj]*")
    assert isinstance(open_corpus(tmp_path, pattern="*.jsonl"), JsonLines)
    assert isinstance(open_corpus(tmp_path, pattern="*.parquet"), TableFiles)
    assert isinstance(open_corpus(tmp_path, pattern="*.txt"), TextFolder)


def test_the_field_reaches_the_corpus(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("".join(f'{{"body": "{i}"}}\n' for i in NUMBERS), encoding="utf-8")
    for path in (tmp_path / "a.jsonl", tmp_path):
        assert len(list(open_corpus(path, field="body").documents("test"))) > 0
        with pytest.raises(UserError, match="no field 'text'; its fields are 'body'"):
            list(open_corpus(path).documents("test"))


def test_the_embedded_corpus_has_a_name() -> None:
    assert isinstance(open_corpus("stdlib"), StdlibCorpus)


def test_a_hub_dataset_has_a_prefix() -> None:
    assert open_corpus("hf:owner/name").name == "hf:owner/name"
    assert open_corpus("hf:imdb").name == "hf:imdb"
    corpus = open_corpus("hf:owner/name/config/with/slashes", field="body")
    assert isinstance(corpus, HubDataset)
    assert corpus.name == "hf:owner/name/config/with/slashes"


@pytest.mark.parametrize("spec", ["hf:", "hf:/name", "hf:owner/"])
def test_a_hub_dataset_without_a_name_is_refused(spec: str) -> None:
    assert f"{spec!r} names no dataset; a corpus is" in refusal(spec)


def test_a_path_that_is_not_there_is_refused_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "my_texts").mkdir()
    message = refusal(tmp_path / "my_text")
    assert "there is no file or folder" in message
    assert "(did you mean 'my_texts'?)" in message
    assert "a corpus is 'stdlib' (the embedded one), a folder of text files" in message
    assert "(did you mean 'stdlib'?)" in refusal("stdlb")
    assert "there is no file or folder" in refusal(tmp_path / "not" / "there")


@pytest.mark.parametrize("name", ["book.txt", "table.csv", "model.safetensors"])
def test_a_single_file_of_another_kind_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("text", encoding="utf-8")
    message = refusal(tmp_path / name)
    assert f"{name}' is one file, and a corpus needs many documents" in message
    assert message.endswith("split it into one file a document, or into lines of JSON")


def test_the_home_folder_can_be_abbreviated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "a.jsonl").touch()
    assert isinstance(open_corpus("~/a.jsonl"), JsonLines)
