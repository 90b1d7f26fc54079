"""Indirect object identification in English, checked against any tokenizer.

"When Mary and John walked into the office, John gave a key to" -> " Mary"; in the corrupt prompt a third name stands in
Mary's place, so that the prompts differ in one token and the answer is another one.
Source: Wang et al. 2022 (arXiv 2211.00593) for the task, Cunningham et al. 2023 (arXiv 2309.08600, section 4) for the
counterfactual. Sentences and lists are our own; what is selected on half of the sentences is measured on the others.
"""

from string import Template as Substitution

from tokenizers import Tokenizer

from monosemy.core import UserError, numpy_generator
from monosemy.corpus.tasks.pairs import Pair, PairSplit
from monosemy.corpus.tasks.vocabulary import Vocabulary, read_vocabulary

TASK = "IOI"
MIN_NAMES, MIN_PLACES, MIN_OBJECTS = 10, 3, 3

_NAMES = (
    "Aaron Adam Alan Alex Alice Amanda Amy Andrew Anna Anthony Ben Brian Carl Carol Charles Chris Claire Daniel David "
    "Dennis Diana Edward Emily Emma Eric Frank Gary George Grace Greg Helen Henry Jack Jacob James Jane Jason Jean "
    "Jennifer Jessica Jim Joe John Jonathan Joseph Julia Karen Kate Kevin Laura Lisa Louis Lucy Maria Mark Martin Mary "
    "Matthew Michael Michelle Nancy Nick Paul Peter Rachel Richard Robert Ruth Ryan Sam Sarah Scott Simon Stephen "
    "Steve Susan Thomas Tom Victoria William"
)
_PLACES = "bank church garden hospital hotel library market museum office park restaurant school station"
_OBJECTS = "bag ball book bottle box card coin cup drink key letter map phone picture ring"
NAMES, PLACES, OBJECTS = tuple(_NAMES.split()), tuple(_PLACES.split()), tuple(_OBJECTS.split())

# $first and $second are the two names, $S the one that comes again; a space stands before each, as before the answer.
SENTENCES = (
    "When $first and $second walked into the $place, $S gave a $object to",
    "While $first and $second were waiting at the $place, $S passed a $object to",
    "The rain kept $first and $second inside the $place, so $S lent a $object to",
    "Yesterday $first and $second cleaned the $place together. Afterwards, $S brought a $object to",
    "Once $first and $second had left the $place, $S offered a $object to",
    "Because $first and $second both worked at the $place, $S often sent a $object to",
    "Everyone at the $place heard $first and $second arguing. In the end, $S returned a $object to",
    "It was late when $first and $second reached the $place. Without a word, $S threw a $object to",
    "Last summer, $first and $second found a $object near the $place, and $S handed it to",
    "Our friends $first and $second run the $place. This morning, $S sold a $object to",
)
ORDERS = ("ABBA", "BABA")
"""ABBA: the indirect object is named first, then the subject. BABA: the other way round. Both end with the subject."""


def generate_ioi(
    tokenizer: Tokenizer,
    n_pairs: int,
    *,
    seed: int,
    split: PairSplit = "selection",
    prefix_ids: tuple[int, ...] | None = None,
) -> list[Pair]:
    """Draw distinct pairs, an equal number (to within one) from each sentence and order of the split.

    Clean: the indirect object is A, the answer " A". Corrupt: a third name C stands in A's place, the answer is " C".
    Only names, places and objects that are one token after a space under this tokenizer are used. Even sentences are
    for selection, odd ones held out. The same arguments always give the same pairs; fewer pairs are the first of more.
    prefix_ids: the tokens that begin every prompt; None means the tokenizer's `<|endoftext|>`.
    Raises UserError when too few words are one token, or when no further distinct pair is left.
    """
    vocabulary = read_vocabulary(tokenizer, prefix_ids)
    names = _single_tokens(NAMES, vocabulary, MIN_NAMES, "names")
    places = _single_tokens(PLACES, vocabulary, MIN_PLACES, "places")
    objects = _single_tokens(OBJECTS, vocabulary, MIN_OBJECTS, "objects")
    sentences = SENTENCES[0::2] if split == "selection" else SENTENCES[1::2]
    templates = [(sentence, order) for sentence in sentences for order in ORDERS]
    per_template = len(names) * (len(names) - 1) * (len(names) - 2) * len(places) * len(objects)
    if n_pairs > per_template * len(templates) // 2:
        raise UserError(f"{n_pairs} distinct pairs are too many; allowed are {per_template * len(templates) // 2}")
    generator = numpy_generator(seed, f"tasks/{TASK}/{split}")
    pairs: dict[tuple[str, str], Pair] = {}
    while len(pairs) < n_pairs:
        sentence, order = templates[len(pairs) % len(templates)]
        io, subject, third = (names[i] for i in generator.choice(len(names), size=3, replace=False))
        nouns = {"place": places[generator.integers(len(places))], "object": objects[generator.integers(len(objects))]}
        clean, corrupt = (_prompt(sentence, order, name, subject, nouns) for name in (io, third))
        if (clean, corrupt) not in pairs:
            template = f"{order} {SENTENCES.index(sentence)}"
            pairs[clean, corrupt] = _pair(vocabulary, template, (clean, corrupt), (io, third))
    return list(pairs.values())


def _prompt(sentence: str, order: str, io: str, subject: str, nouns: dict[str, str]) -> str:
    first, second = (io, subject) if order == "ABBA" else (subject, io)
    return Substitution(sentence).substitute(first=first, second=second, S=subject, **nouns)


def _single_tokens(words: tuple[str, ...], vocabulary: Vocabulary, n_needed: int, kind: str) -> list[str]:
    known = frozenset(vocabulary.texts)
    kept = [word for word in words if f" {word}" in known and _is_one_token(word, vocabulary)]
    if len(kept) < n_needed:
        missing = [word for word in words if word not in kept]
        raise UserError(
            f"under this tokenizer {len(kept)} of {len(words)} {kind} are one token and {n_needed} are needed (not: "
            f"{', '.join(missing)}); use a model with a larger English vocabulary"
        )
    return kept


def _is_one_token(word: str, vocabulary: Vocabulary) -> bool:
    return len(vocabulary.encode(f"and {word}")) == len(vocabulary.encode("and")) + 1


def _pair(vocabulary: Vocabulary, template: str, prompts: tuple[str, str], answers: tuple[str, str]) -> Pair:
    clean, corrupt = (vocabulary.encode(prompt) for prompt in prompts)
    answer, wrong = (vocabulary.encode(f"{prompt} {name}") for prompt, name in zip(prompts, answers, strict=True))
    pair = Pair(
        task=TASK,
        template=template,
        clean_text=prompts[0],
        corrupt_text=prompts[1],
        clean_ids=clean,
        corrupt_ids=corrupt,
        answer_ids=answer[len(clean) :],
        wrong_ids=wrong[len(corrupt) :],
    )
    if len(pair.changed_positions) != 1 or len(pair.answer_ids) != 1 or answer[: len(clean)] != clean:
        raise UserError(f"this tokenizer joins a name with its neighbors in {prompts[0]!r}; use another model")
    return pair
