"""A whole model as graphs: from raw numeric rows to what ``predict`` gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from layerkit.core.context import Array, Shape
from layerkit.errors import ExportError
from layerkit.recording.graph import Graph, Node


class Step(NamedTuple):
    """One layer, or what comes before the first or after the last.

    Parameters
    ----------
    name
        Of the layer; "input", "link" or "targets" for the others.
    graph
        Without backprop. Layers of equal structure share one.
    tensors
        Parameters and state by name.
    in_shape, out_shape
        Of one row.
    """

    name: str
    graph: Graph
    tensors: Mapping[str, Array]
    in_shape: Shape
    out_shape: Shape


class RawColumn(NamedTuple):
    """A column of raw rows; a categorical one becomes one number per category.

    Parameters
    ----------
    places
        From a cell's text to the number that is 1; None for a column of numbers.
    width
        How many numbers it becomes.
    others
        Whether a text without a place is allowed: all its numbers are 0.
    gap
        Which number is 1 for a missing value; None where that is an error.
    code
        Whether it becomes one number instead, the one that would be 1; ``width``, which is no place
        of a text, stands for those without one.
    """

    name: str
    places: Mapping[str, int] | None = None
    width: int = 1
    others: bool = False
    gap: int | None = None
    code: bool = False


class Program(NamedTuple):
    """The steps of a model in the order in which they run.

    Parameters
    ----------
    name
        Of the model.
    in_dtype
        Of the rows: float64 where the contract scales them in float64.
    columns
        Names of the numbers of a row, if they have names.
    classes, targets
        Names of the outputs.
    facts
        Further text about the model, for the metadata of a file.
    raw_columns
        Those of a table with categories, which ``columns`` come from; None without categories.
    missing_texts
        Cells that are missing values.
    """

    name: str
    in_dtype: np.dtype[Any]
    in_shape: Shape
    out_shape: Shape
    steps: tuple[Step, ...]
    columns: tuple[str, ...] | None
    classes: tuple[Any, ...] | None
    targets: tuple[str, ...] | None
    facts: Mapping[str, str]
    raw_columns: tuple[RawColumn, ...] | None = None
    missing_texts: tuple[str, ...] = ()

    def names(self) -> dict[str, list[Any]]:
        """The names of columns, classes and targets, as far as there are any."""
        found = {"columns": self.columns, "classes": self.classes, "targets": self.targets}
        return {key: list(names) for key, names in found.items() if names is not None}

    @property
    def out_dtype(self) -> np.dtype[Any]:
        """Of the predictions."""
        found: np.dtype[Any] = self.steps[-1].graph.y.dtype if self.steps else self.in_dtype
        return found


def unsupported(step: Step, node: Node, form: str, instead: str = "") -> ExportError:
    """The error for an operation that a form does not have; ``instead``: what an author writes."""
    name = getattr(node.fn, "__name__", node.op) if node.op == "call" else node.op
    where = f" ({node.line})" if node.line else ""
    return ExportError(
        f"layer {step.name!r}{where}: {form} has no form of the operation {name!r}",
        hint=instead
        or "write the layer's feed with sums, products, np.where and elementwise "
        "functions, or choose another form",
    )
