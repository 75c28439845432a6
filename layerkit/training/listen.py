"""What training tells whoever watches: a progress bar, a log, a test."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["Listener"]


class Listener:
    """Told of each step of a training; does nothing by itself. Subclass and override."""

    def begin(self, name: str, *, seed: int, epochs: int, rows: int) -> None:
        """A run begins on ``rows`` training rows."""

    def batch(self, done: int, rows: int) -> None:
        """``done`` of the epoch's ``rows`` have been seen."""

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Epoch number ``epoch``, counted from 1, has ended with these values."""

    def notice(self, text: str) -> None:
        """Something the user should know."""

    def end(self, seconds: float) -> None:
        """The run has ended after ``seconds`` of training."""

    def stop(self) -> bool:
        """Whether to stop after this batch; asked after each one."""
        return False
