"""Jobs in other processes: any ``concurrent.futures.Executor``, such as the local processes here.

A future that raises ``BrokenExecutor`` means that the worker with its job has died.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from functools import partial
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from typing import Any

from layerkit.discovery.registry import EXECUTORS
from layerkit.errors import StudyError
from layerkit.runs.job import Job, Outcome, do_job, failure_text
from layerkit.runs.training import NoticeRecorder
from layerkit.specs.json_source import JsonSource
from layerkit.specs.messages import Faults
from layerkit.specs.validate.settings import validate_part

_DEATHS = 3  # of workers with the same run, after which it is given up
_MOMENT = 0.2  # seconds between questions whether to stop

GivenExecutor = Executor | str | Mapping[str, Any]
"""An executor, or the name or configuration of an ``ExecutorSource``."""


Workers = Callable[[], AbstractContextManager[Executor]]
"""Connects to workers, or starts them, until the block ends."""


def worker_source(executor: GivenExecutor | None, processes: int) -> Workers | None:
    """Where runs are trained; None for this process.

    Raises PluginError for an unknown name, SpecError for wrong settings.
    """
    if isinstance(executor, Executor):
        return lambda: nullcontext(executor)  # who has made it ends it
    if executor is not None:
        faults = Faults(JsonSource({}), "executor")
        resolved = validate_part("executors", executor, (), faults)
        faults.raise_any()
        return EXECUTORS.create(resolved).open
    return None if processes == 1 else partial(LocalProcesses, processes)


class LocalProcesses(Executor):
    """Up to ``count`` processes of one thread, started when they are needed.

    Each is an executor of its own, because a process that dies breaks its executor and all that
    runs in it. They end at once, whatever they do, at ``shutdown`` and when this process dies.
    """

    def __init__(self, count: int) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._told, self._tell = self._context.Pipe(duplex=False)
        self._threads = ThreadPoolExecutor(count)  # one for each process, which waits for it
        self._mine = threading.local()
        self._processes: list[Executor] = []

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call ``function`` in a process that is or becomes idle."""
        return self._threads.submit(self._in_process, function, *args, **kwargs)

    def _in_process(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run in the process of this thread."""
        process: Executor | None = getattr(self._mine, "process", None)
        if process is None:
            process = self._mine.process = ProcessPoolExecutor(
                1, mp_context=self._context, initializer=_begin_worker, initargs=(self._told,)
            )
            self._processes.append(process)
        try:
            return process.submit(function, *args, **kwargs).result()
        except BrokenExecutor:
            self._mine.process = None  # the next job has a new one
            raise

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:
        """End all processes, and give up what still runs."""
        self._tell.close()  # processes that still run see it, and end
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)
        for process in self._processes:
            process.shutdown(wait=wait)
        self._told.close()


def _begin_worker(parent: Connection) -> None:
    """In a new process: one thread, deaf to Ctrl-C, and gone when the parent is."""
    os.environ["LAYERKIT_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        try:
            parent.recv_bytes()
        except (EOFError, OSError):
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def told_outcomes(
    jobs: Sequence[Job], workers: Workers, recorder: NoticeRecorder
) -> Generator[tuple[Job, Outcome], None, None]:
    """``outcomes`` from workers that are there meanwhile; the listener gets their notices."""
    if not jobs:  # there would be nobody to connect to
        return
    listener = recorder.listener
    with workers() as executor:
        for job, outcome in outcomes(jobs, executor, listener.stop):
            if job.trial is None:  # wild settings are part of a search
                recorder.start_run(job.title)
                for text in outcome.times.get("notices", ()):
                    recorder.notice(text)
                if diverged := outcome.line.get("diverged"):
                    listener.notice(f"{job.title}, seed {job.seed}: {diverged}")
            yield job, outcome


def outcomes(
    jobs: Sequence[Job], executor: Executor, stop: Callable[[], bool]
) -> Iterator[tuple[Job, Outcome]]:
    """Each job with what became of it, as they end.

    A run whose worker died is trained again. Raises KeyboardInterrupt when ``stop`` says so, and
    StudyError if workers die from the start or the executor takes no more jobs.
    """
    ended: SimpleQueue[Future[tuple[str, dict[str, bytes]]]] = SimpleQueue()
    running: dict[Future[tuple[str, dict[str, bytes]]], Job] = {}
    deaths: Counter[str] = Counter()
    alive = False  # whether a worker has ever finished anything

    def begin(job: Job) -> None:
        future = _submitted(job, executor)
        running[future] = job
        future.add_done_callback(ended.put)

    try:
        for job in jobs:
            begin(job)
        while running:
            if stop():
                raise KeyboardInterrupt
            try:
                future = ended.get(timeout=_MOMENT)
            except Empty:
                continue
            job = running.pop(future)
            error = _error(future)
            if error is None:
                text, files = future.result()
                yield job, Outcome(**{**json.loads(text), "files": files})
            elif not isinstance(error, BrokenExecutor):
                yield job, Outcome.failure(failure_text(error))
            else:
                deaths[job.key] += 1
                if not alive and deaths.total() >= _DEATHS:
                    raise StudyError(
                        f"{_DEATHS} workers died before one has finished a run",
                        hint="try a single process; a Python script must call study under "
                        "if __name__ == '__main__'",
                    )
                if deaths[job.key] < _DEATHS:
                    begin(job)
                    continue
                reason = f"its worker died {_DEATHS} times, perhaps for lack of memory"
                yield job, Outcome.failure(reason)
            alive = True
    finally:
        for future in running:
            future.cancel()


def _submitted(job: Job, executor: Executor) -> Future[tuple[str, dict[str, bytes]]]:
    """The future of a job; raises StudyError if the executor takes no more."""
    try:
        return executor.submit(do_job, json.dumps(asdict(job)))
    except RuntimeError as error:  # it is broken, or was shut down
        raise StudyError(
            f"the executor has lost its workers: {error}",
            hint="the finished runs are kept: with a new executor the rest is trained",
        ) from error


def _error(future: Future[Any]) -> BaseException | None:
    """What a future that has ended raises; one that somebody cancelled was lost."""
    return BrokenExecutor("cancelled") if future.cancelled() else future.exception()
