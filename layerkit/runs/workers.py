"""Jobs in other processes: any ``concurrent.futures.Executor``, or local ones that may die.

Each local process is an executor of its own, because a process that dies breaks its executor and
all that runs in it.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from concurrent.futures.process import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing.connection import Connection

from layerkit.errors import StudyError
from layerkit.runs.job import Job, Outcome, do_job, failure_text

_DEATHS = 3  # of workers with the same run, after which it is given up
_MOMENT = 0.2  # seconds between questions whether to stop


class LocalProcesses:
    """Up to ``count`` processes, started when they are needed; a context manager.

    They end at once when the block does, and when this process dies.
    """

    def __init__(self, count: int) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._told, self._tell = self._context.Pipe(duplex=False)
        self._idle: list[Executor] = []
        self._all: list[Executor] = []
        self.count = count

    def __enter__(self) -> LocalProcesses:
        return self

    def __exit__(self, *_: object) -> None:
        self._tell.close()  # workers that still run see it, and end
        for executor in self._all:
            executor.shutdown(wait=True, cancel_futures=True)
        self._told.close()

    def take(self) -> Executor:
        """An idle process, or a new one."""
        if self._idle:
            return self._idle.pop()
        executor = ProcessPoolExecutor(
            1, mp_context=self._context, initializer=_begin_worker, initargs=(self._told,)
        )
        self._all.append(executor)
        return executor

    def give(self, executor: Executor, *, dead: bool) -> None:
        """Give a process back; one that is dead is replaced by the next ``take``."""
        if dead:
            executor.shutdown(wait=False)
            self._all.remove(executor)
        else:
            self._idle.append(executor)


class GivenExecutor:
    """An executor that someone else has made and ends; it gets all jobs at once."""

    def __init__(self, executor: Executor, jobs: int) -> None:
        self._executor = executor
        self.count = jobs

    def take(self) -> Executor:
        """The executor."""
        return self._executor

    def give(self, executor: Executor, *, dead: bool) -> None:
        """Raises StudyError if it is broken, since no other can be made."""
        if dead:
            raise StudyError(
                "the executor has lost its workers",
                hint="the finished runs are kept: with a new executor the rest is trained",
            )


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


def outcomes(
    jobs: Sequence[Job], workers: LocalProcesses | GivenExecutor, stop: Callable[[], bool]
) -> Iterator[tuple[Job, Outcome]]:
    """Each job with what became of it, as they end.

    A run whose worker died is trained again. Raises KeyboardInterrupt when ``stop`` says so, and
    StudyError if workers die from the start.
    """
    waiting = deque(jobs)
    deaths: Counter[str] = Counter()
    alive = False  # whether a worker has ever finished anything
    running: dict[Future[tuple[str, dict[str, bytes]]], tuple[Job, Executor]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers.count:
                job, executor = waiting.popleft(), workers.take()
                running[executor.submit(do_job, json.dumps(asdict(job)))] = job, executor
            ended, _ = wait(running, timeout=_MOMENT, return_when=FIRST_COMPLETED)
            if stop():
                raise KeyboardInterrupt
            for future in ended:
                job, executor = running.pop(future)
                error = future.exception()
                broken = isinstance(error, BrokenExecutor)
                alive |= not broken
                deaths.update([job.key] if broken else [])
                workers.give(executor, dead=broken)
                if error is None:
                    text, files = future.result()
                    yield job, Outcome(**{**json.loads(text), "files": files})
                elif not broken:
                    yield job, Outcome.failure(failure_text(error))
                elif not alive and deaths.total() >= _DEATHS:
                    raise StudyError(
                        f"{_DEATHS} workers died before one has finished a run",
                        hint="try a single process; a Python script must call study under "
                        "if __name__ == '__main__'",
                    )
                elif deaths[job.key] < _DEATHS:
                    waiting.appendleft(job)
                else:
                    reason = f"its worker died {_DEATHS} times, perhaps for lack of memory"
                    yield job, Outcome.failure(reason)
    finally:
        for future in running:
            future.cancel()
