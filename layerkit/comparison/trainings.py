"""Training the specs of a comparison, seed by seed; every warning is recorded, every run stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from layerkit.comparison.contestants import Entry
from layerkit.comparison.data import ComparisonData
from layerkit.comparison.kept_runs import KeptRuns, run_of
from layerkit.comparison.results import Notice
from layerkit.errors import StudyError
from layerkit.runs.job import Job, StudyRows, jobs_of
from layerkit.runs.keys import raw_rows_digest
from layerkit.runs.training import NoticeRecorder, StoredRun, train_once
from layerkit.runs.workers import Workers, told_outcomes
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


Finished = Callable[[Mapping[str, Any], int, int], object]
"""Called with the line of a finished run, how many are finished, and how many there are."""


@dataclass(frozen=True)
class Trainings:
    """How the specs of a comparison are trained, and where the runs are kept."""

    seeds: int
    listener: Listener
    folder: Path | None = None
    workers: Workers | None = None  # None for this process
    finished: Finished | None = None
    checkpoints: bool = True  # whether the workers see the folder, and so can keep them in it


def train_entries(entries: Sequence[Entry], data: ComparisonData, how: Trainings) -> None:
    """Fill in ``models``, ``failures``, ``seconds``, ``notices`` and ``kept`` of each spec's entry.

    Contestants take turns within a seed, so that a machine that slows down slows all of them.
    Raises ComparisonStoppedError if the listener stops it, StudyError if a worker fails.
    """
    specs = [e for e in entries if e.kind == "spec"]
    base = (entries[0].spec.train or {}).get("seed", 0)
    seeds = range(base, base + how.seeds)
    if not specs:
        return
    rows = StudyRows(dict(data.splits), None, raw_rows_digest(data.splits))
    jobs = _jobs(specs, seeds, rows.digest, data)
    recorder = NoticeRecorder(how.listener)
    with KeptRuns(how.folder, how.listener.notice) as kept:
        found = {(e.name, job.seed): kept.find(job, e.spec) for e, job in jobs}
        runs = {name: run for name, run in found.items() if run is not None}
        for e, job in jobs:
            if run := runs.get((e.name, job.seed)):
                e.kept.append(job.seed)
                recorder.start_run(e.name)
                for text in run.notices:
                    recorder.notice(text)
        todo = [(e, job) for e, job in jobs if (e.name, job.seed) not in runs]
        ends = _in_this_process if how.workers is None else _in_workers
        try:
            for e, job, run, line in ends(todo, rows, recorder, kept, how):
                runs[e.name, job.seed] = run
                if how.finished is not None:
                    how.finished(line, len(runs), len(jobs))
        except KeyboardInterrupt:
            names = [(e.name, job.seed) for e, job in jobs]
            done = [name for name in names if name in runs]
            left = [name for name in names if name not in runs]
            raise ComparisonStoppedError(done, left, kept.path) from None
    for e, job in jobs:
        _fill(e, job.seed, runs[e.name, job.seed])


def _jobs(specs: Sequence[Entry], seeds: range, rows: str, data: ComparisonData) -> Todo:
    """All runs; the contestants take turns."""
    read_as, given, dialect = data.source or (None, None, None)
    by_entry = [
        jobs_of(
            *(e.spec, seeds, rows),
            point={"spec": e.name},
            title=e.name,
            data=given,
            validation=None,
            read_as=None if read_as is None else read_as.to_document(),
            dialect=None if dialect is None else asdict(dialect),
        )
        for e in specs
    ]
    return [pair for turn in zip(*by_entry, strict=True) for pair in zip(specs, turn, strict=True)]


Ends = Iterator[tuple[Entry, Job, StoredRun, Mapping[str, Any]]]
"""Finished runs, with the lines that a folder has of them."""

Todo = Sequence[tuple[Entry, Job]]


def _in_this_process(
    todo: Todo, rows: StudyRows, recorder: NoticeRecorder, kept: KeptRuns, how: Trainings
) -> Ends:
    """Raises KeyboardInterrupt if the listener stops it."""
    for e, job in todo:
        recorder.start_run(e.name)
        run = None
        if not how.listener.stop():
            place = kept.checkpoint(job.key)
            run = train_once(e.spec, job.seed, rows.splits, recorder, e.name, checkpoint=place)
        if run is None:
            raise KeyboardInterrupt
        kept.keep(job, e.spec, run, rows)
        yield e, job, run, {"point": job.point, "seed": job.seed, "diverged": run.diverged,
                            "metrics": {} if run.model is None else run.model.metrics}  # fmt: skip


def _in_workers(
    todo: Todo, rows: StudyRows, recorder: NoticeRecorder, kept: KeptRuns, how: Trainings
) -> Ends:
    """Raises KeyboardInterrupt if the listener stops it, StudyError if a run fails."""
    entries = {(e.name, job.seed): e for e, job in todo}
    assert how.workers is not None  # noqa: S101  # else nobody calls this
    jobs = [job for _, job in todo]
    if how.checkpoints:
        jobs = [replace(job, checkpoint=kept.checkpoint_text(job.key)) for job in jobs]
    with closing(told_outcomes(jobs, how.workers, recorder)) as ends:
        for job, outcome in ends:
            if outcome.failed:
                raise StudyError(f"{job.title}, seed {job.seed}: {outcome.failed}")
            kept.add(outcome)
            e = entries[job.title, job.seed]
            yield e, job, run_of(outcome, job, e.spec), outcome.line


def _fill(entry: Entry, seed: int, run: StoredRun) -> None:
    if run.diverged is not None:
        entry.failures[seed] = run.diverged
    elif run.model is not None:
        entry.models[seed] = run.model
        if run.seconds is not None:
            entry.seconds[seed] = run.seconds
    if run.notices:
        entry.notices[seed] = run.notices


def notices_by_text(entry: Entry) -> tuple[Notice, ...]:
    """The warnings of an entry's trainings, each with its seeds."""
    seeds: dict[str, list[int]] = {}
    for seed, texts in entry.notices.items():
        for text in texts:
            seeds.setdefault(text, []).append(seed)
    return tuple(Notice(text, tuple(found)) for text, found in seeds.items())
