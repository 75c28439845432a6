"""Training the specs of a comparison, seed by seed; every warning is recorded, every run stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from layerkit.comparison.contestants import Entry
from layerkit.comparison.results import Notice
from layerkit.comparison.run_store import RunStore
from layerkit.core.rows import Rows
from layerkit.runs.training import NoticeRecorder, StoredRun, train_once
from layerkit.training import Listener


class ComparisonStoppedError(KeyboardInterrupt):
    """The listener stopped a comparison before all trainings were done.

    Attributes
    ----------
    finished, unfinished
        (contestant, seed) of the trainings that are done, and of those that are not.
    folder
        Where the finished ones are kept; None if they are not.
    command
        The command that continues.
    """

    command: str = ""

    def __init__(
        self,
        finished: Sequence[tuple[str, int]],
        unfinished: Sequence[tuple[str, int]],
        folder: Path | None,
    ) -> None:
        super().__init__("the comparison was stopped before all trainings were done")
        self.finished, self.unfinished, self.folder = tuple(finished), tuple(unfinished), folder


def train_entries(
    entries: Sequence[Entry],
    splits: Mapping[str, Rows],
    seeds: int,
    listener: Listener,
    folder: Path | None,
) -> None:
    """Fill in ``models``, ``failures``, ``seconds``, ``notices`` and ``kept`` of each spec's entry.

    Contestants take turns within a seed, so that a machine that slows down slows all of them.
    Raises ComparisonStoppedError if the listener stops it; ``folder`` keeps the finished runs.
    """
    specs = [e for e in entries if e.kind == "spec"]
    base = (entries[0].spec.train or {}).get("seed", 0)
    due = [(entry, seed) for seed in range(base, base + seeds) for entry in specs]
    store = RunStore(folder if due else None, splits, listener.notice)
    recorder = NoticeRecorder(listener)
    for i, (entry, seed) in enumerate(due):
        try:
            run = None if listener.stop() else _train(entry, seed, splits, store, recorder)
        except KeyboardInterrupt:
            run = None
        if run is None:
            names = [(e.name, s) for e, s in due]
            raise ComparisonStoppedError(names[:i], names[i:], store.folder)
        if run.diverged is not None:
            entry.failures[seed] = run.diverged
        elif run.model is not None:
            entry.models[seed] = run.model
            if run.seconds is not None:
                entry.seconds[seed] = run.seconds
        if run.notices:
            entry.notices[seed] = run.notices


def _train(
    entry: Entry, seed: int, splits: Mapping[str, Rows], store: RunStore, recorder: NoticeRecorder
) -> StoredRun | None:
    """One training, or the stored one; None if the listener stopped it."""
    recorder.start_run(entry.name)
    stored = store.load(entry.spec, seed)
    if stored is not None:
        entry.kept.append(seed)
        for text in stored.notices:
            recorder.notice(text)
        return stored
    run = train_once(entry.spec, seed, splits, recorder, entry.name)
    if run is not None:
        store.save(entry.spec, seed, run)
    return run


def notices_by_text(entry: Entry) -> tuple[Notice, ...]:
    """The warnings of an entry's trainings, each with its seeds."""
    seeds: dict[str, list[int]] = {}
    for seed, texts in entry.notices.items():
        for text in texts:
            seeds.setdefault(text, []).append(seed)
    return tuple(Notice(text, tuple(found)) for text, found in seeds.items())
