"""How many seconds the rows of one spec take against those of another, on this machine.

They are seconds of its processors, which other work on the machine disturbs far less than the time
on the wall.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from layerkit.comparison.timing import take_turns
from layerkit.core.domains import input_domains, with_whole_numbers
from layerkit.model import build
from layerkit.specs import Spec
from layerkit.threads import single_blas

_ROWS = 256  # of a batch
_FINE = 1e-4  # seconds
_ROUNDS = 51
_LOW = 18  # of 51: the 19th smallest and 19th largest are a 95 % interval of the median


class Ratio(NamedTuple):
    """Median and interval of the ratio of seconds; ``seconds`` are those of a row it is to."""

    low: float
    middle: float
    high: float
    seconds: float


def seconds_ratio(spec: Spec, to: Spec | float) -> Ratio:
    """The seconds of a row of ``spec``, in batches, to those of another spec or a number.

    Two specs take turns, so that other work on the machine slows both alike.
    """
    calls = [_prediction(one) for one in (spec, to) if isinstance(one, Spec)]
    with single_blas():
        taken = np.array(take_turns(calls, rounds=_ROUNDS, clock=_clock())) / _ROWS
    others = taken[1] if isinstance(to, Spec) else np.full(_ROUNDS, to)
    ratios = np.sort(taken[0] / others)
    low, middle, high = ratios[[_LOW, _ROUNDS // 2, _ROUNDS - 1 - _LOW]].tolist()
    return Ratio(low, middle, high, float(np.median(others)))


def _clock() -> Callable[[], float]:
    """Seconds of this process, unless the system counts them too coarsely."""
    fine = time.get_clock_info("process_time").resolution < _FINE
    return time.process_time if fine else time.perf_counter


def _prediction(spec: Spec) -> Callable[[], object]:
    """A call that feeds a batch through the network."""
    model, rng = build(spec), np.random.default_rng(0)
    planned = model.network.planned
    x = rng.normal(size=(_ROWS, *spec.in_shape)).astype(spec.dtype)
    return partial(model.scores_of, with_whole_numbers(x, input_domains(planned), rng))
