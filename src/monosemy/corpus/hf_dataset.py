"""A user's text in tables: Parquet and Arrow files, and datasets of the Hugging Face hub, streamed."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import final

from monosemy.core import UserError, fingerprint
from monosemy.corpus.documents import Corpus, Document, Split, documents_in
from monosemy.corpus.text_files import FileDigests, files_with_suffix, missing_field, not_text, relative_id

TABLE_SUFFIXES = (".parquet", ".arrow")
ROWS_PER_READ = 1000

_COMMIT = re.compile(r"[0-9a-f]{40}")
_MISSING_EXTRA = (
    "reading {what} needs the optional packages of the extra 'data'; install them: pip install 'monosemy[data]'"
)


@final
class TableFiles(Corpus):
    """Parquet files, or the Arrow files of a dataset saved with `save_to_disk`; a row is a document, split by content.

    path: a .parquet or .arrow file, or a folder of them. field: the column of the text. pattern: a glob below a folder.
    Rows are streamed, the one column alone. Rows that are null or white space are left out.
    Raises UserError on a file that is not what its name says, without the column, or whose column holds no text; and
    when pyarrow is missing.
    """

    def __init__(self, path: Path, field: str = "text", pattern: str = "**/*") -> None:
        self._path = path
        self._field = field
        self._files = files_with_suffix(path, pattern, TABLE_SUFFIXES)
        self._digests = FileDigests()

    @property
    def name(self) -> str:
        """The name of the file or folder."""
        return self._path.resolve().name

    def documents(self, split: Split) -> Iterator[Document]:
        """Yield the rows of one split in the order of the files and rows; id is "path:row", rows counted from 0."""
        return documents_in(split, self._rows(), str(self._path))

    def fingerprint(self) -> str:
        """Return the digest of the column's name and of every file's path and bytes."""
        files = {relative_id(file, self._path): self._digests.of(file) for file in self._files}
        return fingerprint({"kind": "tables", "field": self._field, "files": files})

    def _rows(self) -> Iterator[tuple[str, str]]:
        for file in self._files:
            for number, text in enumerate(_column(file, self._field)):
                if text is not None:
                    yield f"{relative_id(file, self._path)}:{number}", text


@final
class HubDataset(Corpus):
    """A dataset of the Hugging Face hub, streamed: a row is a document, split by its content.

    name: "owner/name". config: the dataset's configuration, where it has several. hub_split: the part of it that is
    read; our own three-way split divides it. field: the column of the text.
    revision: a branch, tag or commit. What is read is pinned to the commit found on first use, which the fingerprint
    holds.
    Raises UserError when `datasets` is missing, when the hub cannot be reached, and when it has no such dataset,
    configuration, part or column.
    """

    def __init__(
        self,
        name: str,
        *,
        config: str | None = None,
        hub_split: str = "train",
        field: str = "text",
        revision: str = "main",
    ) -> None:
        self._name = name
        self._config = config
        self._hub_split = hub_split
        self._field = field
        self._revision = revision
        self._commit = revision if _COMMIT.fullmatch(revision) else None

    @property
    def name(self) -> str:
        """ "hf:owner/name", with the configuration where there is one."""
        return f"hf:{self._name}" + (f"/{self._config}" if self._config else "")

    @property
    def commit(self) -> str:
        """The commit that is read, looked up on the hub the first time unless `revision` is one."""
        if self._commit is None:
            self._commit = _commit_of(self._name, self._revision)
        return self._commit

    def documents(self, split: Split) -> Iterator[Document]:
        """Yield the rows of one split in the dataset's order; id is the row's number, counted from 0."""
        return documents_in(split, self._rows(), self.name)

    def fingerprint(self) -> str:
        """Return the digest of the dataset's commit and of what is read of it; no row is read."""
        what = {"name": self._name, "config": self._config, "hub_split": self._hub_split, "field": self._field}
        return fingerprint({"kind": "hub", "commit": self.commit, **what})

    def _rows(self) -> Iterator[tuple[str, str]]:
        for number, row in enumerate(_stream(self._name, self._config, self._hub_split, self.commit)):
            if self._field not in row:
                raise UserError(missing_field(self.name, self._field, list(row)))
            text = row[self._field]
            if text is not None and not isinstance(text, str):
                raise UserError(not_text(self.name, self._field, type(text).__name__))
            if text is not None:
                yield str(number), text


def _stream(name: str, config: str | None, hub_split: str, commit: str) -> Iterator[dict[str, object]]:
    try:
        import datasets
    except ImportError as error:
        raise UserError(_MISSING_EXTRA.format(what="a Hugging Face dataset")) from error
    try:
        yield from datasets.load_dataset(name, config, split=hub_split, revision=commit, streaming=True)
    except Exception as error:  # its own errors, and those of whichever network library it uses, have no common base
        raise UserError(
            f"the part {hub_split!r} of 'hf:{name}' cannot be read: {error}; check the name, its configuration "
            "and the network"
        ) from error


def _commit_of(name: str, revision: str) -> str:
    from huggingface_hub import HfApi

    try:
        commit = HfApi().dataset_info(name, revision=revision).sha
    except Exception as error:  # the errors of its network library, which changes with its version, have no common base
        raise UserError(
            f"'hf:{name}' at revision {revision!r} cannot be looked up: {error}; check the name and the network, "
            "or give local files (.jsonl, .parquet or a folder of texts)"
        ) from error
    if commit is None:
        raise UserError(
            f"the hub names no commit of 'hf:{name}' at revision {revision!r}; give a commit as the revision"
        )
    return commit


def _column(file: Path, field: str) -> Iterator[str | None]:
    """The values of one text column, read a thousand rows at a time."""
    try:
        import pyarrow
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError as error:
        raise UserError(_MISSING_EXTRA.format(what=f"{file.suffix} files")) from error
    try:
        if file.suffix == ".parquet":
            with pyarrow.parquet.ParquetFile(file) as table:
                _check_column(file, field, {each.name: str(each.type) for each in table.schema_arrow})
                for batch in table.iter_batches(batch_size=ROWS_PER_READ, columns=[field]):
                    yield from batch.column(0).to_pylist()
        else:
            with pyarrow.memory_map(str(file)) as source, pyarrow.ipc.open_stream(source) as table:
                _check_column(file, field, {each.name: str(each.type) for each in table.schema})
                for batch in table:
                    yield from batch.column(field).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{str(file)!r} is not a whole {file.suffix} file: {error}; write it anew") from error


def _check_column(file: Path, field: str, types: dict[str, str]) -> None:
    """Raise UserError unless the table has the column and it holds text; types: column -> Arrow's name of its type."""
    if field not in types:
        raise UserError(missing_field(str(file), field, list(types)))
    if "string" not in types[field].removeprefix("dictionary<values=").split(",")[0]:
        raise UserError(not_text(str(file), field, types[field]))
