"""The page of steering: what a latent does for a purpose, against what it does to all else; of stages' files only."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monosemy.core import atomic_write_text
from monosemy.report.describe_page import run_facts
from monosemy.report.numbers import count, decimals, enumeration, interval, percent, significant
from monosemy.report.page import (
    Column,
    Content,
    Markup,
    Section,
    code,
    details,
    facts,
    figures,
    join,
    note,
    page,
    paragraph,
    sentence,
    strong,
    styled,
    table,
)
from monosemy.report.steering_charts import strength_chart, tradeoff_chart
from monosemy.report.steering_reading import OWN_TOKENS, Steered, SteeredBy, read_steered

GATE = 0.9
"""Of fewer pairs right the model does not have the behavior that is to be turned."""


def write_steering_page(path: Path, folders: Sequence[Path], made: Mapping[str, Any]) -> None:
    """Write the page of the folders of a few goals. Raises UserError when a file of them is missing or incomplete.

    made: how it was made, shown as it is; known keys: `command`, `seconds`.
    """
    found = read_steered(folders)
    html = page(
        title=_title(found),
        subtitle="A direction is added to the activations: what that does for its purpose, and to all other text.",
        lead=[_answer(each) for each in found],
        sections=[*(_section(each) for each in found), _how(found, made)],
        footer="Made by monosemy from the files steering.json of the stages.",
    )
    atomic_write_text(path, html)


def _title(found: Sequence[Steered]) -> str:
    """The goals, and the dictionary where it is one for all of them."""
    if len({each.of for each in found}) > 1:
        return f"Steering: {enumeration([each.title for each in found])}"
    return f"Steering with {found[0].of}: {enumeration([each.goal for each in found])}"


def _answer(steered: Steered) -> Markup:
    """The best of the latent's modes beside the other directions, at the strengths that validation chose."""
    own = [curve for curve in steered.curves if curve.variant in ("add", "clamp", "scale")]
    best = max(own, key=lambda curve: -1e9 if curve.effect is None else curve.effect)
    parts: list[Content] = [strong(f"{steered.title}: ")]
    if best.effect is None:
        parts.append(
            f"no strength of latent {steered.about['latent']} does anything for it at a damage of "
            f"{float(steered.about['max_damage']):g} nats a token on validation"
        )
    else:
        parts.append(f"{best.label} moves it by {_nats(best)}{_of_gap(best, steered)}")
    for curve in steered.curves:
        if curve in own:
            continue
        parts.append(f"; {curve.label} by {_nats(curve)}" if curve.effect is not None else f"; {curve.label}: nothing")
    parts.append(
        f", each within {float(steered.about['max_damage']):g} nats a token of damage as chosen on validation."
    )
    return sentence(*parts)


def _nats(curve: SteeredBy) -> str:
    point = curve.point
    if point is None:
        return "nothing"
    return f"{decimals(curve.effect, 2)} nats at strength {point['strength']:g}"


def _of_gap(curve: SteeredBy, steered: Steered) -> str:
    gap = steered.about.get("gap")
    if gap is None or curve.effect is None or not float(gap) > 0:
        return ""
    return f" ({percent(curve.effect / float(gap))} of turning the answer fully)"


def _section(steered: Steered) -> Section:
    body = [_what(steered)]
    accuracy = steered.about.get("accuracy")
    if accuracy is not None and float(accuracy) < GATE:
        body.append(
            note(
                styled("Below the gate: ", "bad"),
                f"the model gets only {percent(float(accuracy))} of the pairs right, fewer than {percent(GATE)}; "
                "there is hardly a behavior to turn.",
            )
        )
    body += [figures(tradeoff_chart(steered), strength_chart(steered)), _chosen(steered), _tried(steered)]
    body.append(details("Every strength", _all(steered)))
    return Section(title=steered.title, body=tuple(body))


