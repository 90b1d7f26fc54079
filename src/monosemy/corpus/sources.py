"""From what a user typed to the corpus that it names."""

from collections import Counter
from pathlib import Path

from monosemy.core import UserError, nearest
from monosemy.corpus.documents import Corpus
from monosemy.corpus.hf_dataset import TABLE_SUFFIXES, HubDataset, TableFiles
from monosemy.corpus.stdlib import StdlibCorpus
from monosemy.corpus.text_files import JSON_LINES_SUFFIXES, JsonLines, TextFolder, matching_files

EMBEDDED = "stdlib"
HUB_PREFIX = "hf:"

ALLOWED = (
    "a corpus is 'stdlib' (the embedded one), a folder of text files, a .jsonl or .jsonl.gz file, a .parquet or .arrow "
    "file, a folder of one of these, or a dataset of the Hugging Face hub (hf:owner/name[/configuration])"
)

# What stands beside the data in most published datasets, and is no part of it.
_BESIDE_DATA = ("readme", "license", "licence", "notice", "dataset_info", "dataset_dict", "state.json")


def open_corpus(spec: str | Path, *, field: str = "text", pattern: str = "**/*") -> Corpus:
    """Open the corpus that a user named, of the kind that its path shows.

    spec: a path, "stdlib" for the embedded corpus, or "hf:owner/name[/configuration]".
    field: the field or column of the text, where there are fields. pattern: a glob below a folder, to choose its files.
    Raises UserError when nothing is there, or when it is of no kind that can be read or of several.
    """
    if spec == EMBEDDED:
        return StdlibCorpus()
    if isinstance(spec, str) and spec.startswith(HUB_PREFIX):
        return _hub(spec, field)
    path = Path(spec).expanduser()
    if path.is_dir():
        return _folder(path, field, pattern)
    if path.is_file():
        return _file(path, field)
    siblings = [EMBEDDED, *(each.name for each in path.parent.iterdir())] if path.parent.is_dir() else [EMBEDDED]
    raise UserError(f"there is no file or folder {str(spec)!r}{nearest(path.name, siblings)}; {ALLOWED}")


def _hub(spec: str, field: str) -> HubDataset:
    parts = spec.removeprefix(HUB_PREFIX).split("/", maxsplit=2)
    if not all(parts):
        raise UserError(f"{spec!r} names no dataset; {ALLOWED}")
    config = parts[2] if len(parts) > 2 else None
    return HubDataset("/".join(parts[:2]), config=config, field=field)


def _file(path: Path, field: str) -> Corpus:
    if path.name.endswith(JSON_LINES_SUFFIXES):
        return JsonLines(path, field)
    if path.name.endswith(TABLE_SUFFIXES):
        return TableFiles(path, field)
    raise UserError(
        f"{str(path)!r} is one file, and a corpus needs many documents to be divided into train, validation and test; "
        f"{ALLOWED}; split it into one file a document, or into lines of JSON"
    )


def _folder(path: Path, field: str, pattern: str) -> Corpus:
    kinds = Counter(_kind(file) for file in matching_files(path, pattern))
    if not kinds["lines"] and not kinds["tables"]:
        return TextFolder(path, pattern)
    if (kinds["lines"] and kinds["tables"]) or kinds["other"]:
        raise UserError(
            f"{str(path)!r} mixes {kinds['lines']} JSON Lines file(s), {kinds['tables']} table(s) and {kinds['other']} "
            f"other file(s); choose one kind by a pattern like '**/*.jsonl'; {ALLOWED}"
        )
    return JsonLines(path, field, pattern) if kinds["lines"] else TableFiles(path, field, pattern)


def _kind(file: Path) -> str:
    if file.name.endswith(JSON_LINES_SUFFIXES):
        return "lines"
    if file.name.endswith(TABLE_SUFFIXES):
        return "tables"
    return "beside" if file.name.lower().startswith(_BESIDE_DATA) else "other"
