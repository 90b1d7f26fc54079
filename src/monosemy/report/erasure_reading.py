"""The folders of erased concepts, read as plain files and put together by concept."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monosemy.core import METHODS
from monosemy.report.dictionary_groups import NAMES
from monosemy.report.reading import read_json_object

ERASURE_KEYS = ("concept", "definition", "site", "dictionary", "method", "typical_norm", "share_report", "edits")

_VARIANTS = {
    "projection": "projected off",
    "origin": "projected off, through the origin",
    "ablation": "set to zero",
    "random_latents": "drawn at random",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ErasedBy:
    """One edit. label: what was done, without how many; short: the same for a figure's legend."""

    label: str
    short: str
    method: str
    variant: str | None
    dictionary: str | None
    n_removed: int
    latents: tuple[int, ...]
    measured: dict[str, dict[str, Any] | None]

    def value(self, name: str) -> float | None:
        """A figure's value; None where it was not measured."""
        found = self.measured.get(name)
        return None if found is None else float(found["value"])


@dataclass(frozen=True, kw_only=True, slots=True)
class ErasedConcept:
    """All edits of one concept; `about` is what its folders agree on."""

    concept: str
    about: dict[str, Any]
    edits: tuple[ErasedBy, ...]

    def only(self, method: str, variant: str | None = None) -> ErasedBy | None:
        """The edit of a method that needs no dictionary."""
        return next((e for e in self.edits if (e.method, e.variant, e.dictionary) == (method, variant, None)), None)

    def curves(self) -> list[tuple[ErasedBy, ...]]:
        """Edits that differ in nothing but how much was removed, in order."""
        found: dict[str, list[ErasedBy]] = {}
        for edit in self.edits:
            if edit.method != "lm":
                found.setdefault(edit.label, []).append(edit)
        return [tuple(same) for same in found.values()]


def read_erasures(folders: Sequence[Path]) -> list[ErasedConcept]:
    """The concepts in the order of the folders. Raises UserError when a file is missing or incomplete."""
    read = [read_json_object(folder / "erasure.json", ERASURE_KEYS) for folder in folders]
    concepts: list[ErasedConcept] = []
    for concept in dict.fromkeys(str(each["concept"]) for each in read):
        own = [each for each in read if each["concept"] == concept]
        edits = [_edit(each, edit) for each in own for edit in each["edits"]]
        edits.sort(key=lambda edit: (edit.dictionary is not None, METHODS.index(edit.method), edit.label))
        concepts.append(ErasedConcept(concept=concept, about=own[0], edits=tuple(edits)))
    return concepts


def _edit(about: dict[str, Any], edit: dict[str, Any]) -> ErasedBy:
    method, variant = str(edit["method"]), edit["variant"]
    label, short = _words(method, variant, about["dictionary"], str(about.get("sparsity", "")))
    return ErasedBy(
        label=label,
        short=short,
        method=method,
        variant=variant,
        dictionary=about["dictionary"],
        n_removed=int(edit["n_removed"]),
        latents=tuple(edit["latents"]),
        measured={name: edit.get(name) for name in _MEASURED},
    )


def _words(method: str, variant: str | None, dictionary: str | None, sparsity: str) -> tuple[str, str]:
    if method == "lm":
        return "no edit", "no edit"
    if method == "leace":
        return "LEACE", "LEACE"
    if method == "mean_difference":
        through = ", through the origin" if variant == "origin" else ""
        return f"mean difference{through}", f"mean diff.{' (origin)' if through else ''}"
    if dictionary is None:
        return "random directions projected off", "random"
    of = "random dictionary's" if method == "random" else NAMES.get(method, method)
    told = " " + sparsity.replace("l1=", "\u03b1=") if sparsity else ""
    short = {"projection": "", "ablation": " to 0", "origin": " (origin)", "random_latents": " at random"}
    of_short = "rand. dict." if method == "random" else of
    return f"{of}{told} latents {_VARIANTS[str(variant)]}", f"{of_short}{short[str(variant)]}"


_MEASURED = ("linear_accuracy", "hidden_accuracy", "edit_norm", "kl", "kl_outside", "ce_increase")
