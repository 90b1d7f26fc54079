"""A user's own text: a folder of text files, or JSON Lines."""

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast, final

from monosemy.core import UserError, file_sha256, fingerprint, nearest
from monosemy.corpus.documents import (
    Corpus,
    Document,
    Split,
    clean_text,
    content_unit,
    documents_in,
    empty_split,
    split_of,
)

JSON_LINES_SUFFIXES = (".jsonl", ".jsonl.gz")

# Bytes that no text holds, whatever its encoding: all control characters but tab, line feed, form feed, return, escape.
_CONTROL_BYTES = bytes(byte for byte in range(32) if byte not in b"\t\n\f\r\x1b")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a file held when it was last read: `unit` of its text, or why it was skipped."""

    size_bytes: int
    modified_ns: int
    unit: str | None
    skipped: str | None = None


@final
class TextFolder(Corpus):
    """A folder of UTF-8 text files; a file is a document, split by its content, so that copies stay on one side.

    path: the folder. pattern: a glob below it ("**/*.md").
    Hidden files, binary files and files of white space alone are skipped and counted (`skipped`). Files are read one at
    a time; once read, a file of another split is not read again unless its size or its time of modification changes.
    Raises UserError when the folder is none, when nothing in it is readable text, and on text that is not UTF-8.
    """

    def __init__(self, path: Path, pattern: str = "**/*") -> None:
        if not path.is_dir():
            raise UserError(f"{str(path)!r} is no folder; give a folder of text files")
        self._path = path
        self._pattern = pattern
        self._seen: dict[Path, _Seen] = {}

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self._path.resolve().name

    def documents(self, split: Split) -> Iterator[Document]:
        """Yield the files of one split in the order of their paths; id is the path below the folder."""
        n_in_split = 0
        for file in self._files():
            seen = self._unchanged(file)
            if seen is not None and (seen.unit is None or split_of(seen.unit) != split):
                continue
            text = self._read(file)
            unit = self._seen[file].unit
            if text is not None and unit is not None and split_of(unit) == split:
                n_in_split += 1
                yield Document(id=relative_id(file, self._path), unit=unit, text=text)
        if n_in_split == 0:
            raise UserError(empty_split(str(self._path), len(self._units()), split))

    def fingerprint(self) -> str:
        """Return the digest of every text file's path below the folder and content."""
        return fingerprint({"kind": "text_folder", "texts": self._units()})

    def skipped(self) -> dict[str, int]:
        """Return how many files were left out, by reason: "hidden", "binary", "empty"."""
        self._units()
        reasons = [self._seen[file].skipped for file in self._files()]
        n_hidden = len(matching_files(self._path, self._pattern, hidden=True)) - len(reasons)
        return {"hidden": n_hidden, "binary": reasons.count("binary"), "empty": reasons.count("empty")}

    def _files(self) -> list[Path]:
        return matching_files(self._path, self._pattern)

    def _units(self) -> dict[str, str]:
        """Id -> unit of every text file, reading those that have not been read yet."""
        units: dict[str, str] = {}
        for file in self._files():
            if self._unchanged(file) is None:
                self._read(file)
            unit = self._seen[file].unit
            if unit is not None:
                units[relative_id(file, self._path)] = unit
        if not units:
            raise UserError(
                f"no readable text in {str(self._path)!r} with the pattern {self._pattern!r}; allowed are UTF-8 text "
                "files (hidden and binary files are skipped); give another folder or pattern"
            )
        return units

    def _unchanged(self, file: Path) -> _Seen | None:
        seen, now = self._seen.get(file), file.stat()
        return (
            seen if seen is not None and (seen.size_bytes, seen.modified_ns) == (now.st_size, now.st_mtime_ns) else None
        )

    def _read(self, file: Path) -> str | None:
        """The file's text, or None where it is skipped; notes in `_seen` what it held."""
        stat = file.stat()
        text = read_text(file)
        skipped = "binary" if text is None else "empty" if not text.strip() else None
        unit = content_unit(text) if text is not None and skipped is None else None
        self._seen[file] = _Seen(size_bytes=stat.st_size, modified_ns=stat.st_mtime_ns, unit=unit, skipped=skipped)
        return text if skipped is None else None


