"""The same task for several tensors, on several threads: reading and hashing release the GIL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import TypeVar

from layerkit.threads import together

Item = TypeVar("Item")
Result = TypeVar("Result")

_WORTH = 4 << 20
"""Bytes from which a second thread was measured to gain more than waking it costs."""

_MOST = 8
"""Each thread may need a few blocks of a megabyte, and all of them together have 32 (rule 9.2)."""


def each(task: Callable[[Item], Result], items: Sequence[Item], nbytes: int) -> list[Result]:
    """``task(item)`` for every item, in the order of the items, on several threads at a time.

    Items are begun in order and none after a failure, so that of several failures the first
    item's is raised, whichever thread was faster. ``nbytes`` is the size of all items together: the
    calling thread does a small amount alone.
    """
    if nbytes < _WORTH:
        return [task(item) for item in items]
    turn = count()  # next() is one step of the interpreter: no two threads get one number
    results: dict[int, Result] = {}
    failures: dict[int, BaseException] = {}
    stopped = False

    def work() -> None:
        nonlocal stopped
        mine = -1
        try:
            while not stopped and (mine := next(turn)) < len(items):
                results[mine] = task(items[mine])
        except BaseException as error:  # noqa: BLE001  # raised again below
            stopped = True
            failures[mine if isinstance(error, Exception) else -1] = error  # interrupts first

    try:
        together([work] * min(_MOST, len(items)))
        if failures:
            raise failures[min(failures)]
        return [results[number] for number in range(len(items))]
    finally:
        stopped = True  # an interrupt may end the wait for the other threads
        failures.clear()  # an error that holds its own frame would live on
