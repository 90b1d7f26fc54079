"""Every text the labels are tried on, and one number for all labels of them."""

import hashlib
import re

import numpy as np

from monosemy.corpus.labels import label_tokens
from tests.unit.corpus.labels.snippets_of_code import BLOCKS, CLASS, DEEP, FUNCTION, HEADERS, OPERATORS
from tests.unit.corpus.labels.snippets_of_names import LAMBDAS, NAMES, SCOPES, STATEMENTS, STRINGS

SNIPPETS = {
    "operators": OPERATORS,
    "deep": DEEP,
    "function": FUNCTION,
    "class": CLASS,
    "blocks": BLOCKS,
    "headers": HEADERS,
    "strings": STRINGS,
    "names": NAMES,
    "scopes": SCOPES,
    "lambdas": LAMBDAS,
    "statements": STATEMENTS,
}

# Pieces as a byte-pair encoder may make them: words in parts, white space with the words, two marks at once.
_ODD_PIECES = re.compile(r"\s*\w{1,3}|\W{1,2}")

_MORE = {
    "match": "match = 1\nmatch (x):\n    case [1, y]:\n        pass\n    case {'a': z}: f(z)\n"
    "match x:\n  case -1: x = 2\nmatch (3)\n",
    "inline": "try: import a\nexcept (E, F): b = 1; c = b\nelse: d = lambda e=b: e\nclass C: x = 1; y = x\nC.x\n",
    "not ascii": "\u00e9t\u00e9 = '\u00fc' # \u4e2d\ndef \u540d(\u03b1=\u00e9t\u00e9): "
    "return \u03b1 + \u00e9t\u00e9.\u03b2\n\u540d(\u00e9t\u00e9)\n",
    "strings": "def f():\n    r'''a\n    >>> b\n    c'''\n    return b'' + f'{f}' f\"{1!r}\" '' \"\" rb'' u'x'\n",
    "numbers": "a = 1.5e3 + .5j - 0x1F + 1_0 if 1. else a[...].b\na = b'c' if b else r.f.u\n",
    "lines": "a = 1 + \\\n  2\n\n\nif a:  # b\n\n  # c\n  d = (3,\n # e\n  4)\n# f\n\nelse:\n\tg\n",
    "walrus": "def f(a, *, b: int = (c := 1), **d) -> (e := 2):\n"
    "    return [g := a, g, *(h for h in b if (i := h)), i]\n",
}
TEXTS = _MORE | {name: snippet.text for name, snippet in SNIPPETS.items() if name != "headers"}

# What the versions of Python read differently: formatted strings in each other, and what no tree or no tokens come of.
_UNEVEN = {
    "nested": "x = f'{a!r:{b!r}>{w}}' f\"{f'{c}' + (d)}\" rf'''{\n e }\n''' + F'{{' 'g'\n"
    "h = f'{i=}' if f'' else f'\u00e9{j}k'\n",
    "no tree": "def f(:\n  return (1, ]\n",
    "no tree, tokens": "return = def f x\n  class (a, [b])\n",
    "unmatched": "a = (1\n",
    "unmatched closer": "a = 1)\nb\n",
    "foreign": "a = b ? c : $d\n",
    "carriage returns": "if a:\r\n    b = '''c\r\n'''\r\n\r\nd\r\n",
    "lone carriage return": "a = 1\rb = 2\n",
    "byte order mark": "\ufeffa = 1\n",
    "form feed": "a = 1\n\x0cdef b():\n    '\x85'\n    \x0c\n    return a\x0c\n",
    "no line end": "a\n  # b\nc = 'd'",
    "comment only": "# a",
    "empty": "",
}


def odd_pieces(text: str) -> list[str]:
    return _ODD_PIECES.findall(text)


def lengths(parts: list[str]) -> list[int]:
    return [len(part.encode()) for part in parts]


def digest() -> str:
    """sha256 of all values, masks and statuses of the texts, whole-byte tokens and odd pieces; 16 characters."""
    found = hashlib.sha256()
    for name, text in sorted((TEXTS | _UNEVEN).items()):
        for token_lengths in (lengths(odd_pieces(text)), [1] * len(text.encode())):
            labels = label_tokens(text, token_lengths)
            found.update(f"{name} {labels.status} {labels.values.shape}".encode())
            found.update(np.packbits(labels.values).tobytes() + np.packbits(labels.scored).tobytes())
    return found.hexdigest()[:16]
