"""The result of a comparison as plain values; ``Comparison`` adds tables, CSV, JSON and HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from layerkit.comparison.class_answers import ClassAnswers
from layerkit.core.context import Array
from layerkit.statistics.estimates import VarianceShares
from layerkit.statistics.intervals import Improvement, Interval

Verdict = Literal["better", "worse", "open", "files_better", "files_worse"]
"""Settled either way or open, about the architectures; or settled about these files alone."""

Covers = Literal["architecture", "files"]
"""What a verdict is about: new runs on new rows, or only these models and rows."""

Kind = Literal["spec", "file", "model"]
"""Where a contestant comes from: a spec trained here, a model file, or a model in memory."""


@dataclass(frozen=True)
class Summary:
    """One measure of a contestant over its seeds.

    Attributes
    ----------
    values
        One per seed that did not diverge, in the order of the contestant's seeds.
    mean, sd
        Mean and sample standard deviation (n - 1); ``sd`` is None for a single value.
    interval
        For the mean: over both seeds and rows, over seeds, or over rows for a single model.
    share
        Whether it is a share of right rows, shown in per cent.
    rows
        Number of rows that were judged; 0 for measures without rows, such as seconds.
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
        The interval behind the verdict: would the difference hold for another training run *and*
        another test set? None if one source of variation was not measured.
    seeds, rows
        Its parts: would another training run differ; would another test set differ. None if that
        cannot be measured; ``words`` says why.
    parts
        What each source of variation contributes, and what would halve the interval.
    rows_better, rows_worse
        Number of rows on which it is better and worse than the first (averaged over seeds), if the
        metric is a mean over rows.
    verdict
        "better" or "worse" only if the interval over both sources excludes zero, all comparisons
        holding jointly; "files_better" or "files_worse" if one source was not measured, so that
        nothing is said about the architectures. None for all metrics but the main one.
    covers
        What the verdict and the interval are about.
    improvement
        The probability that a new run beats a new run of the first.
    diverged
        Number of diverged runs of the first, and of the other.
    counted
        Whether diverged runs count, as runs with no row right.
    seen
        The share of the judged rows that the first, and the other, was fitted on, if it is larger
        than equal rows explain; else None.
    count
        Number of rows that were judged.
    words, caveat
        The difference in a sentence, and what its interval leaves open ("" if nothing).
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
    parts: VarianceShares | None = None
    improvement: Improvement | None = None
    diverged: tuple[int, int] = (0, 0)
    counted: bool = False
    seen: tuple[float | None, float | None] = (None, None)
    words: str = ""
    caveat: str = ""

    @property
    def interval(self) -> Interval | None:
        """The one to print: over both sources of variation, or over the one that was measured."""
        return self.both or self.rows or self.seeds


@dataclass(frozen=True)
class Timing:
    """Seconds to predict one row.

    ``single`` for rows one by one, ``batch`` for ``batch_rows`` at once, medians over rounds. The
    ratios are to the first contestant, round by round: lower quartile, median, upper quartile.
    ``steady`` is False if the measurements disagree so much that the machine must have been busy
    with something else.
    """

    single: float
    batch: float
    batch_rows: int
    single_ratio: tuple[float, float, float]
    batch_ratio: tuple[float, float, float]
    steady: bool = True


@dataclass(frozen=True)
class Notice:
    """A warning from training, and the seeds that gave it."""

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
    """One architecture with its recipe, and its results.

    Attributes
    ----------
    kind
        "spec" (trained here), "file" or "model" (only judged).
    sources
        Paths as given; empty for specs and models that are no files.
    seeds
        Of the models that were judged; None for a model without a recipe.
    failures
        Seed to reason, for runs that diverged; they have no values.
    failure_rate
        (rate, low, high): the share of runs that diverged, with Wilson's interval; None if nothing
        was trained here.
    notices
        Warnings from its trainings.
    seen
        The share of the judged rows that its models were fitted on, by their files; the largest of
        them. None if unknown.
    kept
        Seeds whose runs were taken from the folder of an earlier comparison.
    macs
        Multiply-adds of a prediction for one row; None if those of a layer are not known.
    file_bytes
        Size of a file of the (first) model without training state (``weights_only``). None if no
        training gave a model.
    training_seconds
        None for models that were not trained here: a file holds no times.
    metrics
        "loss" and each metric, on the judged rows.
    differences
        From the first contestant, by metric; empty for the first.
    histories
        One per seed: series name to float64, one value per epoch.
    document
        The resolved spec.
    providers
        Layer type to the distribution and version that provides it.
    """

    name: str
    kind: Kind
    sources: tuple[str, ...]
    seeds: tuple[int | None, ...]
    parameters: int
    macs: int | None
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


@dataclass(frozen=True)
class ComparisonResult:
    """Contestants judged on the same data; the others are compared with the first.

    Attributes
    ----------
    contestants
        In the order given.
    metric
        The main metric: the first that the first contestant's recipe names. Only this one carries
        verdicts.
    data, on, rows
        The name of the data, "test" or "validation", and the number of rows that were judged.
    confidence
        Of each interval.
    cautions
        What a reader must know before believing the numbers.
    command
        The command that repeats the comparison.
    best
        Names of the contestants that are not told apart from the best in the main metric.
    told_apart
        The pairs (better, worse) that are told apart in the main metric, all pairs jointly.
    answers
        The class that every run answers for every judged row; None where rows are not the same for
        all runs, or are not answered with one class each.
    control
        Ratio of two timings of the first contestant, for one row and for a batch.
    versions
        Of layerkit, Python and NumPy, and the kind of machine.
    """

    contestants: tuple[Contestant, ...]
    metric: str
    data: str
    on: str
    rows: int
    confidence: float
    cautions: tuple[str, ...] = ()
    command: str = ""
    best: tuple[str, ...] = ()
    told_apart: tuple[tuple[str, str], ...] = ()
    answers: ClassAnswers | None = field(default=None, repr=False)
    control: tuple[float, float] | None = None
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def comparisons(self) -> int:
        """Number of contestants compared with the first; the joint intervals hold for all."""
        return max(1, len(self.contestants) - 1)

    @property
    def metrics(self) -> list[str]:
        """Names of all metrics, the main one first, the loss last."""
        names = dict.fromkeys(name for c in self.contestants for name in c.metrics)
        order = {"loss": 1, self.metric: -1}
        return sorted(names, key=lambda name: order.get(name, 0))

    @property
    def ranked(self) -> list[Contestant]:
        """The contestants compared with the first in the main metric, best first."""

        def loss(c: Contestant) -> float:
            d = c.differences[self.metric]
            return -d.mean if d.higher_is_better else d.mean

        return sorted((c for c in self.contestants[1:] if self.metric in c.differences), key=loss)

    @property
    def compared(self) -> bool:
        """Whether there is any difference to report."""
        return bool(self.ranked)
