"""Comparisons: any number of specs and models on the same data, with honest uncertainty."""

from layerkit.comparison.across import compare_across
from layerkit.comparison.across_ranks import AcrossDataSets
from layerkit.comparison.comparison import Comparison
from layerkit.comparison.results import Contestant, Difference, Summary, Timing
from layerkit.comparison.run import compare
from layerkit.comparison.trainings import ComparisonStoppedError
from layerkit.statistics.intervals import Interval

__all__ = [
    "AcrossDataSets",
    "Comparison",
    "ComparisonStoppedError",
    "Contestant",
    "Difference",
    "Interval",
    "Summary",
    "Timing",
    "compare",
    "compare_across",
]
