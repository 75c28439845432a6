"""A picture as data: a figure has panels, a panel two axes and marks, a mark its numbers.

Marks have a series number: colour, marker and dash go with it, the same in every panel and form, so
that no reader depends on colour. Whoever knows the numbers makes the figure; how it is drawn is
decided elsewhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

Numbers = tuple[float, ...]
_KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


@dataclass(frozen=True)
class Axis:
    """An axis of a panel.

    Parameters
    ----------
    title
        What is measured, with its unit.
    log
        On a logarithmic scale; values that are not positive are not drawn.
    share
        Values are shares, shown in per cent (or differences of shares, in points).
    whole
        Only integers have ticks.
    categories
        Names of the places 0, 1, 2, ...; those of a vertical axis run downwards.
    low, high
        The ends, instead of those of the values.
    """

    title: str
    log: bool = False
    share: bool = False
    whole: bool = False
    categories: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None

    def place(self, value: float) -> str | float:
        """The name of the category at ``value``, or the value itself."""
        if self.categories and value == int(value) and 0 <= value < len(self.categories):
            return self.categories[int(value)]
        return value


class _Mark:
    """Its numbers may be given as any sequence of floats; all must have one length."""

    def _keep(self, **given: Iterable[float] | None) -> None:
        lengths = set()
        for name, values in given.items():
            held = () if values is None else tuple(float(v) for v in values)
            object.__setattr__(self, name, held)
            lengths |= {len(held)} if values is not None else set()
        if len(lengths) > 1:
            counts = ", ".join(f"{k} {len(getattr(self, k))}" for k, v in given.items() if v)
            raise ValueError(f"{type(self).__name__}: expected as many of each, got {counts}")


@dataclass(frozen=True)
class Line(_Mark):
    """A line through points, in a band from ``low`` to ``high`` if they are given.

    Beyond x = ``solid_to`` it is dotted. A ``faint`` line is thin and has no entry in the legend:
    a single run beside the mean.
    """

    name: str
    series: int
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    solid_to: float | None = None
    faint: bool = False

    def __post_init__(self) -> None:
        if (self.low is None) != (self.high is None):
            raise ValueError("Line: expected both ends of the band or none")
        self._keep(x=self.x, y=self.y, low=self.low, high=self.high)


@dataclass(frozen=True)
class Dots(_Mark):
    """A dot for each (x, y); ``labels`` stand beside them.

    ``faint`` ones are small and have no entry in the legend.
    """

    name: str
    series: int
    x: Sequence[float]
    y: Sequence[float]
    labels: tuple[str, ...] = ()
    faint: bool = False

    def __post_init__(self) -> None:
        self._keep(x=self.x, y=self.y)
        if self.labels and len(self.labels) != len(self.x):
            raise ValueError(f"Dots: expected {len(self.x)} labels, got {len(self.labels)}")


@dataclass(frozen=True)
class Intervals(_Mark):
    """At each place an interval from ``low`` to ``high`` around a value.

    They lie along the vertical axis, or along the horizontal one if the vertical axis has
    categories: these are their places then. ``faint`` ones are thin.
    """

    name: str
    series: int
    places: Sequence[float]
    values: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    faint: bool = False

    def __post_init__(self) -> None:
        self._keep(places=self.places, values=self.values, low=self.low, high=self.high)


@dataclass(frozen=True)
class Bars(_Mark):
    """At each place a bar from 0 to a value, ``width`` wide; they lie as intervals do."""

    name: str
    series: int
    places: Sequence[float]
    values: Sequence[float]
    width: float = 0.8

    def __post_init__(self) -> None:
        self._keep(places=self.places, values=self.values)


@dataclass(frozen=True)
class Cells:
    """A map: the value in row i (downwards) and column j is at the places (j, i) of the axes.

    From ``low`` to ``high`` the colour of the series grows stronger. With ``middle``, smaller
    values have the colour of the next series. ``written`` values stand in their cells as text;
    ``shades`` of the same shape then decide the colour instead.
    """

    name: str
    series: int
    values: Sequence[Sequence[float]]
    low: float
    high: float
    middle: float | None = None
    written: bool = False
    shades: Sequence[Sequence[float]] | None = None

    def __post_init__(self) -> None:
        rows = tuple(tuple(float(v) for v in row) for row in self.values)
        object.__setattr__(self, "values", rows)
        if len({len(row) for row in rows}) != 1 or not rows[0]:
            raise ValueError("Cells: expected rows of one length")

    def strength(self, value: float) -> tuple[int, float]:
        """The series whose colour shows ``value``, and how strong it is, from 0 to 1."""
        from_, to = (self.low, self.high) if self.middle is None else (self.middle, self.high)
        series = self.series
        if self.middle is not None and value < self.middle:
            series, to = series + 1, self.low
        share = (value - from_) / (to - from_) if to != from_ else 0.0
        return series, min(1.0, max(0.0, share))


@dataclass(frozen=True)
class Rule:
    """A thin line across the panel at one value of the axis ``of``, "x" or "y"."""

    value: float
    of: str = "y"
    name: str = ""


Mark = Line | Dots | Intervals | Bars | Cells | Rule
_Movable = (Dots, Intervals, Bars)


@dataclass(frozen=True)
class Panel:
    """Marks between two axes."""

    x: Axis
    y: Axis
    marks: Sequence[Mark]
    title: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "marks", tuple(self.marks))

    @property
    def sideways(self) -> bool:
        """Whether intervals and bars lie along the horizontal axis."""
        return bool(self.y.categories)

    @property
    def downwards(self) -> bool:
        """Whether the vertical axis runs downwards."""
        return bool(self.y.categories) or any(isinstance(m, Cells) for m in self.marks)

    def shift(self, mark: Mark) -> float:
        """How far ``mark`` is moved along an axis of categories, so that none hides another.

        In categories: dots, bars and intervals of several series stand side by side where they
        share a place; in lanes, dots stand below the intervals.
        """
        lanes = self.sideways and any(isinstance(m, Intervals) for m in self.marks)
        if lanes and isinstance(mark, Dots):
            return 0.28
        if not isinstance(mark, _Movable) or not (self.x.categories or self.y.categories):
            return 0.0
        alike = [m for m in self.marks if isinstance(m, _Movable) and type(m) is type(mark)]
        order = sorted({m.series for m in alike})
        taken: dict[float, int] = {}
        shared = any(
            taken.setdefault(place, m.series) != m.series
            for m in alike
            for place in self._places(m)
        )
        middle = (len(order) - 1) / 2
        return (order.index(mark.series) - middle) * 0.8 / len(order) if shared else 0.0

    def _places(self, mark: Dots | Intervals | Bars) -> Sequence[float]:
        if isinstance(mark, Dots):
            return mark.y if self.sideways else mark.x
        return mark.places

    def extent(self, of: str) -> tuple[float, float]:
        """The smallest and largest finite value on the axis ``of`` ("x" or "y"); nan if none."""
        axis = self.x if of == "x" else self.y
        found = [v for v in self._along(of) if math.isfinite(v) and (v > 0 or not axis.log)]
        return (min(found), max(found)) if found else (math.nan, math.nan)

    def _along(self, of: str) -> Iterator[float]:
        for mark in self.marks:
            if isinstance(mark, Rule):
                yield from [mark.value] if mark.of == of else []
            elif isinstance(mark, Cells):
                yield from (-0.5, (len(mark.values[0]) if of == "x" else len(mark.values)) - 0.5)
            elif isinstance(mark, (Bars, Intervals)):
                if (of == "x") != self.sideways:
                    wide = mark.width / 2 if isinstance(mark, Bars) else 0.0
                    yield from (p + side for p in mark.places for side in (-wide, wide))
                    continue
                yield from mark.values
                yield from (0.0,) if isinstance(mark, Bars) else (*mark.low, *mark.high)
            else:
                yield from mark.x if of == "x" else mark.y
                if isinstance(mark, Line) and of == "y":
                    yield from (*(mark.low or ()), *(mark.high or ()))


@dataclass(frozen=True)
class Figure:
    """A picture.

    Parameters
    ----------
    key
        Its name as a file: lower-case letters, digits and "-".
    title
        What it shows, as a heading.
    words
        What is seen, in a sentence with the numbers that matter: all that a reader has who does not
        see the picture.
    panels
        Side by side.
    """

    key: str
    title: str
    words: str
    panels: Sequence[Panel]

    def __post_init__(self) -> None:
        object.__setattr__(self, "panels", tuple(self.panels))
        if not _KEY.fullmatch(self.key):
            raise ValueError(f"expected lower-case letters, digits and '-', got {self.key!r}")

    @property
    def legend(self) -> list[tuple[str, int, bool]]:
        """(name, series, whether it is a line) of each series, once; faint and nameless ones not.

        A map has its own scale instead.
        """
        found: dict[tuple[str, int], bool] = {}
        for panel in self.panels:
            for mark in panel.marks:
                if isinstance(mark, (Cells, Rule)) or not mark.name:
                    continue
                if isinstance(mark, (Line, Dots, Intervals)) and mark.faint:
                    continue
                key = mark.name, mark.series
                found[key] = found.get(key, False) or isinstance(mark, Line)
        return [(name, series, line) for (name, series), line in found.items()]
