"""What was found of one latent after the other, in a file that a killed run goes on with."""

import base64
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import numpy as np


@final
class ScratchRows:
    """Records, one a line, behind a first line that says what they are of.

    A file that was begun for something else is begun anew; a last line that was torn by a kill is dropped. With path
    None nothing is kept.
    """

    def __init__(self, path: Path | None, header: Mapping[str, Any]) -> None:
        self._path = path
        self._head = json.dumps(dict(header), sort_keys=True)
        self.found: list[dict[str, Any]] = []
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_bytes().split(b"\n")[:-1] if path.is_file() else []  # behind the last newline: torn
        if not lines or lines[0].decode(errors="replace") != self._head:
            path.write_text(self._head + "\n", encoding="utf-8")
            return
        for line in lines[1:]:
            try:
                self.found.append(json.loads(line))
            except ValueError:
                break
        whole = sum(len(line) + 1 for line in lines[: 1 + len(self.found)])
        with path.open("r+b") as stream:
            stream.truncate(whole)

    def add(self, record: Mapping[str, Any]) -> None:
        """Keep one more; it is on its way to the disk when this returns."""
        if self._path is None:
            return
        with self._path.open("ab") as stream:
            stream.write(json.dumps(dict(record), allow_nan=False).encode() + b"\n")


def packed(arrays: Mapping[str, np.ndarray]) -> dict[str, list[Any]]:
    """Arrays as JSON, to the last bit: of each its type, shape, and compressed bytes."""
    return {
        name: [array.dtype.str, list(array.shape), base64.b64encode(zlib.compress(array.tobytes(), 1)).decode()]
        for name, array in arrays.items()
    }


def unpacked(data: Mapping[str, list[Any]]) -> dict[str, np.ndarray]:
    """The arrays that `packed` made JSON of."""
    return {
        name: np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=np.dtype(kind)).reshape(shape)
        for name, (kind, shape, text) in data.items()
    }
