"""What every corpus must do. Each function is a check: evidence in, faults out."""

import re

from monosemy.corpus import Document
from tests.conformance.corpus_cases import CorpusEvidence


def _documents(evidence: CorpusEvidence) -> list[Document]:
    return [document for documents in evidence.first.values() for document in documents]


def _repeated(values: list[str]) -> list[str]:
    return sorted({value for value in values if values.count(value) > 1})


def every_split_has_documents(evidence: CorpusEvidence) -> list[str]:
    faults = [f"{split} is empty" for split, documents in evidence.first.items() if not documents]
    sizes = {split: len(documents) for split, documents in evidence.first.items()}
    return faults + (
        [] if max(sizes, key=lambda split: sizes[split]) == "train" else [f"train is not the largest: {sizes}"]
    )


def documents_are_the_same_each_time(evidence: CorpusEvidence) -> list[str]:
    return [name for name, other in (("again", evidence.again), ("second", evidence.second)) if other != evidence.first]


def splits_can_be_read_in_turn(evidence: CorpusEvidence) -> list[str]:
    return [split for split, documents in evidence.first.items() if evidence.interleaved[split] != documents]


def ids_are_unique(evidence: CorpusEvidence) -> list[str]:
    return _repeated([document.id for document in _documents(evidence)])


def ids_and_units_are_one_line(evidence: CorpusEvidence) -> list[str]:
    names = [name for document in _documents(evidence) for name in (document.id, document.unit)]
    return [repr(name) for name in names if not name or not name.isprintable()]


def no_unit_is_on_two_sides(evidence: CorpusEvidence) -> list[str]:
    return _repeated(
        [unit for documents in evidence.first.values() for unit in {document.unit for document in documents}]
    )


def no_text_is_on_two_sides(evidence: CorpusEvidence) -> list[str]:
    return _repeated(
        [text for documents in evidence.first.values() for text in {document.text for document in documents}]
    )


def texts_are_clean(evidence: CorpusEvidence) -> list[str]:
    unclean = re.compile("\r|^\ufeff|[\ud800-\udfff]")
    return [
        document.id for document in _documents(evidence) if unclean.search(document.text) or not document.text.strip()
    ]


def the_fingerprint_is_stable(evidence: CorpusEvidence) -> list[str]:
    faults = [] if len(set(evidence.fingerprints)) == 1 else [f"it changes: {evidence.fingerprints}"]
    return faults + [each for each in evidence.fingerprints if not re.fullmatch(r"[0-9a-f]{16,64}", each)]


def the_fingerprint_follows_the_texts(evidence: CorpusEvidence) -> list[str]:
    return _repeated([evidence.fingerprints[0], *evidence.other_fingerprints])


def the_name_is_one_line(evidence: CorpusEvidence) -> list[str]:
    return [repr(name) for name in evidence.names if not name or not name.isprintable() or name != evidence.names[0]]
