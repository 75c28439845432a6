"""Threads: how layerkit shares work among the cores.

NumPy's BLAS splits every product over all cores and spins while it waits: on small networks a
second thread gains little, on a busy machine it costs a factor of ten, and the split changes the
last bits. So layerkit keeps BLAS at one thread and shares large pieces of work itself
(``together``). The caller works too and never waits for a piece that no thread has begun; idle
helpers sleep. The pieces depend on sizes alone, so results do not depend on the number of threads.
``LAYERKIT_THREADS`` sets that number; by default all cores.
"""

from __future__ import annotations

import os
import threading
from _thread import allocate_lock
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from itertools import count
from queue import SimpleQueue
from typing import Any

import numpy as np

from layerkit.display import quoted
from layerkit.errors import LayerkitError

Task = Callable[[], object]


def thread_count() -> int:
    """Threads that share large pieces of work: ``LAYERKIT_THREADS``, or the cores we may use.

    Raises LayerkitError if the variable is not an integer >= 1.
    """
    word = os.environ.get("LAYERKIT_THREADS")
    if word is None:
        return _cores()
    if not (word.isascii() and word.isdecimal() and len(word) < 10 and int(word) > 0):
        raise LayerkitError(
            f"LAYERKIT_THREADS: expected an integer from 1 to 999,999,999, got {quoted(word)}"
        )
    return int(word)


@cache
def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Job:
    """Tasks that idle threads take in turn."""

    __slots__ = ("error", "over", "tasks", "turn", "undone")

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = tasks
        self.turn = count()  # next() is one step of the interpreter: no two threads get one number
        self.undone = count(len(tasks) - 1, -1)
        self.over = allocate_lock()
        self.over.acquire()
        self.error: BaseException | None = None

    def work(self) -> None:
        """Do tasks until none is left; the thread that ends the last one reports the end."""
        tasks = self.tasks
        while (mine := next(self.turn)) < len(tasks):
            try:
                tasks[mine]()
            except BaseException as error:  # noqa: BLE001  # raised again by the caller
                self.error = error
            if next(self.undone) == 0:
                self.over.release()


_queue: SimpleQueue[_Job] = SimpleQueue()
_helpers: list[threading.Thread] = []
_starting = allocate_lock()


def _help(queue: SimpleQueue[_Job]) -> None:
    while True:
        queue.get().work()


def _forget_helpers() -> None:
    """In a forked child: the parent's helpers do not exist here."""
    global _queue, _starting
    _queue, _starting = SimpleQueue(), allocate_lock()
    _helpers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_helpers)


def together(tasks: Sequence[Task]) -> None:
    """Run independent ``tasks``, by several threads if there are cores; return when all have ended.

    A sleeping helper takes 0.1 to 0.2 ms to wake: worth it for tasks that leave the interpreter
    (products, whole-array operations) for 0.3 ms or more each. A task's exception is raised here.
    """
    helpers = min(thread_count(), len(tasks)) - 1
    if helpers < 1:
        for task in tasks:
            task()
        return
    with _starting:
        while len(_helpers) < helpers:
            thread = threading.Thread(
                target=_help, args=(_queue,), name=f"layerkit-{len(_helpers) + 1}", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:  # out of threads, or the interpreter is shutting down
                break
            _helpers.append(thread)
    job = _Job(tasks)
    for _ in range(min(helpers, len(_helpers))):
        _queue.put(job)
    job.work()
    job.over.acquire()
    if job.error is not None:
        raise job.error


_NAMES = (
    "scipy_openblas_{}_num_threads64_",
    "openblas_{}_num_threads64_",
    "openblas_{}_num_threads",
)


def _openblas(folder: str) -> list[str]:
    try:
        files = sorted(os.listdir(folder))  # noqa: PTH208  # pathlib takes 4 ms to import
    except OSError:
        return []
    return [f"{folder}/{file}" for file in files if "openblas" in file]


@cache
def _library() -> Any:
    """The OpenBLAS in NumPy's wheel, or None if it has another BLAS."""
    import ctypes

    package = np.__path__[0]
    for path in [*_openblas(f"{package}.libs"), *_openblas(f"{package}/.dylibs")]:
        try:
            return ctypes.CDLL(path)
        except OSError:
            continue
    return None


def blas_symbol(name: str) -> Any:
    """The function ``name`` of NumPy's own OpenBLAS, for ctypes, or None."""
    return getattr(_library(), name, None)


@cache
def _controls() -> tuple[Any, Any] | None:
    """(get, set) of the number of threads of NumPy's own OpenBLAS, or None."""
    for name in _NAMES:
        read, write = blas_symbol(name.format("get")), blas_symbol(name.format("set"))
        if read is not None and write is not None:
            return read, write
    return None


class _OneThread:
    """Holds BLAS at one thread while any block is open, however many threads open them."""

    def __init__(self) -> None:
        self.lock = allocate_lock()
        self.open = 0
        self.before = 1

    def __enter__(self) -> None:
        read, write = _controls()  # type: ignore[misc]  # not None, see single_blas
        with self.lock:
            if self.open == 0:
                self.before = int(read())
                if self.before != 1:
                    write(1)
            self.open += 1

    def __exit__(self, *_: object) -> None:
        _, write = _controls()  # type: ignore[misc]
        with self.lock:
            self.open -= 1
            if self.open == 0 and self.before != 1:
                write(self.before)


_one_thread = _OneThread()


def single_blas() -> AbstractContextManager[object]:
    """Let BLAS use one thread inside the block; blocks of several threads may overlap.

    The setting holds for the whole process until the last block ends. Without NumPy's own OpenBLAS
    it takes the package threadpoolctl; if that is not installed, nothing happens.
    """
    if _controls() is not None:
        return _one_thread
    return _other_blas()


def _other_blas() -> AbstractContextManager[object]:
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    limits: AbstractContextManager[object] = threadpool_limits(1, "blas")
    return limits
