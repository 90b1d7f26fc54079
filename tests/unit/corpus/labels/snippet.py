"""A text whose labels were written down by hand, and the simple tokenizer that goes with it."""

import re
from dataclasses import dataclass

_PIECES = re.compile(r"\w+|[^\w\s]|\s+")


def pieces(text: str) -> list[str]:
    """Words, single punctuation marks and runs of white space."""
    return _PIECES.findall(text)


@dataclass(frozen=True)
class Snippet:
    """expected: label -> exactly the pieces it holds at, in order and separated by spaces, without white space.

    only: a regular expression of the pieces that are looked at.
    """

    text: str
    expected: dict[str, str]
    only: str = r"\S+"
