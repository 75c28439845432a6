"""Inference time a row, measured so that contestants can be told apart on a busy machine.

They take turns in short blocks, so that whatever else the machine does slows all of them alike, and
medians are taken over the rounds, each of which begins with another. Matrix products use one
thread: on two, anything else that runs was measured to make them up to 130 times slower, for
minutes on end. Ratios within one run are what counts; the seconds themselves are this machine's,
now.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from layerkit.comparison.results import Timing
from layerkit.core.rows import Rows
from layerkit.model import Model
from layerkit.threads import single_blas

__all__ = ["BATCH_ROWS", "ROUNDS", "Timed", "is_steady", "take_turns", "time_models"]

BATCH_ROWS = 1024
ROUNDS = 25
_BLOCK_SECONDS = 0.004
_UNSTEADY = 1.5
_CONTROL = 0.05  # how far the first contestant may be off itself


@dataclass(frozen=True)
class Timed:
    """The times of all contestants, and of the first against itself.

    ``control`` is the ratio of two measurements of the first contestant, for one row and a batch.
    """

    times: list[Timing]
    control: tuple[float, float]


def time_models(models: Sequence[Model], rows: Rows) -> Timed:
    """Time of ``predict`` on raw rows: one row a call, and all ``rows`` (at most 1,024) at once.

    The first model is measured twice, as a control: if it differs from itself by more than 5 %, so
    may the others, and no time is called steady.
    """
    measured = [*models, models[0]]
    with single_blas():
        single = take_turns([_call(m, rows.take(slice(0, 1))) for m in measured])
        batch = take_turns([_call(m, rows) for m in measured])
    control = tuple(_quartiles(taken[-1], taken[0])[1] for taken in (single, batch))
    sound = all(abs(ratio - 1) <= _CONTROL for ratio in control)
    times = [
        Timing(
            single=statistics.median(one),
            batch=statistics.median(many) / len(rows),
            batch_rows=len(rows),
            single_ratio=_quartiles(one, single[0]),
            batch_ratio=_quartiles(many, batch[0]),
            steady=sound and is_steady(one, many, len(rows)),
        )
        for one, many in zip(single[:-1], batch[:-1], strict=True)
    ]
    return Timed(times, (control[0], control[1]))


def take_turns(
    calls: Sequence[Callable[[], object]],
    *,
    rounds: int = ROUNDS,
    clock: Callable[[], float] = time.perf_counter,
) -> list[list[float]]:
    """Seconds of one call of each of ``calls``, once a round; a block of calls fills about 4 ms.

    Each round begins with another one, so that none always comes after the same neighbour.
    """
    counts = []
    for call in calls:
        call()  # allocates its scratch memory
        began = clock()
        call()
        counts.append(max(1, int(_BLOCK_SECONDS / max(clock() - began, 1e-9))))
    taken: list[list[float]] = [[] for _ in calls]
    for turn in range(rounds):
        for place in range(len(calls)):
            k = (turn + place) % len(calls)
            began = clock()
            for _ in range(counts[k]):
                calls[k]()
            taken[k].append((clock() - began) / counts[k])
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
