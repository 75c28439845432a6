"""The outcome of a comparison, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from layerkit.comparison.chances import Parts
from layerkit.comparison.improvement import Improvement
from layerkit.comparison.intervals import Interval
from layerkit.core.layer import Array

__all__ = [
    "Contestant",
    "Covers",
    "Difference",
    "LayerRow",
    "Notice",
    "Summary",
    "Timing",
    "Verdict",
]

Verdict = Literal["better", "worse", "open", "files_better", "files_worse"]
"""Settled one way, the other, or not, about the architectures; or about these very files alone."""

Covers = Literal["architecture", "files"]
"""What a verdict is about: other runs on other rows, or the very models and rows at hand."""


@dataclass(frozen=True)
class Summary:
    """One number of a contestant over its seeds.

    Attributes
    ----------
    values
        One a seed that did not diverge, in the order of the contestant's seeds.
    mean, sd
        The sample standard deviation (n - 1), None for a single value.
    interval
        For the mean: over both chances, over seeds, or over rows for a single model.
    share
        Whether it is a share of right rows, shown in per cent.
    rows
        How many rows were judged; 0 where none were, as for seconds.
    """

    values: tuple[float, ...]
    mean: float
    sd: float | None
    interval: Interval | None
    higher_is_better: bool
    share: bool = False
    rows: int = 0

    @property
    def n(self) -> int:
        """Number of values."""
        return len(self.values)


@dataclass(frozen=True)
class Difference:
    """How a contestant differs from the first: its value minus the first's.

    Attributes
    ----------
    mean
        Over ``pairs``, or of the two means where no seed is shared.
    pairs
        Seeds that both have.
    values
        Difference of each pair.
    both
        The interval that words rest on: would it hold for another training run *and* another test
        set? None if one chance was not measured.
    seeds, rows
        Its parts: would another training run differ; would another test set differ. None if it
        cannot be told; ``words`` says why.
    parts
        What each chance contributes to the variance, and what would halve the interval.
    rows_better, rows_worse
        Rows judged better and worse than by the first (averaged over seeds), if the metric is a
        mean over rows.
    verdict
        "better" or "worse" only if the interval over both chances excludes zero, all comparisons
        holding jointly; "files_better" or "files_worse" where a chance was not measured, so that
        nothing is said of the architectures. None for metrics that carry no verdict: only the main
        one does.
    covers
        What the verdict and the interval are about.
    improvement
        The probability that a new run beats a new run of the first.
    diverged
        How many runs of the first, and of the other, diverged.
    counted
        Whether those count, as runs with no row right.
    seen
        The share of the judged rows that the first, and the other, was fitted on, where that is
        more than rows that happen to be alike; else None.
    count
        How many rows were judged.
    words, caveat
        The same in a sentence, and what its interval leaves open ("" if nothing).
    """

    metric: str
    mean: float
    pairs: tuple[int | None, ...]
    values: tuple[float, ...]
    both: Interval | None
    seeds: Interval | None
    rows: Interval | None
    verdict: Verdict | None
    covers: Covers
    higher_is_better: bool
    share: bool
    count: int
    rows_better: int | None = None
    rows_worse: int | None = None
    parts: Parts | None = None
    improvement: Improvement | None = None
    diverged: tuple[int, int] = (0, 0)
    counted: bool = False
    seen: tuple[float | None, float | None] = (None, None)
    words: str = ""
    caveat: str = ""

    @property
    def interval(self) -> Interval | None:
        """The one to print: over both chances, or over the only one that was measured."""
        return self.both or self.rows or self.seeds


@dataclass(frozen=True)
class Timing:
    """Seconds a row takes to be predicted.

    ``single`` for rows one by one, ``batch`` for ``batch_rows`` at once, medians over rounds. The
    ratios are to the first contestant, round by round: lower quartile, median, upper quartile.
    ``steady`` is False if the rounds, or the two ways, disagree so much that the machine must have
    been busy with something else.
    """

    single: float
    batch: float
    batch_rows: int
    single_ratio: tuple[float, float, float]
    batch_ratio: tuple[float, float, float]
    steady: bool = True


@dataclass(frozen=True)
class Notice:
    """A warning of a training: whose, and of which seeds."""

    text: str
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class LayerRow:
    """One layer in a summary: name, type, shapes and number of parameters."""

    name: str
    type: str
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    parameters: int


@dataclass(frozen=True)
class Contestant:
    """One architecture with its recipe, and what came of it.

    Attributes
    ----------
    kind
        "spec" (trained here), "file" or "model" (only judged).
    sources
        Paths as given; empty for specs and models that are no files.
    seeds
        Of the models judged; None for a model without a recipe.
    failures
        Seed to reason, for runs whose loss was no longer finite; they have no values.
    failure_rate
        (rate, low, high): the share of runs that diverged, with Wilson's interval; None if nothing
        was trained here.
    notices
        Warnings of its trainings.
    seen
        The share of the judged rows that its models were fitted on, as far as their files tell; the
        largest of them. None if that is not known.
    kept
        Seeds whose runs were not trained now but taken from the folder of an earlier comparison.
    file_bytes
        Of a file of the (first) model without training state, as ``save`` writes it with
        ``weights_only``; the same for specs and files. None if no training gave a model.
    training_seconds
        None for models that were not trained here: a file holds no times.
    metrics
        "loss" and each metric, on the judged rows.
    differences
        To the first contestant, by metric; empty for the first.
    histories
        One a seed: series name to one float64 an epoch.
    document
        The resolved spec.
    providers
        Layer type to the distribution and version that provides it.
    """

    name: str
    kind: Literal["spec", "file", "model"]
    sources: tuple[str, ...]
    seeds: tuple[int | None, ...]
    parameters: int
    macs: int
    file_bytes: int | None
    layers: tuple[LayerRow, ...]
    document: dict[str, Any]
    providers: dict[str, str]
    metrics: dict[str, Summary] = field(default_factory=dict)
    differences: dict[str, Difference] = field(default_factory=dict)
    training_seconds: Summary | None = None
    timing: Timing | None = None
    histories: tuple[Mapping[str, Array], ...] = ()
    failures: dict[int, str] = field(default_factory=dict)
    failure_rate: tuple[float, float, float] | None = None
    notices: tuple[Notice, ...] = ()
    seen: float | None = None
    kept: tuple[int, ...] = ()
