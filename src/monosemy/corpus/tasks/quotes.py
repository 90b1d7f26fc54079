"""Tasks whose answer is the quote that closes a string: what opened it stands one word or three words back.

Nothing before the cut holds another quote, so that only the open string tells which one is right.
"""

from monosemy.corpus.tasks.generation import Task, Template

_ONE_WORD = (
    Template(
        name="call",
        prompt="import os\n\ndef $f($x):\n    $x.$g($Q$w",
        rest=")\n    return $x\n",
    ),
    Template(
        name="return",
        prompt="class Reader:\n    def $f(self):\n        return self.$g($Q$w",
        rest=")\n",
    ),
    Template(
        name="assignment",
        prompt="from collections import deque\n\n$x = deque()\n$y = $f($Q$w",
        rest=")\n",
    ),
    Template(
        name="if",
        prompt="def $f($x, $y):\n    if $x.$g($Q$w",
        rest="):\n        return $y\n",
    ),
    Template(
        name="raise",
        prompt="def $f($x):\n    if $x is None:\n        raise ValueError($Q$w",
        rest=")\n    return len($x)\n",
    ),
    Template(
        name="with",
        prompt="import io\nimport sys\n\n$x = []\nwith $f($Q$w",
        rest=") as $y:\n    $x.append($y)\n",
    ),
    Template(
        name="for",
        prompt="$x = 0\nfor $y in $f($Q$w",
        rest="):\n    $x += $y\n",
    ),
    Template(
        name="except",
        prompt="try:\n    import $x\nexcept ImportError:\n    $f($Q$w",
        rest=")\n    $x = None\n",
    ),
    Template(
        name="assert",
        prompt="def $f($x=None):\n    # Check the argument first.\n    assert $g($Q$w",
        rest=")\n    return $x\n",
    ),
    Template(
        name="decorator",
        prompt="import functools\n\n@$f($Q$w",
        rest=")\ndef $g($x):\n    return $x\n",
    ),
)

_THREE_WORDS = (
    Template(
        name="assignment",
        prompt="import sys\n\n$x = $Q$w $v $u",
        rest="\nsys.exit($x)\n",
    ),
    Template(
        name="return",
        prompt="def $f($x):\n    if not $x:\n        return $Q$w $v $u",
        rest="\n    return $x\n",
    ),
    Template(
        name="attribute",
        prompt="class Parser:\n    def __init__(self, $x):\n        self.$x = $x\n        self.$y = $Q$w $v $u",
        rest="\n",
    ),
    Template(
        name="raise",
        prompt="def $f(self):\n    raise TypeError($Q$w $v $u",
        rest=")\n",
    ),
    Template(
        name="call",
        prompt="for $x in range(10):\n    $y = $x + 1\n    print($Q$w $v $u",
        rest=", $y)\n",
    ),
    Template(
        name="comparison",
        prompt="$x = input()\nwhile $x != $Q$w $v $u",
        rest=":\n    $x = input()\n",
    ),
    Template(
        name="augmented assignment",
        prompt="def $f($x, $y):\n    # Add the rest of the line.\n    $x += $Q$w $v $u",
        rest="\n    return $x + $y\n",
    ),
    Template(
        name="default",
        prompt="import re\n\n$x = None\n$y = $x or $Q$w $v $u",
        rest="\n$z = re.compile($y)\n",
    ),
    Template(
        name="assert",
        prompt="try:\n    $f()\nfinally:\n    assert $x, $Q$w $v $u",
        rest="\n",
    ),
    Template(
        name="yield",
        prompt="def $f(*args):\n    with $g(args) as $x:\n        yield $Q$w $v $u",
        rest="\n    yield $x\n",
    ),
)

QUOTE_ONE_WORD = Task(
    name="C1",
    description="a('w or a(\"w: close the string with the quote that opened it, one word back",
    hard_case=False,
    n_changed=1,
    metric="character",
    answer=("'", '"'),
    clean={"Q": "'"},
    corrupt={"Q": '"'},
    templates=_ONE_WORD,
)

QUOTE_THREE_WORDS = Task(
    name="C3",
    description="a = 'w v u or a = \"w v u: close the string with the quote that opened it, three words back",
    hard_case=False,
    n_changed=1,
    metric="character",
    answer=("'", '"'),
    clean={"Q": "'"},
    corrupt={"Q": '"'},
    templates=_THREE_WORDS,
)
