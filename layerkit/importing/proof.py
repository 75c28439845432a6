"""Proving that an imported model gives the answers of its source."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from layerkit.core.context import Array
from layerkit.errors import DataError, WeightsError
from layerkit.model import Model
from layerkit.predict import RawRows


class Proved(NamedTuple):
    """How far a model is from given answers.

    Parameters
    ----------
    rows
        How many were compared.
    difference
        The largest, absolute.
    output
        The largest answer, absolute.
    """

    rows: int
    difference: float
    output: float


def prove(model: Model, rows: RawRows, answers: Any, within: float) -> Proved:
    """Compare predictions with ``answers`` (n, k) or (n,); two classes may have one or both.

    Raises
    ------
    WeightsError
        If they differ by more than ``within``, times the largest answer if that is above 1.
    DataError
        If the model cannot predict the rows, or the answers are no numbers or of another shape.
    """
    found = model.predict(rows).astype(np.float64)
    expected = _numbers(answers)
    if expected.ndim == 1 and found.ndim == 2 and found.shape[1] == 1:
        expected = expected[:, None]
    two = model.classes is not None and found.shape[1:] == (1,) and expected.shape[1:] == (2,)
    if two:
        expected = expected[:, 1:]
    if expected.shape != found.shape:
        raise DataError(
            f"expected answers of shape {list(found.shape)}, got {list(expected.shape)}"
        )
    away = np.abs(found - expected)
    difference, output = float(np.max(away, initial=0)), float(np.max(np.abs(expected), initial=0))
    if not difference <= within * max(output, 1.0):
        row = int(np.nan_to_num(away, nan=np.inf).reshape(len(away), -1).max(axis=1).argmax())
        raise WeightsError(
            f"row {row}: expected {expected[row].tolist()}, the model gives {found[row].tolist()}; "
            f"differences of at most {within:g} of the largest answer are allowed"
        )
    return Proved(len(found), difference, output)


def _numbers(answers: Any) -> Array:
    try:
        found: Array = np.asarray(answers, np.float64)
    except (TypeError, ValueError) as cause:
        raise DataError(f"expected answers that are numbers: {cause}") from cause
    return found
