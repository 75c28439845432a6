"""Classes with few rows: a split must not take all of them out of the training rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.core.rows import Rows
from layerkit.datacontract import OutputContract
from layerkit.datacontract.labels import distinct_labels, label_of
from layerkit.discovery.registry import LOSSES, split_config
from layerkit.display import quoted
from layerkit.errors import DataError
from layerkit.specs import Spec

_SHOWN = 5


def class_labels(spec: Spec, rows: Rows) -> tuple[list[Any], Array] | None:
    """(the classes of ``rows``, the class number of each row (n,)).

    None if the targets are not classes, there are no labels, or a label cannot be a class (missing,
    or a fraction), which is reported when labels are encoded.
    """
    output = spec.output
    if spec.train is None or LOSSES[split_config(spec.train["loss"])[0]].target == "real":
        return None
    if output["targets"] is not None:
        return None  # several flags per row
    contract = OutputContract((1,), label=output["column"])
    if not contract.has_labels(rows):
        return None
    labels = np.asarray(contract.written(rows))
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind in "cVmM":
        return None
    different, numbers = distinct_labels(labels)
    names = [label_of(cell, spec.input.get("missing_values") or ()) for cell in different]
    return None if any(n is None or isinstance(n, float) for n in names) else (names, numbers)


def lone_classes(spec: Spec, rows: Rows) -> str | None:
    """A notice about classes with a single row, which no split takes; None if there are none."""
    found = class_labels(spec, rows)
    if found is None:
        return None
    names, numbers = found
    counts = np.bincount(numbers, minlength=len(names))
    lone = [name for name, count in zip(names, counts, strict=True) if count == 1]
    if not lone:
        return None
    if len(lone) == 1:
        return f"class {quoted(lone[0])} has 1 row, which is used for training and never evaluated"
    return f"classes {_shown(lone)} have 1 row each, used for training and never evaluated"


def refuse_unlearned(spec: Spec, rows: Rows, apart: Rows | None, what: str) -> None:
    """Raise DataError if a split leaves a class no training row, unless the spec names the classes.

    ``what`` names the rows ``apart``.
    """
    if apart is None or spec.output["classes"] is not None:
        return
    learned, held = class_labels(spec, rows), class_labels(spec, apart)
    if learned is None or held is None:
        return
    known = {str(name) for name in learned[0]}
    lost = [name for name in held[0] if str(name) not in known]
    if not lost:
        return
    noun, they, it = ("class", "it", "it") if len(lost) == 1 else ("classes", "they", "them")
    raise DataError(
        f"all rows of {noun} {_shown(lost)} are {what} rows, so {they} cannot be learned",
        column=spec.output["column"],
        source=apart.source,
        hint=f"leave some for training: choose other {what} rows, or name every class in "
        f"output.classes of the spec to train without {it}",
    )


def _shown(names: list[Any]) -> str:
    more = ", ..." if len(names) > _SHOWN else ""
    return ", ".join(quoted(name) for name in names[:_SHOWN]) + more
