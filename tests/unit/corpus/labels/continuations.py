"""Other ways to go on from the middle of a text, such that the whole is Python again."""

import ast
import re
import warnings
from collections.abc import Iterator
from itertools import islice, product

MOST_TRIED = 30

_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_OPEN_STRING = re.compile(r"'''|\"\"\"|'|\"")

# What may come next: the rest of a word, operator or string, an operand, an operator, a new part of a statement.
MIDDLES = (
    "", "x", "_x", "s'", "'q'", '"q"', '"', "'", "=", "==1", "=1", ":=1", "1", ".5", ".y", "(1)", "[2]", " 3", " z",
    " = 4", ", 5", " in w", " for i in u", " if t else r", " lambda: 0", " import m", " as n", ": 6", "->int", "*2",
    "\n", "# c", "\\\n", " def g(): pass",
)  # fmt: skip
ENDS = (
    "", "()", ": pass", "():\n PASS", ":\n PASS", "\nPASS", " in v: pass", " import k", " = 7", "\nelse: pass",
)  # fmt: skip


def continuations(prefix: str, start: int = 0, limit: int = 2) -> Iterator[str]:
    """At most `limit` texts that begin with the prefix and parse, of the candidates from the `start`-th on."""
    return islice(filter(_parses, islice(_candidates(prefix, start), MOST_TRIED)), limit)


def _candidates(prefix: str, start: int) -> Iterator[str]:
    line_start = prefix.rfind("\n") + 1
    indent = prefix[line_start : len(prefix) - len(prefix[line_start:].lstrip(" "))]
    tries = {"", "\n" + indent[:-4] + "except: pass", "\n" + indent + "except: pass", "\nexcept: pass"}
    # A stride that has no factor in common with the number of choices mixes them.
    choices = list(product(MIDDLES, ENDS, sorted(tries)))
    for i in range(start, start + len(choices)):
        middle, end, handler = choices[i * 47 % len(choices)]
        begun = prefix + middle
        yield begun + closing(begun) + end.replace("PASS", indent + "pass") + handler + "\n"


def closing(text: str) -> str:
    """The quotes and brackets that are open at the end of a text, by a scanner of characters."""
    brackets, i = "", 0
    while i < len(text):
        quote = _OPEN_STRING.match(text, i)
        if quote is not None:
            end = _string_end(text, quote.end(), quote[0])
            if end is None:
                return quote[0] + brackets
            i = end
        elif text[i] == "#":
            i = text.find("\n", i)
            if i < 0:
                return ("\n" if brackets else "") + brackets
        else:
            if text[i] in _CLOSERS:
                brackets = _CLOSERS[text[i]] + brackets
            elif brackets.startswith(text[i]):
                brackets = brackets[1:]
            i += 1
    return brackets


def _string_end(text: str, start: int, quote: str) -> int | None:
    while start < len(text):
        if text[start] == "\\":
            start += 2
        elif text.startswith(quote, start):
            return start + len(quote)
        else:
            start += 1
    return None


def _parses(text: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(text)
        except (SyntaxError, ValueError):
            return False
    return True
