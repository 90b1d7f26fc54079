"""Written down by hand: strings, names and their scopes, lambdas and the rarer statements."""

from tests.unit.corpus.labels.snippet import Snippet

STRINGS = Snippet(
    text='''\
path = r'\\d+' + b"x" + f'{path!r} and {x}' "joined"
print('%s' % path, """two
lines""", f"{a}")  # trailing http://a.b/c
''',
    expected={
        "string": "' \\ d + ' \" x \" ' { path ! r } and { x } ' \" joined \" "
        '\' % s \' " " " two lines " " " " { a } "',
        "raw_string": "' \\ d + '",
        "bytes_string": '" x "',
        "fstring": "' { path ! r } and { x } ' \" { a } \"",
        "double_quoted": '" x " " joined " " " " two lines " " " " { a } "',
        "string_start": '\' " \' " \' " "',
        "name": "path r b f print path f",
        "string_argument": '\' % s \' " " " two lines " " " " { a } "',
        "docstring": "",
        "comment": "# trailing http : / / a . b / c",
        "own_line_comment": "",
        "url": "/ a . b / c",
        "continuation_line": ', f " { a } " ) # trailing http : / / a . b / c',
    },
)

NAMES = Snippet(
    text="""\
def __init__(self): global COUNT, _x; COUNT = _x = 1; return COUNT
from m import *
MAX_SIZE = max(MAX_SIZE, len(__init__()))
assert MAX_SIZE, "no"
del MAX_SIZE
""",
    expected={
        "global_declared": "COUNT _x COUNT",
        "module_name": "COUNT __init__ MAX_SIZE MAX_SIZE",
        "function_use": "__init__",
        "all_caps": "COUNT COUNT COUNT MAX_SIZE MAX_SIZE MAX_SIZE MAX_SIZE",
        "dunder": "__init__ __init__",
        "leading_underscore": "__init__ _x _x __init__",
        "builtin_word": "max len",
        "assert_test": 'MAX_SIZE , " no "',
        "other_keyword": "global assert del",
        "in_function": "global COUNT , _x ; COUNT = _x = 1 ; return COUNT",
    },
)

SCOPES = Snippet(
    text="""\
def outer(n):
    k = n
    def inner():
        nonlocal k
        k += n
        n.k = k
        return k, outer
    return inner
""",
    expected={
        "enclosing_name": "k n n k k",
        "local_name": "inner",
        "function_use": "outer inner",
        "module_name": "outer",
        "parameter_use": "n",
        "not_bound_yet": "k",
        "attribute_name": "k",
        "attribute_of_self": "",
    },
)

LAMBDAS = Snippet(
    text="""\
f = lambda a, b=lambda: 1: a[b:c]
g = {lambda x: x: 1, 2: lambda *y: y, 3: [i for (i, j) in z for k in j]}
if lambda: h: pass
""",
    expected={
        "parameter_name": "a b x y",
        "default_value": "lambda : 1 :",
        "lambda_body": "1 : a [ b : c ] x : y , h :",
        "slice_part": "c ]",
        "dict_value": "1 , lambda * y : y , [ i for ( i , j ) in z for k in j ] }",
        "comprehension": "( i , j ) in z for k in j ]",
        "if_test": "lambda : h :",
        "parameter_use": "a b x y",
        "local_name": "j",
    },
)

STATEMENTS = Snippet(
    text="""\
x: int = 1; y = z = x
for a, b[0] in x, y: print(a)
async def f(): return [await c async for c in d if c]
with (open(x) as p, q as r): raise
try: import s
except: del s
while (n := s): n
match = {}
match.a = match
""",
    expected={
        "annotation": "int =",
        "assigned_value": "1 ; z = x { } match",
        "for_target": "a , b [ 0 ] in",
        "for_iterable": "x , y :",
        "in_loop": "print ( a ) n",
        "call_arguments": "a ) x )",
        "comprehension": "c in d if c ]",
        "with_item": "( open ( x ) as p , q as r ) :",
        "raise_value": "",
        "except_type": ":",
        "while_test": "( n : = s ) :",
        "grouping": "open ( as p , q as r ) n : = s )",
        "module_name": "x x y a x s s n match match",
        "imported_use": "s s",
        "local_name": "c",
        "in_try": "import s",
        "in_except": "del s",
        "in_async_function": "return [ await c async for c in d if c ]",
    },
)
