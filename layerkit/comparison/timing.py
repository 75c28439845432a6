"""Inference time a row, measured so that contestants can be told apart on a busy machine.

They take turns in short blocks, so that whatever else the machine does slows all of them alike, and
medians are taken over the rounds. Matrix products use one thread: on two, anything else that runs
was measured to make them up to 130 times slower, for minutes on end. Ratios within one run are what
counts; the seconds themselves are this machine's, now.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np

from layerkit.comparison.results import Timing
from layerkit.model import Model
from layerkit.parts import Rows
from layerkit.threads import single_blas

__all__ = ["BATCH_ROWS", "ROUNDS", "is_steady", "take_turns", "time_models"]

BATCH_ROWS = 1024
ROUNDS = 25
_BLOCK_SECONDS = 0.004
_UNSTEADY = 1.5


def time_models(models: Sequence[Model], rows: Rows) -> list[Timing]:
    """Time of ``predict`` on raw rows: one row a call, and all ``rows`` (at most 1,024) at once."""
    with single_blas():
        single = take_turns([_call(m, rows.take(slice(0, 1))) for m in models])
        batch = take_turns([_call(m, rows) for m in models])
    return [
        Timing(
            single=statistics.median(one),
            batch=statistics.median(many) / len(rows),
            batch_rows=len(rows),
            single_ratio=_quartiles(one, single[0]),
            batch_ratio=_quartiles(many, batch[0]),
            steady=is_steady(one, many, len(rows)),
        )
        for one, many in zip(single, batch, strict=True)
    ]


def take_turns(
    calls: Sequence[Callable[[], object]],
    *,
    rounds: int = ROUNDS,
    clock: Callable[[], float] = time.perf_counter,
) -> list[list[float]]:
    """Seconds of one call of each of ``calls``, once a round; a block of calls fills about 4 ms."""
    counts = []
    for call in calls:
        call()  # allocates its scratch memory
        began = clock()
        call()
        counts.append(max(1, int(_BLOCK_SECONDS / max(clock() - began, 1e-9))))
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, count, times in zip(calls, counts, taken, strict=True):
            began = clock()
            for _ in range(count):
                call()
            times.append((clock() - began) / count)
    return taken


def is_steady(one: Sequence[float], many: Sequence[float], rows: int) -> bool:
    """Whether the seconds of single calls and of batches of ``rows`` look undisturbed.

    What disturbs them shows as rounds that differ much, or as a batch that costs more a row than
    single calls do.
    """
    for times in (one, many):
        low, high = np.quantile(times, [0.25, 0.75])
        if high > _UNSTEADY * low:
            return False
    return statistics.median(many) / rows <= statistics.median(one)


def _call(model: Model, rows: Rows) -> Callable[[], object]:
    return lambda: model.predict(rows)


def _quartiles(times: Sequence[float], first: Sequence[float]) -> tuple[float, float, float]:
    """(lower quartile, median, upper quartile) of the ratios to ``first``, round by round."""
    ratios = np.array(times) / np.array(first)
    low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75]).tolist()
    return low, middle, high
