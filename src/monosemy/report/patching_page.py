"""The page of patching, and its section in a run's report; made of a summary's files only."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monosemy.core import atomic_write_text
from monosemy.report.describe_page import run_facts
from monosemy.report.numbers import count, enumeration
from monosemy.report.page import (
    Chart,
    Markup,
    Section,
    code,
    code_block,
    details,
    facts,
    figures,
    heading,
    join,
    link,
    note,
    page,
    paragraph,
    side_by_side,
    styled,
)
from monosemy.report.patching_charts import (
    areas_chart,
    coefficients_chart,
    compared_curves,
    entries_chart,
    kl_chart,
    layers_chart,
    order_charts,
    task_charts,
)
from monosemy.report.patching_reading import PatchingRun, Row, read_patching
from monosemy.report.patching_tables import (
    accuracy_words,
    areas_table,
    claim_answer,
    differences_table,
    orders_table,
    right_pairs_table,
    task_words,
)
from monosemy.report.task_view import marked_difference

TITLE = "Patching latents"


def write_patching_page(path: Path, patching: Path, made: Mapping[str, Any]) -> None:
    """Write the page of a summary's folder. Raises UserError when its file is missing or incomplete.

    made: how it was made, shown as it is; known keys: `command`, `seconds`.
    """
    run = read_patching(patching)
    sections = [_task_section(run, task) for task in run.shown_tasks()]
    sections += [section for section in (_orders_section(run), _layers_section(run)) if section is not None]
    every = [curve for curve in run.curves if curve["which"] == "all"]
    seconds = sum(curve["seconds"] for curve in every)
    lines = [
        *run_facts(made),
        (
            "patching",
            f"{seconds:.0f} s of one process for {len([c for c in run.curves if c['which'] == 'all'])} curves",
        ),
        ("intervals", "95 %, bootstrap over held-out prompts, the same resamples for every dictionary"),
    ]
    html = page(
        title="How few latents move the model's answer",
        subtitle="Latents of one prompt are given the values that they have in another, n at a time: how near does the "
        "prediction come to the other prompt's? Figures 3 and 17 of the paper.",
        lead=claim_answer(run),
        sections=[*sections, _method_section(run), Section(title="How it was made", body=(facts(lines),))],
        footer="Made by monosemy from patching.json.",
    )
    atomic_write_text(path, html)


def patching_section(patching: Path, page_name: str | None = "patching.html") -> Section:
    """The section of a run's report: the answer, two figures a task, and a link to the page where there is one.

    Raises UserError when a file of the folder is missing or incomplete.
    """
    run = read_patching(patching)
    body: list[Markup] = [paragraph(part) for part in claim_answer(run)]
    for task in run.shown_tasks():
        slug = _slug(task["name"])
        charts = [*task_charts(run, task, run.site, slug)[:1], areas_chart(run, task, run.site, slug)]
        body += [figures(*(chart for chart in charts if chart is not None))]
        body.append(details(f"{task['name']}: the figures", areas_table(run, task, run.site)))
    if not run.shown_tasks():
        body.append(paragraph("No task was patched."))
    if page_name is not None:
        body.append(paragraph("Edit norms, positions and every difference: ", link("patching", page_name), "."))
    return Section(title=TITLE, body=tuple(body))


def _task_section(run: PatchingRun, task: Row) -> Section:
    site, slug = run.site, _slug(task["name"])
    charts = task_charts(run, task, site, slug)
    areas, swept = areas_chart(run, task, site, slug), coefficients_chart(run, task, site, slug)
    entries = entries_chart(run, task, site, slug)
    body: list[Markup] = [paragraph(f"{task['description']}. {accuracy_words(task)}"), _example(task)]
    if charts:
        body.append(figures(*charts, *(chart for chart in (areas, swept) if chart is not None)))
        body.append(areas_table(run, task, site))
    right = right_pairs_table(run, task, site)
    below = run.gate is None and task["accuracy"] < _SHOWN_GATE
    if right is not None:
        # Where the model often fails, what it does on the pairs that it gets right stands in full view.
        beside = join([*_right_figures(run, task, site, slug), right])
        body.append(beside if below else details("Only the pairs that the model gets right", beside))
    differences = differences_table(run, task, site)
    body += [details("Differences of areas", differences)] if differences is not None else []
    body += [details("By (latent, position) entries", figures(entries))] if entries is not None else []
    return Section(title=task_words(task), body=tuple(body))


_SHOWN_GATE = 0.9


def _right_figures(run: PatchingRun, task: Row, site: str, slug: str) -> list[Markup]:
    curves = compared_curves(run, run.of(task["name"], site=site, which="right"))
    if not curves:
        return []
    title = f"{task['name']}: KL by the number of patched latents, {count(task['n_right'])} pairs right"
    return [figures(kl_chart(f"patching-{slug}-right", title, curves, "latents", "Pairs right in both prompts alone."))]


def _example(task: Row) -> Markup:
    clean, corrupt = str(task["clean"]), str(task["corrupt"])
    halves = [
        join([code_block(marked_difference(one, other)), paragraph(styled(words, "quiet"), code(str(answer)))])
        for one, other, words, answer in (
            (clean, corrupt, "clean, patched into; answer: ", task["answer"]),
            (corrupt, clean, "corrupt, whose latents are put in; answer: ", task["wrong"]),
        )
    ]
    return details("An example of a pair", side_by_side(*halves))


def _orders_section(run: PatchingRun) -> Section | None:
    if len(run.orders) < 2:
        return None
    charts: list[Chart] = []
    for task in run.shown_tasks():
        charts += order_charts(run, task, _slug(task["name"]))
    words = paragraph(
        "Attribution ranks all latents at once by gradient times difference; greedy adds the latent that helps most, "
        "one after another, running the model for each candidate; the paper's threshold sweep starts from all latents "
        "and takes away those whose loss costs less than a rising threshold, in a random order (several seeded are "
        "averaged here)."
    )
    return Section(title="By the order of latents", body=(words, figures(*charts), orders_table(run)))


def _layers_section(run: PatchingRun) -> Section | None:
    if len(run.sites) < 2:
        return None
    body: list[Markup] = [paragraph("As the paper's Figure 17: a panel a layer, every dictionary of its own layer.")]
    for task in run.shown_tasks():
        slug = _slug(task["name"])
        charts: list[Chart] = []
        for site in run.sites:
            curves = compared_curves(run, run.of(task["name"], site=site))
            if curves:
                caption = f"Figure 17, {site}: by the number of patched latents, in attribution order."
                name = f"patching-{slug}-{_slug(site)}"
                charts.append(kl_chart(name, f"{task['name']}, {site}", curves, "latents", caption))
        summary = layers_chart(run, task, slug)
        if summary is not None:
            body += [heading(str(task["name"])), figures(summary, *charts)]
    return Section(title="By layer", body=tuple(body))


def _method_section(run: PatchingRun) -> Section:
    first = run.curves[0] if run.curves else None
    halves = (
        ""
        if first is None
        else f" The order is chosen on {first['n_selection_pairs']} pairs of one half of a task's templates; "
        f"figures are of {first['n_pairs']} pairs of the other half."
    )
    orders = enumeration([order.replace("_", " ") for order in run.orders])
    return Section(
        title="What is measured",
        body=(
            paragraph(
                "x' = x + sum over the chosen latents of (z of the other prompt - z) times the latent's direction, at "
                "every position; the reconstruction error of the first prompt stays. KL(patched || target) is of the "
                "next token after the last position, in nats, target being the other prompt's own prediction. Both "
                f"prompts of a pair are equal in length.{halves} Orders shown: {orders or 'none'}."
            ),
            note(
                "What differs from the paper: its prompts chose the latents and were measured too, and its random "
                "order had no seed; a latent counted once, at however many positions it was changed. A dictionary's "
                "curve ends above 0 where its reconstruction error keeps the first prompt's answer; PCA's and random "
                "directions' end at 0 by construction, but those can be more than the site is wide: an area is taken "
                "up to the width of the site for all."
            ),
        ),
    )


def _slug(words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
