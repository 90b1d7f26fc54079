"""Tasks of the embedded Python model with counterfactual pairs: close a quote, close a bracket, copy a name."""

from monosemy.corpus.tasks.brackets import (
    CALL_OR_INDEX,
    LIST_FOUR_NAMES,
    LIST_ONE_NAME,
    LIST_TWO_NAMES,
    NESTED_INNER,
)
from monosemy.corpus.tasks.catalog import TASKS, task_named
from monosemy.corpus.tasks.copying import COPY_ARGUMENT, COPY_ATTRIBUTE, COPY_ATTRIBUTE_ELSEWHERE
from monosemy.corpus.tasks.generation import Filled, Task, Template, fill, generate
from monosemy.corpus.tasks.pairs import PAIR_SPLITS, Pair, PairSplit
from monosemy.corpus.tasks.quotes import QUOTE_ONE_WORD, QUOTE_THREE_WORDS
from monosemy.corpus.tasks.scoring import PairBatch, both_right, logit_difference, stack_pairs
from monosemy.corpus.tasks.vocabulary import Vocabulary, prefix_of, read_vocabulary

__all__ = [
    "CALL_OR_INDEX",
    "COPY_ARGUMENT",
    "COPY_ATTRIBUTE",
    "COPY_ATTRIBUTE_ELSEWHERE",
    "LIST_FOUR_NAMES",
    "LIST_ONE_NAME",
    "LIST_TWO_NAMES",
    "NESTED_INNER",
    "PAIR_SPLITS",
    "QUOTE_ONE_WORD",
    "QUOTE_THREE_WORDS",
    "TASKS",
    "Filled",
    "Pair",
    "PairBatch",
    "PairSplit",
    "Task",
    "Template",
    "Vocabulary",
    "both_right",
    "fill",
    "generate",
    "logit_difference",
    "prefix_of",
    "read_vocabulary",
    "stack_pairs",
    "task_named",
]
