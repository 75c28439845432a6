"""Whether the trials of a search have enough rows, found before anything is trained.

All trials of a point learn from the same rows, and are judged by the same ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from layerkit.core.rows import Rows
from layerkit.core.search import Dimension
from layerkit.display import counted, few
from layerkit.errors import DataError, SpecError
from layerkit.runs.job import StudyRows
from layerkit.runs.trial import training_rows
from layerkit.specs import Spec
from layerkit.studies.document import StudyPlan
from layerkit.studies.search import SearchPlan, trial_spec
from layerkit.training.prepare import split_all, test_split
from layerkit.training.rare_classes import class_labels
from layerkit.training.recipe import loss_and_metrics

_COARSE = 20  # rows to judge by: of fewer, each is more than 5 points of a share
_BATCH = "train.batch_size"


class _TooFew(NamedTuple):
    """What was expected, what there is, and how many rows of a trial would do, if known."""

    expected: str
    got: str
    enough: int | None = None


def check_trial_rows(plan: StudyPlan, number: int, rows: StudyRows) -> str:
    """A notice about the rows of the trials of the ``number``-th point; "" if there is none.

    Raises SpecError if they are too few to learn from, or to judge by.
    """
    search, point = plan.search, plan.points[number]
    assert search is not None  # noqa: S101  # called for studies with one
    space = search.spaces[number]
    lowest = {path: one.at(0.0) for path, one in space.items()}
    spec = trial_spec(plan.base, point, lowest, search.changes)
    every, _ = test_split(rows.splits, spec)
    try:
        learned, judges = _split(spec, search, rows)
    except DataError as error:
        found = _TooFew("rows to train on and rows to validate on", f"too few: {error.message}")
        raise _refusal(found, search, point.title, len(every)) from error
    limited, fixed = search.rows is not None, rows.validation is not None
    wanted = (
        _classes(spec, every, learned) if limited else None,
        _judges(spec, every, len(judges), fixed=fixed),
        _batch(spec, learned, space, fixed=fixed) if limited else None,
    )
    if faults := [one for one in wanted if one is not None]:
        enough = max((one.enough for one in faults if one.enough), default=None)  # for all of them
        raise _refusal(faults[0]._replace(enough=enough), search, point.title, len(every))
    if len(judges) < _COARSE:
        return (
            f"search: {counted(len(judges), 'row')} to validate on decide between trials, so one "
            f"more right row is {100 / len(judges):.0f} points of a share"
        )
    return ""


def _split(spec: Spec, search: SearchPlan, rows: StudyRows) -> tuple[Rows, Rows]:
    """(rows to learn from, rows to judge by) of each trial."""
    given = training_rows(spec, rows.splits, search.rows, search.seed)
    learned, judges, _ = split_all(
        spec.with_train(test=None),
        {"train": given},
        loss_and_metrics(spec)[0],
        seed=search.seed,
        validation_rows=rows.validation,
    )
    assert judges is not None  # noqa: S101  # read_search has seen to it
    return learned, judges


def _judges(spec: Spec, every: Rows, count: int, *, fixed: bool) -> _TooFew | None:
    """Too few rows to validate on; ``fixed`` if they come from a file of their own."""
    labels = class_labels(spec, every)
    least = max(2, 0 if labels is None else len(labels[0]))
    if count >= least:
        return None
    share = (spec.train or {})["validation"]
    each = "" if labels is None else ", as many as there are classes"
    expected = f"at least {least:,} rows to validate on{each}"
    return _TooFew(expected, f"{count:,}", None if fixed else math.ceil(least / share))


def _classes(spec: Spec, every: Rows, learned: Rows) -> _TooFew | None:
    """Classes of which there is no row to learn from; a spec may name them, and have many."""
    known, seen = class_labels(spec, every), class_labels(spec, learned)
    if known is None or seen is None:
        return None
    if spec.output["classes"] is not None and len(learned) >= len(known[0]):
        return None
    lost = [str(name) for name in known[0] if name not in seen[0]]
    expected = f"rows of all {len(known[0])} classes to train on"
    found = f"{counted(len(learned), 'row')} without class {few(lost, 5)}"
    return _TooFew(expected, found) if lost else None


def _batch(
    spec: Spec, learned: Rows, space: Mapping[str, Dimension], *, fixed: bool
) -> _TooFew | None:
    """Fewer rows to learn from than a batch has: trials with larger batches would be alike."""
    recipe, searched = spec.train or {}, space.get(_BATCH)
    size: int = recipe["batch_size"]
    if searched is not None:
        size = max(searched.choices or (searched.high,))
    if len(learned) >= size:
        return None
    expected = f"at least a batch of rows to train on ({_BATCH} {size:,})"
    held_out = 0.0 if fixed else recipe["validation"]
    return _TooFew(expected, f"{len(learned):,}", math.ceil(size / (1 - held_out)))


def _refusal(found: _TooFew, search: SearchPlan, title: str, rows: int) -> SpecError:
    """The error at ``search.rows``, or at ``search`` if there is no such limit."""
    enough = "" if found.enough is None else f" to {found.enough:,} or more"
    there = f"there are {counted(rows, 'row')} that are no test rows"
    advice = f"raise search.rows{enough}, or leave it out: {there}"
    if search.rows is None or (found.enough or 0) > rows:
        advice = f"the search needs more rows, or another train.validation in its 'set': {there}"
    return SpecError(
        f"expected {found.expected}, got {found.got}",
        location="search" if search.rows is None else "search.rows",
        line=search.line,
        path=search.path,
        hint=f"{advice}\nin the search at the point of the grid: {title}",
    )
