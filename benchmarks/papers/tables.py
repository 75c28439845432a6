"""Tables of the committed studies, for the page that shows them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from layerkit.comparison.results import Difference
from layerkit.comparison.verdicts import differences
from layerkit.statistics.intervals import Interval, Levels
from layerkit.studies.pictures import StudyView
from layerkit.studies.result import PointRow

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "papers.md"
STUDIES = ROOT / "studies"
_TABLE = re.compile(r"(<!-- runs: (\S+)(?: against (.+?))? -->\n).*?(<!-- end of runs -->)", re.S)
Cell = Callable[[PointRow], str]


def written(page: str) -> str:
    """The page with every table as the finished runs have it."""
    return _TABLE.sub(lambda m: f"{m[1]}{table(m[2], m[3])}{m[4]}", page)


def table(name: str, against: str | None = None) -> str:
    """The points of a study, in the order of its grid; the difference from one if it is named."""
    view = StudyView.read(STUDIES / f"{name}.json", STUDIES / f"{name}.study")
    rows = sorted(view.study.rows, key=view.number)
    columns: dict[str, Cell] = {
        **{axis: _label(axis) for axis in view.study.axes},
        "parameters": lambda row: f"{row.parameters:,}",
        "runs": _runs,
        f"{view.metric}, mean ± sd": _mean,
        "95 % interval": lambda row: _interval(row.summary.interval if row.summary else None),
        "median (lowest to highest)": _median,
        "training loss": lambda row: _loss(view, row),
    }
    if against is not None:
        found = _differences(view, against)
        column = f"minus {against} (95 %, all jointly)"
        columns[column] = lambda row: _gap(found.get(view.title(row)))
    head = f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n"
    return head + "".join(
        f"| {' | '.join(cell(row) for cell in columns.values())} |\n" for row in rows
    )


def _label(axis: str) -> Cell:
    return lambda row: row.point[axis]


def _runs(row: PointRow) -> str:
    """How many are finished; the numbers beside it are of those that did not diverge."""
    lost = f", {len(row.diverged)} diverged" if row.diverged else ""
    return f"{len(row.seeds)}{lost}"


def _mean(row: PointRow) -> str:
    s = row.summary
    return "-" if s is None else f"{100 * s.mean:.2f}" + (f" ± {100 * s.sd:.2f}" if s.sd else "")


def _interval(found: Interval | None) -> str:
    return "-" if found is None else f"{100 * found.low:.1f} to {100 * found.high:.1f}"


def _median(row: PointRow) -> str:
    if row.summary is None:
        return "-"
    values = 100 * np.array(row.summary.values)
    return f"{np.median(values):.2f} ({values.min():.2f} to {values.max():.2f})"


def _loss(view: StudyView, row: PointRow) -> str:
    """The median training loss of the runs."""
    lines = view.findings.points[view.number(row)].lines
    found = [line["metrics"]["train_loss"] for line in lines if line.get("metrics")]
    return f"{np.median(found):.3g}" if found else "-"


def _differences(view: StudyView, against: str) -> dict[str, Difference | None]:
    """From the point whose label is ``against``, all of them jointly."""
    held = sorted(view.told, key=lambda c: c.name != against)
    if not held or held[0].name != against:
        raise ValueError(f"{view.study.name}: there are no answers of the point {against!r}")
    levels = Levels(view.study.confidence, len(held) - 1)
    found = differences([*held], view.study.metric, levels)
    return {c.name: d for c, d in zip(held, found, strict=True)}


def _gap(found: Difference | None) -> str:
    if found is None or found.both is None:
        return "-"
    low, high = 100 * found.both.joint_low, 100 * found.both.joint_high
    told = {"better": "better", "worse": "worse"}.get(found.verdict or "", "not told apart")
    return f"{told}: {100 * found.mean:+.2f} ({low:+.2f} to {high:+.2f})"
