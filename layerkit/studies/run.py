"""The function ``study``: train what of a study is not trained yet, then report."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from layerkit.display import counted
from layerkit.errors import LayerkitError, StudyError
from layerkit.paths import expanded
from layerkit.runs.folder import Line, RunFolder
from layerkit.runs.job import Job, Outcome, RowReader, failure_text, jobs_of, run_job
from layerkit.runs.training import NoticeRecorder
from layerkit.runs.workers import GivenExecutor, Workers, told_outcomes, worker_source
from layerkit.studies.document import Point, StudyPlan, read_study
from layerkit.studies.findings import Findings
from layerkit.studies.inference import timed
from layerkit.studies.matching import keep_solutions, match_points, solutions_in
from layerkit.studies.precision import Goal, Width, look
from layerkit.studies.result import Study
from layerkit.studies.search_rows import check_trial_rows
from layerkit.studies.trials import Trials
from layerkit.training import Listener
from layerkit.training.teacher import with_teacher_id

Finished = Callable[[Line, int, int], object]
"""Called with the line of a finished run, how many are finished, and how many there are."""

Ends = Generator[tuple[Job, Outcome], None, None]


class StudyStoppedError(KeyboardInterrupt):
    """The listener, or Ctrl-C, stopped a study: ``done`` of ``total`` runs are in ``folder``."""

    def __init__(self, done: int, total: int, folder: Path) -> None:
        super().__init__(f"{done} of {counted(total, 'run')} finished, kept in {folder}")
        self.done, self.total, self.folder = done, total, folder


def study(
    study: str | os.PathLike[str] | Mapping[str, Any],
    *,
    folder: str | os.PathLike[str] | None = None,
    data: str | None = None,
    processes: int = 1,
    executor: GivenExecutor | None = None,
    add_seeds: int = 0,
    half_width: float | None = None,
    most_seeds: int = 30,
    listener: Listener | None = None,
    finished: Finished | None = None,
    confidence: float = 0.95,
    timing: bool = False,
) -> Study:
    """Train every point of a grid over a spec with several seeds, and report.

    Each run is kept as soon as it is finished, and is not trained again: a study that was stopped
    or killed goes on where it was. One spec, seed and data set is one run, even at two points.

    Parameters
    ----------
    study
        Path of ``study.json``, or the parsed object.
    folder
        Where runs are kept; by default ``NAME.study``.
    data
        Path of the data, instead of what the study or its spec names.
    processes
        How many runs are trained at once, each by a process of its own with one thread. The files
        are the same for any number. A script that uses more than one must start the study under
        ``if __name__ == "__main__"``.
    executor
        Trains the runs instead: any ``concurrent.futures.Executor``, or the configuration of one
        that is made for this study, such as ``{"type": "dask", "scheduler": "tcp://10.0.0.5:8786"}``.
        Its workers must have the same versions and read the same data.
    add_seeds
        How many seeds to train beyond those that the study lists.
    half_width
        Train seeds until no interval is wider than this to either side, at least 5 and at most
        ``most_seeds`` of each point: in points for a share of right rows, else in the unit of the
        metric. It stops, too, where more seeds cannot help.
    most_seeds
        See ``half_width``.
    listener
        Receives the progress of each training in this process, and may stop the study.
    finished
        Called with the line of each finished run, the count of finished runs, and the total.
    confidence
        Of each interval.
    timing
        Whether to measure inference at the end: one kept model of each point, on this machine and
        one thread. It takes a fraction of a second for each.

    Returns
    -------
    Study
        The points, best first, with the runs of all seeds that the folder holds.

    Raises
    ------
    SpecError, PluginError, DataError, DataSourceError, PathError
        If the study, a point of its grid, the executor or the data cannot be used.
    StudyError
        If another process runs this study, workers cannot be reached or are lost, or runs have
        failed; finished runs are kept.
    MissingExtraError
        If a library of the executor is not installed.
    StudyStoppedError
        If it is stopped: a KeyboardInterrupt.
    """
    if processes < 1 or add_seeds < 0:
        raise ValueError(f"processes: expected >= 1, got {processes}; add_seeds: expected >= 0, "
                         f"got {add_seeds}")  # fmt: skip
    if half_width is not None and not (half_width > 0 and most_seeds >= 1):
        raise ValueError(f"half_width: expected > 0, got {half_width}; most_seeds: expected >= 1, "
                         f"got {most_seeds}")  # fmt: skip
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: expected a number between 0 and 1, got {confidence}")
    workers = worker_source(executor, processes)
    plan = read_study(study)
    plan = plan if data is None else replace(plan, data=data)
    place = RunFolder(folder_of(plan, folder))
    plan, solutions = match_points(plan, solutions_in(place.path))
    goal = None if half_width is None else Goal(half_width, most_seeds)
    trainer = _Trainer(
        plan, place, workers, listener or Listener(), finished, checkpoints=executor is None
    )
    trainer.check()  # before anything is written
    seeds, precision = _seeds(plan, add_seeds), None
    with place.open_for_runs(plan.text):
        keep_solutions(place.path, solutions, plan.points)
        plan, trials = trainer.search(len(plan.points) * len(seeds))
        trainer.train(seeds)
        while goal is not None and precision is None:
            found = Findings.of(plan, place, seeds)
            wanted, precision = look(_widths(found), len(seeds), goal, confidence)
            if precision is None:
                seeds = _seeds(plan, wanted - len(plan.seeds))
                trainer.train(seeds)
    result = Study.of(plan, place, confidence, trials)
    result = timed(result, plan, place) if timing else result
    return replace(result, precision=precision)


def _widths(found: Findings) -> list[Width]:
    widths = []
    for k, (p, runs) in enumerate(zip(found.points, found.runs, strict=True)):
        if (estimate := found.estimate(k)) is not None:
            labels = ", ".join(f"{axis} {label}" for axis, label in p.point.labels.items())
            title = labels or p.point.title
            widths.append(Width(title, estimate, runs is not None and runs.share))
    return widths


@dataclass
class _Trainer:
    """Trains the runs of some seeds that the folder does not hold yet, and keeps them there."""

    plan: StudyPlan
    place: RunFolder
    workers: Workers | None
    listener: Listener
    finished: Finished | None
    checkpoints: bool  # whether who trains finds the folder, and so can leave them there
    digests: dict[str, str] = field(default_factory=dict)  # of the rows of each recipe
    reader: RowReader = field(default_factory=RowReader)
    tried: int = 0  # finished trials, which count beside the runs

    def check(self) -> None:
        """Read the rows and find the teacher of every point; raises what only shows there."""
        notices = dict[str, None]()
        for number, point in enumerate(self.plan.points):
            with_teacher_id(point.spec)
            rows = self.reader.rows(point.spec, self.plan.data, self.plan.validation)
            self.digests[point.recipe] = rows.digest
            if self.plan.search is not None:
                notices[check_trial_rows(self.plan, number, rows)] = None
        for text in filter(None, notices):
            self.listener.notice(text)

    def search(self, after: int) -> tuple[StudyPlan, Trials | None]:
        """Finish the trials of the search, if there is one, before ``after`` runs.

        Returns the study whose points have the best settings. Errors as for ``train``.
        """
        if self.plan.search is None:
            return self.plan, None
        trials = Trials(self.plan, self.place.trial_lines(), self._rows)
        self.place.keep_row_digests(self.digests)
        while jobs := trials.due():
            self.tried, every = trials.count()
            self._do(jobs, waiting=every - self.tried - len(jobs) + after, keep=trials.add)
        self.tried, _ = trials.count()
        self.plan = trials.tuned()
        return self.plan, trials

    def _rows(self, point: Point) -> str:
        """The digest of a point's rows."""
        if point.recipe not in self.digests:
            read = self.reader.rows(point.spec, self.plan.data, self.plan.validation)
            self.digests[point.recipe] = read.digest
        return self.digests[point.recipe]

    def train(self, seeds: Sequence[int]) -> None:
        """Raises StudyError if runs have failed, after all others are done."""
        due: dict[str, Job] = {}
        for job in _jobs(self.plan, seeds, self._rows):
            due.setdefault(job.key, job)  # equal points are one run, named after the first
        self.place.keep_row_digests(self.digests)
        known = self.place.lines()
        todo = [self._begun(job) for key, job in due.items() if key not in known]
        self._do(todo, len(due) - len(todo))

    def _do(
        self,
        todo: Sequence[Job],
        done: int = 0,
        *,
        waiting: int = 0,
        keep: Callable[[Line], object] | None = None,
    ) -> None:
        """Do ``todo``, which others wait for; ``keep`` gets their lines."""
        done += self.tried
        total, failed = done + len(todo) + waiting, list[str]()
        recorder = NoticeRecorder(self.listener)
        ends = (
            _in_this_process(todo, self.reader, recorder)
            if self.workers is None
            else told_outcomes(todo, self.workers, recorder)
        )
        try:
            with closing(ends):  # workers end at once if something fails here
                for job, outcome in ends:
                    if outcome.failed:
                        failed.append(self._failed(job, outcome.failed, failed))
                        continue
                    self.place.add(outcome.line, outcome.times, outcome.files)
                    if keep is not None:
                        keep(outcome.line)
                    done += 1
                    if self.finished is not None:
                        self.finished(outcome.line, done, total)
        except KeyboardInterrupt as error:
            raise StudyStoppedError(done, total, self.place.path) from error
        if failed:
            raise _failure(failed, done, total, self.place.path)

    def _begun(self, job: Job) -> Job:
        """The job with its checkpoint, if it has one."""
        if not self.checkpoints:
            return job
        return replace(job, checkpoint=str(self.place.checkpoint(job.key).absolute()))

    def _failed(self, job: Job, reason: str, before: Sequence[str]) -> str:
        """Note and tell that a run has failed; the text."""
        run = f"{job.title}, seed {job.seed}"
        told = any(text.endswith(f": {reason}") for text in before)
        self.listener.notice(f"{run}: as before" if told else f"{run}: {reason}")
        point = {"key": job.key, "recipe": job.recipe, "point": job.point, "seed": job.seed}
        self.place.fail({**point, "failed": reason})
        return f"{run}: {reason}"


