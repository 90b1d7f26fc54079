"""Jobs that sample the fragments of text on which a dictionary's latents are looked at."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tokenizers import decoders

from monosemy.core import Advance, Artifact
from monosemy.corpus import token_bytes
from monosemy.dictionaries import load_dictionary
from monosemy.evaluation import (
    FRAGMENTS_KIND,
    FitFragments,
    FragmentConfig,
    Fragments,
    ScoreFragments,
    sample_fragments,
    write_fragments,
)
from monosemy.experiments.learning import opened_store
from monosemy.experiments.texts import backend_tokenizer
from monosemy.lm import LanguageModel, ModelSource
from monosemy.pipeline import Job, Stage, Workspace


def fragments_job(
    config: FragmentConfig, dictionary: Artifact, validation: Artifact, test: Artifact, source: ModelSource
) -> Job:
    """The job that samples the fragments of one dictionary from validation (to fit and choose) and test (to score)."""
    stage = Stage(
        name=FRAGMENTS_KIND,
        config=config,
        parents={"dictionary": dictionary, "validation": validation, "test": test},
    )
    return Job(
        stages=(stage,), body=partial(_sample, config, dictionary.path, validation.path, test.path, source), n_units=1
    )


def vocabulary(lm: LanguageModel) -> list[str]:
    """The text of each token id; bytes that are no UTF-8 by themselves stand as surrogates."""
    tokenizer = backend_tokenizer(lm)
    if isinstance(tokenizer.decoder, decoders.ByteLevel):
        return [text.decode(errors="surrogateescape") for text in token_bytes(tokenizer)]
    return [tokenizer.decode([id_], skip_special_tokens=False) for id_ in range(tokenizer.get_vocab_size())]


def _sample(
    config: FragmentConfig,
    dictionary_path: Path,
    validation: Path,
    test: Path,
    source: ModelSource,
    workspaces: Sequence[Workspace],
    advance: Advance,
) -> None:
    dictionary, card = load_dictionary(dictionary_path)
    words = vocabulary(source.load())
    fit = sample_fragments(FitFragments, dictionary, opened_store(validation), card.site, words, config, card=card)
    scored = sample_fragments(ScoreFragments, dictionary, opened_store(test), card.site, words, config, card=card)
    write_fragments(workspaces[0].folder, Fragments(fit=fit, score=scored))
    advance(1)
