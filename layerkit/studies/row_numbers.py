"""The numbers of test rows at their source, as ``compare``, ``eval`` and messages give them."""

from __future__ import annotations

import numpy as np

from layerkit.core.context import Array
from layerkit.errors import LayerkitError
from layerkit.runs.job import RowReader
from layerkit.studies.document import StudyPlan
from layerkit.studies.findings import Findings
from layerkit.training.prepare import test_split


def row_numbers(plan: StudyPlan, findings: Findings) -> Array | None:
    """(n,) the number, from 0, of each test row; None if the rows of the runs are not there."""
    for found in findings.points:
        for line in found.lines[:1]:
            try:
                rows = RowReader().rows(found.point.spec, plan.data, plan.validation)
                _, test = test_split(rows.splits, found.point.spec)
            except (LayerkitError, OSError):
                return None
            if test is None or rows.digest != line["rows"]:
                return None
            return np.arange(len(test)) if test.index is None else test.index
    return None
