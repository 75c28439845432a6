"""Inputs and targets of a size that initial weights and one learning rate are not made for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from layerkit.core.context import Array
from layerkit.health.finding import Finding
from layerkit.health.table import Table
from layerkit.health.wording import some
from layerkit.specs import Spec

# Initializers assume inputs of about 1. The ready specs give 0.1 to 1; from about 10 on, and below
# about 0.01, the first steps are too large or too small on california-housing, wine and digits.
_LARGE, _SMALL = 10.0, 0.01

_REASON = (
    "initial weights are made for inputs of mean 0 and deviation about 1, and one learning rate "
    "has to serve all of them (LeCun et al. 1998, section 4.3); the limits are 0.01 and 10"
)


def unscaled_inputs(
    spec: Spec, x: Array, columns: Sequence[str] | None, whole: Array | None = None
) -> Iterator[Finding]:
    """Columns whose numbers are much larger or smaller than 1 as the network gets them.

    x is (n, *in), scaled as the spec says; ``columns`` names its last axis, if it has names, and
    ``whole`` (numbers of a row,) is not 0 where layers take whole numbers, which have no size.
    """
    if whole is not None:
        x = np.where(whole.reshape(x.shape[1:]) > 0, x.dtype.type(1), x)
    if not x.size or spec.input["scale"] in ("standardize", "minmax"):
        return
    large, small, size = _unscaled(x, named=columns is not None)
    if not large and not small:
        return
    names = [f"input {j}" if columns is None else columns[j] for j in large or small]
    few = f"{len(names)} of {x.shape[-1]} inputs ({some(names)})"
    what = few + (" has" if len(names) == 1 else " have")
    worst = size[large].max() if large else size[small].min()
    yield Finding(
        "unscaled inputs",
        "warning",
        f"{'the inputs have' if x.ndim != 2 else what} a size of {worst:.3g} as the network gets "
        "them, where about 1 is expected",
        _REASON,
        "input.scale",
        {"input.scale": "standardize"},
        others=({"input.scale": "minmax"},),
    )


def unscaled_targets(table: Table) -> Iterator[Finding]:
    """Targets that are much larger or smaller than 1 as the loss gets them."""
    output = table.spec.output
    if table.target != "real" or output["scale"] is not None or not table.y.size:
        return
    y = np.asarray(table.y, np.float64)
    size = float(np.sqrt(np.mean(y * y)))
    spread = float(y.std(axis=0).max())
    if _SMALL <= size <= _LARGE or spread == 0:
        return
    scalable = output["targets"] is not None
    yield Finding(
        "unscaled targets",
        "warning",
        f"the targets have a size of {size:.3g}, where about 1 is expected",
        "a network starts with outputs of about 1, so it spends its steps on the size, and a "
        "squared loss has huge gradients (or tiny ones); the limits are 0.01 and 10",
        "output.scale",
        {"output.scale": "standardize"} if scalable else {},
        advice="" if scalable else "name the targets in output.targets, so that they can be scaled",
    )


def _unscaled(x: Array, *, named: bool) -> tuple[list[int], list[int], Array]:
    """(columns that are too large, too small, the size of all); rows of images are one column.

    Pixels may be 0 nearly everywhere, so without names only the largest counts as too small.
    """
    flat = x.reshape(-1, x.shape[-1]) if x.ndim == 2 else x.reshape(-1, 1)
    flat = flat.astype(np.float64)
    size = np.sqrt(np.mean(flat * flat, axis=0))
    large = [int(j) for j in np.flatnonzero(size > _LARGE)]
    usual = (flat == 0) | (flat == 1)  # of a flag or a category: rare ones are small, and fine
    small = [int(j) for j in np.flatnonzero((size < _SMALL) & ~usual.all(axis=0))]
    if not named and size.max(initial=0) >= _SMALL:
        small = []
    return large, small, size