def _failure(failed: Sequence[str], done: int, total: int, folder: Path) -> StudyError:
    """The error for runs that failed, with the first one's advice."""
    first, _, advice = failed[0].partition("\n")
    kept = f"kept in {folder}: {counted(done, 'finished run')}; the same command trains the rest"
    return StudyError(
        f"{len(failed)} of {counted(total, 'run')} failed: {first}",
        hint=f"{advice}\n{kept}" if advice else kept,
    )


def read_results(
    study: str | os.PathLike[str] | Mapping[str, Any],
    folder: str | os.PathLike[str] | None = None,
    confidence: float = 0.95,
    *,
    data: str | None = None,
    timing: bool = False,
) -> Study:
    """What the folder of a study holds by now, without training; errors as for ``study``.

    ``data`` are those of the runs, if the study does not name them.
    """
    plan, place, trials = found_in(study, folder, data)
    found = Study.of(plan, place, confidence, trials)
    return timed(found, plan, place) if timing else found


def found_in(
    study: str | os.PathLike[str] | Mapping[str, Any],
    folder: str | os.PathLike[str] | None,
    data: str | None = None,
) -> tuple[StudyPlan, RunFolder, Trials | None]:
    """A study with the widths and settings that its folder holds, the folder, and its trials."""
    plan = read_study(study)
    plan = plan if data is None else replace(plan, data=data)
    place = RunFolder(folder_of(plan, folder))
    plan, _ = match_points(plan, solutions_in(place.path), measure=False)
    if plan.search is None:
        return plan, place, None
    rows = place.row_digests()
    trials = Trials(plan, place.trial_lines(), lambda point: rows.get(point.recipe, ""))
    return trials.tuned(), place, trials


