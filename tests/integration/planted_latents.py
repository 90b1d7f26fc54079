"""Latents planted in the text of the embedded corpus: a rule, times a log-normal magnitude, and a few false firings."""

from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np
import torch

from monosemy.activations import StoredDocument, StoredSequences
from monosemy.corpus import END_OF_TEXT_ID, Split, StdlibCorpus, token_bytes
from monosemy.dictionaries import Dictionary, ReLU
from monosemy.evaluation import FitFragments, FragmentConfig, FragmentPart, FragmentSampler, ScoreFragments
from monosemy.interpretation import AnyPredicate, Rule, RuleList, Text, TextLabels
from monosemy.interpretation.predicates import HasAffix, HasLabel, HasSurface, Repeats, TokenIs, TokenRecently
from monosemy.interpretation.text import text_of

CONTEXT_LENGTH = 256
SIGMA, FALSE_FIRINGS = 0.5, 5e-4

P = TypeVar("P", bound=FragmentPart)
When = tuple[AnyPredicate, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitText:
    """The windows of a split, all of them, as a text with labels; and the packed rows that they are cut from."""

    sequences: StoredSequences
    documents: tuple[StoredDocument, ...]
    vocabulary: list[str]
    text: Text

    @property
    def place(self) -> np.ndarray:
        return np.flatnonzero(self.text.fragments.mask)


@cache
def split_text(split: Split, n_sequences: int) -> SplitText:
    """The first rows of 256 tokens of a split of the embedded corpus; all 1,150 or so where there are not so many."""
    corpus = StdlibCorpus()
    first_of, start = {}, 0
    for document in corpus.frozen_documents:
        first_of[document.id], start = start, start + document.n_tokens
    parts, documents, n = [], [], 0
    for document in corpus.tokenized(split):
        if n >= n_sequences * CONTEXT_LENGTH:
            break
        length = len(document.tokens)
        body = np.stack([document.tokens.astype(np.int64), np.full(length, len(documents)), np.arange(length)])
        parts += [np.array([[END_OF_TEXT_ID], [len(documents)], [-1]]), body]
        n += length + 1
        documents.append(
            StoredDocument(id=document.id, unit=document.unit, n_tokens=length, first_token=first_of[document.id])
        )
    stream = np.concatenate(parts, axis=1).astype(np.int32)
    stream = stream[:, : min(n_sequences, stream.shape[1] // CONTEXT_LENGTH) * CONTEXT_LENGTH]
    tokens, document, index = stream.reshape(3, -1, CONTEXT_LENGTH)
    sequences = StoredSequences(tokens=tokens, document=document, index=index)
    vocabulary = [text.decode(errors="surrogateescape") for text in token_bytes(corpus.tokenizer)]
    everything = FragmentConfig(n_top=1, n_firing=1, n_near_misses=1, n_uniform=1 << 20)
    recorded = index >= 0
    recorded[:, 0] = False
    sampler = FragmentSampler(FitFragments, _identity(1), sequences, everything)
    sampler.add(np.flatnonzero(recorded), torch.zeros(int(recorded.sum()), 1))
    table = sampler.finish(vocabulary, tuple(documents)).uniform().fragments
    return SplitText(sequences=sequences, documents=tuple(documents), vocabulary=vocabulary, text=text_of(table))


def sampled(part: type[P], of: SplitText, activations: np.ndarray) -> P:
    """What the sampler keeps of latents whose activations [latent window 64] are given."""
    mask = of.text.fragments.mask
    x = torch.from_numpy(np.ascontiguousarray(activations[:, mask].T.astype(np.float32)))
    sampler = FragmentSampler(part, _identity(len(activations)), of.sequences, FragmentConfig())
    for start in range(0, len(x), 1 << 14):
        sampler.add(of.place[start : start + (1 << 14)], x[start : start + (1 << 14)])
    return sampler.finish(of.vocabulary, of.documents)


def fires(when: When, text: Text) -> np.ndarray:
    """Where all predicates hold."""
    return np.logical_and.reduce([predicate.holds(text) for predicate in when])


def activations_of(truth: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The true firing and a share of 5e-4 false ones, each of a log-normal magnitude."""
    false = rng.random(truth.shape) < FALSE_FIRINGS
    return (truth | false) * mask * rng.lognormal(0.0, SIGMA, truth.shape)


def frequent_enough(when: When, texts: tuple[Text, Text], least: int = 10) -> bool:
    """Whether a rule holds in so many fragments of both texts."""
    return all(int((fires(when, t) & t.fragments.mask).any(axis=1).sum()) >= least for t in texts)


def single(token: int, text: Text, back: int = 0) -> TokenIs:
    """The predicate of one token."""
    known = text.fragments.text
    return TokenIs(back=back, tokens=(token,), texts=(known[token],), n_tokens=len(known))  # pyright: ignore[reportArgumentType]


def drawn_rules(texts: tuple[Text, Text], n: int, rng: np.random.Generator) -> list[When]:
    """Rules of five kinds in turn that hold on 5e-4 to 5e-2 of the tokens, in 40 fragments of the first text."""
    text = texts[0]
    makers = [_token, _token_in_context, _label, _surface, _mixed]
    found: list[When] = []
    while len(found) < n:
        when = makers[len(found) % len(makers)](text, rng)
        holds = fires(when, text) & text.fragments.mask
        share = holds.sum() / text.fragments.mask.sum()
        enough = holds.any(axis=1).sum() >= 40 and frequent_enough(when, texts)
        if 5e-4 <= share <= 5e-2 and enough and when not in found:
            found.append(when)
    return found


def frequent(text: Text, rng: np.random.Generator, least: int = 100) -> int:
    """A random token that stands so often, each as likely as the other."""
    ids, counts = np.unique(text.fragments.tokens[text.fragments.mask], return_counts=True)
    return int(rng.choice(ids[counts >= least]))


def token_after_token(text: Text, rng: np.random.Generator, least: int = 60) -> tuple[TokenIs, TokenIs]:
    """A pair that stands so often, the previous token being less than nine tenths of what stands before the token."""
    table = text.fragments
    inside = table.mask[:, 1:] & table.mask[:, :-1]
    before, token = table.tokens[:, :-1][inside], table.tokens[:, 1:][inside]
    pairs, counts = np.unique(np.stack([before, token]), axis=1, return_counts=True)
    n_token = np.bincount(token, minlength=int(table.tokens.max()) + 1)
    good = np.flatnonzero((counts >= least) & (counts < 0.9 * n_token[pairs[1]]))
    at = int(rng.choice(good))
    return single(int(pairs[1, at]), text), single(int(pairs[0, at]), text, back=1)


def as_list(when: When) -> RuleList:
    """The explanation of a latent that is one rule."""
    return RuleList(rules=(Rule(when=when, value=5.0),), default=0.0)


def labels_of(text: Text) -> TextLabels:
    assert text.labels is not None
    return text.labels


def _identity(n: int) -> Dictionary:
    return Dictionary(
        W_enc=torch.eye(n), b_enc=torch.zeros(n), W_dec=torch.eye(n), b_dec=torch.zeros(n), sparsifier=ReLU()
    )


def _token(text: Text, rng: np.random.Generator) -> When:
    return (single(frequent(text, rng), text),)


def _token_in_context(text: Text, rng: np.random.Generator) -> When:
    return token_after_token(text, rng)


def _label(text: Text, rng: np.random.Generator) -> When:
    labels = labels_of(text)
    at = int(rng.integers(len(labels.names)))
    return (HasLabel(back=0, label=labels.names[at], definition=labels.definitions[at], n_labels=len(labels.names)),)


def _surface(text: Text, rng: np.random.Generator) -> When:
    word = text.fragments.text[frequent(text, rng)]
    kind = int(rng.integers(3))
    if kind == 0 and len(word.strip()) > 2:
        return (HasAffix(side="ends", characters=word.strip()[-2:], n_affixes=400),)
    if kind == 1:
        return (HasSurface(back=0, form="upper"), HasSurface(back=1, form=str(rng.choice(["lower", "punctuation"]))))  # pyright: ignore[reportArgumentType]
    return (HasSurface(back=0, form=str(rng.choice(["capitalized", "digits", "has_digit", "non_ascii", "upper"]))),)  # pyright: ignore[reportArgumentType]


def _mixed(text: Text, rng: np.random.Generator) -> When:
    token = frequent(text, rng)
    kind = int(rng.integers(3))
    if kind == 0:
        return (single(token, text), Repeats(what="token", negated=bool(rng.integers(2))))
    if kind == 1:
        recent = frequent(text, rng, least=1000)
        n = len(text.fragments.text)
        return (single(token, text), TokenRecently(token=recent, text=text.fragments.text[recent], n_tokens=n))
    return (single(token, text), *_label(text, rng))


def parts(activations: tuple[np.ndarray, np.ndarray], n_sequences: int) -> tuple[FitFragments, ScoreFragments]:
    """Both parts of the sample of latents, given their activations on validation and on test."""
    fit, score = (split_text(split, n_sequences) for split in ("validation", "test"))
    return sampled(FitFragments, fit, activations[0]), sampled(ScoreFragments, score, activations[1])
