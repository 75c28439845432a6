"""The same task for several tensors, on several threads: reading and hashing let go of the GIL."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from threading import Lock, Thread
from typing import Any, Generic, TypeVar

__all__ = ["each"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_WORTH = 4 << 20
"""Bytes from which a second thread was measured to gain more than starting it costs."""

_MOST = 8
"""Each thread may need a few blocks of a megabyte, and all of them together have 32 (rule 9.2)."""


def each(task: Callable[[Item], Result], items: Sequence[Item], nbytes: int) -> list[Result]:
    """``task(item)`` for every item, in the order of the items.

    Items are begun in order, so that of several failures the first item's is raised, whichever
    thread was faster.

    Parameters
    ----------
    task : callable
        May run on several threads at a time.
    items : sequence
        What to call it with.
    nbytes : int
        How much there is to do in all, in bytes; little is done by the calling thread alone.
    """
    count = min(_MOST, _processors(), len(items)) if nbytes >= _WORTH else 1
    if count < 2:
        return [task(item) for item in items]
    work = _Work(task, items)
    helpers = _started(work, count - 1)
    try:
        work.run()
    except BaseException:  # an interrupt: only the calling thread gets it
        work.stopped = True
        raise
    finally:
        for helper in helpers:
            helper.join()
    return work.finished()


class _Work(Generic[Item, Result]):
    """Items that are taken one by one, by whoever is free."""

    def __init__(self, task: Callable[[Item], Result], items: Sequence[Item]) -> None:
        self._task, self._todo, self._lock = task, iter(enumerate(items)), Lock()
        self._results: dict[int, Result] = {}
        self._failures: dict[int, Exception] = {}
        self.stopped = False

    def run(self) -> None:
        """Take items until none are left or one has failed."""
        while not self.stopped:
            with self._lock:
                taken = next(self._todo, None)
            if taken is None:
                return
            number, item = taken
            try:
                self._results[number] = self._task(item)
            except Exception as error:  # noqa: BLE001  # raised again by ``finished``
                self._failures[number] = error
                self.stopped = True

    def finished(self) -> list[Result]:
        """All results, or the first failure."""
        try:
            if self._failures:
                raise self._failures[min(self._failures)]
            return [self._results[number] for number in sorted(self._results)]
        finally:
            self._failures.clear()  # an error that holds its own frame would live on


def _started(work: _Work[Any, Any], count: int) -> list[Thread]:
    """Up to ``count`` threads at work; fewer where the system gives no more."""
    helpers: list[Thread] = []
    for _ in range(count):
        helper = Thread(target=work.run, name="layerkit-tensors", daemon=True)
        try:
            helper.start()
        except RuntimeError:  # out of threads, or the interpreter is shutting down
            break
        helpers.append(helper)
    return helpers


def _processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
