"""The listeners and callbacks of one training, told and asked together.

An exception that one of them raises becomes a ``CallbackError``, after all others were told.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from layerkit.core.callback import Callback, Listener, Training
from layerkit.core.parts import Schedule
from layerkit.display import quoted
from layerkit.errors import CallbackError, LayerkitError, SpecError

Listeners = Listener | Sequence[Listener] | None
"""What ``listener=`` takes."""

_T = TypeVar("_T")
_TAKEN = ("data", "schedule", "trials")  # what else ``training.callbacks`` of a file holds


class Callbacks:
    """Those given in Python, then those of the spec; each is told everything in this order.

    Raises SpecError if the spec names one twice with equal settings: both would write one file.
    """

    def __init__(self, given: Listeners, of_spec: Iterable[Callback] = ()) -> None:
        listed = list(of_spec)
        _refuse_twins(listed)
        self.all = [*_listed(given), *listed]
        self.named: dict[str, Callback] = {}
        for one in self.all:
            if isinstance(one, Callback):
                self.named[_free(_name(one), {*_TAKEN, *self.named})] = one
        self._batch = [one for one in self.all if _overrides(one, "batch")]
        self._stop = [one for one in self.all if _overrides(one, "stop")]

    @property
    def after_batch(self) -> Callable[[int, int], bool] | None:
        """Tells of a batch and asks whether to stop; None if nobody listens."""
        return self._after_batch if self._batch or self._stop else None

    def _after_batch(self, done: int, rows: int) -> bool:
        for one in self._batch:
            try:
                one.batch(done, rows)
            except Exception as error:
                raise _failure(one, "batch", error) from error
        return any(self._asked(one, "stop", bool) for one in self._stop)

    def begin(self, name: str, *, seed: int, epochs: int, rows: int) -> None:
        """Tell all; an error of layerkit is raised as it is, since there is nothing to lose."""
        for one in self.all:
            try:
                one.begin(name, seed=seed, epochs=epochs, rows=rows)
            except LayerkitError:
                raise
            except Exception as error:
                raise _failure(one, "begin", error) from error

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Tell all of a completed epoch."""
        self._tell(self.all, "epoch", epoch, values)

    def notice(self, text: str) -> None:
        """Tell all what the user should know."""
        self._tell(self.all, "notice", text)

    def end(self, seconds: float) -> None:
        """Tell all that the training has ended."""
        self._tell(self.all, "end", seconds)

    def over(self) -> str:
        """The first reason that a callback gives why the training is over, or empty."""
        found = (self._asked(one, "over", _reason) for one in self.named.values())
        return next((reason for reason in found if reason), "")

    def retry(self, epoch: int, values: Mapping[str, float]) -> float | None:
        """The factor of the first callback that wants the epoch to be trained again, or None."""
        for one in self.named.values():
            factor = self._asked(one, "retry", _factor, epoch, values)
            if factor is not None:
                return factor
        return None

    def check_watched(self, measured: Sequence[str], *, held_out: bool) -> None:
        """``check_watched`` for each callback."""
        for name, one in self.named.items():
            where = f"train.{name}" if name == "early_stopping" else "train.callbacks"
            check_watched(one, name, where, measured, held_out=held_out)

    def states(self, notice: Callable[[str], None]) -> dict[str, dict[str, Any]]:
        """The states that are not empty, by name, as JSON values; what is not is told instead."""
        found = {}
        for name, one in self.named.items():
            try:
                state = json.loads(json.dumps(one.state()))
            except Exception as error:  # noqa: BLE001  # whatever: the model must be saved
                notice(f"callback {name!r} cannot be resumed: its state raised {_said(error)}")
                continue
            if state:
                found[name] = state
        return found

    def restore(self, training: Training, states: Mapping[str, Any]) -> None:
        """Give each callback its training and its state; raises SpecError for a wrong state."""
        for name, one in self.named.items():
            one.training = training
            state = states.get(name, {})
            try:
                one.restore(dict(state))
            except Exception as error:  # the state comes from a file
                if not state:
                    raise _failure(one, "restore", error) from error
                reason = str(error) if isinstance(error, ValueError) else _said(error)
                raise SpecError(reason, location=f"training.callbacks.{name}") from error

    def _tell(self, some: Sequence[Listener], hook: str, *facts: Any) -> None:
        """Call ``hook`` of ``some``; the first exception is raised after the last call."""
        failed: tuple[Listener, Exception] | None = None
        for one in some:
            try:
                getattr(one, hook)(*facts)
            except Exception as error:  # noqa: BLE001  # raised below
                failed = failed or (one, error)
        if failed is not None:
            raise _failure(failed[0], hook, failed[1]) from failed[1]

    def _asked(self, one: Listener, question: str, read: Callable[[Any], _T], *facts: Any) -> _T:
        """The answer of ``one``, as ``read`` gives it; what ``read`` raises is its error too."""
        try:
            return read(getattr(one, question)(*facts))
        except Exception as error:
            raise _failure(one, question, error) from error


def check_watched(
    part: Callback | Schedule, name: str, where: str, measured: Sequence[str], *, held_out: bool
) -> None:
    """Refuse, with a SpecError, a part that needs a value which will not be there.

    ``measured`` are names such as "loss", measured on validation rows too if there are any:
    ``held_out``. ``name`` and ``where`` are of the part in the spec.
    """
    on_others = [f"val_{name}" for name in measured]
    for value in part.watched:
        if value in on_others and not held_out:
            raise SpecError(
                f"{name.replace('_', ' ')} needs validation rows: set train.validation (0.1, say) "
                "or give validation data",
                location=where,
            )
        if value not in (*measured, *on_others, "learning_rate"):
            raise SpecError(
                f"{name} watches {quoted(value)}, which is none of the values of this training: "
                f"{', '.join([*measured, *on_others])}",
                location=where,
            )


def _reason(answer: object) -> str:
    if answer is None or isinstance(answer, str):
        return answer or ""
    raise TypeError(f"expected a reason as text, or '', got {quoted(answer)}")


def _factor(answer: Any) -> float | None:
    if answer is None:
        return None
    if not 0 < answer < math.inf:
        raise ValueError(f"expected a factor > 0, got {answer!r}")
    return float(answer)


def _refuse_twins(callbacks: Sequence[Callback]) -> None:
    for j, one in enumerate(callbacks):
        for i, other in enumerate(callbacks[:j]):
            if type(one) is type(other) and one.config == other.config:
                raise SpecError(
                    f"{_name(one)} is listed twice with equal settings: as number {i} and {j}",
                    location="train.callbacks",
                )


def _name(one: Listener) -> str:
    """The type name; that of the class where there is none, since Python's own need no entry."""
    found: str = getattr(one, "type_name", type(one).__name__)
    return found


def _failure(one: Listener, hook: str, error: Exception) -> CallbackError:
    name = _name(one)
    return CallbackError(f"callback {name!r}: {hook} raised {_said(error)}")


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _listed(given: Listeners) -> list[Listener]:
    if given is None:
        return []
    found = [given] if isinstance(given, Listener) else list(given)
    for one in found:
        if not isinstance(one, Listener):
            raise TypeError(
                f"listener: expected a Listener or Callback, or a list of them, got {quoted(one)}"
            )
    return found


def _overrides(one: Listener, hook: str) -> bool:
    return getattr(getattr(one, hook), "__func__", None) is not getattr(Listener, hook)


def _free(name: str, taken: set[str]) -> str:
    """``name``, or with a number behind it if it is taken."""
    names = (name if k == 1 else f"{name}_{k}" for k in range(1, len(taken) + 2))
    return next(one for one in names if one not in taken)
