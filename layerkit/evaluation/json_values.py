"""A report as JSON values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from layerkit.display import jsonable
from layerkit.evaluation.results import Calibration, ClassScores, EvaluationResult, Residuals

_MATRIX = 100  # classes; a larger matrix is not written, as it would be nearly empty
_CONFUSIONS = 1000


def json_values(r: EvaluationResult) -> dict[str, Any]:
    """Everything but the rows themselves; numbers that are not defined are None."""
    values: dict[str, Any] = {
        "name": r.name,
        "file_id": r.file_id,
        "source": r.source,
        "split": r.split,
        "rows": r.rows,
        "share_seen": r.share_seen,
        "task": r.task,
        "metrics": r.metrics,
        "higher_is_better": r.higher_is_better,
    }
    if r.classes is not None:
        values |= _classes(r.classes)
    if r.residuals:
        values["residuals"] = [_residuals(one) for one in r.residuals]
    if r.steps is not None:
        values["steps"] = r.steps
    found: dict[str, Any] = jsonable({**values, "versions": r.versions})
    return found


def _classes(c: ClassScores) -> dict[str, Any]:
    """The scores of classes; those of yes-or-no answers have no confusions."""
    series = (c.support, c.guessed, c.precision, c.recall, c.f1, c.auc)
    keys = ("rows", "guessed", "precision", "recall", "f1", "auc")
    listed = [
        {"name": name, **dict(zip(keys, numbers, strict=True))}
        for name, *numbers in zip(c.names, *(s.tolist() for s in series), strict=True)
    ]
    values = {
        "accuracy": c.accuracy,
        "balanced_accuracy": c.balanced_accuracy,
        "means": c.means,
        "majority": {"class": c.majority, "accuracy": c.majority_share},
        "answers" if c.several else "classes": listed,
        "calibration": _calibration(c.calibration),
    }
    if not c.several:
        small = len(c.names) <= _MATRIX
        values["confusion_matrix"] = c.confusion_matrix if small else None
        values["confusions"] = [asdict(one) for one in c.worst_confusions(_CONFUSIONS)]
    return values


def _calibration(c: Calibration) -> dict[str, Any]:
    intervals = zip(c.edges[:-1], c.edges[1:], c.rows, c.predicted, c.observed, strict=True)
    keys = ("low", "high", "rows", "predicted", "observed")
    curve = [dict(zip(keys, map(float, one), strict=True)) for one in intervals]
    for interval in curve:
        interval["rows"] = int(interval["rows"])
    return {"of": c.of, "error": c.error, "curve": curve}


def _residuals(r: Residuals) -> dict[str, Any]:
    return {
        "name": r.name,
        "bias": r.bias,
        "spread": r.spread,
        "target_spread": r.target_spread,
        "quantiles": {f"{share:g}": value for share, value in r.quantiles.items()},
        "bands": [asdict(one) for one in r.bands],
        "worst": [asdict(one) for one in r.worst],
    }
