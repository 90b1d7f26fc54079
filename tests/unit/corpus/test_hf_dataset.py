"""Tables and hub datasets: written here with pyarrow and `datasets` and read back; the hub itself is never reached."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from monosemy.core import UserError
from monosemy.corpus import SPLITS, Corpus, HubDataset, TableFiles, content_unit, split_of

pyarrow = pytest.importorskip("pyarrow", reason="needs the extra 'data'")
parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra 'data'")
datasets = pytest.importorskip("datasets", reason="needs the extra 'data'")

TEXTS = [f"Text {i}" for i in range(120)]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def everything(corpus: Corpus) -> dict[str, str]:
    """Id -> text over the three splits, each document checked to be on its side."""
    found: dict[str, str] = {}
    for split in SPLITS:
        for document in corpus.documents(split):
            assert split_of(document.unit) == split
            assert document.unit == content_unit(document.text)
            found[document.id] = document.text
    return found


def refusal(corpus: Corpus) -> str:
    """The one line with which reading the corpus fails."""
    with pytest.raises(UserError) as caught:
        everything(corpus)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def write(path: Path, **columns: list) -> Path:
    parquet.write_table(pyarrow.table(columns), path, row_group_size=50)
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write(tmp_path / "texts.parquet", text=TEXTS, n=list(range(len(TEXTS))))


@pytest.fixture
def served(tmp_path: Path) -> str:
    """A dataset that `datasets` itself streams, from a folder."""
    (tmp_path / "served").mkdir()
    rows = "".join(json.dumps({"text": text, "n": i}) + "\n" for i, text in enumerate(TEXTS))
    (tmp_path / "served" / "rows.jsonl").write_text(rows, encoding="utf-8")
    return str(tmp_path / "served")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """A hub whose every dataset is at COMMIT; the list notes what was looked up."""
    asked: list[tuple[str, str]] = []

    def dataset_info(_: object, name: str, revision: str) -> SimpleNamespace:
        asked.append((name, revision))
        return SimpleNamespace(sha=COMMIT)

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", dataset_info)
    return asked


def test_a_table_gives_every_row_once(table: Path) -> None:
    assert everything(TableFiles(table)) == {f"texts.parquet:{i}": text for i, text in enumerate(TEXTS)}
    assert TableFiles(table).name == "texts.parquet"


def test_rows_without_text_keep_their_number(tmp_path: Path) -> None:
    table = write(tmp_path / "holes.parquet", text=[None, " ", *TEXTS])
    assert everything(TableFiles(table)) == {f"holes.parquet:{i + 2}": text for i, text in enumerate(TEXTS)}


def test_a_folder_of_tables_is_read_file_by_file(table: Path) -> None:
    (table.parent / "part").mkdir()
    write(table.parent / "part" / "b.parquet", text=["One more"])
    found = everything(TableFiles(table.parent))
    assert len(found) == len(TEXTS) + 1
    assert found["part/b.parquet:0"] == "One more"


@pytest.mark.parametrize("kind", ["large_string", "dictionary<values=string, indices=int32>"])
def test_every_kind_of_text_column_is_read(tmp_path: Path, kind: str) -> None:
    types = {"large_string": pyarrow.large_string()}
    column = pyarrow.array(TEXTS).cast(types.get(kind, pyarrow.dictionary(pyarrow.int32(), pyarrow.string())))
    parquet.write_table(pyarrow.table({"text": column}), tmp_path / "texts.parquet")
    assert sorted(everything(TableFiles(tmp_path)).values()) == sorted(TEXTS)


def test_a_saved_dataset_is_read(tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"text": TEXTS, "n": list(range(len(TEXTS)))}).save_to_disk(tmp_path / "saved")
    found = everything(TableFiles(tmp_path / "saved"))
    assert sorted(found.values()) == sorted(TEXTS)
    assert all(".arrow:" in row for row in found)


def test_a_column_that_is_missing_is_named_with_those_there_are(table: Path) -> None:
    message = refusal(TableFiles(table, field="txt"))
    assert "texts.parquet: no field 'txt' (did you mean 'text'?); its fields are 'text', 'n'" in message


def test_a_column_of_numbers_is_refused(table: Path) -> None:
    assert "texts.parquet: the field 'n' holds int64, not text" in refusal(TableFiles(table, field="n"))


@pytest.mark.parametrize("name", ["broken.parquet", "broken.arrow"])
def test_a_broken_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PAR1 is how it begins, and then nothing")
    assert f"{name}' is not a whole" in refusal(TableFiles(tmp_path / name))


def test_the_fingerprint_of_a_table_is_that_of_bytes_and_column(table: Path) -> None:
    corpus = TableFiles(table)
    fingerprint = corpus.fingerprint()
    assert TableFiles(table).fingerprint() == fingerprint != TableFiles(table, field="n").fingerprint()
    write(table, text=[*TEXTS, "more"])
    assert corpus.fingerprint() != fingerprint


@pytest.mark.parametrize("module", ["pyarrow", "datasets"])
def test_a_missing_library_is_told_with_the_command(table: Path, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    corpus = TableFiles(table) if module == "pyarrow" else HubDataset("owner/name", revision=COMMIT)
    assert "install them: pip install 'monosemy[data]'" in refusal(corpus)


def test_a_hub_dataset_gives_every_row_once(served: str) -> None:
    assert everything(HubDataset(served, revision=COMMIT)) == {str(i): text for i, text in enumerate(TEXTS)}


def test_a_hub_dataset_is_pinned_to_one_commit(hub: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[tuple] = []

    def load_dataset(*arguments: object, **options: object) -> Iterator[dict]:
        loaded.append((*arguments, options))
        return iter([{"text": text} for text in TEXTS])

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    corpus = HubDataset("owner/name", config="small", hub_split="validation")
    assert corpus.name == "hf:owner/name/small"
    assert len(everything(corpus)) == len(TEXTS)
    assert hub == [("owner/name", "main")]
    options = {"split": "validation", "revision": COMMIT, "streaming": True}
    assert loaded == [("owner/name", "small", options)] * len(SPLITS)


def test_a_revision_that_is_a_commit_is_not_looked_up(hub: list[tuple[str, str]]) -> None:
    assert HubDataset("owner/name", revision=COMMIT).fingerprint() == HubDataset("owner/name").fingerprint()
    assert hub == [("owner/name", "main")]


def test_the_fingerprint_of_a_hub_dataset_is_that_of_what_is_read() -> None:
    same = HubDataset("owner/name", revision=COMMIT)
    others = [
        HubDataset("owner/other", revision=COMMIT),
        HubDataset("owner/name", revision=COMMIT[::-1]),
        HubDataset("owner/name", revision=COMMIT, config="small"),
        HubDataset("owner/name", revision=COMMIT, hub_split="test"),
        HubDataset("owner/name", revision=COMMIT, field="body"),
    ]
    assert len({corpus.fingerprint() for corpus in [same, *others]}) == 6


def test_a_part_or_column_that_is_missing_is_named(served: str) -> None:
    assert "the part 'nope' of" in refusal(HubDataset(served, hub_split="nope", revision=COMMIT))
    assert "no field 'txt' (did you mean 'text'?)" in refusal(HubDataset(served, field="txt", revision=COMMIT))
    assert "the field 'n' holds int, not text" in refusal(HubDataset(served, field="n", revision=COMMIT))


def test_a_hub_out_of_reach_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def dataset_info(_: object, name: str, revision: str) -> None:
        raise RuntimeError(f"no route\nto {name} at {revision}")

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", dataset_info)
    message = refusal(HubDataset("owner/name"))
    assert message.startswith("'hf:owner/name' at revision 'main' cannot be looked up: no route to owner/name at main")
