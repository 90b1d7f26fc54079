"""Written down by hand: operators, brackets, functions, classes and blocks."""

from tests.unit.corpus.labels.snippet import Snippet

OPERATORS = Snippet(
    text="""\
x = (a + 1) * b[2:3] - 4.5
x += -a ** 2 if a <= 1 != b else {1: x, 2: [a]}
""",
    expected={
        "number": "1 2 3 4 . 5 2 1 1 2",
        "word_continuation": ". 5",
        "name": "x a b x a a b x a",
        "keyword": "if else",
        "if_keyword": "if else",
        "if_test": "",
        "open_bracket": "( [ { [",
        "close_bracket": ") ] ] }",
        "comma": ",",
        "colon": ": : :",
        "equals": "=",
        "comparison": "< = =",
        "arithmetic": "+ * - + - * *",
        "depth_1": "a + 1 ) 2 : 3 ] 1 : x , 2 : [ }",
        "depth_2": "a ]",
        "in_parentheses": "a + 1 )",
        "in_square": "2 : 3 ] a ]",
        "in_braces": "1 : x , 2 : [ }",
        "grouping": "a + 1 )",
        "subscript": "2 : 3 ]",
        "slice_part": "3 ]",
        "list_display": "a ]",
        "dict_value": "x , [ a ] }",
        "annotation": "",
        "assigned_value": "( a + 1 ) * b [ 2 : 3 ] - 4 . 5 - a * * 2 if a < = 1 ! = b else { 1 : x , 2 : [ a ] }",
        "module_name": "x x",
        "not_bound_yet": "x a b a a b a",
        "seen_before": "x a a b x a",
    },
)

DEEP = Snippet(
    text="f([(1, {2: g(3)})])\n",
    expected={
        "operator": "( [ ( , { : ( ) } ) ] )",
        "depth_0": "f (",
        "depth_1": "[ )",
        "depth_2": "( ]",
        "depth_3_plus": "1 , { 2 : g ( 3 ) } )",
        "call_arguments": "[ 3 ) )",
        "list_display": "( ]",
        "grouping": "1 , { )",
        "dict_value": "g ( 3 ) }",
    },
)

FUNCTION = Snippet(
    text='''\
def scale(values, factor=2.0, *args, sep: str = ',', **options) -> list:
    """Scales.

    >>> scale([1])
    See https://example.org/x for more.
    """
    total = [v * factor for v in values if v]
    other = lambda p, q=1: p + q + total
    return sorted(total, key=other, reverse=True)
''',
    expected={
        "def_keyword": "def",
        "def_name": "scale",
        "parameter_name": "values factor args sep options p q",
        "default_value": "2 . 0 , ' , ' , 1 :",
        "annotation": "str = list :",
        "return_keyword": "return",
        "other_keyword": "lambda",
        "operator_keyword": "in",
        "loop_keyword": "for",
        "constant": "True",
        "docstring": '" " " Scales . > > > scale ( [ 1 ] ) See https : / / example . org / x for more . " " "',
        "triple_quoted": '" Scales . > > > scale ( [ 1 ] ) See https : / / example . org / x for more . " " "',
        "single_quoted": "' , '",
        "string_start": "' \"",
        "string_argument": "",
        "doctest": "> scale ( [ 1 ] )",
        "url": "/ example . org / x",
        "block_first_line": '" " " Scales .',
        "for_target": "",
        "for_iterable": "",
        "if_test": "",
        "comprehension": "v in values if v ]",
        "lambda_body": "p + q + total",
        "list_display": "v * factor for v in values if v ]",
        "call_arguments": "total , key = other , reverse = True )",
        "keyword_value": "other , True )",
        "return_value": "sorted ( total , key = other , reverse = True )",
        "assigned_value": "[ v * factor for v in values if v ] lambda p , q = 1 : p + q + total",
        "parameter_use": "factor values p q",
        "local_name": "v total total other",
        "builtin_use": "str list sorted",
        "builtin_word": "str list sorted",
        "not_bound_yet": "total v other key reverse",
        "seen_before": "factor v values v p q total total other",
    },
)

