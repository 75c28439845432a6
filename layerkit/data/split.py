"""Splitting of rows: at random, stratified, or by the values of a column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layerkit.core.context import Array
from layerkit.core.rows import Rows
from layerkit.datacontract.choose_columns import missing_column
from layerkit.datacontract.labels import LabelLookup, distinct_labels, label_of
from layerkit.display import counted, nearest, quoted
from layerkit.errors import DataError


def split_rows(
    rows: Rows,
    fraction: float,
    rng: np.random.Generator,
    *,
    stratify: Array | None = None,
    spare: Array | None = None,
) -> tuple[Rows, Rows]:
    """Split off a random ``fraction`` of the rows: (rest, part), both shuffled and never empty.

    The same state of ``rng`` gives the same split. With ``stratify``, labels (n,), each class gives
    its proportion; the rows left over by rounding come from the classes with the largest
    remainders. With ``spare``, class numbers (n,), no class gives its last row: if the draw took
    all its rows, one stays and a row of the class that has most left replaces it, if any has two.

    Raises DataError if ``fraction`` is out of range, there are fewer than two rows, ``stratify``
    has another length, or each class of ``spare`` has one row only.
    """
    n = len(rows)
    if not 0 < fraction < 1:
        raise DataError(f"expected a fraction between 0 and 1, got {fraction}", source=rows.source)
    if n < 2:
        raise DataError(f"{counted(n, 'row')} cannot be split in two", source=rows.source)
    size = min(max(int(n * fraction + 0.5), 1), n - 1)
    order = rng.permutation(n)
    taken = np.arange(n) < size
    if stratify is not None:
        if len(stratify) != n:
            reason = f"expected {counted(n, 'label')} to stratify by, got {len(stratify)}"
            raise DataError(reason, source=rows.source)
        _, classes = np.unique(stratify[order], return_inverse=True)
        counts = np.bincount(classes.reshape(-1))
        taken[:] = False
        for k, quota in enumerate(_quotas(counts, size)):
            taken[np.flatnonzero(classes == k)[:quota]] = True
    if spare is not None:
        _spare(taken, spare[order])
        if not taken.any():
            raise DataError(
                f"each class has one row, so none of the {n} can be split off",
                source=rows.source,
                hint="give more rows of each class, or set train.test and train.validation to 0",
            )
    return rows.take(order[~taken]), rows.take(order[taken])


def _spare(taken: Array, classes: Array) -> None:
    """Change ``taken`` (n,) in place so that a row of each class is left."""
    left = np.bincount(classes[~taken], minlength=int(classes.max()) + 1)
    for k in np.unique(classes[taken]):
        if left[k]:
            continue
        taken[np.flatnonzero(taken & (classes == k))[-1]] = False
        left[k] = 1
        most = int(np.argmax(left))
        if left[most] > 1:
            taken[np.flatnonzero(~taken & (classes == most))[0]] = True
            left[most] -= 1


def _quotas(counts: Array, size: int) -> Array:
    """How many rows of each class to take: ``size`` in all, by the largest remainder method."""
    share = counts * (size / counts.sum())
    quotas: Array = np.floor(share).astype(np.int64)
    left = size - int(quotas.sum())
    largest = np.argsort(-(share - quotas), kind="stable")
    quotas[largest[:left]] += 1
    return quotas


def split_by_column(rows: Rows, column: str, values: Sequence[str | float]) -> tuple[Rows, Rows]:
    """Split off the rows whose ``column`` is in ``values``: (rest, part), both in order.

    The column stays in the rows: exclude it from the inputs (``InputContract.fit``,
    ``exclude=[column]``). Raises DataError if there is no such column, a value does not occur in
    it, or one part is empty.
    """
    there = rows.columns or {}
    if column not in there:
        raise missing_column([column], list(there), rows.source)
    written = None if rows.spelling is None else rows.spelling(column)
    different, inverse = distinct_labels(np.asarray(there[column]) if written is None else written)
    part = np.zeros(len(rows), np.bool_)
    for value in values:
        name = LabelLookup([value])
        matches = np.array([name.find(cell) == 0 for cell in different], np.bool_)[inverse]
        if not matches.any():
            distinct = [str(label_of(cell)) for cell in different[:1000]]
            near = nearest(str(value), distinct)
            raise DataError(
                f"no row has the value {quoted(value)}{near}",
                column=column,
                source=rows.source,
                hint=f"values there: {', '.join(distinct[:20])}",
            )
        part |= matches
    if part.all() or not part.any():
        reason = "all rows have one of the values" if part.all() else "no values to split by"
        raise DataError(reason, column=column, source=rows.source)
    return rows.take(np.flatnonzero(~part)), rows.take(np.flatnonzero(part))
