"""One training, which may diverge; every warning is recorded."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from layerkit.core.rows import Rows
from layerkit.errors import TrainingDivergedError
from layerkit.model import Model
from layerkit.specs import Spec
from layerkit.training import Listener, train


@dataclass(frozen=True)
class StoredRun:
    """One finished training."""

    model: Model | None  # None if it diverged
    seconds: float | None  # None if unknown
    notices: tuple[str, ...] = ()
    diverged: str | None = None  # why


class NoticeRecorder(Listener):
    """Passes everything on to ``listener``, and records the notices of each run.

    A contestant's notice is passed on only once, because all its seeds usually give it.
    """

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.notices: list[str] = []
        self._passed_on: set[tuple[str, str]] = set()
        self._name = ""
        for name in ("begin", "batch", "epoch", "end", "stop"):  # only notices are recorded
            setattr(self, name, getattr(listener, name))

    def start_run(self, name: str) -> None:
        """Record the notices of a new run of ``name``."""
        self._name, self.notices = name, []

    def notice(self, text: str) -> None:
        """Record it, and pass it on the first time."""
        if self._is_new(text):
            self.listener.notice(f"{self._name}: {text}")

    @contextmanager
    def python_warnings(self) -> Iterator[None]:
        """Record Python's warnings within, and issue them afterwards."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        for held in caught:
            if self._is_new(str(held.message)):
                warnings.warn_explicit(held.message, held.category, held.filename, held.lineno)

    def _is_new(self, text: str) -> bool:
        """Record ``text``; whether the contestant gives it for the first time."""
        if text not in self.notices:
            self.notices.append(text)
        key = (self._name, text)
        is_new = key not in self._passed_on
        self._passed_on.add(key)
        return is_new


def train_once(
    spec: Spec,
    seed: int,
    splits: Mapping[str, Rows],
    recorder: NoticeRecorder,
    name: str,
    validation: Rows | None = None,
) -> StoredRun | None:
    """One training, which may diverge; None if the listener stopped it."""
    try:
        with recorder.python_warnings():
            trained = train(
                spec, data=splits, validation_data=validation, seed=seed, listener=recorder
            )
    except TrainingDivergedError as error:
        recorder.listener.notice(f"{name}, seed {seed}: {error.message}")
        return StoredRun(None, None, tuple(recorder.notices), error.message)
    if trained.ended == "interrupted":
        return None
    return StoredRun(trained.model, trained.seconds, tuple(recorder.notices))
