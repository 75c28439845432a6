"""The specs of a comparison trained, seed by seed, with every warning noted and every run kept."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from layerkit.comparison.entries import Entry
from layerkit.comparison.kept import Kept, Shelf
from layerkit.comparison.results import Notice
from layerkit.core.rows import Rows
from layerkit.errors import TrainingDivergedError
from layerkit.training import Listener, train

__all__ = ["ComparisonStoppedError", "Noted", "noted", "train_all"]


class ComparisonStoppedError(KeyboardInterrupt):
    """The listener stopped a comparison before all trainings were done.

    Attributes
    ----------
    finished, unfinished
        (contestant, seed) of the trainings that are done, and of those that are not.
    folder
        Where the finished ones are kept; None if they are not.
    command
        What to type to go on.
    """

    command: str = ""

    def __init__(
        self,
        finished: Sequence[tuple[str, int]],
        unfinished: Sequence[tuple[str, int]],
        folder: Path | None,
    ) -> None:
        super().__init__("the comparison was stopped before it was complete")
        self.finished, self.unfinished, self.folder = tuple(finished), tuple(unfinished), folder


class Noted(Listener):
    """Passes all on to ``listener``, and keeps each notice with the run that gave it.

    A contestant's notice is passed on the first time only: eight seeds say the same.
    """

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.now: list[str] = []
        self._told: set[tuple[str, str]] = set()
        self._name = ""

    def of(self, name: str) -> None:
        """From here on a run of ``name`` is trained."""
        self._name, self.now = name, []

    def begin(self, name: str, *, seed: int, epochs: int, rows: int) -> None:
        """Pass it on."""
        self.listener.begin(name, seed=seed, epochs=epochs, rows=rows)

    def batch(self, done: int, rows: int) -> None:
        """Pass it on."""
        self.listener.batch(done, rows)

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Pass it on."""
        self.listener.epoch(epoch, values)

    def end(self, seconds: float) -> None:
        """Pass it on."""
        self.listener.end(seconds)

    def stop(self) -> bool:
        """Ask it."""
        return self.listener.stop()

    def notice(self, text: str) -> None:
        """Keep it, and pass it on the first time."""
        if text not in self.now:
            self.now.append(text)
        if (self._name, text) not in self._told:
            self._told.add((self._name, text))
            self.listener.notice(f"{self._name}: {text}")

    @contextmanager
    def python_warnings(self) -> Iterator[None]:
        """Note what Python warns of meanwhile, and warn of it as usual afterwards."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        for held in caught:
            text = str(held.message)
            if text not in self.now:
                self.now.append(text)
            if (self._name, text) not in self._told:
                self._told.add((self._name, text))
                warnings.warn_explicit(held.message, held.category, held.filename, held.lineno)


def train_all(
    entries: Sequence[Entry],
    splits: Mapping[str, Rows],
    seeds: int,
    listener: Listener,
    keep: Path | None,
) -> None:
    """Fill in ``models``, ``failures``, ``seconds``, ``notices`` and ``kept`` of each spec's entry.

    Contestants take turns within a seed, so that a machine that slows down slows all of them.

    Raises
    ------
    ComparisonStoppedError
        If the listener stops it; what is finished is kept.
    """
    specs = [e for e in entries if e.kind == "spec"]
    base = (entries[0].spec.train or {}).get("seed", 0)
    due = [(entry, seed) for seed in range(base, base + seeds) for entry in specs]
    shelf = Shelf(keep if due else None, splits)
    noted = Noted(listener)
    for i, (entry, seed) in enumerate(due):
        try:
            done = None if listener.stop() else _one(entry, seed, splits, shelf, noted)
        except KeyboardInterrupt:
            done = None
        if done is None:
            names = [(e.name, s) for e, s in due]
            raise ComparisonStoppedError(names[:i], names[i:], shelf.folder)
        if done.diverged is not None:
            entry.failures[seed] = done.diverged
        elif done.model is not None:
            entry.models[seed] = done.model
            if done.seconds is not None:
                entry.seconds[seed] = done.seconds
        if done.notices:
            entry.notices[seed] = done.notices


def _one(
    entry: Entry, seed: int, splits: Mapping[str, Rows], shelf: Shelf, noted: Noted
) -> Kept | None:
    """One training, or the one that is kept; None if the listener stopped it."""
    noted.of(entry.name)
    found, fault = shelf.find(entry.spec, seed)
    if fault is not None:
        noted.listener.notice(fault)
    if found is not None:
        entry.kept.append(seed)
        for text in found.notices:
            noted.notice(text)
        return found
    try:
        with noted.python_warnings():
            run = train(entry.spec, data=splits, seed=seed, listener=noted)
    except TrainingDivergedError as error:
        noted.listener.notice(f"{entry.name}, seed {seed}: {error.message}")
        done = Kept(None, None, tuple(noted.now), error.message)
    else:
        if run.ended == "interrupted":
            return None
        done = Kept(run.model, run.seconds, tuple(noted.now))
    fault = shelf.keep(entry.spec, seed, done)
    if fault is not None:
        noted.listener.notice(fault)
    return done


def noted(entry: Entry) -> tuple[Notice, ...]:
    """The warnings of an entry's trainings, each with its seeds."""
    seeds: dict[str, list[int]] = {}
    for seed, texts in entry.notices.items():
        for text in texts:
            seeds.setdefault(text, []).append(seed)
    return tuple(Notice(text, tuple(found)) for text, found in seeds.items())
