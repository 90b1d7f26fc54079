"""A page of its own about explained latents, for one dictionary or a few; made of artifacts' files only."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monosemy.core import atomic_write_text
from monosemy.report.describe_page import run_facts
from monosemy.report.interpretation_answer import interpretation_answer
from monosemy.report.interpretation_reading import read_interpretation
from monosemy.report.interpretation_section import interpretation_sections
from monosemy.report.numbers import count, enumeration
from monosemy.report.page import Section, facts, page


def write_interpretation_page(
    path: Path, interpretation: Path, fragments: Mapping[str, Path], made: Mapping[str, Any]
) -> None:
    """Write the page of a summary's folder. Raises UserError when a file of it is missing or incomplete.

    fragments: the folder of each dictionary's fragments, by its name, where there is one. made: how it was made, shown
    as it is; known keys: `command`, `seconds`.
    """
    run = read_interpretation(interpretation)
    names = list(dict.fromkeys(run.label(group) for group in run.groups))
    few = enumeration(names) if len(names) <= 3 else f"{count(len(names))} dictionaries"
    lines = [
        *run_facts(made),
        ("intervals", f"95 %, bootstrap over {count(run.n_units)} packages or files and latents"),
    ]
    made_of = Section(title="How it was made", body=(facts(lines),))
    html = page(
        title=f"What the latents of {few} respond to" if names else "What latents respond to",
        subtitle="Each latent in one sentence, and what the sentence is worth on text that it was not made from.",
        lead=[interpretation_answer(run)],
        sections=[*interpretation_sections(run, fragments), made_of],
        footer="Made by monosemy from interpretation.json, latents.jsonl and the fragments' files.",
    )
    atomic_write_text(path, html)
