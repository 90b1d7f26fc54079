"""How numbers are written on the pages."""

import json
from collections.abc import Mapping

NONE = "-"
"""What stands where there is no number."""


def decimals(value: int | float | None, places: int) -> str:
    """A number with so many places after the point."""
    return NONE if value is None else f"{value:.{places}f}"


def significant(value: int | float | None, digits: int = 3) -> str:
    """A number with so many digits and no exponent in the usual range, its thousands separated."""
    if value is None:
        return NONE
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 10 ** (digits - 1) else f"{rounded:.{digits}g}"


def percent(share: int | float | None, places: int = 0) -> str:
    """A share as a percentage."""
    return NONE if share is None else f"{100 * share:.{places}f} %"


def count(n: int | None) -> str:
    """A whole number, its thousands separated."""
    return NONE if n is None else f"{n:,}"


def megabytes(n_bytes: int) -> str:
    """A size in units of a million bytes."""
    return f"{n_bytes / 1e6:.2f} MB"


def interval(low: int | float | None, high: int | float | None, places: int, *, of_percent: bool = False) -> str:
    """An interval in brackets, in percent or not; empty where there is none."""
    if low is None or high is None:
        return ""
    scale = 100 if of_percent else 1
    return f"[{scale * low:.{places}f}, {scale * high:.{places}f}]"


def duration(seconds: int | float) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def enumeration(names: list[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def plain_value(value: object) -> str:
    """Any JSON value in one line: text as it is, objects as `name value, name value`."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {plain_value(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(plain_value(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value)
