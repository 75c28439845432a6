"""One training, which may diverge; every warning is recorded."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from layerkit.core.rows import Rows
from layerkit.errors import LayerkitError, PluginLoadError, TrainingDivergedError
from layerkit.file.load import load
from layerkit.file.save import save
from layerkit.model import Model
from layerkit.specs import Spec
from layerkit.training import Listener, train
from layerkit.training.run import resumed_session
from layerkit.training.session import Session

EVERY = 30.0  # seconds between checkpoints


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
    checkpoint: Path | None = None,
    callbacks: Sequence[Listener] = (),
) -> StoredRun | None:
    """One training, which may diverge; None if the listener stopped it.

    It goes on from ``checkpoint``, if that holds a training of these rows, and keeps it up to date.
    ``callbacks`` take part in it beside those of the spec.
    """
    rows: dict[str, Any] = {"data": splits, "validation_data": validation}
    if checkpoint is not None:
        rows |= {"checkpoint": partial(_save, path=checkpoint), "every": EVERY}
    begun: Session | None = None
    try:
        with recorder.python_warnings():
            if checkpoint is not None and checkpoint.exists():
                begun = _begun(spec, checkpoint, recorder, rows)
            if begun is None:
                told = [recorder, *callbacks] if callbacks else recorder
                trained = train(spec, seed=seed, listener=told, **rows)
            else:
                trained = begun.run()
    except PluginLoadError:
        if checkpoint is None:
            raise
        # No file can hold it.
        return train_once(spec, seed, splits, recorder, name, validation, callbacks=callbacks)
    except TrainingDivergedError as error:
        recorder.listener.notice(f"{name}, seed {seed}: {error.message}")
        return StoredRun(None, None, tuple(recorder.notices), error.message)
    if trained.ended == "interrupted":
        if checkpoint is not None and trained.epochs:
            try:
                _save(trained.model, checkpoint)
            except (LayerkitError, OSError) as error:
                recorder.listener.notice(f"the run that was stopped is lost ({error})")
        return None
    seconds = trained.seconds if begun is None else None  # those before are not known
    return StoredRun(trained.model, seconds, tuple(recorder.notices))


def _begun(
    spec: Spec, checkpoint: Path, recorder: NoticeRecorder, rows: Mapping[str, Any]
) -> Session | None:
    """The training that has left a checkpoint; None, with a notice, if it cannot go on."""
    try:
        model = load(checkpoint)
        model.spec = replace(model.spec, name=spec.name)  # another study may have begun it
        return resumed_session(model, listener=recorder, **rows)
    except (LayerkitError, OSError) as error:
        first = str(error).partition("\n")[0]
        recorder.listener.notice(f"{checkpoint}: it begins again, because {first}")
        return None


def _save(model: Model, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save(model, path)
