"""How many rows are done, on a terminal, once it takes longer than a moment."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from layerkit.cli import console

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["RowBar"]

_MOMENT = 0.5  # seconds


class _Counting(Protocol):
    rows: int


class RowBar:
    """A line on standard error that counts rows; a context manager.

    Parameters
    ----------
    shown
        Whether it is wanted; it is shown only if standard error is a terminal.
    """

    def __init__(self, *, shown: bool) -> None:
        dumb = bool(os.environ.get("CI")) or os.environ.get("TERM") == "dumb"
        self._shown = shown and not dumb and sys.stderr.isatty()
        self._began = time.monotonic()
        self._bar: Progress | None = None
        self._task: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def watched(self, texts: Iterator[str], counting: _Counting) -> Iterator[str]:
        """``texts`` as they are; ``counting`` knows after each how many rows are done."""
        for text in texts:
            yield text
            if self._shown and time.monotonic() - self._began > _MOMENT:
                self._show(counting.rows)

    def _show(self, rows: int) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.fields[rows]} rows", markup=False),
                TimeElapsedColumn(),
                console=Console(stderr=True, markup=False, emoji=False, highlight=False),
                transient=True,
            )
            self._task = self._bar.add_task("", total=None, rows="")
            self._bar.start()
        self._bar.update(self._task, rows=console.number(rows))
