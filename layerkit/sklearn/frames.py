"""Frames with text: their columns go to layerkit by name, those of text as categories to learn."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit.display import quoted

_TEXT = ("category", "categorical", "enum", "str", "utf8", "large_str", "dict")
_DATES = ("date", "time", "duration")


def columns_of(X: Any) -> list[Any] | None:
    """The columns of a frame X as ``input.columns`` has them; None if it has numbers only.

    Raises ValueError if X is a frame with dates.
    """
    if not hasattr(X, "dtypes") or not hasattr(X, "columns"):
        return None
    names = [str(name) for name in X.columns]
    kinds = [_kind(X, j) for j in range(len(names))]
    dates = [name for name, kind in zip(names, kinds, strict=True) if kind == "date"]
    if dates:
        shown = ", ".join(map(quoted, dates[:5]))
        raise ValueError(f"expected numbers or text, got dates in {shown}: turn them into numbers")
    if "text" not in kinds:
        return None
    learn = {"categories": "learn", "unknown": "other", "missing": "category"}
    pairs = zip(names, kinds, strict=True)
    return [{"name": name, **learn} if kind == "text" else name for name, kind in pairs]


def _kind(frame: Any, j: int) -> str:
    """Whether a column holds a "number", "text" or a "date" in each cell."""
    kind = str(list(frame.dtypes)[j]).lower()
    if kind.startswith(_DATES):
        return "date"
    if not kind.startswith("object"):
        return "text" if kind.startswith(_TEXT) else "number"
    column = frame.iloc[:, j] if hasattr(frame, "iloc") else frame[frame.columns[j]]
    try:
        np.asarray(column, np.float64)
    except (TypeError, ValueError):
        return "text"
    return "number"
