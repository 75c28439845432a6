"""Frames with text: their columns are named before scikit-learn fails on the first cell."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit.display import quoted

_OTHER = (
    "category",
    "categorical",
    "enum",
    "str",
    "utf8",
    "date",
    "time",
    "duration",
    "large_str",
    "dict",
)


def refuse_text(X: Any) -> None:
    """Raise ValueError if X is a frame with columns of text, categories or dates."""
    if not hasattr(X, "dtypes") or not hasattr(X, "columns"):
        return
    names = [str(name) for name in X.columns]
    bad = [name for j, name in enumerate(names) if _no_numbers(X, j)]
    if not bad:
        return
    shown = ", ".join(map(quoted, bad[:5])) + (", ..." if len(bad) > 5 else "")
    raise ValueError(
        f"expected numeric columns, got text, categories or dates in {shown}; encode them in a "
        "pipeline, for example by ColumnTransformer([('text', OneHotEncoder(handle_unknown="
        f"'ignore'), {bad[:5]})], remainder='passthrough')"
    )


def _no_numbers(frame: Any, j: int) -> bool:
    kind = str(list(frame.dtypes)[j]).lower()
    if not kind.startswith("object"):
        return kind.startswith(_OTHER)
    column = frame.iloc[:, j] if hasattr(frame, "iloc") else frame[frame.columns[j]]
    try:
        np.asarray(column, np.float64)
    except (TypeError, ValueError):
        return True
    return False
