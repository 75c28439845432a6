"""The function ``report``: a model's answers to labelled rows, judged in every way there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerkit.core.rows import Rows
from layerkit.datacontract.fitted_rows import share_seen
from layerkit.evaluation.asked import MetricLike, asked_metrics, with_asked
from layerkit.evaluation.classes import class_scores, flag_scores
from layerkit.evaluation.json_values import json_values
from layerkit.evaluation.page import html_page
from layerkit.evaluation.pictures import evaluation_figures
from layerkit.evaluation.residuals import residuals_of, target_names
from layerkit.evaluation.results import ClassScores, EvaluationResult, Residuals, Task
from layerkit.figures import Figure
from layerkit.model import Model
from layerkit.reporting.versions import versions
from layerkit.training.evaluation import Judged, judge
from layerkit.training.training_data import Pair, Table


class EvaluationReport(EvaluationResult):
    """What a model is worth on labelled rows; its fields are those of ``EvaluationResult``."""

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values; numbers that are not defined are None."""
        return json_values(self)

    def figures(self) -> tuple[Figure, ...]:
        """The pictures of the page as data, for ``layerkit.figures.save_figures``."""
        return evaluation_figures(self)

    def to_html(self) -> str:
        """One page that needs nothing else: no script, no network."""
        return html_page(self)


def report(
    model: Model,
    rows: Rows | Pair | Table,
    *,
    metrics: Sequence[MetricLike] = (),
    split: str | None = None,
) -> EvaluationReport:
    """Judge a model on labelled rows: metrics, scores of each class or residuals, calibration.

    Parameters
    ----------
    model
        With a data contract for its output.
    rows
        Same as for ``evaluate``.
    metrics
        Further metrics, by name ("auc"), with settings ({"type": "top_k", "k": 3}), or parts.
    split
        What the rows are, such as "test"; said in the report.

    Returns
    -------
    EvaluationReport
        All rows count alike, also where the recipe has weights for training.

    Raises
    ------
    DataError
        If the rows or their labels do not keep the data contract.
    SpecError
        If a metric does not accept its settings, or is for other targets.
    PluginError
        If the loss or a metric is not installed.
    """
    judged = judge(model, rows)
    loss = (model.spec.train or {}).get("loss")
    known = with_asked(judged.metrics, asked_metrics(metrics, judged.target, loss))
    task, classes, residuals = _details(model, judged)
    return EvaluationReport(
        name=model.name,
        source=judged.rows.source,
        split=split,
        rows=len(judged.rows),
        task=task,
        metrics={"loss": judged.loss, **judged.values(known)},
        higher_is_better={"loss": False, **{n: m.higher_is_better for n, m in known.items()}},
        share_seen=share_seen(model.fit, model.contract, judged.rows),
        classes=classes,
        residuals=residuals,
        seen_exactly=model.fit is not None and model.fit.rows.complete,
        versions=versions(),
        file_id=model.file_id,
        steps=len(judged.truth) if model.contract.output and model.contract.output.steps else None,
    )


def _details(
    model: Model, judged: Judged
) -> tuple[Task, ClassScores | None, tuple[Residuals, ...]]:
    """What the model answers, and its scores by class or residuals by target; none without rows."""
    output = model.contract.output
    assert output is not None  # noqa: S101  # build always declares one
    task: Task = "numbers"
    if judged.target != "real":
        task = "flags" if output.classes is None else "classes"
    if len(judged.truth) == 0:
        return task, None, ()
    p, truth = judged.predictions, judged.truth
    if task == "numbers":
        return task, None, residuals_of(output, judged.places, p, truth)
    if task == "flags":
        return task, flag_scores(target_names(output, p.shape[1]), p, truth), ()
    return task, class_scores(output, p, truth), ()
