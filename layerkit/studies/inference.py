"""What a prediction takes: one kept model of each point, timed on this machine when asked for.

Times are not kept. Only such as were measured in one go compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from layerkit.comparison.footnotes import timing_notes, unsteady_times
from layerkit.comparison.timing import BATCH_ROWS, time_models
from layerkit.core.rows import Rows
from layerkit.file.load import load
from layerkit.model import Model
from layerkit.reporting.versions import versions
from layerkit.runs.folder import Line, RunFolder
from layerkit.runs.job import RowReader
from layerkit.studies.document import Point, StudyPlan
from layerkit.studies.findings import Findings
from layerkit.studies.result import Study
from layerkit.training.prepare import test_split


def timed(study: Study, plan: StudyPlan, folder: RunFolder) -> Study:
    """The study with the time that a model of each point takes, on up to 1,024 rows of its data.

    A point whose models are not in the folder has no time. Raises the errors of ``load``, and
    DataError or DataSourceError if the rows cannot be read.
    """
    points = Findings.of(plan, folder).points
    labels = [dict(p.point.labels) for p in points]
    reader, held = RowReader(), dict[int, tuple[Model, Rows]]()
    for k, row in enumerate(study.rows):  # the best is the first, to which ratios are
        p = points[labels.index(row.point)]
        if (model := _model(p.lines, folder)) is not None:
            held[k] = model, _rows(p.point, plan, reader)
    if not held:
        return study
    found = time_models(list(held.values()))
    times = dict(zip(held, found.times, strict=True))
    rows = tuple(replace(row, timing=times.get(k)) for k, row in enumerate(study.rows))
    return replace(study, rows=rows, control=found.control, machine=versions()["machine"])


def _model(lines: Sequence[Line], folder: RunFolder) -> Model | None:
    """The model of the first run that has one."""
    paths = (folder.model(line["key"]) for line in lines if not line["diverged"])
    path = next((path for path in paths if path.exists()), None)
    return None if path is None else load(path)


def _rows(point: Point, plan: StudyPlan, reader: RowReader) -> Rows:
    """Test rows if there are any, else rows of training."""
    splits = reader.rows(point.spec, plan.data, plan.validation).splits
    _, test = test_split(splits, point.spec)
    rows = splits["train"] if test is None or not len(test) else test
    return rows.take(slice(0, BATCH_ROWS))


def time_notes(study: Study) -> list[str]:
    """What was timed, how, and on which machine; nothing if nothing was."""
    times = [row.timing for row in study.rows if row.timing is not None]
    if study.machine is None:
        return []
    left_out = [study.title(row) for row in study.rows if row.timing is None]
    notes = [*unsteady_times(times, "point"),
             *timing_notes(times, study.control, study.machine, "point")]  # fmt: skip
    if left_out:
        notes.append(f"Not timed, as the folder has no model of it: {'; '.join(left_out)}.")
    return notes
