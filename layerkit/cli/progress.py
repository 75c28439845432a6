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
from layerkit.cli.layout import fitted
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

    def stopped(self, message: str, hint: str) -> KeyboardInterrupt:
        """Say how far it is and how to go on; the error that ends the command."""
        if not self.silent:
            for text in (message, hint):
                console.err(printable(text))
        kind = TerminationSignal if self.signal == signal.SIGTERM else KeyboardInterrupt
        error = kind(message)
        error.hint = hint  # type: ignore[attr-defined]  # for --json
        return error

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
    """One progress bar per run, as wide as the terminal at most."""

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
        bar, label = _shares(printable(name), seed, epochs)
        self._bar = _rich_progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=bar),
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}", markup=False),
            TextColumn("{task.fields[metrics]}", markup=False),
            TimeRemainingColumn(elapsed_when_finished=True, compact=True),
        )
        self._bar.add_task(label, total=rows * epochs, epoch=0, epochs=epochs, metrics="")
        self._bar.start()

    def batch(self, done: int, rows: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            task = self._bar.tasks[0]
            self._bar.update(task.id, completed=task.fields["epoch"] * rows + done)

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Show those of the epoch's values for which there is room beside the bar."""
        if self._bar is not None:
            done = None if self.interrupted else epoch * self._rows
            task = self._bar.tasks[0]
            bar, _ = _shares("", 0, self.epochs)
            taken = len(task.description) + bar + _epoch_width(self.epochs) + _TIME + 4
            metrics = _fitting(values, _columns() - taken)
            self._bar.update(task.id, completed=done, epoch=epoch, metrics=metrics)

    def end(self, seconds: float) -> None:
        """Leave the bar as it is."""
        self._close()

    def show(self, text: str) -> None:
        """Write lines above the bar."""
        if self._bar is None:
            super().show(text)
        else:
            lines = fitted(text, _columns())
            self._bar.console.print(lines, markup=False, highlight=False, soft_wrap=True)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


_TIME = len("0:00:00")  # 00:00 below an hour
_LOSS, _METRIC = len("loss 0.0001234"), len("  accuracy 100.00 %")


def _columns() -> int:
    return console.width(sys.stderr) or 80


def _epoch_width(epochs: int) -> int:
    return len(f"epoch {epochs}/{epochs}")


def _shares(name: str, seed: int, epochs: int) -> tuple[int, str]:
    """The width of the bar, and the label in front of it: a long name is cut, its seed is not.

    They leave room for a loss and a metric.
    """
    columns = _columns()
    bar = 24 if columns >= 100 else 7 if columns >= 70 else 6
    values = _LOSS + (_METRIC if columns >= 70 else 0)
    room = columns - bar - _epoch_width(epochs) - _TIME - values - 4
    mark = f"seed {seed}"
    if len(name) + 1 + len(mark) <= room:
        return bar, f"{name} {mark}"
    cut = room - len(mark) - len("... ")
    return bar, f"{name[:cut]}... {mark}" if cut > 3 else mark


def _fitting(values: Mapping[str, float], room: int) -> str:
    """The most important values in at most ``room`` characters: losses first, then metrics.

    The first metric on validation rows counts more than the same on training rows.
    """
    names = [name for name in values if name != "learning_rate"]
    held_out = [name for name in names if name.startswith("val_") and name != "val_loss"]
    first = ["loss", *[n for n in names if n == "val_loss"], *(held_out or names)[:1]]
    shown = ""
    for name in dict.fromkeys([*first, *names]):
        text = f"{printable(name)} {console.metric(name, values[name])}"
        if len(shown) + len(text) + (2 if shown else 0) <= room:
            shown += f"  {text}" if shown else text
    return shown


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
            self._show(counted(tally.rows, "row"))

    def share(self, done: int, total: int) -> None:
        """Show how much of all rows is done."""
        self._show(f"{100 * done // max(1, total)} %")

    def _show(self, text: str) -> None:
        if not self._shown or time.monotonic() - self._began < _MOMENT:
            return
        if self._bar is None:
            from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

            column = TextColumn("{task.fields[done]}", markup=False)
            self._bar = _rich_progress(SpinnerColumn(), column, TimeElapsedColumn(), transient=True)
            self._bar.add_task("", total=None, done="")
            self._bar.start()
        self._bar.update(self._bar.tasks[0].id, done=text)
