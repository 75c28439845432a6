"""The conformance kit tells whether a part keeps its contract.

A layer, or another part, is run through a battery of checks: its gradients against numbers, its
declarations against what it does, its manners towards memory, threads, files and processes. Each
check has an id, a reason, a hint and a seed; what was planned is counted against what ran.

In a test of your own, one test a check::

    @pytest.mark.parametrize("check", checks(Spline), ids=str)
    def test_conformance(check):
        check.run()

or at once, ``check_part(Spline).raise_if_failed()``, or ``layerkit plugins check acme.spline``.

A check that a part cannot pass is named beside it, with the reason::

    conformance_exceptions = {"batch.split": "rows are normalised together, on purpose"}
"""

from __future__ import annotations

from layerkit.testing.report import ConformanceError, Outcome, Report
from layerkit.testing.run import Check, check_layer, check_part, checks, rules_for

__all__ = [
    "Check",
    "ConformanceError",
    "Outcome",
    "Report",
    "check_layer",
    "check_part",
    "checks",
    "rules_for",
]
