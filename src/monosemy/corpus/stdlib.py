"""The embedded corpus: Python's standard library, frozen with its tokenizer; no download, the same on every machine."""

import hashlib
import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import final

import numpy as np
from jaxtyping import UInt16
from tokenizers import Tokenizer

from monosemy.core import UserError
from monosemy.corpus.documents import Corpus, Document, Split
from monosemy.corpus.tokens import TokenizedDocument, token_bytes

END_OF_TEXT = "<|endoftext|>"
MANIFEST_FILE = "manifest.json"
TOKENIZER_FILE = "tokenizer.json"
TOKENS_FILE = "tokens.xz"
LICENSE_FILE = "PSF-LICENSE.txt"
_HASH_KEYS = {TOKENIZER_FILE: "tokenizer_sha256", TOKENS_FILE: "tokens_sha256"}

# 16-bit symbols: with the position and literal bits set for pairs of bytes, the tokens are smaller than the text's xz.
_XZ_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 3, "lp": 1, "pb": 1}]


@dataclass(frozen=True, slots=True)
class FrozenDocument:
    """A document of the manifest; sha256 and n_bytes are those of its UTF-8 text."""

    id: str
    unit: str
    split: Split
    n_tokens: int
    n_bytes: int
    sha256: str


@final
class StdlibCorpus(Corpus):
    """The source of Python 3.11's standard library, cleaned, de-duplicated and split by top-level package or module.

    430 files, 8.8 MB, 80/10/10 by bytes. The tokens are what is stored; the text is their exact decoding, and every
    document's sha256 stands in the manifest. How it was made: `monosemy.corpus.freeze`. License: PSF License 2.
    Reading raises UserError when a file of the corpus is missing or is not the one that was shipped.
    """

    @property
    def name(self) -> str:
        return "stdlib"

    def fingerprint(self) -> str:
        """sha256 of the manifest, which holds the sha256 of tokens, tokenizer and texts; 16 characters."""
        return hashlib.sha256(_read(MANIFEST_FILE)).hexdigest()[:16]

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Byte-level BPE of 2048 tokens, trained on the train split; id 0 is `<|endoftext|>`."""
        return Tokenizer.from_str(_checked(TOKENIZER_FILE, _read(TOKENIZER_FILE), self._manifest).decode())

    @cached_property
    def frozen_documents(self) -> tuple[FrozenDocument, ...]:
        """The manifest's documents, ordered by id."""
        return tuple(FrozenDocument(**entry) for entry in self._manifest["documents"])

    def documents(self, split: Split) -> Iterator[Document]:
        for document in self.tokenized(split):
            yield Document(id=document.id, unit=document.unit, text=self.text(document))

    def tokenized(self, split: Split) -> Iterator[TokenizedDocument]:
        """The documents of a split as they were tokenized when the corpus was frozen."""
        start = 0
        for frozen in self.frozen_documents:
            tokens = self._tokens[start : start + frozen.n_tokens]
            start += frozen.n_tokens
            if frozen.split == split:
                yield TokenizedDocument(id=frozen.id, unit=frozen.unit, tokens=tokens, n_bytes=frozen.n_bytes)

    def text(self, document: TokenizedDocument) -> str:
        """The exact text of a tokenized document."""
        return b"".join(self._token_bytes[token] for token in document.tokens).decode()

    @cached_property
    def _manifest(self) -> dict:
        return json.loads(_read(MANIFEST_FILE))

    @cached_property
    def _token_bytes(self) -> list[bytes]:
        return token_bytes(self.tokenizer)

    @cached_property
    def _tokens(self) -> UInt16[np.ndarray, " n_tokens"]:
        packed = _read(TOKENS_FILE)
        try:
            raw = lzma.decompress(packed)
        except lzma.LZMAError as error:
            raise _damaged(TOKENS_FILE) from error
        return np.frombuffer(_checked(TOKENS_FILE, raw, self._manifest), dtype="<u2").astype(np.uint16)


def compress_tokens(tokens: UInt16[np.ndarray, " n_tokens"]) -> bytes:
    """Token ids, little-endian 16 bit, as xz."""
    return lzma.compress(tokens.astype("<u2").tobytes(), filters=_XZ_FILTERS)


def _read(name: str) -> bytes:
    try:
        return files("monosemy").joinpath("data", "stdlib", name).read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"the embedded corpus ({name}) is missing; install monosemy again") from error


def _checked(name: str, content: bytes, manifest: dict) -> bytes:
    """The content of a file, once its sha256 is found to be the manifest's; of the tokens, what they unpack to."""
    if hashlib.sha256(content).hexdigest() != manifest[_HASH_KEYS[name]]:
        raise _damaged(name)
    return content


def _damaged(name: str) -> UserError:
    return UserError(f"the embedded corpus ({name}) is damaged; install monosemy again")
