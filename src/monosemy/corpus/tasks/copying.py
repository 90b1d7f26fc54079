"""Tasks whose answer is a name that stands once in the prompt and has to be copied, as indirect objects in English."""

from monosemy.corpus.tasks.generation import Task, Template

_ARGUMENT = (
    Template(
        name="call",
        prompt="import sys\n\n$f($a, $b, $ANSWER)\n$f($a, $b,",
        rest=")\n",
    ),
    Template(
        name="return",
        prompt="def $f($a, $b, $ANSWER):\n    if $a is $b:\n        return None\n    return $f($a, $b,",
        rest=")\n",
    ),
    Template(
        name="method",
        prompt="class Handler:\n    def $g(self):\n        self.$f($a, $b, $ANSWER)\n        self.$f($a, $b,",
        rest=")\n",
    ),
    Template(
        name="assignment",
        prompt="import os\n\n$x = $f($a, $b, $ANSWER)\n$y = $f($a, $b,",
        rest=")\n",
    ),
    Template(
        name="if",
        prompt="def $g():\n    if $f($a, $b, $ANSWER):\n        $x = 1\n    if not $f($a, $b,",
        rest="):\n        $x = 0\n",
    ),
    Template(
        name="for",
        prompt="for $x in $f($a, $b, $ANSWER):\n    print($x)\nfor $x in $f($a, $b,",
        rest="):\n    pass\n",
    ),
    Template(
        name="except",
        prompt="try:\n    $f($a, $b, $ANSWER)\nexcept KeyError:\n    $g()\n    $f($a, $b,",
        rest=")\n",
    ),
    Template(
        name="with",
        prompt="# Once to read and once to write.\nwith $f($a, $b, $ANSWER) as $x:\n    $x.$g()\nwith $f($a, $b,",
        rest=") as $x:\n    $x.$h()\n",
    ),
)

_ATTRIBUTE = (
    Template(
        name="assignment",
        prompt="import os\n\n$x = $a.$ANSWER\n$b = $c\n$x = $a.",
        rest="\n",
    ),
    Template(
        name="return",
        prompt="def $f($a):\n    $x = $a.$ANSWER\n    $b = $c\n    return $a.",
        rest="\n",
    ),
    Template(
        name="attribute",
        prompt=(
            "class Node:\n    def __init__(self, $a):\n"
            "        self.$x = $a.$ANSWER\n        self.$b = $c\n        self.$x = $a."
        ),
        rest="\n",
    ),
    Template(
        name="call",
        prompt="$f($a.$ANSWER)\n$b = $c\n$f($a.",
        rest=")\n",
    ),
    Template(
        name="for",
        prompt="for $x in $a.$ANSWER:\n    $b = $c\nfor $x in $a.",
        rest=":\n    print($x)\n",
    ),
    Template(
        name="if",
        prompt="def $f($a, $c):\n    if $a.$ANSWER:\n        $b = $c\n    if $a.",
        rest=":\n        return $c\n",
    ),
    Template(
        name="augmented assignment",
        prompt="$x = 0\nwhile $x < 10:\n    $x += $a.$ANSWER\n    $b = $c\n    $x += $a.",
        rest="\n",
    ),
    Template(
        name="except",
        prompt="try:\n    $x = $a.$ANSWER\nexcept AttributeError:\n    $b = $c\n    $x = $a.",
        rest="\n",
    ),
)

_ATTRIBUTE_ELSEWHERE = (
    Template(
        name="print",
        prompt="import os\n\n$y = $b.$ANSWER\nprint($b.",
        rest=")\n",
    ),
    Template(
        name="return",
        prompt="def $f($b):\n    $y = $b.$ANSWER\n    return $b.",
        rest="\n",
    ),
    Template(
        name="if",
        prompt="class Item:\n    def $f(self, $b):\n        self.$y = $b.$ANSWER\n        if $b.",
        rest=":\n            return self.$y\n",
    ),
    Template(
        name="for",
        prompt="import time\n\n$f($b.$ANSWER)\nfor $x in $b.",
        rest=":\n    print($x)\n",
    ),
    Template(
        name="assert",
        prompt="for $y in $b.$ANSWER:\n    $x = $y\nassert $b.",
        rest="\n",
    ),
    Template(
        name="call",
        prompt="def $f($b, $x):\n    if $b.$ANSWER:\n        $x = 1\n    $g($b.",
        rest=", $x)\n",
    ),
    Template(
        name="raise",
        prompt="try:\n    $y = $b.$ANSWER\nexcept AttributeError:\n    raise ValueError($b.",
        rest=")\n",
    ),
    Template(
        name="subscript",
        prompt="# Look it up again.\n$y = [$b.$ANSWER]\n$x = $y[$b.",
        rest="]\n",
    ),
)

COPY_ARGUMENT = Task(
    name="E1",
    description="x(a, b, Z) / x(a, b, -> Z: copy the third argument of the same call",
    hard_case=False,
    n_changed=1,
    metric="name",
    answer=(" ", " "),
    clean={},
    corrupt={},
    templates=_ARGUMENT,
)

COPY_ATTRIBUTE = Task(
    name="E2",
    description="x = a.Z / b = c / x = a. -> Z: copy the attribute of the same object",
    hard_case=False,
    n_changed=1,
    metric="name",
    answer=("", ""),
    clean={},
    corrupt={},
    templates=_ATTRIBUTE,
)

COPY_ATTRIBUTE_ELSEWHERE = Task(
    name="B4",
    description="y = b.C / print(b. -> C: copy the attribute into another kind of statement",
    hard_case=True,
    n_changed=1,
    metric="name",
    answer=("", ""),
    clean={},
    corrupt={},
    templates=_ATTRIBUTE_ELSEWHERE,
)
