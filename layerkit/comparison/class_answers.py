"""The classes that contestants answer for each judged row: confusions, and where they disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from layerkit.core.context import Array


@dataclass(frozen=True)
class DisagreementRow:
    """A row on which contestants are not right equally often.

    Attributes
    ----------
    row
        Its number where the rows come from, from 0.
    truth
        Its class.
    guesses
        By contestant: each class that a run of it answers, and how many runs do.
    right
        By contestant: the share of its runs that are right.
    """

    row: int
    truth: str
    guesses: dict[str, dict[str, int]]
    right: dict[str, float]


@dataclass(frozen=True, eq=False)
class ClassAnswers:
    """The answers of every run to every judged row.

    Attributes
    ----------
    classes
        Their names.
    truth
        (n,) the class of each row, by number.
    guesses
        By contestant: (runs, n) the class that each run answers.
    rows
        (n,) the number of each row where they come from.
    """

    classes: tuple[str, ...]
    truth: Array
    guesses: Mapping[str, Array]
    rows: Array

    def right(self, name: str) -> Array:
        """(n,) the share of the contestant's runs that are right."""
        return np.asarray((self.guesses[name] == self.truth).mean(axis=0))

    def confusion(self, name: str) -> Array:
        """(classes, classes) rows of each true class by the class answered, over all runs."""
        count = len(self.classes)
        cells = self.truth * count + self.guesses[name]
        return np.bincount(cells.ravel(), minlength=count * count).reshape(count, count)

    def disagreements(self, most: int | None = None) -> list[DisagreementRow]:
        """Rows on which contestants are not right equally often, the greatest difference first."""
        shares = {name: self.right(name) for name in self.guesses}
        chosen = disputed(list(shares.values()))[:most]
        return [
            DisagreementRow(
                row=int(self.rows[k]),
                truth=self.classes[self.truth[k]],
                guesses={name: self._counts(each[:, k]) for name, each in self.guesses.items()},
                right={name: float(share[k]) for name, share in shares.items()},
            )
            for k in chosen
        ]

    def _counts(self, guesses: Array) -> dict[str, int]:
        """The classes answered, the most frequent first."""
        counts = np.bincount(guesses, minlength=len(self.classes))
        order = np.argsort(-counts, kind="stable")
        return {self.classes[k]: int(counts[k]) for k in order if counts[k]}


def disputed(shares: Sequence[Array]) -> list[int]:
    """Where the shares (n,) of right runs differ, the greatest difference first."""
    gaps = np.ptp(np.array(shares), axis=0)
    order: list[int] = np.argsort(-gaps, kind="stable").tolist()
    return order[: np.count_nonzero(gaps)]
