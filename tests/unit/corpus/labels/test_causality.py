"""Nothing scored at a token may depend on what comes after it: texts are cut after a token and continued otherwise."""

import re

import numpy as np
import pytest

from monosemy.core import numpy_generator
from monosemy.corpus import StdlibCorpus, token_bytes
from monosemy.corpus.labels import CATALOGUE, label_tokens
from tests.unit.corpus.labels.continuations import closing, continuations
from tests.unit.corpus.labels.snippets import SNIPPETS

SHORT_FILES = 6
CUTS_PER_FILE = 12

# Pieces as a byte-pair encoder may make them: words in parts, white space with the words, two marks at once.
_ODD_PIECES = re.compile(r"\s*\w{1,3}|\W{1,2}", re.DOTALL)
MORE = {
    "match": "match = 1\nmatch (x):\n    case [1, y]:\n        pass\n    case {'a': z}: f(z)\nmatch x:\n  case -1: x = 2\nmatch (3)\n",
    "inline": "try: import a\nexcept (E, F): b = 1; c = b\nelse: d = lambda e=b: e\nclass C: x = 1; y = x\nC.x\n",
    "not ascii": "\u00e9t\u00e9 = '\u00fc' # \u4e2d\ndef \u540d(\u03b1=\u00e9t\u00e9): return \u03b1 + \u00e9t\u00e9.\u03b2\n\u540d(\u00e9t\u00e9)\n",
    "strings": "def f():\n    r'''a\n    >>> b\n    c'''\n    return b'' + f'{f}' f\"{1!r}\" '' \"\" rb'' u'x'\n",
    "numbers": "a = 1.5e3 + .5j - 0x1F + 1_0 if 1. else a[...].b\na = b'c' if b else r.f.u\n",
    "lines": "a = 1 + \\\n  2\n\n\nif a:  # b\n\n  # c\n  d = (3,\n # e\n  4)\n# f\n\nelse:\n\tg\n",
    "walrus": "def f(a, *, b: int = (c := 1), **d) -> (e := 2):\n    return [g := a, g, *(h for h in b if (i := h)), i]\n",
}
TEXTS = MORE | {name: snippet.text for name, snippet in SNIPPETS.items() if name != "headers"}


def lengths(parts: list[str]) -> list[int]:
    return [len(part.encode()) for part in parts]


def changed(text: str, token_lengths: list[int], n_kept: int, other: str) -> list[str]:
    """The labels whose value, or whether it is scored, differs at the first tokens of two texts that share them."""
    kept = token_lengths[:n_kept]
    ours, theirs = label_tokens(text, token_lengths), label_tokens(other, [*kept, len(other.encode()) - sum(kept)])
    assert (ours.status, theirs.status) == ("ok", "ok"), other
    is_other = (ours.scored[:n_kept] != theirs.scored[:n_kept]) | (ours.values[:n_kept] != theirs.values[:n_kept])
    return [CATALOGUE[i].name for i in np.flatnonzero(is_other.any(axis=0))]


@pytest.mark.parametrize("name", TEXTS)
def test_no_value_of_a_snippet_depends_on_what_follows(name: str) -> None:
    text = TEXTS[name]
    parts = _ODD_PIECES.findall(text)
    assert "".join(parts) == text
    n_compared = 0
    for n_kept in range(1, len(parts)):
        prefix = "".join(parts[:n_kept])
        for other in continuations(prefix, start=11 * int(n_kept)):
            assert changed(text, lengths(parts), n_kept, other) == [], (prefix[-40:], other[len(prefix) :])
            n_compared += 1
    assert n_compared > len(parts)


def test_no_value_of_the_library_depends_on_what_follows() -> None:
    corpus, generator = StdlibCorpus(), numpy_generator(0, "cuts")
    n_bytes = [len(token) for token in token_bytes(corpus.tokenizer)]
    documents = [document for document in corpus.tokenized("test") if 1500 < document.n_bytes < 4000][:SHORT_FILES]
    n_compared = 0
    for document in documents:
        text = corpus.text(document)
        token_lengths = [n_bytes[token] for token in document.tokens]
        for n_kept in generator.choice(len(token_lengths) - 1, size=CUTS_PER_FILE, replace=False) + 1:
            prefix = text.encode()[: sum(token_lengths[:n_kept])].decode()
            for other in continuations(prefix, start=11 * int(n_kept)):
                assert changed(text, token_lengths, n_kept, other) == [], (document.id, other[len(prefix) - 40 :])
                n_compared += 1
    assert n_compared > SHORT_FILES * CUTS_PER_FILE


def test_the_cuts_would_find_a_label_that_looks_ahead() -> None:
    # `f` is a callee in one of the two: a label that said so would have to differ at it.
    parts = ["x", "=", "f"]
    others = [other[3:].lstrip(" ") for other in continuations("x=f", limit=40)]
    assert any(other.startswith("(1)") for other in others)
    assert any(other.startswith(".y") for other in others)
    # Two texts that differ in the kept tokens themselves are told apart.
    assert changed("x=f\n", [1, 1, 1, 1], 3, "x=1\n") != [], parts


@pytest.mark.parametrize(
    ("text", "expected"),
    [("f(a, [1", "])"), ("x = 'a(", "'"), ('f("""a"b\n', '""")'), ("(a  # b(", "\n)"), ("{'\\'(': [", "]}"), ("a()", "")],
)
def test_the_scanner_closes_what_is_open(text: str, expected: str) -> None:
    assert closing(text) == expected
