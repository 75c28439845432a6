"""Callback interface of a training: for a progress bar, a log, a test."""

from __future__ import annotations

from collections.abc import Mapping


class Listener:
    """Callback interface: override the methods you need."""

    def begin(self, name: str, *, seed: int, epochs: int, rows: int) -> None:
        """A run begins on ``rows`` training rows."""

    def batch(self, done: int, rows: int) -> None:
        """``done`` of the epoch's ``rows`` have been trained on."""

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Epoch number ``epoch``, counted from 1, has ended with these values."""

    def notice(self, text: str) -> None:
        """There is something the user should know."""

    def end(self, seconds: float) -> None:
        """The run has ended after ``seconds`` of training."""

    def stop(self) -> bool:
        """Whether to stop the training; called after each batch."""
        return False
