"""Evaluation reports: what a model is worth on labelled rows.

``report`` computes one object, ``EvaluationReport``; text, JSON and the page only show it.
"""

from layerkit.evaluation.report import EvaluationReport, report

__all__ = ["EvaluationReport", "report"]
