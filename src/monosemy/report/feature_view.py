"""Latents on a page: what they score, and the text on which they fire, its tokens shaded by the activation."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from monosemy.report.numbers import count, decimals, percent, significant
from monosemy.report.page import Content, Markup, code, join, paragraph, sentence, strong, styled, text
from monosemy.report.style import HEAT

TOKENS_BEFORE, TOKENS_AFTER = 18, 9
"""How much of a fragment is shown around its peak."""

LONG_SENTENCE = 160
"""Characters of an explanation that are shown before it is opened."""

_QUOTED = re.compile(r"(?<![^\s(])(`.+?`)(?=[\s,;.)]|$)")  # a token may hold a backquote itself


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureContext:
    """A fragment of text as one latent sees it: decoded tokens, its activation on each, where the fragment is from.

    `mask`: which tokens are text (False: padding or a separator, not shown). `document`, `unit`: names.
    """

    tokens: tuple[str, ...]
    activations: tuple[float, ...]
    mask: tuple[bool, ...]
    document: str
    unit: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LatentContexts:
    """Held-out fragments of one latent: those of the highest activation, and some drawn among all that it fires on."""

    top: tuple[FeatureContext, ...]
    drawn: tuple[FeatureContext, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class LatentExplanation:
    """What a latent is said to respond to, its description length, and what the sentence scores on test.

    uniform: the correlation with the activation on uniform fragments; ceiling: what the best sentence could reach.
    """

    sentence: str
    bits: float | None
    uniform: float | None
    ceiling: float | None
    is_constant: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class LatentCard:
    """One latent on the page; `label`: the exact label that it detects best on validation, None where none is known."""

    latent: int
    density: float | None
    label: str | None = None
    definition: str = ""
    f1_validation: float | None = None
    f1: float | None = None
    table_f1: float | None = None
    ap_lift: float | None = None
    contexts: LatentContexts | None = None
    explanation: LatentExplanation | None = None


def latent_card(card: LatentCard) -> Markup:
    """Number and label, scores, then the contexts."""
    fires = "never fires on test" if card.density == 0 else f"fires on {percent(card.density, 2)} of tokens"
    if card.label is None:
        title: Content = sentence(f"Latent {card.latent}")
        scores: list[str] = []
    else:
        title = sentence(f"Latent {card.latent}: ", code(card.label))
        table = f" (token table {decimals(card.table_f1, 2)})" if card.table_f1 is not None else ""
        scores = [f"F1 {decimals(card.f1_validation, 2)} on validation"]
        scores += [f"{decimals(card.f1, 2)} on test{table}"]
        scores += [f"AP lift {decimals(card.ap_lift, 2)}"] if card.ap_lift is not None else []
    figures = "; ".join(part for part in (", ".join(scores), fires) if part)
    lines = [Markup(f"<h4>{text(title)}</h4>")]
    lines += [paragraph(styled(card.definition, "quiet"))] if card.definition else []
    lines += [explanation_line(card.explanation)] if card.explanation is not None else []
    lines += [paragraph(figures[0].upper() + figures[1:] + ".")]
    return Markup(f'<div class="latent">{join([*lines, _contexts(card)]).html}</div>')


def explanation_line(explanation: LatentExplanation) -> Markup:
    """The sentence, and what it is worth."""
    ceiling = "" if explanation.ceiling is None else f" (ceiling {decimals(explanation.ceiling, 2)})"
    worth = f"correlation {decimals(explanation.uniform, 2)}{ceiling}"
    if explanation.is_constant:
        worth = f"predicts the same everywhere, which counts as {worth}"
    bits = "" if explanation.bits is None else f"{significant(explanation.bits)} bits, "
    return join([folded_words(explanation.sentence), paragraph(styled(f"{bits}{worth}.", "quiet"))])


def folded_words(words: str) -> Markup:
    """A sentence; of a long one the beginning, which opens to the whole."""
    if len(words) <= LONG_SENTENCE:
        return Markup(f"<p>{strong(marked(words)).html}</p>")
    pieces = _QUOTED.split(words)
    start = ""
    for i, piece in enumerate(pieces):
        if len(start) + len(piece) > LONG_SENTENCE:
            start += "" if i % 2 else piece[: LONG_SENTENCE - len(start)].rsplit(" ", 1)[0]
            break
        start += piece
    short = strong(join([marked(start.rstrip(" ,;")), " \u2026"], ""))
    return Markup(f'<details class="long"><summary>{short.html}</summary>{paragraph(marked(words)).html}</details>')


def marked(words: str) -> Markup:
    """A sentence with what stands between backquotes set as code."""
    parts = _QUOTED.split(words)
    return join((code(visible(part[1:-1])) if i % 2 else visible_words(part) for i, part in enumerate(parts)), "")


def visible_words(words: str) -> str:
    """The words with nothing in them that a page cannot hold."""
    return " ".join(visible(part) for part in words.split(" "))


def context_line(context: FeatureContext, strongest: float) -> Markup:
    """The tokens around the peak; `strongest` is the activation of the darkest shade.

    A token on which the latent fires is underlined and shaded, and its title says how strongly; the peak is outlined.
    """
    shown = [i for i, is_text in enumerate(context.mask) if is_text]
    if not shown:
        return paragraph(styled("(no text)", "quiet"))
    peak = max(shown, key=lambda i: context.activations[i])
    first = max(shown[0], peak - TOKENS_BEFORE)
    last = min(shown[-1], peak + TOKENS_AFTER)
    pieces = [
        _token(context.tokens[i], context.activations[i], strongest, is_peak=i == peak and context.activations[i] > 0)
        for i in shown
        if first <= i <= last
    ]
    before = "\u2026" if first > shown[0] else ""
    after = "\u2026" if last < shown[-1] else ""
    source = Markup(f'<span class="source" title="{text(context.document)}">{text(context.unit)}</span>')
    return Markup(f'<p class="context">{before}{"".join(piece.html for piece in pieces)}{after} {source.html}</p>')


def visible(token: str) -> str:
    """The token with its white space made visible, and nothing in it that a page cannot hold.

    Newlines are a return sign, tabs an arrow, several spaces or a lone one dots, control characters their pictures, and
    bytes that are no UTF-8 (surrogates, as Python's `surrogateescape` makes them) stand as `\\xff`.
    """
    token = token.replace("\r\n", "\n").replace("\n", "\u21b5").replace("\t", "\u21e5").replace("\r", "\u240d")
    token = re.sub(r"[\x00-\x1f]", lambda match: chr(0x2400 + ord(match.group())), token).replace("\x7f", "\u2421")
    token = re.sub(r"[\ud800-\udfff]", lambda match: f"\\x{ord(match.group()) & 0xFF:02x}", token)
    return re.sub(r"  +|^ +$", lambda match: "\u00b7" * len(match.group()), token)


def shade_legend() -> Markup:
    """What shade, underline and outline mean."""
    shades = "".join(
        f'<span class="fires {name}">{words}</span> '
        for name, words in zip(HEAT, ("weak", "up to \u00bd", "up to \u00be", "strongest"), strict=True)
    )
    return Markup(
        f'<p class="legend">Underlined: the latent fires; the ground says how strongly, against its strongest '
        f'activation in the contexts shown: {shades}<mark class="fires heat-4">outlined</mark>: the '
        "peak of the fragment. \u21b5 is a new line, \u00b7 a space of several. At the end: the package or file.</p>"
    )


def _contexts(card: LatentCard) -> Markup:
    contexts = card.contexts
    if contexts is None or not (contexts.top or contexts.drawn):
        return paragraph(styled("No held-out context to show.", "quiet"))
    every = [*contexts.top, *contexts.drawn]
    strongest = max((max(context.activations, default=0.0) for context in every), default=0.0)
    parts: list[Markup] = []
    kinds: Sequence[tuple[str, tuple[FeatureContext, ...]]] = (
        (f"strongest on test (up to {significant(strongest)})", contexts.top),
        ("drawn among all fragments of test on which it fires", contexts.drawn),
    )
    for words, some in kinds:
        if some:
            parts.append(Markup(f'<p class="kind">{text(words)}</p>'))
            parts += [context_line(context, strongest) for context in some]
    return join(parts)


def _token(token: str, activation: float, strongest: float, *, is_peak: bool) -> Markup:
    shown = text(visible(token))
    if activation <= 0 or strongest <= 0:
        return Markup(shown.replace("\u21b5", "\u21b5<wbr>"))  # a line may be broken where the text breaks it
    level = HEAT[min(len(HEAT) - 1, int(len(HEAT) * activation / strongest))]
    element = "mark" if is_peak else "span"
    return Markup(f'<{element} class="fires {level}" title="{activation:.3g}">{shown}</{element}>')


def alive_sentence(n_dead: int, n_latents: int) -> Markup:
    """From which latents those at random are drawn."""
    dead = f"; {count(n_dead)} more never fire there" if n_dead else ", which is all of them"
    return sentence("Drawn from the ", strong(f"{count(n_latents - n_dead)} latents that fire on test"), f"{dead}.")
