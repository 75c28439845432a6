"""Listeners and callbacks: code of others that a training calls as it goes on.

Four hooks tell what has happened (``begin``, ``batch``, ``epoch``, ``end``), and three questions
are asked: ``stop`` after each batch, ``retry`` after each epoch, ``over`` before each epoch.
A hook that a class does not override costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol

from layerkit.core.parts import Part

if TYPE_CHECKING:
    from layerkit.model import Model
    from layerkit.specs import Spec

Outcome = Literal["finished", "early", "interrupted"]
"""How a run ended: all epochs; a callback's ``over``; or a ``stop`` that no ``over`` explains."""


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


class Training(Protocol):
    """What a callback sees of its training, as ``self.training``.

    Attributes
    ----------
    spec, model
        What is trained; the model's ``history`` and ``metrics`` are filled in before ``end``.
    seed, epochs, rows
        Of the run: its seed, the total of epochs, and the number of training rows.
    done
        Completed epochs. More than 0 in ``begin`` if the training is resumed.
    outcome
        Empty while it runs. Then "finished", "early", "interrupted", "diverged", or "failed": a
        callback has raised.
    reason
        What a callback's ``over`` has given as the reason why the training is over, or empty.
    """

    model: Model
    done: int
    outcome: str
    reason: str

    @property
    def spec(self) -> Spec:
        """The resolved spec."""

    @property
    def seed(self) -> int:
        """The run's seed."""

    @property
    def epochs(self) -> int:
        """Total number of epochs."""

    @property
    def rows(self) -> int:
        """Number of training rows."""

    def notice(self, text: str) -> None:
        """Tell the user ``text``."""

    def rises(self, name: str) -> bool:
        """Whether the value called ``name``, such as "val_accuracy", is better if it is higher."""

    def keep(self, epoch: int | None = None) -> None:
        """Let the training end with the weights that the network has now, those of ``epoch``.

        By default that is the last completed one. A callback that has kept weights calls it again
        in ``restore``, when the network has the weights that were kept.
        """

    def save(self, path: str, *, then: Callable[[], object] | None = None) -> None:
        """Save the model, ready to be resumed, as soon as all callbacks have seen this epoch.

        A failure is a notice: the training goes on, and what was at ``path`` before is intact.
        ``then`` is called after success.
        """


class Callback(Part, Listener):
    """A listener with settings that takes part in a training.

    Specs name it in ``train.callbacks``. Its settings are its constructor's keywords, which it only
    stores; what it learns during a training is set in ``restore`` and belongs to its ``state``. If
    it raises, the training ends as interrupted: no completed epoch is lost.
    """

    training: Training
    """The training; set before anything is called."""

    @property
    def watched(self) -> tuple[str, ...]:
        """Names of values it needs, such as "val_loss"; a training without them is refused."""
        return ()

    def over(self) -> str:
        """Why the training is over, asked before each epoch; empty to go on."""
        return ""

    def retry(self, epoch: int, values: Mapping[str, float]) -> float | None:
        """A factor for the learning rate with which to train this epoch again, or None.

        Asked before ``epoch``, and also if the training has diverged: then the loss is NaN. The
        epoch is undone, and the factor applies from then on.
        """
        return None

    def state(self) -> dict[str, Any]:
        """What it must know to be resumed: plain JSON values, no times. Saved in checkpoints."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what ``state`` has returned; from ``{}`` in a new training.

        Raises
        ------
        ValueError
            If ``state``, which comes from a file, is not what it should be.
        """
