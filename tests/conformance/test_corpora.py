"""Every corpus meets every check, and every check finds the fault it is there for.

Oracle: what the contract of a corpus says (docs/architecture.md), on the corpora as they are and on planted faults.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import monosemy.corpus
from monosemy.corpus import Corpus, Document, Split, content_unit, split_of
from tests.conformance import corpus_checks
from tests.conformance.conformance import Check, checks_for, pairs
from tests.conformance.corpus_cases import CASES, TEXTS, CorpusCase, CorpusEvidence, gather


@pytest.fixture(scope="module")
def evidence_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[CorpusCase], CorpusEvidence]:
    """The evidence of a case, gathered once."""
    gathered: dict[str, CorpusEvidence] = {}

    def of(case: CorpusCase) -> CorpusEvidence:
        if case.name not in gathered:
            gathered[case.name] = gather(case, tmp_path_factory.mktemp(case.name))
        return gathered[case.name]

    return of


@pytest.mark.parametrize(("case", "check"), pairs(CASES, corpus_checks))
def test_corpus(case: CorpusCase, check: Check, evidence_of: Callable[[CorpusCase], CorpusEvidence]) -> None:
    assert check(evidence_of(case)) == []


def test_every_corpus_has_a_case() -> None:
    exported = (getattr(monosemy.corpus, name) for name in monosemy.corpus.__all__)
    corpora = {each for each in exported if inspect.isclass(each) and issubclass(each, Corpus) and each is not Corpus}
    assert corpora == {case.kind for case in CASES}


@dataclass
class Planted(Corpus):
    """A corpus in memory whose documents and fingerprint can be spoiled; `n_reads` counts the splits that were read."""

    texts: tuple[str, ...]
    spoil: Callable[[list[Document], Split, int], list[Document]]
    digest: Callable[[tuple[str, ...], int], str]
    label: str = "planted"
    n_reads: int = 0

    @property
    def name(self) -> str:
        return self.label

    def documents(self, split: Split) -> Iterator[Document]:
        self.n_reads += 1
        units = [content_unit(text) for text in self.texts]
        numbered = enumerate(zip(units, self.texts, strict=True))
        sound = [Document(str(n), unit, text) for n, (unit, text) in numbered if split_of(unit) == split]
        yield from self.spoil(sound, split, self.n_reads)

    def fingerprint(self) -> str:
        return self.digest(self.texts, self.n_reads)


def faults_of(folder: Path, corpus: Callable[[tuple[str, ...]], Corpus]) -> set[str]:
    """The names of the checks that find a fault in the corpora that `corpus` makes."""
    texts = tuple(text for text in TEXTS if "\r" not in text and "\ufeff" not in text)
    case = CorpusCase(name="planted", kind=Corpus, open=lambda _, given: corpus(texts if given is TEXTS else (*given,)))
    evidence = gather(case, folder)
    return {check.__name__ for check in checks_for(corpus_checks) if check(evidence)}


def sound_documents(documents: list[Document], _split: Split, _n_reads: int) -> list[Document]:
    return documents


def sound_digest(texts: tuple[str, ...], _n_reads: int) -> str:
    return content_unit("\0".join(texts))


def test_a_sound_corpus_has_no_fault(tmp_path: Path) -> None:
    assert faults_of(tmp_path, lambda texts: Planted(texts, sound_documents, sound_digest)) == set()


SHARED = Document("shared", "shared", "the same on every side\n")
SPOILED_DOCUMENTS: dict[str, Callable[[list[Document], Split, int], list[Document]]] = {
    "every_split_has_documents": lambda documents, split, _: documents if split != "test" else [],
    "documents_are_the_same_each_time": lambda documents, _, n_reads: documents[:: -1 if n_reads > 3 else 1],
    "splits_can_be_read_in_turn": lambda documents, _, n_reads: documents[:: -1 if n_reads > 6 else 1],
    "ids_are_unique": lambda documents, _, __: [replace(document, id=document.id[:1]) for document in documents],
    "ids_and_units_are_one_line": lambda documents, _, __: [replace(each, id=f"{each.id}\n") for each in documents],
    "no_unit_is_on_two_sides": lambda documents, split, _: [*documents, replace(SHARED, id=split, text=split)],
    "no_text_is_on_two_sides": lambda documents, split, _: [*documents, replace(SHARED, id=split, unit=split)],
    "texts_are_clean": lambda documents, _, __: [replace(each, text=f"{each.text}\r\n") for each in documents],
}
SPOILED_DIGESTS: dict[str, Callable[[tuple[str, ...], int], str]] = {
    "the_fingerprint_is_stable": lambda texts, n_reads: content_unit(f"{n_reads}{texts}"),
    "the_fingerprint_follows_the_texts": lambda _, __: content_unit("always the same"),
}


@pytest.mark.parametrize("check", SPOILED_DOCUMENTS)
def test_spoiled_documents_are_found(check: str, tmp_path: Path) -> None:
    assert check in faults_of(tmp_path, lambda texts: Planted(texts, SPOILED_DOCUMENTS[check], sound_digest))


@pytest.mark.parametrize("check", SPOILED_DIGESTS)
def test_a_spoiled_fingerprint_is_found(check: str, tmp_path: Path) -> None:
    faults = faults_of(tmp_path, lambda texts: Planted(texts, sound_documents, SPOILED_DIGESTS[check]))
    assert faults == {check}


def test_a_spoiled_name_is_found(tmp_path: Path) -> None:
    faults = faults_of(tmp_path, lambda texts: Planted(texts, sound_documents, sound_digest, label="two\nlines"))
    assert faults == {"the_name_is_one_line"}


def test_every_check_has_a_planted_fault() -> None:
    planted = {*SPOILED_DOCUMENTS, *SPOILED_DIGESTS, "the_name_is_one_line"}
    assert planted == {check.__name__ for check in checks_for(corpus_checks)}
