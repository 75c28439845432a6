"""The public result of ``compare``: its data, and the forms that they are written in."""

from __future__ import annotations

from typing import Any

from layerkit.comparison.cost_figures import answer_figures
from layerkit.comparison.footnotes import footnotes
from layerkit.comparison.pictures import curve_figures, score_figures
from layerkit.comparison.report.page import html_page
from layerkit.comparison.results import ComparisonResult
from layerkit.comparison.sentences import headline
from layerkit.comparison.tables import csv_text, json_values, terminal_table
from layerkit.figures import Figure


class Comparison(ComparisonResult):
    """A finished comparison; its fields are those of ``ComparisonResult``."""

    @property
    def headline(self) -> list[str]:
        """The result: a sentence for each contestant but the first, the best first."""
        return headline(self)

    @property
    def footnotes(self) -> list[str]:
        """What the numbers of the table mean and do not mean, cautions first."""
        return footnotes(self)

    def table(self) -> list[list[str]]:
        """The table for a terminal: a row of headings, then one row per contestant."""
        return terminal_table(self)

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values; numbers that are not finite are None."""
        return json_values(self)

    def to_csv(self) -> str:
        """One line per contestant and metric, after a line of headings; numbers are not rounded."""
        return csv_text(self)

    def figures(self) -> tuple[Figure, ...]:
        """The pictures of the page as data, for ``layerkit.figures.save_figures``."""
        return (*score_figures(self), *curve_figures(self), *answer_figures(self))

    def to_html(self) -> str:
        """One page that needs nothing else: no script, no network."""
        return html_page(self)
