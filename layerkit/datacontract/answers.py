"""Predictions as a table: the columns of ``infer`` and of ``Model.predict(rows, to="pandas")``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np

from layerkit.core.context import Array
from layerkit.datacontract.outputs import OutputContract
from layerkit.display import nearest, quoted
from layerkit.errors import DataError

FrameLibrary = Literal["pandas", "polars", "pyarrow"]
"""The libraries whose tables ``Model.predict`` gives."""

_MAKERS = {"pandas": "DataFrame", "polars": "DataFrame", "pyarrow": "table"}


def answer_names(output: OutputContract | None, width: int) -> list[str]:
    """Names of the columns: "class" and "p_CLASS" of each class, the targets, or y_0, y_1, ..."""
    if output is not None and output.classes is not None:
        return ["class", *(f"p_{label}" for label in output.classes)]
    return list((output and output.targets) or [f"y_{k}" for k in range(width)])


def answer_numbers(output: OutputContract | None, predictions: Array) -> Array:
    """Predictions (n, *out) as (n, k) with one column per class or target.

    One sigmoid unit gives the probability of the second class; its column comes second.
    """
    flat = predictions.reshape(len(predictions), math.prod(predictions.shape[1:]))
    two = output is not None and output.classes is not None and flat.shape[1] == 1
    return np.concatenate([1 - flat, flat], axis=1) if two else flat


def make_frame(columns: Mapping[str, Array], library: FrameLibrary, rows: object) -> Any:
    """A table of ``library`` with these columns; a pandas table keeps the index of ``rows``.

    Raises DataError if the library is another one or not installed.
    """
    if library not in _MAKERS:
        known = list(_MAKERS)
        raise DataError(
            f"to: expected {', '.join(known[:-1])} or {known[-1]}, got {quoted(library)}"
            f"{nearest(str(library), known)}"
        )
    if find_spec(library) is None:
        raise DataError(
            f"to: {library} is not installed; install it with: python -m pip install {library}"
        )
    index = {}
    if library == "pandas" and hasattr(rows, "iloc") and hasattr(rows, "columns"):
        index = {"index": rows.index}  # type: ignore[attr-defined]  # a pandas table
    return getattr(import_module(library), _MAKERS[library])(dict(columns), **index)
