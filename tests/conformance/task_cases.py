"""The tasks, and the pairs that each gives."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from monosemy.corpus import StdlibCorpus
from monosemy.corpus.ioi import NAMES, OBJECTS, PLACES, SENTENCES, generate_ioi
from monosemy.corpus.tasks import TASKS, Pair, generate

N_PAIRS = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskCase:
    """A task: `draw(n_pairs, seed=..., split=...)` gives pairs under `tokenizer()`.

    n_changed: in how many tokens the prompts of a pair differ.
    """

    name: str
    tokenizer: Callable[[], Tokenizer]
    draw: Callable[..., list[Pair]]
    n_changed: int
    context_length: int = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskEvidence:
    """What a task gave: pairs of one seed, twice; fewer of them; those of another seed; those of the held-out half."""

    case: TaskCase
    tokenizer: Tokenizer
    pairs: list[Pair]
    again: list[Pair]
    fewer: list[Pair]
    other_seed: list[Pair]
    held_out: list[Pair]


def gather(case: TaskCase) -> TaskEvidence:
    """Draw pairs in several ways."""
    return TaskEvidence(
        case=case,
        tokenizer=case.tokenizer(),
        pairs=case.draw(N_PAIRS, seed=0, split="selection"),
        again=case.draw(N_PAIRS, seed=0, split="selection"),
        fewer=case.draw(N_PAIRS // 3, seed=0, split="selection"),
        other_seed=case.draw(N_PAIRS, seed=1, split="selection"),
        held_out=case.draw(N_PAIRS, seed=0, split="held_out"),
    )


@cache
def python_tokenizer() -> Tokenizer:
    """The tokenizer of the embedded model."""
    return StdlibCorpus().tokenizer


@cache
def english_tokenizer() -> Tokenizer:
    """A byte-level BPE that has seen the words of the English task often enough to make each one token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=2000, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet)
    words = " ".join(("", *NAMES, *PLACES, *OBJECTS))
    tokenizer.train_from_iterator([*SENTENCES, *[words] * 20], trainer)
    return tokenizer


def draw_python(task_index: int, n_pairs: int, **options: object) -> list[Pair]:
    return generate(TASKS[task_index], python_tokenizer(), n_pairs, **options)  # pyright: ignore[reportArgumentType]


def draw_english(n_pairs: int, **options: object) -> list[Pair]:
    return generate_ioi(english_tokenizer(), n_pairs, **options)  # pyright: ignore[reportArgumentType]


CASES = (
    *(
        TaskCase(name=task.name, tokenizer=python_tokenizer, draw=partial(draw_python, index), n_changed=task.n_changed)
        for index, task in enumerate(TASKS)
    ),
    TaskCase(name="IOI", tokenizer=english_tokenizer, draw=draw_english, n_changed=1),
)
