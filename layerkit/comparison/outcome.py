"""A whole comparison, and the forms it takes: JSON, CSV, table, page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from layerkit.comparison.results import Contestant
from layerkit.comparison.sentences import headline, ranked

__all__ = ["Comparison"]


@dataclass(frozen=True)
class Comparison:
    """Contestants judged on the same data; the others are compared with the first.

    Attributes
    ----------
    contestants
        In the order given.
    metric
        The main metric: the first that the first contestant's recipe names. It alone carries
        verdicts.
    data, on, rows
        What the data are called, "test" or "validation", and how many rows were judged.
    confidence
        Of each interval.
    comparisons
        How many others there are; the joint intervals hold for all of them at once.
    cautions
        What a reader must know before believing the numbers.
    command
        What to type to do it again.
    best
        Names of the contestants that are not told apart from the best in the main metric.
    control
        The first contestant timed twice: ratio of the two, for one row and for a batch.
    unfinished
        Trainings that an interruption left out, as (contestant, seed).
    versions
        Of layerkit, Python, NumPy, and the machine's kind.
    """

    contestants: tuple[Contestant, ...]
    metric: str
    data: str
    on: str
    rows: int
    confidence: float
    cautions: tuple[str, ...] = ()
    command: str = ""
    best: tuple[str, ...] = ()
    control: tuple[float, float] | None = None
    unfinished: tuple[tuple[str, int], ...] = ()
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def comparisons(self) -> int:
        """How many contestants are compared with the first."""
        return max(1, len(self.contestants) - 1)

    @property
    def metrics(self) -> list[str]:
        """Names of all metrics, the main one first, the loss last."""
        names = dict.fromkeys(name for c in self.contestants for name in c.metrics)
        rest = [name for name in names if name not in (self.metric, "loss")]
        return [n for n in (self.metric, *rest) if n in names] + (
            ["loss"] if "loss" in names and self.metric != "loss" else []
        )

    @property
    def ranked(self) -> list[Contestant]:
        """The contestants that are compared with the first in the main metric, best first."""
        return ranked(self.contestants, self.metric)

    @property
    def compared(self) -> bool:
        """Whether there is any difference to tell."""
        return bool(self.ranked)

    @property
    def headline(self) -> list[str]:
        """What came out, a sentence for each contestant but the first, the best first."""
        return headline(self.contestants, self.metric)

    @property
    def footnotes(self) -> list[str]:
        """What the table's numbers mean and do not mean, cautions first."""
        from layerkit.comparison.notes import footnotes

        return footnotes(self)

    def table(self) -> list[list[str]]:
        """The table for a terminal: a row of headings, then one row for each contestant."""
        from layerkit.comparison.tables import terminal_table

        return terminal_table(self)

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values; numbers that are not finite are None."""
        from layerkit.comparison.tables import json_values

        return json_values(self)

    def to_csv(self) -> str:
        """One line for each contestant and metric, with a heading line; cells are not rounded."""
        from layerkit.comparison.tables import csv_text

        return csv_text(self)

    def to_html(self) -> str:
        """One page that needs nothing else: no script, no network."""
        from layerkit.comparison.report import page

        return page(self)
