"""The embedded corpus: against the hashes in its manifest, its tokenizer, and a near-duplicate search over lines."""

import hashlib
import json
import lzma
from collections import Counter, defaultdict
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from monosemy.core import UserError, numpy_generator
from monosemy.corpus import SPLITS, StdlibCorpus, TokenizedDocument
from monosemy.corpus import stdlib as stdlib_module
from monosemy.corpus.stdlib import TOKENIZER_FILE, TOKENS_FILE, compress_tokens

MAX_PACKAGE_DATA_BYTES = 8_000_000


@pytest.fixture(scope="module")
def corpus() -> StdlibCorpus:
    return StdlibCorpus()


@pytest.fixture(scope="module")
def documents(corpus: StdlibCorpus) -> dict[str, TokenizedDocument]:
    return {document.id: document for split in SPLITS for document in corpus.tokenized(split)}


def faults(corpus: StdlibCorpus, documents: dict[str, TokenizedDocument], ids: list[str]) -> list[str]:
    """Of these documents, those whose text is not the manifest's, or that the tokenizer now tokenizes otherwise."""
    records = {record.id: record for record in corpus.frozen_documents}
    texts = {id_: corpus.text(documents[id_]) for id_ in ids}
    found = []
    for id_, text in texts.items():
        record = records[id_]
        if (hashlib.sha256(text.encode()).hexdigest(), len(text.encode())) != (record.sha256, record.n_bytes):
            found.append(f"text of {id_}")
        encoded = corpus.tokenizer.encode(text, add_special_tokens=False).ids
        if encoded != documents[id_].tokens.tolist() or len(encoded) != record.n_tokens:
            found.append(f"tokens of {id_}")
    return found


def test_sampled_texts_and_tokens_are_those_of_the_manifest(
    corpus: StdlibCorpus, documents: dict[str, TokenizedDocument]
) -> None:
    chosen = numpy_generator(0, "test-stdlib").choice(sorted(documents), size=25, replace=False)
    assert faults(corpus, documents, chosen.tolist()) == []


@pytest.mark.slow
def test_all_texts_and_tokens_are_those_of_the_manifest(
    corpus: StdlibCorpus, documents: dict[str, TokenizedDocument]
) -> None:
    assert faults(corpus, documents, list(documents)) == []


def test_a_changed_document_is_found(corpus: StdlibCorpus, documents: dict[str, TokenizedDocument]) -> None:
    one = documents["types.py"]
    changed = TokenizedDocument(id=one.id, unit=one.unit, tokens=one.tokens[:-1], n_bytes=one.n_bytes)
    assert faults(corpus, {"types.py": changed}, ["types.py"]) == ["text of types.py", "tokens of types.py"]


def test_documents_are_the_texts_of_the_tokenized(
    corpus: StdlibCorpus, documents: dict[str, TokenizedDocument]
) -> None:
    for document in corpus.documents("test"):
        assert document.unit == documents[document.id].unit
        assert document.text == corpus.text(documents[document.id])


def test_the_splits_have_their_sizes(corpus: StdlibCorpus, documents: dict[str, TokenizedDocument]) -> None:
    """80/10/10 by bytes; the last unit (at most 64 KiB, 0.8 % of all) can take a held-out part over its tenth."""
    n_bytes = {split: sum(document.n_bytes for document in corpus.tokenized(split)) for split in SPLITS}
    total = sum(n_bytes.values())
    assert len(documents) == 430
    assert total == pytest.approx(8.8e6, rel=0.01)
    for split in ("validation", "test"):
        assert 0.1 <= n_bytes[split] / total < 0.11
        assert len({document.unit for document in corpus.tokenized(split)}) >= 40
    assert n_bytes["train"] / total == pytest.approx(0.8, abs=0.02)


def test_no_unit_and_no_document_is_in_two_splits(corpus: StdlibCorpus) -> None:
    documents = [(split, document) for split in SPLITS for document in corpus.tokenized(split)]
    of_unit = defaultdict(set)
    for split, document in documents:
        assert document.unit == document.id.split("/")[0].removesuffix(".py")
        of_unit[document.unit].add(split)
    assert {unit: splits for unit, splits in of_unit.items() if len(splits) > 1} == {}
    assert len({document.id for _, document in documents}) == len(documents)


