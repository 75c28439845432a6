"""Comparisons: any number of specs and models on the same data, with honest uncertainty."""

from layerkit.comparison.intervals import Interval
from layerkit.comparison.outcome import Comparison
from layerkit.comparison.results import Contestant, Difference, Summary, Timing
from layerkit.comparison.study import compare
from layerkit.comparison.trainings import ComparisonStoppedError

__all__ = [
    "Comparison",
    "ComparisonStoppedError",
    "Contestant",
    "Difference",
    "Interval",
    "Summary",
    "Timing",
    "compare",
]
