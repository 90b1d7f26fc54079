"""Errors that are the user's to mend, told in one line."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can mend: what is wrong; what is allowed; what to do. Always one line.

    The command line prints `error: <line>` and exits with status 2; every other exception is a defect of the program.
    """

    def __init__(self, message: str) -> None:
        # Messages often quote the operating system or another library, whose texts may span lines.
        super().__init__(" ".join(message.splitlines()))


class DamagedArtifact(UserError):
    """An artifact that lacks a file or whose bytes are not those that were written; it can be made anew."""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """The allowed name most like a mistyped one, as text to append to a message: " (did you mean 'x'?)", or ""."""
    matches = difflib.get_close_matches(name, list(allowed), n=1)
    return f" (did you mean {matches[0]!r}?)" if matches else ""
