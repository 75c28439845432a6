"""Forms of figures: any figure becomes a file, and equal figures equal files."""

from __future__ import annotations

from dataclasses import replace

from layerkit.core.parts import Renderer
from layerkit.errors import MissingExtraError
from layerkit.figures.figure import (
    Axis,
    Bars,
    Cells,
    Dots,
    Figure,
    Intervals,
    Line,
    Mark,
    Panel,
    Rule,
)
from layerkit.testing.rules import Battery
from layerkit.testing.subject import Trial
from layerkit.testing.verdicts import Failed, Skipped

_NAN = float("nan")
_PANELS = (
    Panel(
        Axis("trials", whole=True),
        Axis("accuracy", share=True),
        (
            Line("a", 0, [1, 2, 3], [0.5, 0.7, 0.8], [0.4, 0.6, 0.7], [0.6, 0.8, 0.9], solid_to=2),
            Line("a", 0, [1, 1.5, 2, 3], [0.5, _NAN, 0.8, 0.7], faint=True),
            Dots("b", 1, [1, 2.5], [0.4, 0.9], labels=("one", "$two$")),
            Rule(0.66, "y", "alone"),
        ),
        "lines",
    ),
    Panel(
        Axis("points", share=True),
        Axis("", categories=("both", "runs")),
        (Intervals("b - a", 1, [0, 1], [0.1, _NAN], [0.0, 0.05], [0.2, 0.15]), Rule(1, "x")),
    ),
    Panel(Axis("size", log=True), Axis("rows"), (Bars("a", 0, [1, 10], [2, -1]),)),
    Panel(Axis("unit"), Axis("layer"), (Cells("gate", 0, ((0, 1), (_NAN, 0.5)), 0, 1),)),
)


class _Trial(Trial):
    """A renderer and figures of every kind of mark."""

    part: Renderer

    def content(self, figure: Figure) -> bytes:
        """The file of ``figure``."""
        try:
            with self.catch("content(figure)"):
                return self.part.content(figure)
        except Failed as failed:
            if isinstance(failed.__cause__, MissingExtraError):
                raise Skipped(str(failed.__cause__)) from failed
            raise


BATTERY = Battery("settings.constructor", trial=_Trial)


@BATTERY.rule(
    "pass.writes",
    why="Equal figures must give equal files, which can be compared and kept.",
    fix="return bytes that depend on the figure alone: no time, no counter; draw every kind of "
    "mark, and leave out numbers that are not finite",
)
def _writes(trial: _Trial) -> None:
    figure = Figure("kit", "All marks", "What is seen.", _PANELS)
    first, again = trial.content(figure), trial.content(figure)
    if not isinstance(first, bytes) or not first:
        raise Failed(f"content(figure): expected bytes, got {type(first).__name__}")
    if first != again:
        raise Failed("content(figure) gives other bytes the second time")
    if not str(getattr(trial.subject.part, "extension", "")).startswith("."):
        raise Failed('expected an `extension` of the class that begins with ".", such as ".png"')


@BATTERY.rule(
    "pass.shows",
    why="A mark that is left out without a word is a wrong picture.",
    fix="draw each kind of mark: lines, dots, intervals, bars, cells and rules",
    needs=("pass.writes",),
)
def _shows(trial: _Trial) -> None:
    kinds = {type(mark): (panel, mark) for panel in _PANELS for mark in panel.marks}
    for panel, mark in kinds.values():
        if trial.content(_alone(panel, mark)) == trial.content(_alone(panel)):
            raise Failed(f"content(figure): the file is the same without {mark}")


def _alone(panel: Panel, *marks: Mark) -> Figure:
    """A figure of one panel with these marks; its axes are those of all marks."""
    (left, right), (low, high) = panel.extent("x"), panel.extent("y")
    x, y = replace(panel.x, low=left, high=right), replace(panel.y, low=low, high=high)
    return Figure("kit", "A mark", "Seen.", (Panel(x, y, marks),))
