"""How the embedded corpus was made: on planted sources, copies and a small planted library."""

import hashlib
import json
import lzma
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from monosemy.corpus import Document
from monosemy.corpus import freeze as freeze_module
from monosemy.corpus.freeze import (
    clean,
    drop_near_duplicates,
    freeze_corpus,
    gather,
    shingles,
    split_units,
    train_tokenizer,
)

LONG = "x = 1  # long enough to be kept\n" * 10
"""Over MIN_CHARACTERS."""


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (b"a\r\nb\rc\n", "a\nb\nc\n"),
        (b"a\n\x0cb\n", "a\nb\n"),
        (b"\xef\xbb\xbfa = 1\n", "a = 1\n"),
        (b"\xef\xbb\xbf# coding: utf-8\r\n", "# coding: utf-8\n"),
        ("# -*- coding: latin-1 -*-\né = 1\n".encode("latin-1"), "# -*- coding: latin-1 -*-\né = 1\n"),
        ("é = '語'\n".encode(), "é = '語'\n"),
    ],
    ids=["line ends", "form feed", "byte-order mark", "mark and cookie", "latin-1", "utf-8"],
)
def test_clean(source: bytes, text: str) -> None:
    assert clean(source) == text


def document(name: str, lines: list[str]) -> Document:
    return Document(id=f"{name}.py", unit=name, text="\n".join(lines) + "\n")


def numbered(prefix: str, n: int) -> list[str]:
    return [f"{prefix}_{i} = {i}" for i in range(n)]


def test_shingles_are_runs_of_three_stripped_lines() -> None:
    assert shingles("a\n\n  b\nc  \nd\n") == shingles("a\nb\nc\n") | shingles("b\nc\nd\n")
    assert len(shingles("a\nb\nc\nd\n")) == 2
    assert len(shingles("a\n")) == len(shingles("")) == 1


@settings(max_examples=60, deadline=None)
@given(n_own=st.integers(3, 30), n_shared=st.integers(3, 30))
def test_a_file_is_dropped_when_half_of_its_shingles_stand_in_a_larger_one(n_own: int, n_shared: int) -> None:
    """Planted: the first `n_shared` lines of the larger, `n_own` of its own: n - 2 shingles, n_shared - 2 in common."""
    larger = document("larger", [f"{line}  # padding that makes it longer" for line in numbered("shared", 40)])
    lines = [f"{line}  # padding that makes it longer" for line in numbered("shared", n_shared)]
    smaller = document("smaller", [*lines, *numbered("own", n_own)])
    if len(smaller.text) >= len(larger.text):
        return
    kept, dropped = drop_near_duplicates([smaller, larger])
    expected = (n_shared - 2) / (n_shared + n_own - 2) >= 0.5
    assert dropped == ({"smaller.py": "larger.py"} if expected else {})
    assert [each.id for each in kept] == (["larger.py"] if expected else ["larger.py", "smaller.py"])


def test_what_contains_a_file_must_itself_be_kept() -> None:
    """b is dropped for a; c shares half with b only, so it stays."""
    a = document("a", numbered("a", 40))
    b = document("b", [*numbered("a", 30)[10:], *numbered("b", 18)])
    c = document("c", [*numbered("b", 18), *numbered("c", 3)])
    kept, dropped = drop_near_duplicates([c, b, a])
    assert dropped == {"b.py": "a.py"}
    assert [each.id for each in kept] == ["a.py", "c.py"]


