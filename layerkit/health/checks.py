"""The checks of a network, in the order in which their findings should be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from layerkit.health.check_columns import (
    constant_columns,
    duplicate_columns,
    leaks,
    repeated_rows,
)
from layerkit.health.check_gates import stuck_gates, too_deep
from layerkit.health.check_gradients import vanishing_gradients
from layerkit.health.check_inputs import unscaled_inputs, unscaled_targets
from layerkit.health.check_labels import classes_without_rows, constant_labels, skewed_classes
from layerkit.health.check_output import bounded_output
from layerkit.health.check_units import dead_units, saturated_units
from layerkit.health.check_weights import weights_not_finite
from layerkit.health.finding import Finding
from layerkit.health.subject import Subject
from layerkit.health.table import Table

Check = Callable[[Subject], Iterator[Finding]]

CAUSES_FIRST: tuple[Check, ...] = (
    weights_not_finite,
    stuck_gates,
    too_deep,
    dead_units,
    saturated_units,
    vanishing_gradients,
)


DATA_CHECKS: tuple[Callable[[Table], Iterator[Finding]], ...] = (
    constant_labels,
    leaks,
    skewed_classes,
    unscaled_targets,
    duplicate_columns,
    constant_columns,
    repeated_rows,
)


def examine_data(table: Table, subject: Subject) -> list[Finding]:
    """What the checks of rows find; ``subject`` is the network that they are for."""
    found = [finding for check in DATA_CHECKS for finding in check(table)]
    inputs = table.contract.input
    x = table.x[table.chosen]
    found += unscaled_inputs(table.spec, x, inputs.columns, inputs.whole)
    return [*found, *classes_without_rows(table, subject)]


def examine_layers(subject: Subject) -> list[Finding]:
    """What the checks of layers find.

    The first cause hides its symptoms: gates that are stuck are too far open too, and no gradient
    passes units that are flat.
    """
    if not subject.insides:
        return []
    with np.errstate(all="ignore"):
        for check in CAUSES_FIRST:
            found = list(check(subject))
            if found:
                break
        if check is not weights_not_finite:
            found += bounded_output(subject)
    return found
