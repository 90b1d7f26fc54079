"""How the embedded corpus was made: the standard library's source, cleaned, de-duplicated, split and tokenized.

Run once, by `python -m monosemy.corpus text OUT`, and its output is shipped: the bytes of the standard library differ
between Python releases and distributions (9-53 % of the bytes are in identical files), so a corpus read from the
user's own Python would make no two machines' scores comparable.

1. gather: every `.py` file of the library, without tests, generated tables and vendored copies;
2. clean: LF line ends, no form feeds, files under 200 characters dropped;
3. near-duplicates: a file half of whose 3-line shingles already stand in a larger kept file is dropped;
4. split by unit (top-level package or module) 80/10/10 by bytes, at least 40 units in each held-out part;
5. tokenizer: byte-level BPE, vocabulary 2048, trained on the train part only.
"""

import hashlib
import io
import json
import platform
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path, PurePosixPath

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from monosemy.core import atomic_write_bytes, atomic_write_text
from monosemy.corpus.documents import Document, Split
from monosemy.corpus.stdlib import (
    END_OF_TEXT,
    LICENSE_FILE,
    MANIFEST_FILE,
    TOKENIZER_FILE,
    TOKENS_FILE,
    FrozenDocument,
    compress_tokens,
)

EXCLUDED_FOLDERS = frozenset(
    {
        "__pycache__",
        "_bundled",
        "_vendor",
        "encodings",
        "idle_test",
        "idlelib",
        "lib-dynload",
        "lib2to3",
        "pydoc_data",
        "site-packages",
        "test",
        "tests",
        "turtledemo",
    }
)
"""Tests (not installed everywhere), generated tables, applications, vendored copies."""

MACHINE_SPECIFIC_PREFIXES = ("_sysconfigdata", "config-")
MIN_CHARACTERS = 200
SHINGLE_LINES = 3
MAX_CONTAINMENT = 0.5
HELD_OUT_FRACTION = 0.10
MIN_HELD_OUT_UNITS = 40
MAX_HELD_OUT_UNIT_BYTES = 64 * 1024
"""A larger unit always goes to train: one of them alone would be most of a held-out part."""

VOCABULARY_SIZE = 2048


def gather(library: Path) -> Iterator[Document]:
    """The cleaned source files below `library`, in order of their path; the unit is the top-level package or module."""
    for path in sorted(library.rglob("*.py")):
        relative = PurePosixPath(path.relative_to(library).as_posix())
        if EXCLUDED_FOLDERS & set(relative.parts[:-1]) or relative.parts[0].startswith(MACHINE_SPECIFIC_PREFIXES):
            continue
        text = clean(path.read_bytes())
        if len(text) >= MIN_CHARACTERS:
            yield Document(id=str(relative), unit=relative.parts[0].removesuffix(".py"), text=text)


def clean(source: bytes) -> str:
    """Decode by the file's coding cookie, turn line ends into LF, strip form feeds and a byte-order mark."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    text = source.decode(encoding)
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0c", "").removeprefix("\ufeff")


def shingles(text: str) -> frozenset[int]:
    """Hashes of every run of 3 consecutive non-blank lines, white space at their ends ignored."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    runs = ("\n".join(lines[i : i + SHINGLE_LINES]) for i in range(max(1, len(lines) - SHINGLE_LINES + 1)))
    return frozenset(int.from_bytes(hashlib.sha256(run.encode()).digest()[:8], "little") for run in runs)


def drop_near_duplicates(documents: Iterable[Document]) -> tuple[list[Document], dict[str, str]]:
    """Keep a document unless half of its shingles stand in one larger kept document.

    containment(a in b) = |shingles(a) & shingles(b)| / |shingles(a)|
    Returns the kept documents in order of id, and {dropped id: id of the document that contains it}.
    """
    kept: list[tuple[Document, frozenset[int]]] = []
    dropped: dict[str, str] = {}
    for document in sorted(documents, key=lambda d: (-len(d.text), d.id)):
        own = shingles(document.text)
        twin = next((other for other, theirs in kept if len(own & theirs) >= MAX_CONTAINMENT * len(own)), None)
        if twin is None:
            kept.append((document, own))
        else:
            dropped[document.id] = twin.id
    return sorted((document for document, _ in kept), key=lambda d: d.id), dropped


def split_units(documents: Sequence[Document]) -> dict[str, Split]:
    """Unit -> split: units in the order of their name's sha256 fill validation, then test; the rest is train.

    A held-out part is full when it has at least 10 % of all bytes and at least 40 units; test takes less only when the
    units that may be held out are used up.
    """
    n_bytes: dict[str, int] = {}
    for document in documents:
        n_bytes[document.unit] = n_bytes.get(document.unit, 0) + len(document.text.encode())
    wanted_bytes = HELD_OUT_FRACTION * sum(n_bytes.values())
    eligible = [unit for unit in n_bytes if n_bytes[unit] <= MAX_HELD_OUT_UNIT_BYTES]
    queue = sorted(eligible, key=lambda unit: hashlib.sha256(unit.encode()).hexdigest())
    splits: dict[str, Split] = dict.fromkeys(n_bytes, "train")
    held_out: tuple[Split, ...] = ("validation", "test")
    for split in held_out:
        units, held_bytes = 0, 0
        while queue and (held_bytes < wanted_bytes or units < MIN_HELD_OUT_UNITS):
            unit = queue.pop(0)
            splits[unit] = split
            units, held_bytes = units + 1, held_bytes + n_bytes[unit]
    return splits


def train_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Byte-level BPE with GPT-2's pre-tokenizer; id 0 is the end-of-text token.

    Lossless on any text that does not hold `<|endoftext|>` itself.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def freeze_corpus(library: Path, out: Path) -> None:
    """Write the corpus made from `library` into the folder `out`: manifest, tokens, tokenizer, license.

    Raises ValueError when the tokens of a document do not decode to its text.
    """
    documents, dropped = drop_near_duplicates(gather(library))
    splits = split_units(documents)
    tokenizer = train_tokenizer(d.text for d in documents if splits[d.unit] == "train")
    encodings = tokenizer.encode_batch([d.text for d in documents], add_special_tokens=False)
    frozen = [
        FrozenDocument(
            id=document.id,
            unit=document.unit,
            split=splits[document.unit],
            n_tokens=len(encoding.ids),
            n_bytes=len(document.text.encode()),
            sha256=hashlib.sha256(document.text.encode()).hexdigest(),
        )
        for document, encoding in zip(documents, encodings, strict=True)
    ]
    tokens = np.concatenate([np.array(encoding.ids, dtype="<u2") for encoding in encodings])
    for document, encoding in zip(documents, encodings, strict=True):
        if tokenizer.decode(encoding.ids, skip_special_tokens=True) != document.text:
            raise ValueError(f"the tokens of {document.id} do not decode to its text")
    tokenizer_json = tokenizer.to_str()
    manifest = {
        "corpus": "stdlib",
        "python": platform.python_version(),
        "tokenizer_sha256": hashlib.sha256(tokenizer_json.encode()).hexdigest(),
        "tokens_sha256": hashlib.sha256(tokens.tobytes()).hexdigest(),
        "near_duplicates_dropped": dropped,
        "documents": [asdict(document) for document in frozen],
    }
    atomic_write_text(out / TOKENIZER_FILE, tokenizer_json)
    atomic_write_bytes(out / TOKENS_FILE, compress_tokens(tokens))
    atomic_write_bytes(out / LICENSE_FILE, (library / "LICENSE.txt").read_bytes())
    atomic_write_text(out / MANIFEST_FILE, json.dumps(manifest, indent=1) + "\n")
