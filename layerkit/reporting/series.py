"""How series are told apart: by colour, marker and dash together, the same in every picture.

The eight colours keep a contrast of at least 3 to 1 with their background and differ for
colour-blind readers (after Okabe and Ito, "Color Universal Design", 2008, darkened for light
backgrounds).
"""

from __future__ import annotations

from typing import NamedTuple

_LIGHT = ("#0069b4", "#c24e00", "#00795c", "#a3438f", "#7a6200", "#0e7f99", "#b3261e", "#4d4d4d")
_DARK = ("#6cb6ff", "#ff9d5c", "#4fd0a3", "#e39ad2", "#e3c14b", "#6ad4ea", "#ff8f87", "#c9c9c9")
_DASHES = ("", "8 4", "2 3", "10 3 2 3", "5 2", "1 4", "12 5", "4 2 1 2")
_MARKERS = ("circle", "square", "triangle", "diamond", "triangle down", "pentagon", "hexagon")
COLORS = len(_LIGHT)


class Style(NamedTuple):
    """Of a series: its colour on a light and on a dark background, marker, and dash pattern.

    ``dash`` lists the lengths of strokes and gaps, and is empty for a solid line.
    """

    light: str
    dark: str
    marker: str
    dash: tuple[float, ...]


def style_of(series: int) -> Style:
    """The style of series number ``series``; numbers beyond the colours begin again."""
    return Style(
        _LIGHT[series % COLORS],
        _DARK[series % COLORS],
        _MARKERS[series % len(_MARKERS)],
        tuple(float(part) for part in dash_of(series).split()),
    )


def dash_of(series: int) -> str:
    """The dash pattern of series number ``series`` as SVG says it."""
    return _DASHES[series % len(_DASHES)]


def color_rules() -> str:
    """The colours as rules of a style sheet: class ``c0`` sets ``--c`` for series 0."""
    light, dark = (
        "".join(f".c{k}{{--c:{color}}}" for k, color in enumerate(colors))
        for colors in (_LIGHT, _DARK)
    )
    return f"{light}\n@media (prefers-color-scheme:dark){{{dark}}}\n"
