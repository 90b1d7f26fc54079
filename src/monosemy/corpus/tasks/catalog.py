"""The list of tasks, and a task by its name."""

from monosemy.core import UserError, nearest
from monosemy.corpus.tasks.brackets import (
    CALL_OR_INDEX,
    LIST_FOUR_NAMES,
    LIST_ONE_NAME,
    LIST_TWO_NAMES,
    NESTED_INNER,
)
from monosemy.corpus.tasks.copying import COPY_ARGUMENT, COPY_ATTRIBUTE, COPY_ATTRIBUTE_ELSEWHERE
from monosemy.corpus.tasks.generation import Task
from monosemy.corpus.tasks.quotes import QUOTE_ONE_WORD, QUOTE_THREE_WORDS

TASKS: tuple[Task, ...] = (
    QUOTE_ONE_WORD,
    QUOTE_THREE_WORDS,
    CALL_OR_INDEX,
    COPY_ARGUMENT,
    COPY_ATTRIBUTE,
    NESTED_INNER,
    LIST_ONE_NAME,
    LIST_TWO_NAMES,
    LIST_FOUR_NAMES,
    COPY_ATTRIBUTE_ELSEWHERE,
)
"""All tasks of the embedded model, the hard cases last."""


def task_named(name: str) -> Task:
    """Return the task of that name.

    Raises UserError when there is none.
    """
    names = [task.name for task in TASKS]
    if name not in names:
        raise UserError(f"there is no task {name!r}{nearest(name, names)}; allowed are {', '.join(names)}")
    return TASKS[names.index(name)]
