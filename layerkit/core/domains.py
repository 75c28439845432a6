"""Domains: which numbers of a row must be whole numbers, as the layers' plans say.

A layer that looks something up takes whole numbers (``Plan.takes``); one whose outputs are inputs
at other places says where from (``Plan.moves``), and what follows it is passed back through it. A
domain is an array of bounds by the numbers of a flattened row: 0, 1, ... up to below the bound, or
any number where it is 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from layerkit.core.context import Array, Shape
from layerkit.core.layer import Plan, Takes, Whole
from layerkit.display import quoted

if TYPE_CHECKING:
    from layerkit.core.planning import PlannedLayer

_ANY = np.iinfo(np.int64).max


def takes_of(parts: Sequence[PlannedLayer]) -> tuple[Whole | None, ...] | None:
    """What a sequence of planned layers takes, one entry per number of a row, for ``Plan.takes``.

    Parameters
    ----------
    parts
        Each planned for the output shape of the one before it.

    Returns
    -------
    tuple of Whole or None
        None if any numbers will do.
    """
    return _as_takes(input_domains(parts))


def merged_takes(*takes: Takes) -> Takes:
    """What several layers that are fed the same rows take together: the smaller bound holds.

    Parameters
    ----------
    *takes
        Of each of them, as in ``Plan.takes``, or as ``takes_of`` gives it.

    Raises
    ------
    ValueError
        If they are for rows of different sizes.
    """
    sizes = {len(t) for t in takes if isinstance(t, Sequence)} or {1}
    if len(sizes) > 1:
        raise ValueError(f"expected takes of one length, got {sorted(sizes)}")
    size = sizes.pop()
    found = _both(domain_of(t, size) for t in takes)
    if found is not None and not any(isinstance(t, Sequence) for t in takes):
        return Whole(int(found[0]))
    return _as_takes(found)


def moves_of(parts: Sequence[PlannedLayer]) -> tuple[int, ...] | None:
    """From where a sequence of planned layers moves each output, for ``Plan.moves``.

    Parameters
    ----------
    parts
        Each planned for the output shape of the one before it.

    Returns
    -------
    tuple of int
        None if one of them does more than move numbers.
    """
    found: Array = np.arange(math.prod(parts[0].in_shape)) if parts else np.arange(0)
    for p in parts:
        if p.plan.moves is None:
            return None
        found = found[np.asarray(p.plan.moves, np.int64)]
    return tuple(found.tolist())


def input_domains(planned: Sequence[PlannedLayer]) -> Array | None:
    """The domain (numbers of a row,) int64 of the input of a network; None if any row will do."""
    found: Array | None = None
    for p in reversed(planned):
        size, through = math.prod(p.in_shape), None
        if found is not None and p.plan.moves is not None:
            bounds, through = np.where(found > 0, found, _ANY), np.full(size, _ANY)
            np.minimum.at(through, np.asarray(p.plan.moves, np.int64), bounds)
            through[through == _ANY] = 0
        found = _both([domain_of(p.plan.takes, size), through])
    return found


def with_whole_numbers(x: Array, domain: Array | None, rng: np.random.Generator) -> Array:
    """Rows x (n, ...) of floats, random whole numbers where ``domain`` wants them.

    Of several rows the last has the largest.
    """
    if domain is None:
        return x
    drawn = rng.integers(0, np.maximum(domain, 1), (len(x), domain.size))
    if len(x) > 1:
        drawn[-1] = domain - 1
    drawn = drawn.reshape(x.shape)
    return np.where(domain.reshape(x.shape[1:]) > 0, drawn, x).astype(x.dtype)


def keeping_whole_numbers(x: Array, other: Array, domain: Array | None) -> Array:
    """Rows ``other`` with those numbers of x, both (n, ...), that ``domain`` wants whole."""
    return other if domain is None else np.where(domain.reshape(x.shape[1:]) > 0, x, other)


def fault_of_domains(plan: Plan, in_shape: Shape) -> str | None:
    """What is wrong with ``takes`` and ``moves`` of a plan, or None."""
    size, out = math.prod(in_shape), math.prod(plan.out_shape)
    takes, moves = plan.takes, plan.moves
    if takes is not None and not isinstance(takes, Whole):
        kinds = isinstance(takes, Sequence) and all(isinstance(t, Whole | None) for t in takes)
        if not kinds or len(takes) != size:
            reason = f"expected Whole(n), or {size} entries of Whole(n) or None"
            return f"plan: takes: {reason}, got {quoted(takes)}"
    if moves is not None:
        ends = (moves[:1], moves[-1:]) if isinstance(moves, range) else (moves,)  # may be huge
        places = isinstance(moves, Sequence) and len(moves) == out
        if not places or not all(type(m) is int and 0 <= m < size for end in ends for m in end):
            reason = f"expected {out} places of numbers of a row, 0 to {size - 1}"
            return f"plan: moves: {reason}, got {quoted(moves)}"
    return None


def takes_whole(plan: Plan) -> bool:
    """Whether a layer takes whole numbers anywhere."""
    takes = plan.takes
    return isinstance(takes, Whole) or any(t is not None for t in takes or ())


def domain_of(takes: Takes, size: int) -> Array | None:
    """The domain (size,) int64 that ``takes`` stands for; None if any numbers will do."""
    if isinstance(takes, Whole):
        return np.full(size, takes.below)
    if takes is None or not any(takes):
        return None
    return np.array([0 if t is None else t.below for t in takes])


def _both(domains: Iterable[Array | None]) -> Array | None:
    """The domain of what keeps all ``domains``; None if that is anything."""
    known = [np.where(d > 0, d, _ANY) for d in domains if d is not None]
    if not known:
        return None
    found: Array = np.minimum.reduce(known)
    found[found == _ANY] = 0
    return found if found.any() else None


def _as_takes(domain: Array | None) -> tuple[Whole | None, ...] | None:
    return None if domain is None else tuple(Whole(n) if n else None for n in domain.tolist())
