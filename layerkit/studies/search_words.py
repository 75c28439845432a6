"""What a search has chosen, and its limits, in words: for the terminal and the page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from layerkit.display import counted, printable, shortened
from layerkit.reporting.markup import element, escape
from layerkit.reporting.numbers import metric_text
from layerkit.reporting.page import paragraphs
from layerkit.reporting.tables import html_table
from layerkit.studies.search_result import SearchReport, TunedPoint


def title(point: TunedPoint) -> str:
    """The title of a point, printable."""
    return printable(point.title)


def trials_done(point: TunedPoint) -> str:
    """How many trials are finished, and of how many if that is not all."""
    return f"{point.done}" if point.done == point.total else f"{point.done} of {point.total}"


def chosen(point: TunedPoint) -> str:
    """The settings of the best trial; empty without one."""
    told = (f"{k} {shortened(json.dumps(v), 40)}" for k, v in (point.settings or {}).items())
    return printable(", ".join(told))


def limits(found: SearchReport) -> Iterator[str]:
    """What to know about the trials and the settings chosen."""
    for p in found.points:
        if p.border:
            lies = f"{' and '.join(p.border)} {'lies' if len(p.border) == 1 else 'lie'}"
            yield (f"{title(p)}: {lies} at the border of the space; a wider one may hold a better "
                   "value")  # fmt: skip
        if p.diverged:
            lost = f"{title(p)}: {p.diverged} of {counted(p.done, 'trial')} diverged"
            yield lost if p.settings is not None else f"{lost}, so its first one was chosen"
        if p.pruned:
            yield f"{title(p)}: {p.pruned} of {counted(p.done, 'trial')} were given up early"
    if found.seconds:
        yield "how many trials fit into the time depends on the machine and its load"


def search_section(found: SearchReport, axes: Sequence[str]) -> str:
    """A section of the page: what the search of each point chose, and what to know about it."""
    if not any(p.done for p in found.points):
        return ""
    best = f"best {found.on}".replace("_", " ")
    rows = [
        [
            escape(title(p)),
            trials_done(p),
            "–" if p.value is None else escape(metric_text(found.on, p.value)),
            escape(chosen(p)) or "–",
        ]
        for p in found.points
    ]
    heads = [", ".join(axes) or "spec", "trials", best, "chosen"]
    table = html_table("Trials", f"{found.engine}; on validation rows", heads, rows)
    return element("h2", "What the search chose") + table + paragraphs(limits(found), "note")
