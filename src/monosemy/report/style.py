"""How the pages look: one palette for light, one for dark, and one style sheet."""

from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

SERIES = ("series-1", "series-2", "series-3", "series-4", "series-5", "series-6")
"""Colors of data, in the order of use. After Okabe and Ito (2008): told apart with every common color blindness."""

HEAT = ("heat-1", "heat-2", "heat-3", "heat-4")
"""Grounds of tokens, from a weak activation to the strongest; text in `ink` can be read on each."""

LIGHT: Mapping[str, str] = MappingProxyType(
    {
        **{"page": "#ffffff", "panel": "#f5f6f8", "ink": "#1b1f24", "quiet": "#565e68", "line": "#d3d8de"},
        **{"link": "#0b57a4", "good": "#1a6b3c", "bad": "#a8341a", "mark": "#ffe3a3"},
        **{"series-1": "#0072b2", "series-2": "#c95700", "series-3": "#00835f"},
        **{"series-4": "#a8478a", "series-5": "#7a6a00", "series-6": "#4b4f55"},
        **{"heat-1": "#fdeedd", "heat-2": "#fbd9b5", "heat-3": "#f8be84", "heat-4": "#f09f54"},
    }
)
"""Colors of the pages on a light ground, by name."""

DARK: Mapping[str, str] = MappingProxyType(
    {
        **{"page": "#14171b", "panel": "#1e2228", "ink": "#e8eaed", "quiet": "#a3acb7", "line": "#3a424c"},
        **{"link": "#8cc2ff", "good": "#7ad19b", "bad": "#ff9a80", "mark": "#5c4708"},
        **{"series-1": "#56b4e9", "series-2": "#f58a42", "series-3": "#35c596"},
        **{"series-4": "#e08fc4", "series-5": "#e0cf4f", "series-6": "#b5bcc4"},
        **{"heat-1": "#33281d", "heat-2": "#4a3217", "heat-3": "#653f0f", "heat-4": "#834d00"},
    }
)
"""The same names on a dark ground."""


def variables(palette: Mapping[str, str]) -> str:
    """The palette as CSS custom properties."""
    return " ".join(f"--{name}: {color};" for name, color in palette.items())


FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif'


def style_sheet() -> str:
    """The style sheet of every page: the palettes as custom properties, then `page.css`."""
    light = f":root {{ color-scheme: light dark; --font: {FONT}; {variables(LIGHT)} }}"
    dark = f"@media (prefers-color-scheme: dark) {{ :root {{ {variables(DARK)} }} }}"
    return "\n".join([light, dark, files("monosemy.report").joinpath("page.css").read_text(encoding="utf-8")])


def contrast(color: str, ground: str) -> float:
    """WCAG 2.1's contrast ratio of two colors written `#rrggbb`: 1 (equal) to 21 (black on white)."""
    lighter, darker = sorted((_luminance(color), _luminance(ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