def folder_of(plan: StudyPlan, folder: str | os.PathLike[str] | None) -> Path:
    """The folder of a study."""
    return Path(f"{plan.name}.study" if folder is None else expanded(os.fspath(folder)))


def _seeds(plan: StudyPlan, more: int) -> list[int]:
    first = max(plan.seeds) + 1
    return [*plan.seeds, *range(first, first + more)]


def _jobs(plan: StudyPlan, seeds: Sequence[int], rows_of: Callable[[Point], str]) -> list[Job]:
    """All runs; the points take turns within a seed, so that a study half done compares them."""
    by_point = [
        jobs_of(
            *(point.spec, seeds, rows_of(point)),
            point=dict(point.labels),
            title=point.title,
            data=plan.data,
            validation=plan.validation,
        )
        for point in plan.points
    ]
    return [job for turn in zip(*by_point, strict=True) for job in turn]


def _in_this_process(jobs: Sequence[Job], reader: RowReader, recorder: NoticeRecorder) -> Ends:
    """Raises KeyboardInterrupt if the listener stops it."""
    for job in jobs:
        try:
            outcome = None if recorder.listener.stop() else run_job(job, reader, recorder)
        except (LayerkitError, MemoryError) as error:
            outcome = Outcome.failure(failure_text(error))
        if outcome is None:
            raise KeyboardInterrupt
        yield job, outcome