def _what(steered: Steered) -> Markup:
    about = steered.about
    latent = f"Latent {about['latent']} of {steered.of} at {about['site']}"
    how = "was named" if about.get("is_given") else "was chosen on validation"
    size = f"its 99 % quantile where it is active is {significant(float(about['quantile']))}"
    if steered.task == OWN_TOKENS:
        raised = zip(about["tokens"], about["raised"], strict=True)
        words = join([sentence(code(repr(text)), f" (+{nats:.2f})") for text, nats in raised], ", ")
        return paragraph(
            f"{latent} {how}; {size}. The tokens that it raises most where it is active, by ablation on validation, in "
            "nats: ",
            words,
            ". Steering is to make them more likely everywhere.",
        )
    return paragraph(
        f"{str(about['description']).rstrip('.')}. The corrupt prompts are to be answered like the clean ones. ",
        f"{latent} {how}; {size}. The model gets {percent(about['accuracy'])} of {count(about['n_prompts'])} held-out ",
        "pairs right in both prompts.",
    )


def _chosen(steered: Steered) -> Markup:
    columns = [
        Column(title="steered by"),
        Column(title="strength", kind="number"),
        Column(title="effect, nats", kind="number"),
        Column(title="95 %", kind="number"),
        Column(title="damage, nats a token", kind="number"),
        Column(title="95 %", kind="number"),
        Column(title="success"),
    ]
    limit = float(steered.about["max_damage"])
    rows: list[list[Content]] = []
    for curve in steered.curves:
        point = curve.point
        if point is None:
            rows.append([curve.label, "-", "-", "", "-", "", styled("no", "bad")])
            continue
        kept = float(point["damage"]["value"]) <= limit and float(point["effect"]["low"]) > 0
        rows.append(
            [
                curve.label,
                f"{point['strength']:g}",
                *_cells(point),
                styled("yes", "good") if kept else styled("no", "bad"),
            ]
        )
    caption = (
        f"At the strength that does most on validation within {limit:g} nats a token of damage, reported on test and "
        "held-out prompts. Success: an effect above 0 within its interval, and the damage within the limit here too."
    )
    return table(columns, rows, caption)


def _tried(steered: Steered) -> Markup:
    tried = steered.about.get("tried") or ()
    if not tried:
        return join([])
    columns = [
        Column(title="latent"),
        Column(title="first-order effect a unit", kind="number"),
        Column(title="best effect, nats", kind="number"),
    ]
    rows: list[list[Content]] = [
        [str(each["latent"]), decimals(each["first_order"], 3), decimals(each["effect"], 2)] for each in tried
    ]
    caption = "Latents tried on selection pairs: the greatest first-order effects a unit of length, best first."
    return details("Which latents were tried", table(columns, rows, caption))


def _all(steered: Steered) -> Markup:
    columns = [
        Column(title="steered by"),
        Column(title="strength", kind="number"),
        Column(title="effect, nats", kind="number"),
        Column(title="95 %", kind="number"),
        Column(title="damage, nats a token", kind="number"),
        Column(title="95 %", kind="number"),
    ]
    rows: list[list[Content]] = [
        [curve.label, f"{point['strength']:g}", *_cells(point)] for curve in steered.curves for point in curve.points
    ]
    return table(columns, rows, "Effect and damage at every strength, on test and held-out prompts.")


def _cells(point: Mapping[str, Any]) -> list[Content]:
    cells: list[Content] = []
    for name, places in (("effect", 2), ("damage", 3)):
        part = point[name]
        cells += [decimals(part["value"], places), interval(part["low"], part["high"], places)]
    return cells


def _how(found: Sequence[Steered], made: Mapping[str, Any]) -> Section:
    about = found[0].about
    lines: list[tuple[str, Content]] = [
        *run_facts(made),
        ("neutral text", f"{count(about['n_sequences'])} rows each of validation (to choose) and of test (to report)"),
        ("edited", "every position but a row's first and separators"),
        ("intervals", "95 %, bootstrap over prompts for effects, over packages or files for damage"),
    ]
    return Section(title="How it was made", body=(facts(lines),))
