"""The folders of studied latents, as the page needs them; experiments/case_study.py describes case.json."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monosemy.core import Result, UserError
from monosemy.report.feature_view import visible
from monosemy.report.numbers import decimals, percent
from monosemy.report.reading import read_json_object

CASE_FILE, SEARCH_FILE, SEARCH_ROWS = "case.json", "search.json", "search.jsonl"
CASE_KEYS = ("latent", "side", "split", "dictionary", "method", "site", "status", "lens")

Record = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class StudiedCase:
    """A latent to show: its folder, whether it was proposed, random or named, its rule score that chose nothing."""

    group: str
    folder: Path
    rule_score: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CasePage:
    """What a page is made of. search: the search's folder, where there was one; results: the means of each group.

    made: how it was made, shown as it is; known keys: `command`, `seconds`.
    """

    cases: tuple[StudiedCase, ...]
    results: tuple[Result, ...]
    search: Path | None
    made: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownCase:
    """A latent's record, read."""

    group: str
    record: Record
    rule_score: float | None

    @property
    def title(self) -> str:
        """What the latent is called on the page, and in its links."""
        record = self.record
        kind = "Basis dimension" if record["method"].startswith("neurons") else "Latent"
        side = ", negative side" if record["side"] == "negative" else ""
        return f"{kind} {record['latent']}{side}"

    @property
    def is_silent(self) -> bool:
        """Whether it never fires on the text."""
        return self.record["status"] != "ok"


def read_cases(page: CasePage) -> list[ShownCase]:
    """The records. Raises UserError, naming the file, when one is missing or incomplete."""
    return [
        ShownCase(
            group=case.group,
            record=read_json_object(case.folder / CASE_FILE, CASE_KEYS),
            rule_score=case.rule_score,
        )
        for case in page.cases
    ]


def read_search(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """search.json and the lines of search.jsonl. Raises UserError when a file is missing or damaged."""
    about = read_json_object(folder / SEARCH_FILE, ("criteria", "n_latents", "n_candidates", "n_looked_at"))
    path = folder / SEARCH_ROWS
    if not path.is_file():
        raise UserError(f"{path} is missing; search again")
    try:
        return about, [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}); search again") from error


def case_sentence(record: Record) -> str:
    """What a latent does, in one sentence of plain text."""
    name = f"latent {record['latent']} of {record['dictionary']}"
    if record["side"] == "negative":
        name += ", negative side,"
    if record["status"] != "ok":
        return f"{name} never fires on {record['n_tokens']:,} {record['split']} tokens"
    effect = record["effect"]["latent"]
    lowered = effect["lowered"][0]
    return (
        f"{name} fires on {percent(record['density'], 2)} of tokens, {percent(record['mass_share'])} of its activation "
        f"on {visible(record['mass_token'])!r}; ablating it lowers {visible(lowered['token'])!r} most "
        f"({decimals(lowered['logit'], 2)} logits); the lens {_agreement(effect['spearman'])} (rank correlation "
        f"{decimals(effect['spearman'], 2)}, {round(10 * effect['precision'])} of the 10 lowered most)"
    )


def agreement_words(spearman: float | None) -> str:
    """In a word, how far the lens tells the ablation's effect."""
    return _agreement(spearman)


def _agreement(spearman: float | None) -> str:
    if spearman is None:
        return "cannot be compared"
    if spearman >= 0.7:
        return "agrees"
    return "agrees in part" if spearman >= 0.3 else "does not agree"
