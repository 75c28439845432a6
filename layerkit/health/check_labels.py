"""Labels: classes with few rows or none, and labels that are all the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerkit.display import quoted
from layerkit.health.finding import Finding
from layerkit.health.settings import widening
from layerkit.health.subject import Subject
from layerkit.health.table import Table
from layerkit.health.wording import percent, some

# Rows of the largest class for one of the smallest: adult has 3, letter 1.1.
_SKEWED = 10.0


def constant_labels(table: Table) -> Iterator[Finding]:
    """Labels or targets that are the same in all rows."""
    y = np.asarray(table.y).reshape(len(table.y), -1)
    if len(y) < 2:
        return
    same = [j for j in range(y.shape[1]) if np.ptp(y[:, j]) == 0]
    if len(same) < y.shape[1]:
        return
    yield Finding(
        "constant labels",
        "error",
        f"all {len(y):,} training rows have the same label",
        "there is nothing to learn: always giving that label is right on all rows",
        "output.column" if table.spec.output["targets"] is None else "output.targets",
        advice="name the column that holds the labels, or train on rows of several labels",
    )


def skewed_classes(table: Table) -> Iterator[Finding]:
    """A class with far fewer rows than another, without weights that even them out."""
    counts = table.classes
    if counts is None or (counts > 0).sum() < 2:
        return
    train = table.spec.train or {}
    if train.get("class_weights") is not None or train.get("sample_weight") is not None:
        return
    present = counts[counts > 0]
    skew = float(present.max() / present.min())
    if skew < _SKEWED:
        return
    names = _names(table)
    common = int(counts.argmax())
    rare = int(np.where(counts > 0, counts, counts.max() + 1).argmin())
    most, least = quoted(names[common], 40), quoted(names[rare], 40)
    yield Finding(
        "class imbalance",
        "warning",
        f"class {most} has {counts[common]:,} rows and {least} {counts[rare]:,}: always giving "
        f"{most} is right on {percent(counts.max() / counts.sum())}",
        "the loss is a mean over rows, so rare classes hardly count in it, nor in an accuracy; "
        "weights find more of their rows, at the price of more false alarms. The limit is "
        f"{_SKEWED:g} rows for one",
        "train.class_weights",
        {"train.class_weights": "balanced"},
    )


def classes_without_rows(table: Table, subject: Subject) -> Iterator[Finding]:
    """Classes that the spec names and no training row has."""
    counts = table.classes
    if counts is None or table.spec.output["classes"] is None or not (counts == 0).any():
        return
    names = _names(table)
    absent = [name for name, count in zip(names, counts, strict=True) if count == 0]
    left = [name for name in names if name not in absent]
    if len(left) < 2:
        return
    changes: dict[str, object] = {"output.classes": left}
    last = len(subject.network.planned) - 1
    setting = widening(subject.network.planned[last]) if last >= 0 else None
    if setting is not None:
        changes |= dict.fromkeys(subject.paths([last], setting), len(left))
    yield Finding(
        "classes without rows",
        "warning" if len(absent) > len(names) / 10 else "notice",
        f"{len(absent)} of {len(names)} classes have no training row: {some(absent)}",
        "the network learns never to give them, and their units take part in every softmax",
        "output.classes",
        changes if setting is not None else {},
        advice="add rows of these classes if they will be asked for",
    )


def _names(table: Table) -> list[object]:
    output = table.contract.output
    assert output is not None  # noqa: S101  # the table has classes
    return list(output.classes or ())
