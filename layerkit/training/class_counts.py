"""How many rows each class has, before a training starts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from layerkit.core.rows import Rows
from layerkit.discovery.registry import split_config
from layerkit.display import counted, printable, quoted, shortened
from layerkit.specs import Spec
from layerkit.training.rare_classes import class_labels

_COLUMNS, _NAME = 80, 20
_SKEWED = 0.75  # the share of a class from which on accuracy alone says little
_FAIR = ("balanced_accuracy", "macro_f1", "precision", "recall", "auc")


def class_counts(spec: Spec, rows: Rows) -> dict[str | int, int] | None:
    """Rows of each class, in the order of the labels; None if ``rows`` have no classes."""
    found = class_labels(spec, rows)
    if found is None:
        return None
    names, numbers = found
    return dict(zip(names, np.bincount(numbers, minlength=len(names)).tolist(), strict=True))


def counts_line(counts: Mapping[str | int, int]) -> str:
    """``rows per class: cat: 23 (51 %), dog: 22 (49 %)``, or the extremes of many classes.

    At most 80 columns.
    """
    total = max(1, sum(counts.values()))
    each = [f"{_short(name)}: {n:,} ({100 * n / total:.0f} %)" for name, n in counts.items()]
    line = f"rows per class: {', '.join(each)}"
    if len(line) <= _COLUMNS:
        return line
    least, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    return (
        f"{len(counts):,} classes: {counted(counts[least], 'row')} of {_short(least)} to "
        f"{counts[most]:,} of {_short(most)}"
    )


def _short(name: str | int) -> str:
    return shortened(printable(name), _NAME)


def skewed_classes(spec: Spec, rows: Rows) -> str | None:
    """A notice if one class has most of the rows and accuracy alone would be shown, else None.

    None also if the recipe weighs the classes.
    """
    recipe = spec.train or {}
    metrics = [split_config(config)[0] for config in recipe.get("metrics") or ()]
    if "accuracy" not in metrics or set(metrics) & set(_FAIR):
        return None
    counts = None if recipe.get("class_weights") is not None else class_counts(spec, rows)
    if not counts or len(counts) < 2:
        return None
    name = max(counts, key=counts.__getitem__)
    share = counts[name] / sum(counts.values())
    if share < _SKEWED:
        return None
    return (
        f"{100 * share:.0f} % of the training rows are of class {quoted(name, 40)}, so an accuracy "
        "of that size is no skill: add balanced_accuracy to train.metrics, or set "
        'train.class_weights to "balanced"'
    )
