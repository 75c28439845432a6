"""The conformance kit checks whether a layer, or another part, behaves as layerkit requires.

Its batteries of checks compare gradients with central differences and declarations with behaviour,
and look at memory, threads, files and processes. Each check has an id, a reason, a hint and a seed;
the report counts the planned checks and those that ran.

In your own tests, one test per check::

    @pytest.mark.parametrize("check", checks(Spline), ids=str)
    def test_conformance(check):
        check.run()

or all at once, ``check_part(Spline).raise_if_failed()``, or ``layerkit plugins check acme.spline``.

A class names the checks that it cannot pass, with the reason::

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
