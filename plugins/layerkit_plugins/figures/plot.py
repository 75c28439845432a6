"""png and svg: figures for papers and slides, drawn by matplotlib (extra ``plot``)."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from layerkit import MissingExtraError, Renderer
from layerkit.figures import (
    Axis,
    Bars,
    Cells,
    Dots,
    Figure,
    Intervals,
    Line,
    Panel,
    Rule,
    style_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation
    from matplotlib.transforms import BboxBase

__all__ = ["Png", "Svg"]

_MARKERS = {
    "circle": "o",
    "square": "s",
    "triangle": "^",
    "diamond": "D",
    "triangle down": "v",
    "pentagon": "p",
    "hexagon": "h",
}
_MOST_NAMES = 30  # of categories that are written
_BESIDE = tuple((x, y) for y in (3, -9, -3, 13, -19) for x in (4, -4))
"""Where a label may stand, in points from its dot."""


class _Drawn(Renderer):
    """What both forms share."""

    def __init__(self, *, dark: bool = False) -> None:
        self.dark = dark

    def require(self) -> None:
        """Check that matplotlib is there.

        Raises
        ------
        MissingExtraError
            If it is not installed.
        """
        try:
            import matplotlib as found
        except ImportError as cause:
            raise MissingExtraError("matplotlib", "plot", f"drawing {self.type_name}") from cause
        del found

    def content(self, figure: Figure) -> bytes:
        """The file, with a white background or, if ``dark``, a dark one.

        Raises
        ------
        MissingExtraError
            If matplotlib is not installed.
        """
        self.require()
        from matplotlib import rc_context

        ink, paper, rule = (
            ("#eceef1", "#14161a", "#6a707b") if self.dark else ("#1b1d21", "#ffffff", "#8d9199")
        )
        settings: dict[Any, Any] = {
            **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), ink),
            **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), paper),
            "axes.edgecolor": rule,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "font.size": 9,
            "svg.hashsalt": figure.key,  # equal figures give equal files
            "text.parse_math": False,
        }
        with rc_context(settings):
            return _file(figure, self.type_name, dark=self.dark)


class Png(_Drawn):
    """A picture of 200 points per inch.

    Source: Portable Network Graphics, W3C Recommendation, 2003.
    """

    type_name = "png"
    extension = ".png"


class Svg(_Drawn):
    """A drawing of any size.

    Source: Scalable Vector Graphics 1.1, W3C Recommendation, 2011.
    """

    type_name = "svg"
    extension = ".svg"


def _file(figure: Figure, form: str, *, dark: bool) -> bytes:
    from matplotlib.figure import Figure as Canvas

    count = len(figure.panels)
    names = figure.legend
    heights = [_height(panel) for panel in figure.panels]
    canvas = Canvas(figsize=(5.2 * count, max(heights) + 0.8), layout="constrained")
    pens = []
    for k, panel in enumerate(figure.panels):
        pens.append(_Pen(canvas.add_subplot(1, count, k + 1), panel, dark=dark))
        pens[-1].draw()
    title = "\n".join(textwrap.wrap(figure.title, 52 * count))
    canvas.suptitle(title, fontweight="bold", fontsize=11)
    if len(names) > 1:
        handles = [_handle(series, line, dark=dark) for _, series, line in names]
        labels = [name for name, _, _ in names]
        canvas.legend(handles, labels, loc="outside lower center", ncols=min(len(names), 3 * count),
                      frameon=False)  # fmt: skip
    if any(pen.labels for pen in pens):
        canvas.draw_without_rendering()  # the room for labels is known after the layout
        for pen in pens:
            pen.separate_labels()
    buffer = io.BytesIO()
    meta: dict[str, str | None] = {"Title": figure.title, "Description": figure.words}
    meta |= {"Software": None} if form == "png" else {"Date": None}
    canvas.savefig(buffer, format=form, dpi=200, metadata=meta)
    return buffer.getvalue()


def _height(panel: Panel) -> float:
    rows = len(panel.y.categories)
    for mark in panel.marks:
        if isinstance(mark, Cells):
            return min(6.0, max(2.4, 4.4 * len(mark.values) / len(mark.values[0])))
    return min(9.0, max(2.4, 0.42 * rows + 0.8)) if rows else 3.2


def _handle(series: int, line: bool, *, dark: bool) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], **_look(series, dark=dark, line=line), markersize=6)


def _look(series: int, *, dark: bool, line: bool) -> dict[str, Any]:
    style = style_of(series)
    dash: Any = "none" if not line else (0, tuple(d / 2 for d in style.dash)) if style.dash else "-"
    color = style.dark if dark else style.light
    return {"color": color, "marker": _MARKERS[style.marker], "linestyle": dash}


class _Pen:
    """Draws one panel."""

    def __init__(self, axes: Axes, panel: Panel, *, dark: bool) -> None:
        self.axes, self.panel, self.dark = axes, panel, dark
        self.labels: list[Annotation] = []

    def draw(self) -> None:
        """All marks, then the axes."""
        for mark in self.panel.marks:
            if isinstance(mark, Line):
                self.line(mark)
            elif isinstance(mark, Dots):
                self.dots(mark)
            elif isinstance(mark, Intervals):
                self.intervals(mark)
            elif isinstance(mark, Bars):
                self.bars(mark)
            elif isinstance(mark, Cells):
                self.cells(mark)
            else:
                self.rule(mark)
        self.axis("x", self.panel.x)
        self.axis("y", self.panel.y)
        if self.panel.downwards and not self.axes.yaxis_inverted():
            self.axes.invert_yaxis()
        self.axes.set_title("\n".join(textwrap.wrap(self.panel.title, 52)), fontsize=10)

    def color(self, series: int) -> str:
        """The colour of a series."""
        style = style_of(series)
        return style.dark if self.dark else style.light

    def line(self, m: Line) -> None:
        """A line, its band, and its dotted rest."""
        if m.faint:
            self.axes.plot(m.x, m.y, color=self.color(m.series), linewidth=0.7, alpha=0.4)
            return
        look = _look(m.series, dark=self.dark, line=True)
        limit = math.inf if m.solid_to is None else m.solid_to
        points = list(zip(m.x, m.y, strict=True))
        solid = [p for p in points if p[0] <= limit]
        rest = [*solid[-1:], *(p for p in points if p[0] > limit)]
        every = max(1, len(solid) // 6)
        where = (m.series % every, every)
        self.axes.plot(*_columns(solid), linewidth=1.8, markersize=5, markevery=where, **look)
        if len(rest) > 1:
            self.axes.plot(*_columns(rest), linewidth=1.2, color=look["color"], linestyle=":")
        if m.low and m.high:
            self.axes.fill_between(m.x, m.low, m.high, color=look["color"], alpha=0.16, linewidth=0)

    def dots(self, m: Dots) -> None:
        """Dots and their labels."""
        shift = self.panel.shift(m)
        to_x, to_y = (0.0, shift) if self.panel.sideways else (shift, 0.0)
        x, y = [v + to_x for v in m.x], [v + to_y for v in m.y]
        look = _look(m.series, dark=self.dark, line=False)
        self.axes.plot(x, y, markersize=3 if m.faint else 5, alpha=0.75, **look)
        for at, value, label in zip(x, y, m.labels, strict=False):
            text = self.axes.annotate(
                label, (at, value), _BESIDE[0], textcoords="offset points", fontsize=7
            )
            text.set_in_layout(False)
            self.labels.append(text)

    def separate_labels(self) -> None:
        """Move each label to where it covers no other; without such a place, leave it out."""
        taken: list[BboxBase] = []
        for text in self.labels:
            for x, y in _BESIDE:
                text.set_position((x, y))
                text.set_horizontalalignment("left" if x > 0 else "right")
                box = text.get_window_extent()
                if _is_inside(box, self.axes.bbox) and not box.count_overlaps(taken):
                    taken.append(box)
                    break
            else:
                text.set_visible(False)

    def intervals(self, m: Intervals) -> None:
        """Intervals with their values."""
        shift = self.panel.shift(m)
        look = _look(m.series, dark=self.dark, line=False)
        if m.faint:
            look |= {"markerfacecolor": "none"}
        rows = zip(m.places, m.values, m.low, m.high, strict=True)
        for place, value, low, high in rows:
            at = place + shift
            if math.isfinite(low) and math.isfinite(high):
                middle, half = (low + high) / 2, (high - low) / 2
                x, y = (middle, at) if self.panel.sideways else (at, middle)
                bounds: dict[str, Any] = {"xerr" if self.panel.sideways else "yerr": half}
                width = 1.2 if m.faint else 2.4
                self.axes.errorbar(
                    x, y, **bounds, fmt="none", ecolor=look["color"], elinewidth=width, capsize=3
                )
            if math.isfinite(value):
                x, y = (value, at) if self.panel.sideways else (at, value)
                self.axes.plot([x], [y], markersize=5, **look)

    def bars(self, m: Bars) -> None:
        """Bars from 0."""
        shift, width = self.panel.shift(m), m.width
        others = [other for other in self.panel.marks if isinstance(other, Bars)]
        if any(self.panel.shift(other) for other in others):
            width /= len({other.series for other in others})
        places = [p + shift for p in m.places]
        draw = self.axes.barh if self.panel.sideways else self.axes.bar
        draw(places, m.values, width, color=self.color(m.series), alpha=0.7)

    def cells(self, m: Cells) -> None:
        """A map in the colours of one or two series, with its scale."""
        from matplotlib.colors import LinearSegmentedColormap

        paper = "#14161a" if self.dark else "#ffffff"
        colors = [paper, self.color(m.series)]
        if m.middle is not None:
            colors = [self.color(m.series + 1), *colors]
        scale: dict[str, Any] = {"vmin": m.low, "vmax": m.high}
        if m.middle is not None:
            from matplotlib.colors import TwoSlopeNorm

            scale = {"norm": TwoSlopeNorm(m.middle, m.low, m.high)}
        palette = LinearSegmentedColormap.from_list("layerkit", colors)
        strong = 0.55 if m.written else 1.0
        drawn = self.axes.imshow(
            m.values if m.shades is None else m.shades,
            cmap=palette,
            aspect="auto",
            interpolation="nearest",
            alpha=strong,
            **scale,
        )
        if not m.written:
            self.axes.figure.colorbar(drawn, ax=self.axes, label=m.name)
            return
        for i, row in enumerate(m.values):
            for j, value in enumerate(row):
                if value and math.isfinite(value):
                    self.axes.text(j, i, f"{value:.3g}", ha="center", va="center", fontsize=8)

    def rule(self, m: Rule) -> None:
        """A thin line across, with its name."""
        look: dict[str, Any] = {"color": "#a6acb7" if self.dark else "#565b64", "linewidth": 0.9}
        draw = self.axes.axvline if m.of == "x" else self.axes.axhline
        draw(m.value, linestyle="--", **look)
        if m.name:
            at = (m.value, 0.98) if m.of == "x" else (0.98, m.value)
            where: Any = ("data", "axes fraction") if m.of == "x" else ("axes fraction", "data")
            align = {"ha": "left", "va": "top"} if m.of == "x" else {"ha": "right", "va": "bottom"}
            offset = (3, 0) if m.of == "x" else (0, 2)
            self.axes.annotate(m.name, at, offset, xycoords=where, textcoords="offset points",
                               fontsize=8, **align)  # type: ignore[arg-type]  # fmt: skip

    def axis(self, of: str, axis: Axis) -> None:
        """Scale, title and ticks."""
        from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

        axes = self.axes
        own = axes.xaxis if of == "x" else axes.yaxis
        (axes.set_xlabel if of == "x" else axes.set_ylabel)(axis.title)
        limits = axes.set_xlim if of == "x" else axes.set_ylim
        if axis.log:
            (axes.set_xscale if of == "x" else axes.set_yscale)("log")
            own.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
            own.set_minor_formatter(NullFormatter())
            own.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        if axis.categories:
            count = len(axis.categories)
            step = math.ceil(count / _MOST_NAMES)
            names = [textwrap.shorten(n, 40, placeholder="…") for n in axis.categories[::step]]
            own.set_ticks(range(0, count, step), names)
            if of == "x" and sum(map(len, names)) > 60:
                axes.tick_params("x", labelrotation=45)
            limits(-0.5, count - 0.5)
        elif axis.whole:
            own.set_major_locator(MaxNLocator(integer=True))
        if axis.share:
            own.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:g}"))
        low, high = ends = (axis.low, axis.high)
        if ends != (None, None):
            limits(low, high)


def _is_inside(box: BboxBase, axes: BboxBase) -> bool:
    """Whether a label lies in its panel; above it and on its right is a little room."""
    beyond = 20
    return (
        box.x0 >= axes.x0 and box.y0 >= axes.y0
        and box.x1 <= axes.x1 + beyond and box.y1 <= axes.y1 + beyond
    )  # fmt: skip


def _columns(points: Sequence[tuple[float, float]]) -> Iterator[list[float]]:
    yield [x for x, _ in points]
    yield [y for _, y in points]
