"""The page of `monosemy ablate`: single latents, one section each; of a search first what both groups are like."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monosemy.core import Result, atomic_write_text
from monosemy.report.case_charts import token_code
from monosemy.report.case_reading import CasePage, ShownCase, read_cases, read_search
from monosemy.report.case_section import case_section
from monosemy.report.describe_page import run_facts
from monosemy.report.numbers import NONE, count, decimals, enumeration, interval, percent
from monosemy.report.page import (
    Column,
    Content,
    Markup,
    Section,
    bullets,
    facts,
    link,
    page,
    paragraph,
    sentence,
    strong,
    table,
)

_METRICS: tuple[tuple[str, str, int], ...] = (
    ("case_mass_share", "activation on its top token", 2),
    ("case_token_share", "activating tokens that are the most common one", 2),
    ("case_density", "density", 4),
    ("case_lens_spearman", "lens and ablation, rank correlation", 2),
    ("case_lens_precision", "lens and ablation, precision at 10", 2),
    ("case_lens_kurtosis", "excess kurtosis of the lens", 1),
    ("case_kl", "KL of the ablation, nats", 3),
    ("case_next_token_change", "log-probability of the next token, nats", 3),
    ("case_rule_score", "rule score (other half of test)", 2),
)


def write_case_page(path: Path, about: CasePage) -> None:
    """Write the page. Raises UserError when a file of it is missing or incomplete."""
    cases = read_cases(about)
    sections = [case_section(case) for case in cases]
    overview = [Section(title="The latents at a glance", body=(_glance(cases),))]
    lead: list[Content] = [_named_answer(cases)]
    if about.search is not None:
        search, rows = read_search(about.search)
        lead = [_search_answer(search, about.results, cases)]
        overview.insert(0, _search_section(search, rows, about.results))
    html = page(
        title="Single latents, looked at closely",
        subtitle="What each fires on, what ablating it does to the next token, and which words it needs.",
        lead=lead,
        sections=[
            *overview,
            *sections,
            _reading(),
            Section(title="How it was made", body=(facts(run_facts(about.made)),)),
        ],
        footer="Made by monosemy from case.json of each latent and ablate-results.jsonl.",
    )
    atomic_write_text(path, html)


def _named_answer(cases: Sequence[ShownCase]) -> Markup:
    firing = [case for case in cases if not case.is_silent]
    agreeing = [case for case in firing if (case.record["effect"]["latent"]["spearman"] or 0.0) >= 0.7]
    names = list(dict.fromkeys(case.record["dictionary"] for case in cases))
    single = [case for case in firing if case.record["mass_share"] >= 0.5]
    return sentence(
        strong(f"{count(len(single))} of {count(len(cases))}"),
        f" latents of {enumeration(names)} have at least half of their activation on one token; for ",
        strong(f"{count(len(agreeing))} of {count(len(firing))}"),
        " the logit lens foretells the ablation (rank correlation of at least 0.7). They were named, not drawn: this "
        "says nothing about others.",
    )


def _search_answer(search: Mapping[str, Any], results: Sequence[Result], cases: Sequence[ShownCase]) -> Markup:
    proposed, random = ([case for case in cases if case.group == group] for group in ("proposed", "random"))
    if not proposed:
        return sentence(
            strong("No latent met the criteria"),
            f": of {count(search['n_candidates'])} that fire mostly on one token, {count(search['n_looked_at'])} were "
            "ablated. Random latents are shown instead.",
        )
    name = proposed[0].record["dictionary"]
    return sentence(
        strong(f"{count(len(proposed))} latents of {name} with a single meaning"),
        " were proposed on validation text, and looked at on test text beside ",
        f"{count(len(random))} random ones. Their top token has ",
        strong(_value(results, "case_mass_share", "proposed", 2)),
        f" of their activation (random: {_value(results, 'case_mass_share', 'random', 2)}); the rank correlation of "
        "logit lens and ablation is ",
        strong(_value(results, "case_lens_spearman", "proposed", 2)),
        f" (random: {_value(results, 'case_lens_spearman', 'random', 2)}){_lens_verdict(results)}.",
    )


def _lens_verdict(results: Sequence[Result]) -> str:
    """That the proposed are no better than the random ones, where that is so."""
    means = {
        (r.variant or "").split("/")[0]: r.value
        for r in results
        if r.metric == "case_lens_spearman" and r.value is not None
    }
    if "proposed" in means and "random" in means and means["proposed"] <= means["random"]:
        return ": firing on one token does not make the effect easier to foretell"
    return ""


def _search_section(search: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], results: Sequence[Result]) -> Section:
    criteria = search["criteria"]
    what = "of its activation" if criteria["share_of"] == "mass" else "of the tokens it fires on"
    explained = (
        f"where it was explained by rules ({count(search['n_explained'])} were): correlation of at least "
        f"{criteria['min_rule_score']:g} on one half of the test's units, with at most {criteria['max_rule_bits']:g} "
        "bits"
    )
    wanted = bullets(
        [
            f"one token has at least {percent(criteria['min_token_share'])} {what};",
            f"it fires on at least {count(criteria['min_fired'])} of {count(search['n_validation'])} tokens, and "
            f"on at most {percent(criteria['max_density'], 1)} of them;",
            f"lens and ablation: rank correlation of at least {criteria['min_spearman']:g}, precision at ten of at "
            f"least {criteria['min_precision']:g};",
            f"{explained}.",
        ]
    )
    counted = paragraph(
        f"Of {count(search['n_latents'])} latents {count(search['n_candidates'])} meet the first two. The "
        f"{count(search['n_looked_at'])} of these with the largest share were ablated at up to "
        f"{count(search['n_positions'])} positions of validation; {count(search['n_without_lens'])} fell to the "
        f"third criterion and {count(search['n_without_rules'])} to the fourth. The random ones are drawn among the "
        f"others that fire as often as is asked; all figures below are of test."
    )
    columns = [Column(title="mean over latents"), *(Column(title=g, kind="number") for g in ("proposed", "random"))]
    means = [
        [title, *(_value(results, metric, group, places, with_interval=True) for group in ("proposed", "random"))]
        for metric, title, places in _METRICS
    ]
    caption = "Both groups on test, 95 % intervals over latents; with so few latents they are narrow"
    return Section(
        title="Proposed and random latents",
        body=(
            paragraph("A latent is proposed when, on validation text:"),
            wanted,
            counted,
            table(columns, means, caption),
            _chosen(rows),
        ),
    )


def _chosen(rows: Sequence[Mapping[str, Any]]) -> Markup:
    """The figures by which they were chosen, on validation."""
    titles = ("share", "density", "rank corr.", "precision", "rule score", "bits")
    columns = [
        Column(title="latent"),
        Column(title="group"),
        Column(title="token"),
        *(Column(title=t, kind="number") for t in titles),
    ]
    lines: list[list[Content]] = [
        [
            *(link(str(row["latent"]), f"#latent-{row['latent']}"), row["group"], token_code(row["word"])),
            *(percent(row["token_share"]), percent(row["density"], 2)),
            *(decimals(row[name], 2) for name in ("spearman", "precision", "rule_score")),
            decimals(row["rule_bits"], 0),
        ]
        for row in rows
    ]
    return table(columns, lines, "By what they were chosen: validation, and of the rules one half of test", dense=True)


def _glance(cases: Sequence[ShownCase]) -> Markup:
    titles = ("share", "density", "rank corr.", "precision", "KL")
    columns = [
        *(Column(title=t) for t in ("latent", "group", "fires on", "lowers most")),
        *(Column(title=t, kind="number") for t in titles),
    ]
    return table(columns, [_glance_row(case) for case in cases], "Each latent on the text that is reported", dense=True)


def _glance_row(case: ShownCase) -> list[Content]:
    record, section = case.record, Section(title=case.title, body=())
    head: list[Content] = [link(case.title, f"#{section.anchor}"), case.group]
    if case.is_silent:
        return [*head, "never", *([NONE] * 6)]
    effect = record["effect"]["latent"]
    return [
        *head,
        token_code(record["mass_token"]),
        token_code(effect["lowered"][0]["token"]),
        percent(record["mass_share"]),
        percent(record["density"], 2),
        decimals(effect["spearman"], 2),
        decimals(effect["precision"], 1),
        decimals(effect["kl"], 3),
    ]


def _value(results: Sequence[Result], metric: str, group: str, places: int, *, with_interval: bool = False) -> str:
    found = next((r for r in results if r.metric == metric and (r.variant or "").split("/")[0] == group), None)
    if found is None or found.value is None:
        return NONE
    shown = decimals(found.value, places)
    return f"{shown} {interval(found.ci_low, found.ci_high, places)}".strip() if with_interval else shown


def _reading() -> Section:
    return Section(
        title="How to read it",
        body=(
            bullets(
                [
                    "Histogram: the activations above zero, in bins of equal width; the most common tokens and all "
                    "others are stacked (the paper's Figure 4).",
                    "Effect: the latent's contribution is taken away at one position (less than rank one) and the next "
                    "token's logits there are compared; a token that is never likely may still move much.",
                    "Lens: what the direction would add to the logits if nothing stood between; it can only be right "
                    "where the layers above leave it alone.",
                    "Shades of the context: how much of the activation is lost when the token is left out; the marked "
                    "token is the one that is read.",
                ]
            ),
        ),
    )
