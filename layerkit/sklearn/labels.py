"""Labels of any type as the classes of a model file, which are text or whole numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.datacontract.labels import label_of

_MOST = 2**63


def file_classes(classes: Array) -> list[str] | list[int]:
    """What the file calls ``classes`` (k,), in their order.

    Whole numbers stay numbers, also where they are floats; truth values are ``false`` and ``true``;
    others are their text. Where two would have one name, or a name means a missing label, the
    names are 0 to k - 1.
    """
    cells = classes.tolist()
    if all(_whole(cell) for cell in cells):
        return [int(cell) for cell in cells]
    labels = [label_of(cell) for cell in cells]
    names = [str(label) for label in labels]
    if None in labels or len({*names}) < len(names):
        return list(range(len(cells)))
    return names


def _whole(cell: object) -> bool:
    if isinstance(cell, bool) or not isinstance(cell, (int, float)):
        return False
    return float(cell).is_integer() and -_MOST <= cell < _MOST


def weights_by_class(choice: object, classes: Array) -> Any:
    """``class_weight`` as a recipe says it: "balanced", or one number per class.

    Raises ValueError if a label is not one of ``classes``.
    """
    if not isinstance(choice, Mapping):
        return choice
    cells = classes.tolist()
    unknown = [label for label in choice if label not in cells]
    if unknown:
        raise ValueError(f"class_weight: {unknown[0]!r} is not one of the classes {cells}")
    return [choice.get(cell, 1.0) for cell in cells]


def class_numbers(y: Array, classes: Array) -> Array:
    """The position of each label of ``y`` (n,) in ``classes`` (k,), sorted.

    Raises ValueError if one is not there.
    """
    places = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    wrong = np.flatnonzero(classes[places] != y)
    if len(wrong):
        label = y[wrong].tolist()[0]
        raise ValueError(f"expected one of the classes {classes.tolist()}, got {label!r}")
    return places