@final
class JsonLines(Corpus):
    """JSON Lines: one object a line, its text in one field; a line is a document, split by its content.

    path: a .jsonl or .jsonl.gz file, or a folder of them. field: the field of the text. pattern: a glob below a folder.
    Lines are streamed. Blank lines and texts that are null or white space are left out.
    Raises UserError, with file and line, on a line that is not UTF-8, not a JSON object, or without a text in `field`.
    """

    def __init__(self, path: Path, field: str = "text", pattern: str = "**/*") -> None:
        self._path = path
        self._field = field
        self._files = files_with_suffix(path, pattern, JSON_LINES_SUFFIXES)
        self._digests = FileDigests()

    @property
    def name(self) -> str:
        """The name of the file or folder."""
        return self._path.resolve().name

    def documents(self, split: Split) -> Iterator[Document]:
        """Yield the lines of one split in the order of the files and lines; id is "path:line", lines counted from 1."""
        return documents_in(split, self._rows(), str(self._path))

    def fingerprint(self) -> str:
        """Return the digest of the field's name and of every file's path and bytes."""
        files = {relative_id(file, self._path): self._digests.of(file) for file in self._files}
        return fingerprint({"kind": "json_lines", "field": self._field, "files": files})

    def _rows(self) -> Iterator[tuple[str, str]]:
        for file in self._files:
            for number, line in _lines(file):
                text = _text_of(line, self._field, where=f"{file}:{number}")
                if text is not None:
                    yield f"{relative_id(file, self._path)}:{number}", text


class FileDigests:
    """The sha256 of files, computed once for as long as size and time of modification stay."""

    def __init__(self) -> None:
        self._known: dict[tuple[Path, int, int], str] = {}

    def of(self, file: Path) -> str:
        """Return the sha256 of a file's bytes, in hexadecimal."""
        stat = file.stat()
        key = (file, stat.st_size, stat.st_mtime_ns)
        if key not in self._known:
            self._known[key] = file_sha256(file)
        return self._known[key]


def matching_files(folder: Path, pattern: str, *, hidden: bool = False) -> list[Path]:
    """Return the files below a folder that match a glob, sorted; those with a dotted part in their path if `hidden`.

    Raises UserError when the pattern is none that can be matched below a folder.
    """
    try:
        found = sorted(path for path in folder.glob(pattern) if path.is_file())
    except (NotImplementedError, ValueError) as error:
        raise UserError(f"the pattern {pattern!r} cannot be used: {error}; give one like '**/*.txt'") from error
    return [
        path for path in found if hidden or not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def files_with_suffix(path: Path, pattern: str, suffixes: tuple[str, ...]) -> list[Path]:
    """Return a file itself, or those in a folder that match the glob and have one of the suffixes.

    Raises UserError when there is none.
    """
    files = (
        [path] if path.is_file() else [file for file in matching_files(path, pattern) if file.name.endswith(suffixes)]
    )
    if not files:
        raise UserError(
            f"no {' or '.join(suffixes)} file in {str(path)!r} with the pattern {pattern!r}; "
            "give another path or pattern"
        )
    return files


def relative_id(file: Path, root: Path) -> str:
    """Return a file's path below `root` (its name, where it is `root` itself), as text that UTF-8 can hold."""
    relative = file.name if file == root else file.relative_to(root).as_posix()
    return relative.encode("utf-8", "backslashreplace").decode("utf-8")


def read_text(file: Path) -> str | None:
    """Return a file's text, or None when it is binary (it holds control characters that no text has).

    Raises UserError when it cannot be read, or is text in another encoding than UTF-8.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UserError(
            f"{str(file)!r} cannot be read: {error.strerror}; mend it or leave it out by a pattern"
        ) from error
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        if _has_control_bytes(content):
            return None
        raise UserError(
            f"{str(file)!r} is not UTF-8 text (byte 0x{content[error.start]:02x} at offset {error.start}); "
            "convert it to UTF-8 or leave it out by a pattern"
        ) from error
    return None if "\0" in text else clean_text(text)


def _has_control_bytes(content: bytes) -> bool:
    return len(content.translate(None, _CONTROL_BYTES)) < len(content)


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """The non-blank lines of a plain or gzipped file, numbered from 1."""
    number = 0
    try:
        with gzip.open(file, "rb") if file.name.endswith(".gz") else file.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield number, line
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{file}:{number + 1}: cannot be read: {error}; give a whole file") from error


def _text_of(line: bytes, field: str, where: str) -> str | None:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: not UTF-8 text; convert the file to UTF-8") from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{where}: not JSON ({error}); JSON Lines hold one object a line") from error
    if not isinstance(row, dict):
        raise UserError(f"{where}: not a JSON object but {type(row).__name__}; JSON Lines hold one object a line")
    if field not in row:
        raise UserError(missing_field(where, field, list(cast(dict[str, object], row))))
    text = row[field]
    if text is not None and not isinstance(text, str):
        raise UserError(not_text(where, field, type(text).__name__))
    return text


def missing_field(where: str, field: str, fields: list[str]) -> str:
    """Return the message for a row or table without the field of the text."""
    shown = ", ".join(repr(each) for each in fields[:20]) + (", ..." if len(fields) > 20 else "")
    like = nearest(field, fields)
    return f"{where}: no field {field!r}{like}; its fields are {shown or 'none'}; name the field of the text"


def not_text(where: str, field: str, kind: str) -> str:
    """Return the message for a field that holds something else than text."""
    return f"{where}: the field {field!r} holds {kind}, not text; name the field of the text"
