"""Inference time per row, measured so that contestants can be compared on a busy machine.

They take turns in short blocks, so that other work slows all of them alike, and medians are taken
over the rounds, each of which starts with a different contestant. Matrix products use one thread:
on two, other work made them up to 130 times slower, for minutes on end. Only ratios within one run
compare; the seconds hold for this machine at this moment.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from layerkit.comparison.results import Timing
from layerkit.core.rows import Rows
from layerkit.model import Model
from layerkit.threads import single_blas

BATCH_ROWS = 1024
ROUNDS = 25
_BLOCK_SECONDS = 0.004
_UNSTEADY = 1.5
_CONTROL = 0.05  # how far two timings of the first contestant may differ


@dataclass(frozen=True)
class Timings:
    """The times of all models, in order.

    ``control`` is the ratio of two timings of the first one, for one row and for a batch.
    """

    times: tuple[Timing, ...]
    control: tuple[float, float]


def time_models(models: Sequence[tuple[Model, Rows]]) -> Timings:
    """Time of ``predict`` on raw rows: one row per call, and all (up to ``BATCH_ROWS``) at once.

    The first model is timed twice, as a control: if the two differ by more than 5 %, no time is
    called steady.
    """
    measured = [(model, rows.take(slice(0, BATCH_ROWS))) for model, rows in [*models, models[0]]]
    with single_blas():
        single = take_turns([partial(m.predict, rows.take(slice(0, 1))) for m, rows in measured])
        batch = take_turns([partial(m.predict, rows) for m, rows in measured])
    control = _quartiles(single[-1], single[0])[1], _quartiles(batch[-1], batch[0])[1]
    sound = all(abs(ratio - 1) <= _CONTROL for ratio in control)
    times = tuple(
        Timing(
            single=statistics.median(one),
            batch=statistics.median(many) / len(rows),
            batch_rows=len(rows),
            single_ratio=_quartiles(one, single[0]),
            batch_ratio=_quartiles(many, batch[0]),
            steady=sound and is_steady(one, many, len(rows)),
        )
        for one, many, (_, rows) in zip(single, batch, measured, strict=True)
    )
    return Timings(times[:-1], control)  # without the control


def take_turns(
    calls: Sequence[Callable[[], object]],
    *,
    rounds: int = ROUNDS,
    clock: Callable[[], float] = time.perf_counter,
) -> list[list[float]]:
    """Seconds of one call of each of ``calls``, once per round; a block of calls takes about 4 ms.

    Each round starts with a different call, so that none always follows the same neighbour.
    """
    counts = []
    for call in calls:
        call()  # the first call allocates scratch memory
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

    Disturbance shows as rounds that differ much, or as a batch that costs more per row than single
    calls do.
    """
    for times in (one, many):
        low, high = np.quantile(times, [0.25, 0.75])
        if high > _UNSTEADY * low:
            return False
    return statistics.median(many) / rows <= statistics.median(one)


def _quartiles(times: Sequence[float], first: Sequence[float]) -> tuple[float, float, float]:
    """(lower quartile, median, upper quartile) of the ratios to ``first``, round by round."""
    ratios = np.array(times) / np.array(first)
    low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75]).tolist()
    return low, middle, high