def test_of_equal_copies_the_first_by_name_is_kept() -> None:
    copies = [document(name, numbered("x", 20)) for name in ("b", "a", "c")]
    kept, dropped = drop_near_duplicates(copies)
    assert [each.id for each in kept] == ["a.py"]
    assert dropped == {"b.py": "a.py", "c.py": "a.py"}


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.sampled_from([1, 50, 3000, 20_000, 70_000]), min_size=1, max_size=60),
    seed=st.integers(0, 1000),
    n_units=st.integers(1, 12),
)
def test_units_are_split_by_the_order_of_their_hash(sizes: list[int], seed: int, n_units: int) -> None:
    documents = [Document(id=f"{i}", unit=f"unit{seed}-{i // 2}", text="x" * size) for i, size in enumerate(sizes)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(freeze_module, "MIN_HELD_OUT_UNITS", n_units)
        splits = split_units(documents)
        assert split_units(documents[::-1]) == splits
    n_bytes = {unit: sum(len(d.text) for d in documents if d.unit == unit) for unit in splits}
    assert set(splits) == {d.unit for d in documents}
    small = sorted(
        (unit for unit, size in n_bytes.items() if size <= 64 * 1024),
        key=lambda unit: hashlib.sha256(unit.encode()).hexdigest(),
    )
    order = [splits[unit] for unit in small]
    assert order == sorted(order, key=["validation", "test", "train"].index)
    assert all(splits[unit] == "train" for unit in splits if unit not in small)

    def is_full(units: list[str]) -> bool:
        return len(units) >= n_units and sum(n_bytes[unit] for unit in units) >= 0.1 * sum(n_bytes.values())

    for split in ("validation", "test"):
        held = [unit for unit in small if splits[unit] == split]
        assert is_full(held) or "train" not in order
        assert not is_full(held[:-1])  # no more than needed


def write(folder: Path, relative: str, text: str) -> None:
    path = folder / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_gather_leaves_out_tests_tables_and_vendored_copies(tmp_path: Path) -> None:
    kept = ["ast.py", "email/mime/text.py", "email/parser.py", "test.py", "testing/tool.py"]
    left_out = [
        "test/test_ast.py",
        "email/tests/test_parser.py",
        "ensurepip/_bundled/wheel.py",
        "encodings/cp1252.py",
        "site-packages/numpy/core.py",
        "lib2to3/main.py",
        "__pycache__/x.py",
        "_sysconfigdata__linux.py",
        "config-3.11-x86_64/python-config.py",
    ]
    for name in [*kept, *left_out]:
        write(tmp_path, name, LONG)
    write(tmp_path, "short.py", "x = 1\n")
    write(tmp_path, "readme.txt", LONG)
    found = list(gather(tmp_path))
    assert sorted(each.id for each in found) == kept
    assert {each.id: each.unit for each in found} == {
        "ast.py": "ast",
        "email/mime/text.py": "email",
        "email/parser.py": "email",
        "test.py": "test",
        "testing/tool.py": "testing",
    }
    assert {each.text for each in found} == {LONG}


def module(i: int) -> str:
    """A source of its own: no three lines in a row stand in another one."""
    lines = [f"def function_{i}_{j}(x):\n    return x + {i * 31 + j}  # é" for j in range(6 + i % 7)]
    return f'"""Module {i}."""\n' + "\n\n\n".join(lines) + "\n"


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """60 modules in 30 units, a copy of one of them, and a license; vocabulary and held-out units are small."""
    monkeypatch.setattr(freeze_module, "VOCABULARY_SIZE", 300)
    monkeypatch.setattr(freeze_module, "MIN_HELD_OUT_UNITS", 4)
    folder = tmp_path / "library"
    for i in range(60):
        write(folder, f"package{i // 2}/module{i}.py", module(i))
    write(folder, "copy.py", "\n".join(module(13).split("\n")[:-1]))
    write(folder, "test/test_x.py", module(99))
    write(folder, "LICENSE.txt", "the license\n")
    return folder


def test_freeze_writes_the_whole_corpus(library: Path, tmp_path: Path) -> None:
    out = tmp_path / "made" / "corpus"
    freeze_corpus(library, out)
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    documents = manifest["documents"]
    assert manifest["near_duplicates_dropped"] == {"copy.py": "package6/module13.py"}
    expected = {f"package{i // 2}/module{i}.py": module(i) for i in range(60)}
    assert [each["id"] for each in documents] == sorted(expected)

    tokenizer_json = (out / "tokenizer.json").read_text(encoding="utf-8")
    tokenizer = Tokenizer.from_str(tokenizer_json)
    raw = lzma.decompress((out / "tokens.xz").read_bytes())
    tokens = np.frombuffer(raw, dtype="<u2")
    assert manifest["tokens_sha256"] == hashlib.sha256(raw).hexdigest()
    assert manifest["tokenizer_sha256"] == hashlib.sha256(tokenizer_json.encode()).hexdigest()
    ends = np.cumsum([each["n_tokens"] for each in documents])
    for each, part in zip(documents, np.split(tokens, ends[:-1]), strict=True):
        text = expected[each["id"]]
        assert tokenizer.decode(part.tolist()) == text
        assert (each["n_bytes"], each["sha256"]) == (len(text.encode()), hashlib.sha256(text.encode()).hexdigest())
    sides = {split: {each["unit"] for each in documents if each["split"] == split} for split in ("validation", "test")}
    assert all(len(units) >= 4 for units in sides.values())
    assert not sides["validation"] & sides["test"]
    assert (out / "PSF-LICENSE.txt").read_text(encoding="utf-8") == "the license\n"


def test_freezing_twice_gives_the_same_bytes(library: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        freeze_corpus(library, tmp_path / name)
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert len(one) == 4
    assert one == two


def test_the_tokenizer_is_trained_on_train_only(library: Path, tmp_path: Path) -> None:
    """Changing the held-out texts changes the tokens, not the tokenizer."""
    (library / "copy.py").unlink()  # it would no longer be a copy
    freeze_corpus(library, tmp_path / "one")
    manifest = json.loads((tmp_path / "one" / "manifest.json").read_text(encoding="utf-8"))
    for each in manifest["documents"]:
        if each["split"] != "train":
            text = (library / each["id"]).read_text(encoding="utf-8")
            write(library, each["id"], text.replace("function", "noitcnuf"))
    freeze_corpus(library, tmp_path / "two")
    assert (tmp_path / "one/tokenizer.json").read_bytes() == (tmp_path / "two/tokenizer.json").read_bytes()
    assert (tmp_path / "one/tokens.xz").read_bytes() != (tmp_path / "two/tokens.xz").read_bytes()


def test_a_text_that_does_not_come_back_is_refused(library: Path, tmp_path: Path) -> None:
    """The end-of-text token inside a text stands for no bytes, so it would be lost."""
    write(library, "package0/module0.py", module(0) + "end = '<|endoftext|>'\n")
    with pytest.raises(ValueError, match=r"package0/module0\.py do not decode"):
        freeze_corpus(library, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_tokenizer_knows_every_byte_and_the_separator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freeze_module, "VOCABULARY_SIZE", 270)
    tokenizer = train_tokenizer([module(0)])
    assert tokenizer.get_vocab_size() == 270
    assert tokenizer.token_to_id("<|endoftext|>") == 0
    text = "any text: 語 \x00 \u2028 é\n"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text
