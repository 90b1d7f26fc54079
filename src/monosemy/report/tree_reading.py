"""A causal tree and graphs of tasks, read back from their folders, with the sentences that interpretation found."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monosemy.core import UserError
from monosemy.report.feature_view import visible
from monosemy.report.reading import read_json_object

Json = Mapping[str, Any]
Explanations = Mapping[tuple[str, int], str]
"""(dictionary's name, latent) -> what it responds to, in one sentence."""

TREE_KEYS = ("layers", "nodes", "edges", "check", "config", "criterion", "chosen", "n_tokens", "n_score_tokens")
CIRCUIT_KEYS = ("task", "description", "layers", "curves", "nodes", "shares", "right", "metric_full", "metric_empty")


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeFiles:
    """What the page of a tree is made of."""

    tree: Json
    circuits: tuple[Json, ...]
    explanations: Explanations


def read_tree_files(tree: Path, circuits: Sequence[Path], interpretations: Sequence[Path]) -> TreeFiles:
    """Raises UserError when a file is missing or lacks a part."""
    return TreeFiles(
        tree=read_json_object(tree / "tree.json", TREE_KEYS),
        circuits=tuple(read_json_object(folder / "circuit.json", CIRCUIT_KEYS) for folder in circuits),
        explanations=read_explanations(interpretations),
    )


def read_explanations(folders: Sequence[Path]) -> dict[tuple[str, int], str]:
    """The explanations in the folders of interpretations; of a latent with two, that of the full budget.

    Raises UserError when a folder's file is missing or a line is none.
    """
    found: dict[tuple[str, int], str] = {}
    for folder in folders:
        name = read_json_object(folder / "about.json", ("name",))["name"]
        path = folder / "latents.jsonl"
        if not path.is_file():
            raise UserError(f"{path} is missing; interpret the dictionary again")
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            key = (name, row["latent"])
            if row.get("explanation") and (row.get("budget") == "full" or key not in found):
                found[key] = row["explanation"]
    return found


def node_name(node: Json) -> str:
    """layer.latent, as the paper's Figure 5 has it with another sign; `layer.error` of an error term."""
    return f"{node['layer_number']}.{'error' if node['latent'] is None else node['latent']}"


def named(nodes: Sequence[Json], layers: Sequence[Json]) -> list[dict[str, Any]]:
    """The nodes, each with the number of its layer in the model and the name of its dictionary."""
    return [
        {
            **node,
            "layer_number": int(str(layers[node["layer"]]["site"]).split(".")[1]),
            "dictionary": layers[node["layer"]]["name"],
        }
        for node in nodes
    ]


def token_words(tokens: Sequence[Sequence[Any]]) -> list[tuple[str, float]]:
    """Frequent tokens with their shares, as a page can show them; after the first only those of half a percent on."""
    shown = [(shown_token(str(token)), float(share)) for token, share in tokens]
    return [*shown[:1], *((token, share) for token, share in shown[1:] if share >= 0.005)]


def shown_token(token: str) -> str:
    """A token with its white space visible, also a single space in front or behind."""
    words = visible(token)
    words = "\u2423" + words[1:] if words.startswith(" ") else words
    return words[:-1] + "\u2423" if words.endswith(" ") else words
