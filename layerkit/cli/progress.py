"""Progress of a training or a prediction on standard error, and what a signal does meanwhile."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

from layerkit.cli import console
from layerkit.cli.failures import TerminationSignal
from layerkit.data.readers.csv_dialect import ASSUMED
from layerkit.display import counted, printable
from layerkit.training import Listener

if TYPE_CHECKING:
    from rich.progress import Progress

    from layerkit.datacontract.out_of_range import OutOfRangeCount

_NOTE = re.compile(rf"(.+: )?{ASSUMED}")  # perhaps after the name of a contestant
_MOMENT = 0.5  # seconds


def training_progress(*, quiet: bool, as_json: bool) -> TrainingProgress:
    """The listener that suits where standard error goes."""
    if quiet or as_json:
        return TrainingProgress(silent=as_json)
    return ProgressBar() if _on_terminal() else ProgressLines()


def _on_terminal() -> bool:
    dumb = bool(os.environ.get("CI")) or os.environ.get("TERM") == "dumb"
    return sys.stderr.isatty() and not dumb


class TrainingProgress(Listener):
    """Stops a training at the first signal and shows notices only; a context manager.

    Signals are SIGINT (Ctrl-C) and SIGTERM. Before a training has begun, and the second time, they
    raise KeyboardInterrupt at once. ``notices`` collects all notices; ``silent`` shows none.
    """

    def __init__(self, *, silent: bool = False) -> None:
        self.silent = silent
        self.after_stop = "saving"
        self.interrupted = False
        self.signal: int = signal.SIGINT
        self.notices: list[str] = []
        self.epochs = 0
        self.label = ""
        self._begun = False
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        while self._handlers:
            signal.signal(*self._handlers.popitem())
        if kind is KeyboardInterrupt and self.signal == signal.SIGTERM:
            raise TerminationSignal from error

    @property
    def exit_code(self) -> int:
        """The exit code of a command that a signal stopped."""
        return 128 + self.signal

    def begin(self, name: str, *, seed: int, epochs: int, rows: int) -> None:
        """From here on a signal leaves something worth saving."""
        self.epochs, self.label = epochs, f"{printable(name)} seed {seed}"
        self._begun = True

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        again = self.interrupted
        self.interrupted = True  # before raising: a ctypes callback may swallow the exception
        if again or not self._begun:
            raise TerminationSignal if number == signal.SIGTERM else KeyboardInterrupt
        if not self.silent:
            second = "Ctrl-C again" if number == signal.SIGINT else "a second signal"
            text = f"stopping after this batch, then {self.after_stop}; {second} stops at once"
            with suppress(OSError):  # print is not allowed in a signal handler
                os.write(2, f"\n{text}\n".encode())

    def stop(self) -> bool:
        """Whether a signal was received."""
        return self.interrupted

    def notice(self, text: str) -> None:
        """Show a note or a warning, once even if several runs give it."""
        known = text in self.notices
        self.notices.append(text)
        if not (known or self.silent):
            self.show(console.labelled("note" if _NOTE.match(text) else "warning", text))

    def show(self, text: str) -> None:
        """Write a line to standard error."""
        console.err(text)


class ProgressLines(TrainingProgress):
    """One line per epoch."""

    def begin(self, name: str, *, seed: int, epochs: int, rows: int) -> None:
        """Show what is trained."""
        super().begin(name, seed=seed, epochs=epochs, rows=rows)
        self.show(f"{self.label}: {counted(rows, 'row')}, {counted(epochs, 'epoch')}")

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Show the epoch's values."""
        self.show(f"epoch {epoch:>{len(str(self.epochs))}}/{self.epochs}  {_metrics(values)}")


class ProgressBar(TrainingProgress):
    """One progress bar per run."""

    def __init__(self) -> None:
        super().__init__()
        self._bar: Progress | None = None
        self._rows = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        self._close()
        super().__exit__(kind, error, trace)

    def begin(self, name: str, *, seed: int, epochs: int, rows: int) -> None:
        """Draw the bar at zero."""
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

        super().begin(name, seed=seed, epochs=epochs, rows=rows)
        self._close()
        self._rows = rows
        self._bar = _rich_progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}", markup=False),
            TextColumn("{task.fields[metrics]}", markup=False),
            TimeRemainingColumn(elapsed_when_finished=True),
        )
        self._bar.add_task(self.label, total=rows * epochs, epoch=0, epochs=epochs, metrics="")
        self._bar.start()

    def batch(self, done: int, rows: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            task = self._bar.tasks[0]
            self._bar.update(task.id, completed=task.fields["epoch"] * rows + done)

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Show the epoch's values beside the bar."""
        if self._bar is not None:
            done = None if self.interrupted else epoch * self._rows
            task = self._bar.tasks[0].id
            self._bar.update(task, completed=done, epoch=epoch, metrics=_metrics(values))

    def end(self, seconds: float) -> None:
        """Leave the bar as it is."""
        self._close()

    def show(self, text: str) -> None:
        """Write a line above the bar."""
        if self._bar is None:
            super().show(text)
        else:
            self._bar.console.print(text, markup=False, highlight=False)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _metrics(values: Mapping[str, float]) -> str:
    """The epoch's values in one line, without the learning rate."""
    return "  ".join(
        f"{printable(name)} {console.metric(name, value)}"
        for name, value in values.items()
        if name != "learning_rate"
    )


def _rich_progress(*columns: Any, transient: bool = False) -> Progress:
    from rich.console import Console
    from rich.progress import Progress

    stderr = Console(stderr=True, markup=False, emoji=False, highlight=False)
    return Progress(*columns, console=stderr, transient=transient)


class RowCounter:
    """Counts rows on a terminal once a prediction takes a while; a context manager."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown and _on_terminal()
        self._began = time.monotonic()
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def watched(self, texts: Iterator[str], tally: OutOfRangeCount) -> Iterator[str]:
        """Pass ``texts`` on; after each, ``tally.rows`` is the number of rows done."""
        for text in texts:
            yield text
            if self._shown and time.monotonic() - self._began > _MOMENT:
                self._show(tally.rows)

    def _show(self, rows: int) -> None:
        if self._bar is None:
            from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

            text = TextColumn("{task.fields[rows]}", markup=False)
            self._bar = _rich_progress(SpinnerColumn(), text, TimeElapsedColumn(), transient=True)
            self._bar.add_task("", total=None, rows="")
            self._bar.start()
        self._bar.update(self._bar.tasks[0].id, rows=counted(rows, "row"))