CLASS = Snippet(
    text="""\
import os.path as osp, sys
from collections.abc import (Iterable as It, Sized)
from . import util

@util.register(name='A')
class Shape(Base, Sized, metaclass=Meta):
    kind = 'shape'

    def area(self, x_scale):
        cls_name = self.kind + osp.name
        return self.area(x_scale).self.kind

    @classmethod
    def make(cls):
        return Shape(cls.kind, kind)

class _Square(Shape): pass
""",
    expected={
        "import_keyword": "import from import from import",
        "import_module": "os path sys collections abc",
        "imported_name": "osp Iterable It Sized util",
        "dot": ". . . . . . . . . .",
        "other_keyword": "as as pass",
        "class_keyword": "class class",
        "class_name": "Shape _Square",
        "base_classes": "Base , Sized , metaclass = Meta ) Shape )",
        "keyword_value": "' A ' ) Meta )",
        "decorator": "util . register ( name = ' A ' ) classmethod",
        "attribute_name": "register kind name area self kind kind",
        "attribute_of_self": "kind area kind",
        "self_word": "self self self self cls cls",
        "string_argument": "' A '",
        "docstring": "",
        "camel_case": "Iterable It Sized Shape Base Sized Meta Shape Shape",
        "snake_case": "x_scale cls_name x_scale",
        "leading_underscore": "_Square",
        "imported_use": "util Sized osp",
        "module_name": "util Sized osp Shape Shape",
        "class_use": "Shape Shape",
        "local_name": "",
        "parameter_use": "self self x_scale cls",
        "builtin_use": "classmethod",
    },
)

BLOCKS_TEXT = """\
async def run(jobs):
    async with lock as l:
        for job in jobs:
            try:
                a1
            except (ValueError, KeyError) as e:
                b1
            else:
                c1
            finally:
                d1
        while not done:
            e1; f1
    if ready: g1
    elif maybe:
        h1
    else:
        i1
    def inner():
        for k in jobs: j1
        class Local:
            def method(self):
                k1
    raise Stop from None
# last
m1
"""

BLOCKS = Snippet(
    text=BLOCKS_TEXT,
    only=r"[a-m]1",
    expected={
        "in_function": "a1 b1 c1 d1 e1 f1 g1 h1 i1 j1 k1",
        "in_async_function": "a1 b1 c1 d1 e1 f1 g1 h1 i1 j1 k1",
        "in_nested_function": "j1 k1",
        "in_method": "k1",
        "in_class": "k1",
        "in_loop": "a1 b1 c1 d1 e1 f1 j1",
        "in_with": "a1 b1 c1 d1 e1 f1",
        "in_try": "a1",
        "in_except": "b1",
        "in_else": "c1 i1",
        "in_if": "g1 h1",
        "indent_0": "m1",
        "indent_1": "g1",
        "indent_2": "h1 i1 j1",
        "indent_3": "e1 f1",
        "indent_4_plus": "a1 b1 c1 d1 k1",
        "block_first_line": "a1 b1 c1 d1 e1 f1 h1 i1 j1 k1",
        "after_dedent": "g1 m1",
        "continuation_line": "",
    },
)

HEADERS = Snippet(
    text=BLOCKS_TEXT,
    expected={
        "with_item": "lock as l :",
        "for_target": "job in k in",
        "for_iterable": "jobs : jobs :",
        "while_test": "not done :",
        "if_test": "ready : maybe :",
        "except_type": "( ValueError , KeyError ) as e :",
        "raise_value": "Stop from None",
        "exception_keyword": "try except finally raise",
        "exception_word": "ValueError KeyError",
        "other_keyword": "async async with as as",
        "import_keyword": "from",
        "operator_keyword": "in not in",
        "loop_keyword": "for while for",
        "grouping": "ValueError , KeyError )",
        "own_line_comment": "# last",
        "line_start": "async async for try a1 except b1 else c1 finally d1 while e1 if elif h1 else i1 "
        "def for class def k1 raise # m1",
        "enclosing_name": "jobs",
        "builtin_use": "ValueError KeyError",
    },
)
