"""The page of a causal tree and of graphs of tasks; made of artifacts' files only."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monosemy.core import atomic_write_text
from monosemy.report.circuit_section import circuit_section, circuit_sentence
from monosemy.report.describe_page import run_facts
from monosemy.report.feature_view import folded_words, visible
from monosemy.report.numbers import count, decimals, enumeration, interval, percent
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
    page,
    paragraph,
    sentence,
    strong,
    styled,
    table,
    text,
)
from monosemy.report.tree_chart import effect, tree_chart
from monosemy.report.tree_reading import (
    Explanations,
    Json,
    named,
    node_name,
    read_tree_files,
    shown_token,
    token_words,
)

N_SHOWN_TOKENS = 24
"""Tokens of a context that the page shows, the last ones."""


def write_tree_page(
    path: Path, tree: Path, circuits: Sequence[Path], interpretations: Sequence[Path], made: Mapping[str, Any]
) -> None:
    """Write the page. Raises UserError when a file is missing or incomplete.

    tree, circuits: the folders of the stages. interpretations: folders whose sentences stand beside the latents that
    have one. made: how it was made, shown as it is.
    """
    files = read_tree_files(tree, circuits, interpretations)
    nodes = named(files.tree["nodes"], files.tree["layers"])
    sections = [
        tree_section(files.tree, files.explanations),
        Section(title="Contexts", body=tuple(_card(node, files.explanations) for node in nodes)),
        *(circuit_section(circuit, files.explanations) for circuit in files.circuits),
        Section(title="How it was made", body=(facts(run_facts(made)),)),
    ]
    html = page(
        title=f"What latent {node_name(nodes[0])} is made of",
        subtitle=f"The causal tree of latent {nodes[0]['latent']} of {nodes[0]['dictionary']}"
        + (", and which latents carry whole tasks." if files.circuits else "."),
        lead=[tree_answer(files.tree), *(circuit_sentence(circuit) for circuit in files.circuits)],
        sections=sections,
        footer="Made by monosemy from tree.json and circuit.json.",
    )
    atomic_write_text(path, html)


def tree_answer(tree: Json) -> Markup:
    """What the target stands for and what it falls without, in two sentences."""
    nodes = named(tree["nodes"], tree["layers"])
    root = nodes[0]
    tokens = token_words(root["tokens"])
    first = f"{tokens[0][0]}" if tokens else ""
    best = sorted((edge for edge in tree["edges"] if edge["parent"] == 0), key=lambda edge: -effect(edge))
    parts: list[Content] = [strong(f"Latent {node_name(root)}"), " fires mostly on ", code(first)]
    parts += [f" ({percent(tokens[0][1])} of the positions at half of its peak or more). "] if tokens else [". "]
    if not best:
        return sentence(*parts, f"{root['why_leaf'] or 'Nothing below it was looked at'}.")
    one, share = nodes[best[0]["child"]], effect(best[0])
    parts += [strong(f"Without {node_name(one)} it falls by {percent(share)}"), f" {_bracket(best[0])}"]
    if len(best) > 1:
        others = [f"{node_name(nodes[e['child']])} by {percent(effect(e))}" for e in best[1:]]
        parts.append(f", without {enumeration(others)}")
    check = tree["check"]
    parts.append(
        f". Of the ten latents that exact ablation ranks highest, {10 * check['recall']:.0f} are among the "
        f"{check['n_candidates']} of the largest attribution."
    )
    return sentence(*parts)


def tree_section(tree: Json, explanations: Explanations) -> Section:
    """The drawing, how it came about, the check of the attribution and the table of edges."""
    config, check = tree["config"], tree["check"]
    which = "every latent" if config["exact"] else f"the {config['n_candidates']} latents of the largest attribution"
    return Section(
        title="The tree",
        body=(
            figures(tree_chart(tree, explanations)),
            paragraph(
                f"For each latent, {config['n_contexts']} windows of {config['window_tokens']} tokens are drawn from "
                f"{count(tree['n_tokens'])} validation tokens where it is between half of its peak and its peak, and "
                f"{which} of the layer below (gradient of its pre-activation times contribution) are ablated one by "
                "one at every position of the window but the first. The "
                f"{config['n_children']} without which it falls most become its children, and are looked at in the "
                f"same way on contexts of their own, to a depth of {config['depth']}; those below "
                f"{percent(config['min_share'])} are not drawn. The effects shown are measured again on windows of "
                f"{count(tree['n_score_tokens'])} test tokens, which chose nothing."
            ),
            paragraph(check_sentence(check)),
            _edges_table(tree),
            *_criterion(tree),
        ),
    )


def check_sentence(check: Json) -> Markup:
    """Recall and rank correlation of the attribution on the root."""
    return sentence(
        strong("Attribution against exact ablation"),
        f", on the root with all {count(check['n_latents'])} latents below ablated ({count(check['n_active'])} of them "
        f"active in any context): recall of the exact top ten within {count(check['n_candidates'])} candidates "
        f"{percent(check['recall'])}; Spearman rank correlation {decimals(check['correlation'], 2)} over all latents, "
        f"{decimals(check['correlation_active'], 2)} over the active ones.",
    )


def _edges_table(tree: Json) -> Markup:
    nodes = named(tree["nodes"], tree["layers"])
    columns = [
        Column(title="ablated"),
        Column(title="falls"),
        Column(title="by (test)", kind="number"),
        Column(title="95 %", kind="number"),
        Column(title="contexts", kind="number"),
        Column(title="by (validation)", kind="number"),
        Column(title="rank by attribution", kind="number"),
    ]
    rows: list[list[Content]] = [
        [
            node_name(nodes[edge["child"]]),
            node_name(nodes[edge["parent"]]),
            percent(edge["score"]),
            interval(edge["low"], edge["high"], 0, of_percent=True),
            count(nodes[edge["parent"]]["n_score_contexts"]),
            percent(edge["fit"]),
            count(edge["rank"]),
        ]
        for edge in tree["edges"]
    ]
    caption = (
        "Every effect as a share of the mean activation of the latent that falls; intervals by bootstrap over "
        f"contexts, which are few ({tree['config']['n_contexts']})."
    )
    return details("Effects as a table", table(columns, rows, caption, dense=True))


def _criterion(tree: Json) -> list[Markup]:
    if not tree["chosen"]:
        return []
    criterion = tree["criterion"]
    return [
        paragraph(
            "No latent was named. Of those whose most frequent token, at half of their peak or more, is one of ",
            code(str(criterion["characters"])),
            f" alone, with a share of {percent(criterion['min_share'])} or more of at least "
            f"{count(criterion['min_positions'])} validation positions, the most frequent one of the first such "
            "character was taken.",
        )
    ]


def _card(node: dict[str, Any], explanations: Explanations) -> Markup:
    """A node: what it stands for, how its contexts were found, and the contexts."""
    lines: list[Markup] = [Markup(f"<h4>Latent {text(node_name(node))} of {text(str(node['dictionary']))}</h4>")]
    explanation = explanations.get((node["dictionary"], node["latent"]))
    lines += [folded_words(explanation)] if explanation else []
    tokens = join([sentence(code(word), f" {percent(share)}") for word, share in token_words(node["tokens"])], ", ")
    promoted = join([code(shown_token(str(token))) for token in node["lens"]], ", ")
    lines.append(paragraph("Fires on ", tokens, "; its direction promotes ", promoted, "."))
    why = f" {node['why_leaf'][0].upper()}{node['why_leaf'][1:]}." if node["why_leaf"] else ""
    figures_of = (
        f"Peak {node['peak']:.3g}; fires on {count(node['n_firing'])} validation tokens, on "
        f"{count(node['n_in_range'])} of them at half of its peak or more. {count(node['n_contexts'])} windows; "
        f"{count(node['n_dropped'])} more were dropped, as the activation left that range when the window began "
        f"fresh.{why}"
    )
    lines.append(paragraph(styled(figures_of, "quiet")))
    contexts = join([_context(context) for context in node["contexts"]])
    return Markup(f'<div class="latent">{join([*lines, details("Its windows", contexts)]).html}</div>')


def _context(context: Json) -> Markup:
    """The last tokens of a window, the one on which the latent is active marked."""
    tokens = [str(token) for token in context["tokens"]][-N_SHOWN_TOKENS:]
    cut = "\u2026" if len(context["tokens"]) > N_SHOWN_TOKENS else ""
    before = text(visible("".join(tokens[:-1]))).replace("\u21b5", "\u21b5<wbr>")
    value = f"{context['activation']:.3g}"
    last = f'<mark class="fires heat-4" title="{value}">{text(visible(tokens[-1]))}</mark>'
    return Markup(f'<p class="context">{cut}{before}{last} <span class="source">{value}</span></p>')


def _bracket(edge: Json) -> str:
    return interval(edge["low"], edge["high"], 0, of_percent=True)
