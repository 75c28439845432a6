"""Table: training rows as the checks of data look at them, column by column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from layerkit.core.context import Array
from layerkit.core.parts import Target
from layerkit.core.rows import Rows
from layerkit.datacontract import DataContract
from layerkit.datacontract.parse_cells import as_numbers
from layerkit.specs import Spec

MOST_ROWS = 5000  # of a table that are looked at
MOST_COLUMNS = 1000


@dataclass(frozen=True, eq=False)
class Column:
    """One input as it is written: ``codes`` (n,) number its different values in ascending order.

    ``named`` says whether the spec lists it, so that it can be left out.
    """

    name: str
    index: int
    codes: Array
    distinct: int
    numeric: bool
    named: bool


@dataclass(frozen=True, eq=False)
class Table:
    """Training rows, a sample of them, and test rows if there are any.

    Parameters
    ----------
    spec, contract
        As fitted to these rows.
    rows
        Raw; labels are among them.
    x
        (n, *in) as the network gets them.
    y
        As the loss compares with: class numbers, flags or scaled numbers.
    target
        Kind of ``y``.
    test_x, test_y
        As x and y, of rows held out for testing, or None.
    """

    spec: Spec
    contract: DataContract
    rows: Rows
    x: Array
    y: Array
    target: Target
    test_x: Array | None = None
    test_y: Array | None = None

    @cached_property
    def chosen(self) -> Array:
        """The numbers of the rows that are looked at: a random sample, always the same."""
        order = np.random.default_rng(0).permutation(len(self.x))
        return order[:MOST_ROWS]

    @cached_property
    def names(self) -> list[str] | None:
        """Raw names of the inputs in the order of the spec; None if it lists none."""
        listed = self.spec.input["columns"]
        if listed is None:
            return None
        return [item if isinstance(item, str) else item["name"] for item in listed]

    @cached_property
    def columns(self) -> list[Column]:
        """The inputs, for rows with one axis; at most 1,000."""
        if self.x.ndim != 2 or len(self.x) == 0:
            return []
        return list(self._columns())

    def _columns(self) -> Iterator[Column]:
        given, names = self.rows.columns, self.names
        for j, name in enumerate(names or map(str, range(self.x.shape[1]))):
            if j >= MOST_COLUMNS:
                return
            numeric = True
            if given is not None and names is not None and name in given:
                cells = np.asarray(given[name])[self.chosen]
                values, bad = as_numbers(cells, tuple(self.spec.input["missing_values"] or ()))
                numeric = bad is None
                if not numeric:
                    values = cells.astype(str)
            else:
                values = self.x[self.chosen, j]
            different, codes = np.unique(values, return_inverse=True)
            yield Column(name, j, codes, len(different), numeric, names is not None)

    def without(self, dropped: set[str]) -> dict[str, object]:
        """The change that leaves out columns; nothing if the spec does not list them."""
        if self.names is None:
            return {}
        listed = zip(self.spec.input["columns"], self.names, strict=True)
        return {"input.columns": [item for item, name in listed if name not in dropped]}

    @cached_property
    def classes(self) -> Array | None:
        """(classes,) rows of each class; None if the targets are not one class per row."""
        output = self.contract.output
        if output is None or output.classes is None:
            return None
        numbers = self.class_numbers
        return None if numbers is None else np.bincount(numbers, minlength=len(output.classes))

    @cached_property
    def class_numbers(self) -> Array | None:
        """(n,) class numbers; None if the targets are not one class per row."""
        if self.contract.output is not None and self.contract.output.steps:
            return None
        if self.target == "class":
            return np.asarray(self.y)
        if self.target == "binary" and self.y.shape[1:] == (1,):
            return (np.asarray(self.y)[:, 0] >= 0.5).astype(np.int64)
        return None
