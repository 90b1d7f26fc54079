"""How the pages look: one palette for light, one for dark, and one style sheet."""

from collections.abc import Mapping
from types import MappingProxyType

SERIES = ("series-1", "series-2", "series-3", "series-4", "series-5", "series-6")
"""Colors of data, in the order of use. After Okabe and Ito (2008): told apart with every common color blindness."""

LIGHT: Mapping[str, str] = MappingProxyType(
    {
        **{"page": "#ffffff", "panel": "#f5f6f8", "ink": "#1b1f24", "quiet": "#565e68", "line": "#d3d8de"},
        **{"link": "#0b57a4", "good": "#1a6b3c", "bad": "#a8341a", "mark": "#ffe3a3"},
        **{"series-1": "#0072b2", "series-2": "#c95700", "series-3": "#00835f"},
        **{"series-4": "#a8478a", "series-5": "#7a6a00", "series-6": "#4b4f55"},
    }
)
"""Colors of the pages on a light ground, by name."""

DARK: Mapping[str, str] = MappingProxyType(
    {
        **{"page": "#14171b", "panel": "#1e2228", "ink": "#e8eaed", "quiet": "#a3acb7", "line": "#3a424c"},
        **{"link": "#8cc2ff", "good": "#7ad19b", "bad": "#ff9a80", "mark": "#5c4708"},
        **{"series-1": "#56b4e9", "series-2": "#f58a42", "series-3": "#35c596"},
        **{"series-4": "#e08fc4", "series-5": "#e0cf4f", "series-6": "#b5bcc4"},
    }
)
"""The same names on a dark ground."""


def variables(palette: Mapping[str, str]) -> str:
    """The palette as CSS custom properties."""
    return " ".join(f"--{name}: {color};" for name, color in palette.items())


STYLE = (
    f"""
:root {{ color-scheme: light dark; {variables(LIGHT)} --font: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }}
@media (prefers-color-scheme: dark) {{ :root {{ {variables(DARK)} }} }}
"""
    """
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--ink); font: 1rem/1.55 var(--font); overflow-wrap: break-word; }
header, main, footer { max-width: 60rem; margin: 0 auto; padding: 0 1rem; }
header { padding-top: 2rem; }
main { padding-bottom: 2rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; text-wrap: balance; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 2.6rem 0 .6rem; padding-top: .9rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
p { margin: .6rem 0; max-width: 44rem; }
a { color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.subtitle { color: var(--quiet); margin: 0 0 1.2rem; }
.lead { background: var(--panel); border-left: 4px solid var(--series-1); border-radius: 4px; padding: .5rem 1.1rem; }
.lead p { font-size: 1.08rem; max-width: 50rem; }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: 1.2rem 0 0; padding: 0; font-size: .93rem; }
.scroll { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-size: .93rem; }
caption { text-align: left; color: var(--quiet); padding: 0 0 .4rem; }
th, td { padding: .32rem .9rem .32rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { font-weight: 600; }
thead th { vertical-align: bottom; }
tbody th { font-weight: 500; }
td.number, th.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td.text { min-width: 11rem; }
tr:last-child > * { border-bottom: none; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 25rem), 1fr)); gap: 1.4rem 2rem; margin: 1.2rem 0; }
figure { margin: 0; min-width: 0; max-width: 32rem; }
figure svg { display: block; width: 100%; height: auto; overflow: visible; stroke-linejoin: round; }
figcaption { font-size: .9rem; color: var(--quiet); margin-top: .5rem; }
figcaption b { color: var(--ink); }
.note { border-left: 4px solid var(--line); padding: .1rem 0 .1rem 1rem; margin: 1rem 0; font-size: .95rem; color: var(--quiet); }
details { margin: .8rem 0; }
summary { cursor: pointer; color: var(--link); }
pre, code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .88rem; }
pre { background: var(--panel); border-radius: 4px; padding: .6rem .8rem; margin: .4rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
code { overflow-wrap: anywhere; }
mark { background: var(--mark); color: inherit; border-radius: 2px; }
.good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; }
.quiet { color: var(--quiet); }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); gap: 0 1rem; }
.pair > div { min-width: 0; }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) minmax(0, 1fr); gap: .25rem 1.2rem; font-size: .95rem; }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
footer { color: var(--quiet); font-size: .85rem; padding-bottom: 2rem; }
@media (max-width: 32rem) { dl { grid-template-columns: minmax(0, 1fr); gap: 0; } dd { margin-bottom: .5rem; } }
@media print { .scroll { overflow: visible; } a { color: inherit; } }
"""
)
"""The style sheet of every page."""


def contrast(color: str, ground: str) -> float:
    """WCAG 2.1's contrast ratio of two colors written `#rrggbb`: 1 (equal) to 21 (black on white)."""
    lighter, darker = sorted((_luminance(color), _luminance(ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