def contained_pairs(texts: dict[str, str]) -> list[tuple[str, str]]:
    """(a, b): at least half of a's runs of 3 stripped non-blank lines stand in b, which is not the shorter."""
    runs: dict[str, set[tuple[str, ...]]] = {}
    holders: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for id_, text in texts.items():
        lines = [line.strip() for line in text.split("\n") if line.strip()]
        runs[id_] = set(zip(lines, lines[1:], lines[2:], strict=False)) or {tuple(lines)}
        for run in runs[id_]:
            holders[run].append(id_)
    found = []
    for id_, own in runs.items():
        shared = Counter(other for run in own for other in holders[run])
        for other, n in shared.items():
            if other != id_ and len(texts[other]) >= len(texts[id_]) and n >= 0.5 * len(own):
                found.append((id_, other))
    return found


def test_no_near_duplicates_are_left(corpus: StdlibCorpus) -> None:
    texts = {document.id: document.text for split in SPLITS for document in corpus.documents(split)}
    assert contained_pairs(texts) == []


def test_a_near_duplicate_is_found(corpus: StdlibCorpus) -> None:
    texts = {document.id: document.text for document in corpus.documents("validation")}
    first = next(iter(texts))
    assert contained_pairs({**texts, "copy": texts[first] + "\n# one line more\n"}) == [(first, "copy")]


def test_the_manifest_names_the_tokenizer_and_the_tokens(corpus: StdlibCorpus) -> None:
    folder = files("monosemy") / "data" / "stdlib"
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["tokenizer_sha256"] == hashlib.sha256((folder / TOKENIZER_FILE).read_bytes()).hexdigest()
    raw = lzma.decompress((folder / TOKENS_FILE).read_bytes())
    assert manifest["tokens_sha256"] == hashlib.sha256(raw).hexdigest()
    assert 2 * sum(document["n_tokens"] for document in manifest["documents"]) == len(raw)
    assert corpus.fingerprint() == hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()[:16]
    assert corpus.tokenizer.get_vocab_size() == 2048
    assert corpus.tokenizer.token_to_id("<|endoftext|>") == 0
    assert "PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2" in (folder / "PSF-LICENSE.txt").read_text(encoding="utf-8")


def test_the_packages_data_are_small() -> None:
    sizes = [path.stat().st_size for path in Path(str(files("monosemy") / "data")).rglob("*") if path.is_file()]
    assert len(sizes) >= 4
    assert sum(sizes) <= MAX_PACKAGE_DATA_BYTES


def replace_file(monkeypatch: pytest.MonkeyPatch, name: str, content: bytes) -> None:
    read = stdlib_module._read
    monkeypatch.setattr(stdlib_module, "_read", lambda asked: content if asked == name else read(asked))


def first_document() -> TokenizedDocument:
    return next(StdlibCorpus().tokenized("train"))


@pytest.mark.parametrize("damage", ["cut", "other", "no xz", "empty"])
def test_damaged_tokens_are_the_users_error(monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    whole = stdlib_module._read(TOKENS_FILE)
    other = compress_tokens(np.arange(100, dtype=np.uint16))
    content = {"cut": whole[:-1000], "other": other, "no xz": b"<html>", "empty": b""}[damage]
    replace_file(monkeypatch, TOKENS_FILE, content)
    with pytest.raises(UserError, match=r"tokens\.xz\) is damaged; install monosemy again"):
        first_document()


def test_a_changed_tokenizer_is_the_users_error(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_file(monkeypatch, TOKENIZER_FILE, stdlib_module._read(TOKENIZER_FILE) + b"\n")
    with pytest.raises(UserError, match=r"tokenizer\.json\) is damaged"):
        _ = StdlibCorpus().tokenizer


def test_a_missing_file_is_the_users_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(stdlib_module, "files", lambda _: tmp_path)
    with pytest.raises(UserError, match=r"manifest\.json\) is missing"):
        StdlibCorpus().fingerprint()


def test_compressed_tokens_come_back() -> None:
    tokens = numpy_generator(0, "test").integers(2**16, size=3000).astype(np.uint16)
    assert np.array_equal(np.frombuffer(lzma.decompress(compress_tokens(tokens)), dtype="<u2"), tokens)
