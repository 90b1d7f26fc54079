"""The templates of every task: different code, valid Python with the right answer, invalid with the wrong closing one.

Oracle: Python's own parser.
"""

import ast
import re
from itertools import combinations

import pytest
from tokenizers import Tokenizer

from monosemy.core import UserError, numpy_generator
from monosemy.corpus import StdlibCorpus
from monosemy.corpus.tasks import TASKS, Filled, Task, Template, fill, read_vocabulary, task_named

MIN_TEMPLATES = 8
N_FILLED = 5
NAMED = [task for task in TASKS if task.metric == "name"]
CLOSING = [task for task in TASKS if task.metric == "character"]


@pytest.fixture(scope="module")
def names() -> tuple[str, ...]:
    return read_vocabulary(StdlibCorpus().tokenizer).names


@pytest.fixture(params=TASKS, ids=lambda task: task.name)
def task(request: pytest.FixtureRequest) -> Task:
    return request.param


def filled(task: Task, names: tuple[str, ...]) -> list[tuple[Template, Filled]]:
    """Every template a few times, with different names."""
    generator = numpy_generator(0, "templates")
    return [(template, fill(task, template, names, generator)) for template in task.templates for _ in range(N_FILLED)]


def structure(source: str) -> str:
    """The syntax tree of a module without its names and constants."""
    dumped = ast.dump(ast.parse(source))
    return re.sub(r"'[^']*'|\b\d+\b|None", "_", dumped)


def parses(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def test_there_are_the_tasks_with_a_name_each() -> None:
    names = [task.name for task in TASKS]
    assert names == ["C1", "C3", "A2", "E1", "E2", "A3", "A_list_1", "A_list_2", "A_list_4", "B4"]
    assert [task.name for task in TASKS if task.hard_case] == names[5:]


def test_a_task_is_found_by_its_name() -> None:
    assert all(task_named(task.name) is task for task in TASKS)
    with pytest.raises(
        UserError, match=r"there is no task 'A_list2' \(did you mean 'A_list_2'\?\); allowed are C1, C3"
    ):
        task_named("A_list2")


def test_a_task_has_enough_templates_in_each_half(task: Task) -> None:
    selection, held_out = task.templates_of("selection"), task.templates_of("held_out")
    assert len(task.templates) >= MIN_TEMPLATES
    assert min(len(selection), len(held_out)) >= MIN_TEMPLATES // 2
    assert sorted(each.name for each in selection + held_out) == sorted({each.name for each in task.templates})


def test_the_completed_modules_parse_in_both_members(task: Task, names: tuple[str, ...]) -> None:
    for template, each in filled(task, names):
        for module in each.modules:
            assert parses(module), f"{template.name}:\n{module}"


def test_the_templates_are_different_code(task: Task, names: tuple[str, ...]) -> None:
    generator = numpy_generator(0, "templates")
    trees = {each.name: structure(fill(task, each, names, generator).modules[0]) for each in task.templates}
    assert [pair for pair in combinations(trees, 2) if trees[pair[0]] == trees[pair[1]]] == []


def test_there_is_code_before_the_statement_that_is_cut(task: Task) -> None:
    assert [each.name for each in task.templates if "\n" not in each.prompt] == []


@pytest.mark.parametrize("task", CLOSING, ids=lambda task: task.name)
def test_the_other_answer_is_a_syntax_error(task: Task, names: tuple[str, ...]) -> None:
    for template, each in filled(task, names):
        for prompt, wrong, rest in zip(each.prompts, reversed(each.answers), each.rests, strict=True):
            assert not parses(prompt + wrong + rest), f"{template.name}:\n{prompt + wrong + rest}"


@pytest.mark.parametrize("task", CLOSING, ids=lambda task: task.name)
def test_nothing_but_the_open_one_tells_the_answer(task: Task) -> None:
    # No quote at all before the cut in the quote tasks; every other bracket is closed again in the bracket tasks.
    for template in task.templates:
        before = re.sub(r"\$[A-Za-z_]+", "", template.prompt)
        assert before.count("'") == before.count('"') == 0
        for opening, closing in ("()", "[]", "{}"):
            n_open = before.count(opening) - before.count(closing)
            assert n_open == (1 if opening == "(" and "($Q" in template.prompt else 0), template.name


@pytest.mark.parametrize("task", NAMED, ids=lambda task: task.name)
def test_the_answer_stands_once_before_the_cut_and_the_other_one_nowhere(task: Task, names: tuple[str, ...]) -> None:
    for _, each in filled(task, names):
        for prompt, right, wrong in zip(each.prompts, each.answers, reversed(each.answers), strict=True):
            words = re.findall(r"\w+", prompt)
            assert words.count(right.strip()) == 1
            assert words.count(wrong.strip()) == 0


def attributes(source: str) -> list[tuple[str, str]]:
    """(object, attribute) of every `object.attribute` in a module, where the object is a plain name."""
    nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute))
    return [(node.value.id, node.attr) for node in nodes if isinstance(node.value, ast.Name)]


def arguments(source: str) -> list[tuple[str, ...]]:
    """The names of the function and of the three arguments of every call or definition that has three."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and len(node.args) == 3:
            function = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
            found.append((function, *(ast.unparse(argument) for argument in node.args)))
        elif isinstance(node, ast.FunctionDef) and len(node.args.args) == 3:
            found.append((node.name, *(argument.arg for argument in node.args.args)))
    return found


@pytest.mark.parametrize("name", ["E2", "B4"])
def test_the_attribute_to_copy_is_that_of_the_same_object(name: str, names: tuple[str, ...]) -> None:
    for template, each in filled(task_named(name), names):
        for module, answer in zip(each.modules, each.answers, strict=True):
            objects = [value for value, attribute in attributes(module) if attribute == answer]
            assert len(objects) == 2, template.name
            assert objects[0] == objects[1]


def test_the_argument_to_copy_is_that_of_the_same_call(names: tuple[str, ...]) -> None:
    for template, each in filled(task_named("E1"), names):
        for module, answer in zip(each.modules, each.answers, strict=True):
            calls = [call for call in arguments(module) if call[-1] == answer.strip()]
            assert len(calls) == 2, template.name
            assert calls[0] == calls[1]


def test_drawn_names_are_distinct_and_not_those_of_the_template(task: Task, names: tuple[str, ...]) -> None:
    for template, each in filled(task, names):
        written = set(re.findall(r"[a-z]+", re.sub(r"\$[A-Za-z_]+", " ", template.prompt)))
        n_slots = len(set(re.findall(r"\$[a-z]", template.prompt)))
        drawn = set(re.findall(r"[a-z]+", each.prompts[0])) - written
        assert len(drawn) == n_slots + (task.metric == "name")


def test_too_few_names_are_told(task: Task, names: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match=rf"task '{task.name}' needs \d+ names of one token and the tokenizer has 2 "):
        fill(task, task.templates[0], names[:2], numpy_generator(0, "templates"))


def test_names_are_identifiers_of_one_token_in_both_forms() -> None:
    tokenizer: Tokenizer = StdlibCorpus().tokenizer
    vocabulary = tokenizer.get_vocab()
    names = read_vocabulary(tokenizer).names
    # Independent: the vocabulary's own spelling, in which a leading space is the letter U+0120.
    both = {name for name in vocabulary if name.isascii() and name.islower() and f"\u0120{name}" in vocabulary}
    assert len(names) >= 150
    assert set(names) <= {name for name in both if name.isalpha() and len(name) >= 3}
    assert {"self", "cls", "def", "import", "match", "print", "len", "str"} & set(names) == set()
    assert {"name", "value", "data", "path"} <= set(names)
