"""Every plug-in of a kind meets every check of that kind.

A kind has a table of its plug-ins (cases) and a module of checks. A case says how to make the plug-in; `gather` uses it
as the program would and keeps what it gave (evidence); a check is a pure function of evidence that returns faults, as
lines. A check stands in its module and nowhere else: `checks_for` finds it. `pairs` gives pytest one line per pair.
"""

import inspect
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, Protocol

import pytest

Check = Callable[[Any], list[str]]


class Case(Protocol):
    """A plug-in by name, and how to make it."""

    @property
    def name(self) -> str: ...


def checks_for(kind: ModuleType) -> tuple[Check, ...]:
    """The checks of a kind: the functions that its module defines, in the order of the file; helpers start with `_`."""
    functions = [function for _, function in inspect.getmembers(kind, inspect.isfunction)]
    own = [each for each in functions if each.__module__ == kind.__name__ and not each.__name__.startswith("_")]
    return tuple(sorted(own, key=lambda function: function.__code__.co_firstlineno))


def pairs(cases: Iterable[Case], kind: ModuleType) -> list[Any]:
    """Every case with every check, as parameters of a test, named `case-check`."""
    return [
        pytest.param(case, check, id=f"{case.name}-{check.__name__}") for case in cases for check in checks_for(kind)
    ]
