"""Tasks whose answer is the bracket that closes what is open: a call or an index, a list or a tuple, nested ones."""

from dataclasses import replace

from monosemy.corpus.tasks.generation import Task, Template

_CALL_OR_INDEX = (
    Template(
        name="assignment",
        prompt="import os\n\n$y = os.getcwd()\n$x = $f$OPEN$y",
        rest="\n",
    ),
    Template(
        name="return",
        prompt="def $g($y):\n    $y += 1\n    return $f$OPEN$y",
        rest="\n",
    ),
    Template(
        name="attribute",
        prompt="class Cache:\n    def $g(self, $y):\n        $x = self.$f$OPEN$y",
        rest="\n        return $x\n",
    ),
    Template(
        name="if",
        prompt="$x = None\nif $f$OPEN$y",
        rest=":\n    $x = $y\n",
    ),
    Template(
        name="for",
        prompt="from itertools import chain\n\nfor $x in $f$OPEN$y",
        rest=":\n    print($x)\n",
    ),
    Template(
        name="while",
        prompt="def $g():\n    global $y\n    while $x < $f$OPEN$y",
        rest=":\n        $y += 1\n",
    ),
    Template(
        name="augmented assignment",
        prompt="$x = 0\nwith $g as $y:\n    $x += $f$OPEN$y",
        rest="\n",
    ),
    Template(
        name="assert",
        prompt="try:\n    import $y\nexcept ImportError:\n    $y = None\n\nassert $f$OPEN$y",
        rest="\n",
    ),
    Template(
        name="lambda",
        prompt="# The key of the order.\n$x = lambda $y: $f$OPEN$y",
        rest="\n",
    ),
    Template(
        name="yield",
        prompt="def $g(self, *args):\n    for $y in args:\n        if $y is not None:\n            yield $f$OPEN$y",
        rest="\n",
    ),
)

_NESTED = (
    Template(
        name="assignment",
        prompt="import sys\n\n$y = $f$OUTER$g$INNER$x",
        rest="$OUTER_CLOSE\n",
    ),
    Template(
        name="return",
        prompt="def $h($x):\n    return $f$OUTER$g$INNER$x",
        rest="$OUTER_CLOSE\n",
    ),
    Template(
        name="attribute",
        prompt="class Table:\n    def __init__(self, $x):\n        self.$y = self.$f$OUTER$g$INNER$x",
        rest="$OUTER_CLOSE\n",
    ),
    Template(
        name="if",
        prompt="$y = []\nif $f$OUTER$g$INNER$x",
        rest="$OUTER_CLOSE:\n    $y.append($x)\n",
    ),
    Template(
        name="for",
        prompt="$x = 10\nfor $y in $f$OUTER$g$INNER$x",
        rest="$OUTER_CLOSE:\n    print($y)\n",
    ),
    Template(
        name="augmented assignment",
        prompt="def $h(self):\n    $y = self.$h\n    $y += $f$OUTER$g$INNER$x",
        rest="$OUTER_CLOSE\n    return $y\n",
    ),
    Template(
        name="except",
        prompt="try:\n    $x = int($x)\nexcept ValueError:\n    $x = $f$OUTER$g$INNER$x",
        rest="$OUTER_CLOSE\n",
    ),
    Template(
        name="with",
        prompt="import tempfile\n\n# Write it next to the other one.\nwith $f$OUTER$g$INNER$x",
        rest="$OUTER_CLOSE as $y:\n    $y.close()\n",
    ),
)

_NAMES = (
    Template(
        name="assignment",
        prompt="import os\n\n$x = $OPEN$NAMES",
        rest="\n",
    ),
    Template(
        name="return",
        prompt="def $f($a):\n    return $OPEN$NAMES",
        rest="\n",
    ),
    Template(
        name="for",
        prompt="$x = 0\nfor $y in $OPEN$NAMES",
        rest=":\n    $x += $y\n",
    ),
    Template(
        name="attribute",
        prompt="class Group:\n    def __init__(self, $a):\n        self.$x = $OPEN$NAMES",
        rest="\n",
    ),
    Template(
        name="if",
        prompt="def $f(self, $x):\n    if $x in $OPEN$NAMES",
        rest=":\n        return $x\n",
    ),
    Template(
        name="yield",
        prompt="def $f():\n    while True:\n        yield $OPEN$NAMES",
        rest="\n",
    ),
    Template(
        name="assert",
        prompt="from types import *\n\n$x = $f()\nassert $x not in $OPEN$NAMES",
        rest="\n",
    ),
    Template(
        name="default",
        prompt="try:\n    $x = $y\nexcept NameError:\n    $x = None\n$x = $x or $OPEN$NAMES",
        rest="\n",
    ),
)

CALL_OR_INDEX = Task(
    name="A2",
    description="x = f(y or x = f[y: close the call with ) and the index with ]",
    hard_case=False,
    n_changed=1,
    metric="character",
    answer=(")", "]"),
    clean={"OPEN": "("},
    corrupt={"OPEN": "["},
    templates=_CALL_OR_INDEX,
)

NESTED_INNER = Task(
    name="A3",
    description="f[g(x or f(g[x: close the inner bracket, not the outer one",
    hard_case=True,
    n_changed=2,
    metric="character",
    answer=(")", "]"),
    clean={"OUTER": "[", "INNER": "(", "OUTER_CLOSE": "]"},
    corrupt={"OUTER": "(", "INNER": "[", "OUTER_CLOSE": ")"},
    templates=_NESTED,
)


def _list_or_tuple(n_names: int) -> Task:
    slots = ("$a", "$b", "$c", "$d")[:n_names]
    return Task(
        name=f"A_list_{n_names}",
        description=f"[a, ... or (a, ...: close the list with ] and the parenthesis with ) after {n_names} name(s)",
        hard_case=True,
        n_changed=1,
        metric="character",
        answer=("]", ")"),
        clean={"OPEN": "["},
        corrupt={"OPEN": "("},
        templates=tuple(replace(each, prompt=each.prompt.replace("$NAMES", ", ".join(slots))) for each in _NAMES),
    )


LIST_ONE_NAME = _list_or_tuple(1)
LIST_TWO_NAMES = _list_or_tuple(2)
LIST_FOUR_NAMES = _list_or_tuple(4)
