"""A causal tree as a drawing: each row a latent, joined to what it acts on by a line as wide as its effect."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from monosemy.report.feature_view import visible_words
from monosemy.report.numbers import percent
from monosemy.report.page import Chart, Markup
from monosemy.report.style import SERIES
from monosemy.report.tree_reading import Explanations, Json, named, node_name, shown_token, token_words

_WIDTH, _INDENT, _TOP, _LEFT = 400.0, 30.0, 20.0, 12.0
_LINE, _GAP = 14.5, 13.0
_WIDEST, _RADIUS = 11.0, 5.5
_LETTERS = 6.1
"""Units that one letter of the drawing's text takes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeRow:
    """A line of the drawing: a node where it stands under one parent; `again`: its own children stand elsewhere."""

    node: int
    level: int
    edge: Json | None
    parent_row: int | None
    again: bool


def tree_rows(nodes: Sequence[Json], edges: Sequence[Json]) -> list[TreeRow]:
    """The tree unfolded from its root, depth first, strongest child first; a node's children only where it first is."""
    children: dict[int, list[Json]] = {}
    for edge in edges:
        children.setdefault(edge["parent"], []).append(edge)
    rows: list[TreeRow] = []
    seen: set[int] = set()

    def unfold(node: int, level: int, edge: Json | None, parent_row: int | None) -> None:
        rows.append(TreeRow(node=node, level=level, edge=edge, parent_row=parent_row, again=node in seen))
        if node in seen:
            return
        seen.add(node)
        here = len(rows) - 1
        for below in sorted(children.get(node, ()), key=lambda each: -effect(each)):
            unfold(below["child"], level + 1, below, here)

    if nodes:
        unfold(0, 0, None, None)
    return rows


def effect(edge: Json) -> float:
    """The share by which the child's ablation lowers the parent: on test text, or where there is none on validation."""
    return float(edge["fit"] if edge["score"] is None else edge["score"])


def tree_chart(tree: Json, explanations: Explanations) -> Chart:
    """The drawing of a tree, with its edges as data."""
    nodes = named(tree["nodes"], tree["layers"])
    rows = tree_rows(nodes, tree["edges"])
    target = node_name(nodes[0])
    columns = ("parent", "child", "effect_validation", "effect_test", "low", "high", "attribution_rank")
    data = tuple(
        (
            *(node_name(nodes[edge["parent"]]), node_name(nodes[edge["child"]])),
            *(edge["fit"], edge["score"], edge["low"], edge["high"], edge["rank"]),
        )
        for edge in tree["edges"]
    )
    best = sorted((edge for edge in tree["edges"] if edge["parent"] == 0), key=lambda edge: -effect(edge))
    strongest = ", ".join(f"{node_name(nodes[edge['child']])} {percent(effect(edge))}" for edge in best)
    return Chart(
        name="causal-tree",
        title=f"The causal tree of latent {target}",
        caption=(
            "Names are layer.latent; below each the tokens that it fires on most (\u2423: space), and its explanation "
            "or else the tokens that its direction promotes (logit lens). "
            "\u2212 73 % says: with this latent ablated, the latent above it falls by 73 % of its mean; the line to "
            "that latent is as wide as the effect. "
            "\u2191: drawn further up with its own children."
        ),
        alt=f"Tree of {len(nodes)} latents and {len(tree['edges'])} effects. {target} falls most without {strongest}.",
        svg=Markup(_svg(nodes, rows, explanations)),
        columns=columns,
        rows=data,
    )


def _svg(nodes: Sequence[dict[str, Any]], rows: Sequence[TreeRow], explanations: Explanations) -> str:
    words = [_words(nodes[row.node], row, explanations) for row in rows]
    tops: list[float] = []
    height = _TOP
    for some in words:
        tops.append(height)
        height += _LINE * len(some) + _GAP
    edges = [_edge(row, row.edge, tops[i], tops[row.parent_row or 0]) for i, row in enumerate(rows) if row.edge]
    drawn = [_node(row, top, some) for row, top, some in zip(rows, tops, words, strict=True)]
    return f'<svg viewBox="0 0 {_WIDTH:g} {height:g}">{"".join(edges)}{"".join(drawn)}</svg>'


def _x(level: int) -> float:
    return _LEFT + _INDENT * level


def _color(level: int) -> str:
    return f"var(--{SERIES[level % len(SERIES)]})"


def _edge(row: TreeRow, edge: Json, y: float, parent_y: float) -> str:
    """From the parent's dot down to the child's row, and along it to the child's dot, as wide there as the effect."""
    left, right = _x(row.level - 1), _x(row.level)
    width = 1 + _WIDEST * min(1.0, max(0.0, effect(edge)))
    trunk = f'<path d="M{left:g} {parent_y:g}V{y:g}" fill="none" stroke="var(--quiet)" stroke-width="1.2"/>'
    branch = (
        f'<path d="M{left:g} {y:g}H{right:g}" fill="none" stroke="{_color(row.level)}" stroke-width="{width:.2f}"/>'
    )
    return trunk + branch


def _node(row: TreeRow, y: float, words: Sequence[str]) -> str:
    x = _x(row.level)
    face = "var(--page)" if row.again else _color(row.level)
    dot = (
        f'<circle cx="{x:g}" cy="{y:g}" r="{_RADIUS:g}" fill="{face}" stroke="{_color(row.level)}" stroke-width="1.6"/>'
    )
    lines = [
        f'<text x="{x + _RADIUS + 6:g}" y="{y + 4 + _LINE * i:g}" font-size="{12 if i == 0 else 11}" '
        f'fill="var(--{"ink" if i == 0 else "quiet"})" style="font-family: var(--font); white-space: pre">{line}</text>'
        for i, line in enumerate(words)
    ]
    return dot + "".join(lines)


def _words(node: dict[str, Any], row: TreeRow, explanations: Explanations) -> list[str]:
    """The lines beside a node, as markup: its name, effect and peak; its tokens; what explains it."""
    name = f'<tspan font-weight="700">{html.escape(node_name(node))}</tspan>'
    lowers = "" if row.edge is None else f"  {_lowered(effect(row.edge))}"
    if row.again:
        return [f"{name}{lowers}  \u2191"]
    room = int((_WIDTH - _x(row.level) - 2 * _RADIUS - 6) / _LETTERS)
    lines = [f"{name}{lowers}  peak {node['peak']:.3g}"]
    tokens = "   ".join(f"{token} {percent(share)}" for token, share in token_words(node["tokens"]))
    lines.append(html.escape(shortened(tokens, room)))
    explanation = explanations.get((node["dictionary"], node["latent"]))
    promoted = "promotes " + "   ".join(shown_token(str(token)) for token in node["lens"])
    lines.append(html.escape(shortened(visible_words(explanation) if explanation else promoted, room)))
    return lines


def _lowered(share: float) -> str:
    return f"{chr(0x2212) if share >= 0 else '+'}{abs(100 * share):.0f} %"


def shortened(words: str, room: int) -> str:
    """So many letters at most, the last one an ellipsis where something is left out."""
    return words if len(words) <= room else words[: max(0, room - 1)].rstrip() + "\u2026"
