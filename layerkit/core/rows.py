"""Rows: raw data from a file, a table or a data source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from layerkit.core.context import Array


@dataclass(frozen=True)
class Rows:
    """Raw rows from a source, before the data contract is applied.

    Exactly one of ``values`` and ``columns`` is given.

    Parameters
    ----------
    values
        (n, *shape) numbers.
    columns
        Name to (n,) array of numbers or of str; the text "" is a missing value.
    labels
        (n,) class labels or numbers, or (n, k), as the source spells them; None if there are none,
        or if they are among ``columns``.
    source
        Where they come from, for messages.
    index
        (n,) the number of each row at its source, if only some were taken; for messages.
    label_text
        (n,) str, the labels as written, where ``labels`` holds them as numbers that may be written
        in several ways; None where ``labels`` are as written.
    spelling
        From a name in ``columns`` to its cells (n,) as written, or None where the column is as
        written.
    notes
        Assumptions about how the source is written, one line each.
    weights
        (n,) finite numbers >= 0: what each row counts in training, as if it were there so often;
        None if all count the same.
    encoded
        Whether ``values`` are the numbers that categories become, not raw cells.
    """

    values: Array | None = None
    columns: Mapping[str, Array] | None = None
    labels: Array | None = None
    source: str = "rows"
    index: Array | None = None
    label_text: Array | None = None
    spelling: Callable[[str], Array | None] | None = None
    notes: tuple[str, ...] = ()
    weights: Array | None = None
    encoded: bool = False

    def __len__(self) -> int:
        if self.values is not None:
            return len(self.values)
        if self.columns:
            size = getattr(self.columns, "size", None)  # of columns that are read on demand
            return len(next(iter(self.columns.values()))) if size is None else int(size)
        return 0 if self.labels is None else len(self.labels)

    def take(self, index: Array | slice) -> Rows:
        """The rows at ``index``, in that order."""
        return Rows(
            None if self.values is None else self.values[index],
            None if self.columns is None else _take_columns(self.columns, index),
            None if self.labels is None else self.labels[index],
            self.source,
            (np.arange(len(self)) if self.index is None else self.index)[index],
            None if self.label_text is None else self.label_text[index],
            None if self.spelling is None else partial(_take_spelling, self.spelling, index),
            self.notes,
            None if self.weights is None else self.weights[index],
            self.encoded,
        )


def _take_columns(columns: Mapping[str, Array], index: Array | slice) -> Mapping[str, Array]:
    take = getattr(columns, "take", None)
    if take is not None:
        taken: Mapping[str, Array] = take(index)
        return taken
    return {name: column[index] for name, column in columns.items()}


def _take_spelling(
    spelling: Callable[[str], Array | None], index: Array | slice, name: str
) -> Array | None:
    cells = spelling(name)
    return None if cells is None else cells[index]
