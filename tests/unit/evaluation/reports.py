"""Reports of all kinds: few and many classes, long names, one row, yes-or-no answers, numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from layerkit import EvaluationReport
from layerkit.datacontract import OutputContract
from layerkit.evaluation.classes import class_scores, flag_scores
from layerkit.evaluation.residuals import residuals_of


def of_classes(names: list[str], n: int = 300) -> EvaluationReport:
    """A report of probabilities drawn at random, for classes with ``names``."""
    k = len(names)
    rng = np.random.default_rng(k)
    t = rng.integers(0, k, n)
    p = rng.random((n, k)) + 0.4 * np.eye(k)[t]
    p /= p.sum(axis=1, keepdims=True)
    contract = OutputContract((k,), classes=tuple(names))
    c = class_scores(contract, p, t)
    metrics = {"loss": 0.5, "accuracy": c.accuracy}
    higher = {"loss": False, "accuracy": True}
    versions = {"layerkit": "0.1.0"}
    return EvaluationReport(
        "net", "rows.csv", "test", n, "classes", metrics, higher, 0.25, c, versions=versions
    )


def of_flags() -> EvaluationReport:
    rng = np.random.default_rng(0)
    t = (rng.random((50, 3)) < [0.5, 0.1, 0.9]).astype(float)
    c = flag_scores(("p", "q", "r"), 0.5 * t + 0.5 * rng.random(t.shape), t)
    report = of_classes(["a", "b"])
    return replace(report, task="flags", classes=c)


def of_numbers(n: int = 3000, size: float = 1.0) -> EvaluationReport:
    rng = np.random.default_rng(n)
    t = size * rng.normal(size=(n, 2))
    p = t + 0.1 * size * rng.normal(size=t.shape)
    contract = OutputContract((2,), targets=("length", "width"))
    found = residuals_of(contract, np.arange(n), p, t)
    return replace(of_classes(["a", "b"]), task="numbers", classes=None, residuals=found)


REPORTS = {
    "two": of_classes(["no", "yes"]),
    "26": of_classes([chr(65 + j) for j in range(26)]),
    "1000": of_classes([f"class {j}" for j in range(1000)], 2000),
    "long names": of_classes(["x" * 200, "", "\u202e\u0000"]),
    "one row": of_classes(["a", "b", "c"], 1),
    "flags": of_flags(),
    "numbers": of_numbers(),
    "one number": of_numbers(1),
    "huge numbers": of_numbers(30, 1e9),
    "tiny numbers": of_numbers(30, 1e-12),
}
