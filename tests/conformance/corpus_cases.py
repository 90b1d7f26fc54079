"""The corpora that can be opened, and what each gives when it is read."""

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import pytest

from monosemy.corpus import SPLITS, Corpus, Document, HubDataset, JsonLines, Split, StdlibCorpus, TableFiles, TextFolder

# Texts as users have them: other scripts, line ends of other systems, one text twice, a text of two lines.
TEXTS = (
    *(f"Text {number}: the quick brown fox jumps over {number * number} lazy dogs.\n" for number in range(60)),
    "Zwölf Boxkämpfer jagen Viktor quer über den Sylter Deich.\n",
    "いろはにほへと\r\nちりぬるを\r\n",
    "one line\rand another\n",
    "the same text\n",
    "the same text\n",
    "\ufeffwith a byte-order mark\n",
)
CHANGED_TEXTS = ("A text 0 that was changed.\n", *TEXTS[1:])
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass(frozen=True, kw_only=True, slots=True)
class CorpusCase:
    """A kind of corpus; `open(folder, texts)` writes the texts below the folder and opens them.

    embedded: its documents are part of the package, so `texts` changes nothing.
    """

    name: str
    kind: type[Corpus]
    open: Callable[[Path, Sequence[str]], Corpus]
    embedded: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class CorpusEvidence:
    """What a corpus gave.

    first, second: its documents from two instances; again: from the first instance once more.
    interleaved: the documents of the first instance, the three splits read in turn, one document at a time.
    fingerprints: before reading, after reading, of the second instance.
    other_fingerprints: of the same kind of corpus with a text changed and with a text less; and of quite another one.
    """

    names: tuple[str, ...]
    first: dict[Split, list[Document]]
    again: dict[Split, list[Document]]
    second: dict[Split, list[Document]]
    interleaved: dict[Split, list[Document]]
    fingerprints: tuple[str, str, str]
    other_fingerprints: tuple[str, ...]


def read(corpus: Corpus) -> dict[Split, list[Document]]:
    return {split: list(corpus.documents(split)) for split in SPLITS}


def read_in_turn(corpus: Corpus) -> dict[Split, list[Document]]:
    rows = zip_longest(*(corpus.documents(split) for split in SPLITS))
    columns = zip(*rows, strict=True)
    return {split: [each for each in column if each is not None] for split, column in zip(SPLITS, columns, strict=True)}


def gather(case: CorpusCase, folder: Path) -> CorpusEvidence:
    """Open the corpus and read it in several ways."""
    corpus = case.open(folder / "texts", TEXTS)
    before = corpus.fingerprint()
    first = read(corpus)
    second = case.open(folder / "texts", TEXTS)
    others = (
        [] if case.embedded else [case.open(folder / "changed", CHANGED_TEXTS), case.open(folder / "less", TEXTS[1:])]
    )
    others.append(open_folder(folder / "other", [f"another text {number}" for number in range(100)]))
    return CorpusEvidence(
        names=(corpus.name, second.name),
        first=first,
        again=read(corpus),
        second=read(second),
        interleaved=read_in_turn(corpus),
        fingerprints=(before, corpus.fingerprint(), second.fingerprint()),
        other_fingerprints=tuple(other.fingerprint() for other in others),
    )


def write_texts(folder: Path, texts: Sequence[str]) -> Path:
    for number, text in enumerate(texts):
        path = folder / f"part-{number % 3}" / f"{number:03}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return folder


def write_lines(path: Path, texts: Sequence[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(json.dumps({"text": text, "source": "conformance"}) + "\n" for text in texts).encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def write_parquet(path: Path, texts: Sequence[str]) -> Path:
    pyarrow = pytest.importorskip("pyarrow", reason="the extra 'data' is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.table({"text": list(texts), "row": list(range(len(texts)))}), path)
    return path


def open_folder(folder: Path, texts: Sequence[str]) -> Corpus:
    return TextFolder(write_texts(folder, texts))


def open_lines(folder: Path, texts: Sequence[str]) -> Corpus:
    return JsonLines(write_lines(folder / "texts.jsonl", texts))


def open_compressed_lines(folder: Path, texts: Sequence[str]) -> Corpus:
    return JsonLines(write_lines(folder / "texts.jsonl.gz", texts))


def open_parquet(folder: Path, texts: Sequence[str]) -> Corpus:
    return TableFiles(write_parquet(folder / "texts.parquet", texts))


def open_hub(folder: Path, texts: Sequence[str]) -> Corpus:
    """A dataset of the hub, whose repository is a folder here: `datasets` reads it as it would the downloaded one."""
    pytest.importorskip("datasets", reason="the extra 'data' is not installed")
    # Its commit is what tells two versions of a hub's dataset apart; so other texts come as another commit.
    commit = COMMIT if tuple(texts) == TEXTS else f"{len(texts):040x}"
    return HubDataset(str(write_parquet(folder / "train.parquet", texts).parent), revision=commit)


CASES = (
    CorpusCase(name="stdlib", kind=StdlibCorpus, open=lambda _, __: StdlibCorpus(), embedded=True),
    CorpusCase(name="text_folder", kind=TextFolder, open=open_folder),
    CorpusCase(name="json_lines", kind=JsonLines, open=open_lines),
    CorpusCase(name="json_lines_gz", kind=JsonLines, open=open_compressed_lines),
    CorpusCase(name="parquet", kind=TableFiles, open=open_parquet),
    CorpusCase(name="hub", kind=HubDataset, open=open_hub),
)
