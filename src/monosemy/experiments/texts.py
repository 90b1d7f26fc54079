"""A corpus as one language model reads it."""

from collections.abc import Iterator, Sequence

import numpy as np
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from monosemy.core import UserError
from monosemy.corpus import Corpus, Split, StdlibCorpus, TokenizedDocument, open_corpus, tokenize
from monosemy.lm import LanguageModel

EMBEDDED_CORPUS = "stdlib"


def corpus_named(name: str, field: str) -> Corpus:
    """The embedded corpus, or the user's: a folder, a file, a data set; `field` is the key that holds the text."""
    return StdlibCorpus() if name == EMBEDDED_CORPUS else open_corpus(name, field=field)


def documents_for(lm: LanguageModel, corpus: Corpus, split: Split) -> Iterator[TokenizedDocument]:
    """The documents of a split as `lm` reads them; the embedded corpus comes tokenized for the embedded model."""
    if has_labels(lm, corpus):
        assert isinstance(corpus, StdlibCorpus)
        return corpus.tokenized(split)
    return tokenize(corpus.documents(split), backend_tokenizer(lm))


def backend_tokenizer(lm: LanguageModel) -> Tokenizer:
    """The model's tokenizer in its fast form. Raises UserError where it has none."""
    if not isinstance(lm.tokenizer, PreTrainedTokenizerFast):
        raise UserError(f"the tokenizer of {lm.name} has no fast form (tokenizer.json); save one with transformers")
    return lm.tokenizer.backend_tokenizer


def has_labels(lm: LanguageModel, corpus: Corpus) -> bool:
    """Whether the exact labels that are shipped speak of these tokens: the embedded corpus' own."""
    return isinstance(corpus, StdlibCorpus) and lm.tokenizer.get_vocab() == corpus.tokenizer.get_vocab()


def first_tokens(corpus: Corpus, documents: Sequence[TokenizedDocument]) -> list[int] | None:
    """The number of each document's first token among all of the corpus' tokens, which the labels count; else None."""
    if not isinstance(corpus, StdlibCorpus):
        return None
    frozen = corpus.frozen_documents
    starts = np.concatenate([[0], np.cumsum([document.n_tokens for document in frozen])]).tolist()
    start_of = {document.id: start for document, start in zip(frozen, starts, strict=False)}
    return [start_of[document.id] for document in documents]
