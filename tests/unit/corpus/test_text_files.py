"""Folders of text and JSON Lines: files written here and read back; every message is one line that says what to do."""

import gzip
import json
import os
from itertools import count
from pathlib import Path

import pytest

from monosemy.core import UserError
from monosemy.corpus import SPLITS, Corpus, JsonLines, TextFolder, content_unit, split_of
from monosemy.corpus.text_files import read_text

N_TEXTS = 120


def everything(corpus: Corpus) -> dict[str, str]:
    """Id -> text over the three splits, each document checked to be on its side."""
    found: dict[str, str] = {}
    for split in SPLITS:
        for document in corpus.documents(split):
            assert split_of(document.unit) == split
            assert document.unit == content_unit(document.text)
            assert document.id not in found
            found[document.id] = document.text
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of numbered texts, some of them in a folder below."""
    for i in range(N_TEXTS):
        file = tmp_path / "texts" / ("deep/er" if i % 2 else ".") / f"{i:03}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"Text number {i}.\n", encoding="utf-8")
    return tmp_path / "texts"


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    file = tmp_path / "texts.jsonl"
    file.write_text("".join(json.dumps({"n": i, "text": f"Text {i}"}) + "\n" for i in range(N_TEXTS)), encoding="utf-8")
    return file


def refusal(corpus: Corpus) -> str:
    """The one line with which reading the corpus fails."""
    with pytest.raises(UserError) as caught:
        everything(corpus)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_gives_every_file_once(folder: Path) -> None:
    expected = {f"{'deep/er/' if i % 2 else ''}{i:03}.txt": f"Text number {i}.\n" for i in range(N_TEXTS)}
    assert everything(TextFolder(folder)) == expected
    assert TextFolder(folder).name == "texts"


def test_a_pattern_chooses_among_the_files(folder: Path) -> None:
    (folder / "notes.md").write_text("Not a text.", encoding="utf-8")
    assert len(everything(TextFolder(folder, "*.txt"))) == N_TEXTS / 2
    assert len(everything(TextFolder(folder, "**/*.txt"))) == N_TEXTS
    assert len(everything(TextFolder(folder))) == N_TEXTS + 1


def test_hidden_binary_and_empty_files_are_skipped_and_counted(folder: Path) -> None:
    before = everything(TextFolder(folder))
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("[core]", encoding="utf-8")
    (folder / ".notes").write_text("hidden", encoding="utf-8")
    (folder / "image.png").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
    (folder / "utf16.txt").write_text("text", encoding="utf-16")
    (folder / "packed").write_bytes(b"\x1f\x8b\x08\xff\x01")
    (folder / "blank.txt").write_text(" \n", encoding="utf-8")
    corpus = TextFolder(folder)
    assert everything(corpus) == before
    assert corpus.skipped() == {"hidden": 2, "binary": 3, "empty": 1}


def test_line_ends_and_byte_order_mark_are_cleaned(folder: Path) -> None:
    (folder / "windows.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n")
    assert everything(TextFolder(folder))["windows.txt"] == "one\ntwo\n"


def test_copies_of_a_file_share_their_unit(folder: Path) -> None:
    for i in range(N_TEXTS):
        (folder / f"copy of {i:03}.txt").write_bytes(f"Text number {i}.\r\n".encode())
    corpus = TextFolder(folder)
    documents = [document for split in SPLITS for document in corpus.documents(split)]
    assert len(documents) == 2 * N_TEXTS
    assert len({document.unit for document in documents}) == N_TEXTS


def test_the_order_does_not_depend_on_when_files_were_written(folder: Path) -> None:
    first = [document.id for document in TextFolder(folder).documents("train")]
    content = (folder / "000.txt").read_bytes()
    (folder / "000.txt").unlink()
    (folder / "000.txt").write_bytes(content)
    assert [document.id for document in TextFolder(folder).documents("train")] == first == sorted(first)


def test_files_of_other_splits_are_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []

    def noting(file: Path) -> str | None:
        read.append(file)
        return read_text(file)

    monkeypatch.setattr("monosemy.corpus.text_files.read_text", noting)
    corpus = TextFolder(folder)
    corpus.fingerprint()
    assert len(read) == N_TEXTS
    n_test = len(list(corpus.documents("test")))
    assert 0 < n_test < N_TEXTS / 2
    assert len(read) == N_TEXTS + n_test


def test_a_file_that_changes_between_two_readings_is_read_again(folder: Path) -> None:
    corpus = TextFolder(folder)
    before, fingerprint = everything(corpus), corpus.fingerprint()
    # From the split that is read last to the one that is read first: seen only if its size and time are looked at.
    file = next(corpus.documents("test")).id
    changed = next(text for text in (f"Changed {i}.\n" for i in count()) if split_of(content_unit(text)) == "train")
    (folder / file).write_text(changed, encoding="utf-8")
    assert everything(corpus) == {**before, file: changed}
    (folder / file).write_text("And once more.\n", encoding="utf-8")
    assert corpus.fingerprint() == TextFolder(folder).fingerprint() != fingerprint


def test_the_fingerprint_is_that_of_names_and_texts(folder: Path, tmp_path: Path) -> None:
    fingerprint = TextFolder(folder).fingerprint()
    os.utime(folder / "000.txt", (1, 1))
    (folder / ".hidden").write_text("hidden", encoding="utf-8")
    folder.rename(tmp_path / "moved")
    folder = tmp_path / "moved"
    assert TextFolder(folder).fingerprint() == fingerprint
    (folder / "000.txt").rename(folder / "0000.txt")
    renamed = TextFolder(folder).fingerprint()
    (folder / "one more.txt").write_text("One more.", encoding="utf-8")
    assert len({fingerprint, renamed, TextFolder(folder).fingerprint()}) == 3


def test_text_in_another_encoding_is_refused(folder: Path) -> None:
    (folder / "latin.txt").write_bytes("caf\xe9\n".encode("latin-1"))
    message = refusal(TextFolder(folder))
    assert "latin.txt' is not UTF-8 text (byte 0xe9 at offset 3); convert it to UTF-8" in message


@pytest.mark.parametrize("content", [None, b"", b"\x00\x01\x02"], ids=["nothing", "empty", "binary"])
def test_a_folder_without_text_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    assert "no readable text in" in refusal(TextFolder(tmp_path))
    with pytest.raises(UserError, match="no readable text in"):
        TextFolder(tmp_path).fingerprint()


def test_a_folder_of_one_text_has_no_test_part(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("The only one.", encoding="utf-8")
    assert "holds 1 text(s) and none of them falls in the" in refusal(TextFolder(tmp_path))


@pytest.mark.parametrize("pattern", ["", "/etc/*"])
def test_a_pattern_that_cannot_be_matched_is_refused(folder: Path, pattern: str) -> None:
    assert "cannot be used" in refusal(TextFolder(folder, pattern))


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no folder"):
        TextFolder(tmp_path / "missing")


def test_a_file_that_may_not_be_read_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_bytes(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert "000.txt' cannot be read: Permission denied; mend it" in refusal(TextFolder(folder))


def test_json_lines_give_every_line_once(lines: Path) -> None:
    expected = {f"texts.jsonl:{i + 1}": f"Text {i}" for i in range(N_TEXTS)}
    assert everything(JsonLines(lines)) == expected
    assert JsonLines(lines).name == "texts.jsonl"


def test_gzipped_json_lines_are_the_same(lines: Path) -> None:
    packed = lines.with_name("texts.jsonl.gz")
    packed.write_bytes(gzip.compress(lines.read_bytes()))
    assert list(everything(JsonLines(packed)).values()) == list(everything(JsonLines(lines)).values())


def test_a_folder_of_json_lines_is_read_file_by_file(lines: Path) -> None:
    (lines.parent / "more").mkdir()
    packed = lines.parent / "more" / "b.jsonl.gz"
    packed.write_bytes(gzip.compress(b'{"text": "One more"}\n'))
    (lines.parent / "readme.md").write_text("not JSON", encoding="utf-8")
    found = everything(JsonLines(lines.parent))
    assert len(found) == N_TEXTS + 1
    assert found["more/b.jsonl.gz:1"] == "One more"


def test_blank_lines_and_texts_are_left_out_and_counted_as_lines(lines: Path) -> None:
    with lines.open("a", encoding="utf-8") as stream:
        stream.write('\n  \n{"text": null}\n{"text": " "}\n{"text": "last", "more": [1]}')
    found = everything(JsonLines(lines))
    assert len(found) == N_TEXTS + 1
    assert found[f"texts.jsonl:{N_TEXTS + 5}"] == "last"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{not json", "texts.jsonl:121: not JSON (Expecting property name"),
        (b"[1, 2]", "texts.jsonl:121: not a JSON object but list"),
        (b'{"test": "a", "n": 1}', "no field 'text' (did you mean 'test'?); its fields are 'test', 'n'"),
        (b"{}", "no field 'text'; its fields are none"),
        (b'{"text": 3}', "texts.jsonl:121: the field 'text' holds int, not text"),
        (b'{"text": "caf\xe9"}', "texts.jsonl:121: not UTF-8 text"),
        (b"[" * 100_000, "texts.jsonl:121: not JSON"),
    ],
)
def test_a_wrong_line_is_named(lines: Path, line: bytes, message: str) -> None:
    lines.write_bytes(lines.read_bytes() + line + b"\n")
    assert message in refusal(JsonLines(lines))


def test_another_field_can_hold_the_text(lines: Path) -> None:
    lines.write_text(lines.read_text(encoding="utf-8").replace('"text"', '"body"'), encoding="utf-8")
    assert len(everything(JsonLines(lines, field="body"))) == N_TEXTS


def test_a_broken_gzip_file_is_named(lines: Path) -> None:
    packed = lines.with_name("texts.jsonl.gz")
    packed.write_bytes(gzip.compress(lines.read_bytes())[:-100])
    assert "texts.jsonl.gz:" in refusal(JsonLines(packed))
    packed.write_bytes(b"not gzip at all")
    assert "texts.jsonl.gz:1: cannot be read: Not a gzipped file" in refusal(JsonLines(packed))


def test_the_fingerprint_of_json_lines_is_that_of_bytes_and_field(lines: Path) -> None:
    corpus = JsonLines(lines)
    fingerprint = corpus.fingerprint()
    assert JsonLines(lines).fingerprint() == fingerprint != JsonLines(lines, field="n").fingerprint()
    with lines.open("a", encoding="utf-8") as stream:
        stream.write('{"text": "more"}\n')
    assert corpus.fingerprint() != fingerprint


def test_an_empty_file_of_json_lines_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    assert "holds no text" in refusal(JsonLines(tmp_path / "empty.jsonl"))


def test_a_folder_without_json_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no \.jsonl or \.jsonl\.gz file in"):
        JsonLines(tmp_path)
