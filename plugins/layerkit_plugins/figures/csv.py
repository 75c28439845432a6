"""csv: the numbers of a figure, for any other chart library."""

from __future__ import annotations

from layerkit import Renderer
from layerkit.data import spreadsheet
from layerkit.figures import HEAD, Figure, numbers

__all__ = ["Csv"]


class Csv(Renderer):
    """One line per point, interval, bar or cell, with exact numbers; empty where there is none.

    Source: RFC 4180.
    """

    type_name = "csv"
    extension = ".csv"

    def content(self, figure: Figure) -> bytes:
        """UTF-8 with a line of names."""
        return "".join(spreadsheet.line(row) + "\n" for row in [HEAD, *numbers(figure)]).encode()
