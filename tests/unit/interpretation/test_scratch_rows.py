"""Oracle: what was put in; files cut at every byte."""

from pathlib import Path

import numpy as np

from monosemy.interpretation.scratch_rows import ScratchRows, packed, unpacked

HEAD = {"judge": "fake", "config": "x"}
RECORDS = [{"latent": i, "rows": [{"value": 0.1 * i}], "text": "a\nb"} for i in range(3)]


def test_a_file_cut_anywhere_gives_the_whole_records_before_and_goes_on(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    rows = ScratchRows(whole, HEAD)
    for record in RECORDS:
        rows.add(record)
    content = whole.read_bytes()
    ends = [i + 1 for i, byte in enumerate(content) if byte == ord("\n")]
    assert ScratchRows(whole, HEAD).found == RECORDS
    for cut in range(len(content) + 1):
        path = tmp_path / "cut"
        path.write_bytes(content[:cut])
        again = ScratchRows(path, HEAD)
        n_found = max(0, sum(end <= cut for end in ends) - 1)
        assert again.found == RECORDS[:n_found]
        for record in RECORDS[n_found:]:
            again.add(record)
        assert path.read_bytes() == content


def test_what_was_begun_for_something_else_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "rows"
    ScratchRows(path, HEAD).add(RECORDS[0])
    assert ScratchRows(path, {**HEAD, "config": "y"}).found == []
    assert ScratchRows(path, HEAD).found == []
    path.write_bytes(b"\xff\xfe something else\n\n")
    assert ScratchRows(path, HEAD).found == []
    path.write_bytes(path.read_bytes() + b"no JSON\n" + b"{}\n")
    assert ScratchRows(path, HEAD).found == []
    assert path.read_bytes().count(b"\n") == 1


def test_without_a_path_nothing_is_kept() -> None:
    rows = ScratchRows(None, HEAD)
    rows.add(RECORDS[0])
    assert rows.found == []


def test_arrays_come_back_to_the_last_bit() -> None:
    arrays = {
        "a": np.array([[0.1, np.pi], [np.nan, -0.0]]),
        "b/c": np.arange(6, dtype=np.int32).reshape(1, 2, 3),
        "none": np.zeros((0, 3)),
    }
    back = unpacked(packed(arrays))
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        assert back[name].shape == array.shape
        assert back[name].tobytes() == array.tobytes()
