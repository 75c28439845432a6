"""Training as it is watched: a bar on a terminal, a line an epoch elsewhere, and signals."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from layerkit.cli import console, failures
from layerkit.display import printable
from layerkit.training import Listener

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["Bar", "Lines", "Quiet", "watcher"]


def watcher(*, quiet: bool, as_json: bool) -> Quiet:
    """The listener that suits where standard error goes."""
    if quiet or as_json:
        return Quiet(silent=as_json)
    dumb = bool(os.environ.get("CI")) or os.environ.get("TERM") == "dumb"
    return Lines() if dumb or not sys.stderr.isatty() else Bar()


class Quiet(Listener):
    """Shows nothing but notices, and stops a training at the first signal; a context manager.

    Signals are SIGINT (Ctrl-C) and SIGTERM. Before a training has begun, and the second time, they
    raise KeyboardInterrupt at once. ``notices`` keeps what there was to tell.
    """

    def __init__(self, *, silent: bool = False) -> None:
        self.silent = silent
        self.promise = "then saving"
        self.interrupted = False
        self.signal: int = signal.SIGINT
        self.notices: list[str] = []
        self.epochs = 0
        self.label = ""
        self._begun = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._stopped)
        return self

    @property
    def exit_code(self) -> int:
        """How a command ends that a signal stopped."""
        return 128 + self.signal

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._before:
            signal.signal(*self._before.popitem())
        if kind is KeyboardInterrupt and self.signal == signal.SIGTERM:
            raise failures.Terminated from error

    def begin(self, name: str, *, seed: int, epochs: int, rows: int) -> None:
        """From here on a signal leaves something worth saving."""
        self.epochs, self.label = epochs, f"{printable(name)} seed {seed}"
        self._begun = True

    def _stopped(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        again = self.interrupted
        self.interrupted = True  # also where it raises: a C callback (of numba) may lose that
        if again or not self._begun:
            raise failures.Terminated if number == signal.SIGTERM else KeyboardInterrupt
        if not self.silent:
            more = "Ctrl-C again" if number == signal.SIGINT else "a second signal"
            with suppress(OSError):  # print is not allowed in a signal handler
                text = f"\nstopping after this batch, {self.promise}; {more} stops at once\n"
                os.write(2, text.encode())

    def stop(self) -> bool:
        """Whether a signal came."""
        return self.interrupted

    def notice(self, text: str) -> None:
        """Show it on standard error, as a warning; what several runs have to tell, once."""
        told = text in self.notices
        self.notices.append(text)
        if not (told or self.silent):
            self.show("warning: " + "\n".join(map(printable, text.split("\n"))))

    def show(self, text: str) -> None:
        """One line, on standard error."""
        console.note(text)


class Lines(Quiet):
    """One line an epoch, on standard error."""

    def begin(self, name: str, *, seed: int, epochs: int, rows: int) -> None:
        """Say what is trained."""
        super().begin(name, seed=seed, epochs=epochs, rows=rows)
        self.show(f"{self.label}: {console.number(rows)} rows, {console.number(epochs)} epochs")

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Say what came of it."""
        self.show(f"epoch {epoch:>{len(str(self.epochs))}}/{self.epochs}  {_told(values)}")


class Bar(Quiet):
    """A progress bar on standard error, one for each run."""

    def __init__(self) -> None:
        super().__init__()
        self._bar: Progress | None = None
        self._task: Any = None
        self._rows = 0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()
        super().__exit__(kind, error, trace)

    def begin(self, name: str, *, seed: int, epochs: int, rows: int) -> None:
        """Draw the bar at zero."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        super().begin(name, seed=seed, epochs=epochs, rows=rows)
        self._close()
        self._rows = rows
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}", markup=False),
            TextColumn("{task.fields[told]}", markup=False),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=Console(stderr=True, markup=False, emoji=False, highlight=False),
        )
        self._task = self._bar.add_task(
            self.label, total=rows * epochs, epoch=0, epochs=epochs, told=""
        )
        self._bar.start()

    def batch(self, done: int, rows: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            epoch = self._bar.tasks[0].fields["epoch"]
            self._bar.update(self._task, completed=epoch * rows + done)

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Show the epoch's values beside the bar."""
        if self._bar is not None:
            done = None if self.interrupted else epoch * self._rows
            self._bar.update(self._task, completed=done, epoch=epoch, told=_told(values))

    def end(self, seconds: float) -> None:
        """Leave the bar as it is."""
        self._close()

    def show(self, text: str) -> None:
        """One line, above the bar."""
        if self._bar is None:
            super().show(text)
        else:
            self._bar.console.print(text, markup=False, highlight=False)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _told(values: Mapping[str, float]) -> str:
    """The epoch's values in a line; the learning rate is in the history of the model."""
    return "  ".join(
        f"{printable(name)} {console.metric(name, value)}"
        for name, value in values.items()
        if name != "learning_rate"
    )
