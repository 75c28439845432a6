"""What a report holds, as plain values; ``EvaluationReport`` adds JSON and HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from layerkit.core.context import Array
from layerkit.display import counted, quoted

Label = str | int
"""A class as the user spells it."""


@dataclass(frozen=True)
class Calibration:
    """Whether predicted probabilities come true, by interval of probability: a reliability curve.

    Attributes
    ----------
    of
        Whose probability: the label of the second of two classes; None for the guessed class of
        several classes, and for all yes-or-no answers together.
    edges
        (b + 1,) the ends of the intervals; a probability belongs to the one that it ends.
    rows
        (b,) how many predictions lie in each.
    predicted, observed
        (b,) their mean probability, and the share that came true; NaN without rows.
    error
        Mean distance of the two over all rows: the expected calibration error.
    """

    of: Label | None
    edges: Array
    rows: Array
    predicted: Array
    observed: Array
    error: float


@dataclass(frozen=True)
class Confusion:
    """``rows`` rows of class ``true`` were guessed to be ``guessed``: ``share`` of the class."""

    true: Label
    guessed: Label
    rows: int
    share: float


@dataclass(frozen=True)
class ClassScores:
    """How a classifier does, class by class.

    What no row measures is NaN: the precision of a class that is never guessed, the recall of one
    without rows, the F1 of one that is both, the area of one without rows on one side.

    Attributes
    ----------
    names
        The k classes; with ``several``, the names of the k yes-or-no answers.
    support, guessed
        (k,) rows of each class, and rows guessed to be.
    precision, recall, f1
        (k,) of each class.
    auc
        (k,) area under the ROC curve of each class against the rest.
    means
        Mean "precision", "recall", "f1" and "auc" over the classes: the metrics ``precision``,
        ``recall``, ``macro_f1`` and ``auc``. A class never guessed has precision 0 there.
    truth, guess
        (n,) class numbers of the rows and of the guesses; None with ``several``.
    accuracy
        Share of right rows; with ``several``, of right answers.
    balanced_accuracy
        Mean recall of the classes that have rows; with ``several``, mean over the answers, for
        each of which yes and no are two classes.
    majority, majority_share
        The class with most rows, and the accuracy of always guessing it; None and the accuracy of
        the more frequent of yes and no for each answer, with ``several``.
    calibration
        Whether the probabilities come true.
    several
        Whether each row has k yes-or-no answers and not one class.
    """

    names: tuple[Label, ...]
    support: Array
    guessed: Array
    precision: Array
    recall: Array
    f1: Array
    auc: Array
    means: Mapping[str, float]
    truth: Array | None = field(repr=False)
    guess: Array | None = field(repr=False)
    accuracy: float
    balanced_accuracy: float
    majority: Label | None
    majority_share: float
    calibration: Calibration
    several: bool = False

    @property
    def confusion_matrix(self) -> Array:
        """(k, k) rows by their class (first axis) and guess; not for ``several``."""
        assert self.truth is not None  # noqa: S101  # documented
        assert self.guess is not None  # noqa: S101
        k = len(self.names)
        counts: Array = np.bincount(self.truth * k + self.guess, minlength=k * k).reshape(k, k)
        return counts

    def worst_confusions(self, count: int | None = None) -> list[Confusion]:
        """Pairs of class and wrong guess, those of most rows first, then by class."""
        if self.truth is None or self.guess is None:
            return []
        wrong = self.truth != self.guess
        k = len(self.names)
        pairs, rows = np.unique(self.truth[wrong] * k + self.guess[wrong], return_counts=True)
        order = np.argsort(-rows, kind="stable")[:count]
        found = []
        for pair, n in zip(pairs[order].tolist(), rows[order].tolist(), strict=True):
            true, guessed = divmod(pair, k)
            share = n / int(self.support[true])
            found.append(Confusion(self.names[true], self.names[guessed], n, share))
        return found


@dataclass(frozen=True)
class WorstRow:
    """A row whose prediction is far off; ``row`` counts from 0 at its source."""

    row: int
    true: float
    predicted: float
    residual: float


@dataclass(frozen=True)
class Band:
    """The mean prediction and the mean true value of ``rows`` rows that are predicted alike."""

    rows: int
    predicted: float
    true: float


@dataclass(frozen=True)
class Residuals:
    """How far predictions of one number are off: residual = predicted - true.

    Attributes
    ----------
    name
        Of the target.
    bias, spread
        Mean and sample standard deviation (n - 1) of the residuals; NaN for too few rows.
    target_spread
        The sample standard deviation of the true values: the spread of always predicting their
        mean.
    quantiles
        Of the residuals, by probability: 0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.
    bands
        The rows in up to five equal parts, from the lowest predictions to the highest.
    worst
        The rows furthest off, the worst first.
    true, predicted
        (n,) in raw units.
    """

    name: str
    bias: float
    spread: float
    target_spread: float
    quantiles: Mapping[float, float]
    bands: tuple[Band, ...]
    worst: tuple[WorstRow, ...]
    true: Array = field(repr=False)
    predicted: Array = field(repr=False)


Task = Literal["classes", "flags", "numbers"]
"""What the model answers: one of some classes, several yes-or-no answers, or numbers."""


@dataclass(frozen=True)
class EvaluationResult:
    """What a model is worth on labelled rows.

    Attributes
    ----------
    name
        Of the model.
    source, split, rows
        Where the rows come from, which of them they are if that is known, and how many.
    task
        "classes", "flags" (several yes-or-no answers) or "numbers".
    metrics
        "loss", the metrics of the model's recipe and those asked for; NaN if not defined.
    higher_is_better
        For each of ``metrics``.
    share_seen
        The share of the rows that equal rows the model was fitted on; None if unknown. It is
        estimated unless ``seen_exactly``.
    classes
        Scores of each class, or of each yes-or-no answer.
    residuals
        One for each target of a regression.
    versions
        Of layerkit, Python, NumPy, and the machine.
    file_id
        Of the model file, if it has one.
    steps
        How many steps with a label the rows have, where the model answers each step of a row: they
        are what is counted as rows below; else None.
    """

    name: str
    source: str
    split: str | None
    rows: int
    task: Task
    metrics: Mapping[str, float]
    higher_is_better: Mapping[str, bool]
    share_seen: float | None
    classes: ClassScores | None = None
    residuals: tuple[Residuals, ...] = ()
    seen_exactly: bool = False
    versions: Mapping[str, str] = field(default_factory=dict)
    file_id: str | None = None
    steps: int | None = None

    @property
    def cautions(self) -> list[str]:
        """What a reader must know before believing the numbers."""
        found = []
        if self.steps is not None:
            found.append(
                f"the model answers each step of a row: what is counted here are {self.steps:,} "
                f"steps with a label, of {counted(self.rows, 'row')}"
            )
        c = self.classes
        if c is not None and c.majority is not None and c.accuracy <= c.majority_share < 1:
            found.append(
                f"no better than always guessing {quoted(c.majority)}, the class of most rows: "
                f"{100 * c.majority_share:.2f} % of them"
            )
        if self.share_seen:
            seen = self.share_seen
            share = f"{100 * seen:.2g} %" if seen < 0.995 else "nearly all"
            share = "all" if seen >= 0.995 and self.seen_exactly else share
            about = "" if self.seen_exactly or seen >= 0.995 else "about "
            found.append(
                f"{about}{share} of these rows equal rows that the model was fitted on, so the "
                "numbers say less about new rows"
            )
        return found
