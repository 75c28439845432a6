"""Columns that say nothing, say the same twice, or give the answer away; rows that repeat."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from layerkit.core.context import Array
from layerkit.display import counted, few, quoted
from layerkit.health.finding import Finding
from layerkit.health.table import Column, Table
from layerkit.health.wording import percent, some

_CONSTANT = 0.999  # of the rows hold one value: fewer than 1 in 1,000 say anything
_LEAK = 0.98  # of what is left to explain is explained by one column alone, on held-out rows
_FEWEST = 40  # rows from which one column alone can be judged
_BINS = 64
_REPEATED = 0.01  # of the rows: a notice
_COARSE = 0.02  # of rows with equal inputs have other labels: people of the same few attributes
_SEEN = 0.2  # of the test rows equal training rows; letter, small whole numbers, has 9 %


def constant_columns(table: Table) -> Iterator[Finding]:
    """Columns with one value in (nearly) all rows."""
    if len(table.chosen) < 2 or table.names is None:
        return  # pixels at the border are constant, and harmless
    shares = {c.name: float(np.bincount(c.codes).max()) / len(c.codes) for c in table.columns}
    found = [name for name, share in shares.items() if share >= _CONSTANT]
    if not found or len(found) == len(shares):
        return
    whole = all(shares[name] == 1 for name in found)
    yield Finding(
        "constant columns",
        "notice",
        f"{counted(len(found), 'column')} with one value in "
        f"{'all rows' if whole else f'{100 * _CONSTANT:.1f} % of the rows or more'}: {some(found)}",
        "such a column says nothing, and its rare other values are scaled up to huge numbers",
        "input.columns",
        table.without(set(found)),
    )


def duplicate_columns(table: Table) -> Iterator[Finding]:
    """Columns that hold the same as an earlier one, perhaps on another scale."""
    first: dict[bytes, str] = {}
    twice: dict[str, str] = {}
    for column in table.columns:
        if column.distinct < 2:
            continue
        for codes in (column.codes, column.distinct - 1 - column.codes):
            key = codes.astype(np.int64).tobytes()
            if key in first:
                twice[column.name] = first[key]
                break
        else:
            first[column.codes.astype(np.int64).tobytes()] = column.name
    if not twice or table.names is None:
        return
    pairs = [f"{quoted(name, 40)} as {quoted(other, 40)}" for name, other in twice.items()]
    yield Finding(
        "duplicate columns",
        "notice",
        f"{counted(len(twice), 'column')} with the same order of rows as another: {few(pairs, 3)}",
        "a column that is a copy, or another scale, of an earlier one adds weights and noise, and "
        "shares its importance",
        "input.columns",
        table.without(set(twice)),
    )


def leaks(table: Table) -> Iterator[Finding]:
    """Columns that alone give the answer, on rows that were not used to learn how.

    Rows with several answers (targets, flags, steps) are left out: one column seldom gives all.
    """
    if len(table.chosen) < _FEWEST or len(table.columns) < 2:
        return
    if table.class_numbers is None and table.y[:1].size > 1:
        return
    judge = _Judge(table)
    if not judge.varies:
        return
    shares = {column.name: judge.explained(column) for column in table.columns}
    found = [name for name, share in shares.items() if share >= _LEAK]
    if not found or len(found) == len(shares):
        return
    rest = max(0.0, *(share for name, share in shares.items() if name not in found))
    best = max(shares[name] for name in found)
    yield Finding(
        "leakage suspects",
        "warning",
        f"{some(found)} alone {'gives' if len(found) == 1 else 'give'} the answer: {percent(best)} "
        f"of what a guess gets wrong is right on held-out rows (any other column: {percent(rest)})",
        "a column that knows the answer is often written after it, or is the answer under another "
        f"name; new rows will not have it. The limit is {percent(_LEAK)}",
        "input.columns",
        table.without(set(found)),
        advice="keep it only if it is known before the answer is",
    )


def repeated_rows(table: Table) -> Iterator[Finding]:
    """Test rows that are training rows too, and rows that repeat."""
    if len(table.x) < 2:
        return
    mine = _digests(table.x, table.y)
    distinct, counts = np.unique(mine, return_counts=True)
    repeated = len(mine) - len(distinct)
    if table.test_x is not None and table.test_y is not None and len(table.test_x):
        theirs = _digests(table.test_x, table.test_y)
        seen = float(np.isin(theirs, distinct).mean())
        copies = seen >= _SEEN and _disagreeing(table) < _COARSE
        if seen >= _REPEATED:
            yield Finding(
                "test rows seen in training",
                "warning" if copies else "notice",
                f"{percent(seen)} of the {len(theirs):,} test rows equal training rows, label "
                "included",
                "what is measured on rows that were learned says little about new ones; the limit "
                f"for a warning is {percent(_SEEN)}, and only where rows of equal inputs have "
                "equal labels: else their columns are coarse, and they are no copies",
                "train.test",
                advice="remove repeated rows before they are split, or split by a column that "
                "keeps them together",
            )
    if repeated >= _REPEATED * len(mine) and repeated:
        yield Finding(
            "repeated rows",
            "notice",
            f"{repeated:,} of {len(mine):,} training rows repeat an earlier one, the most frequent "
            f"{counted(int(counts.max()), 'time')}",
            "repeated rows weigh more than others, and a random split puts copies on both sides",
            "train.data",
            advice="remove them, or keep one with its count in train.sample_weight",
        )


def _disagreeing(table: Table) -> float:
    """The share of training rows with a twin of equal inputs whose twins have other labels."""
    alone = _digests(table.x, np.zeros(len(table.x)))
    both = _digests(table.x, table.y)
    _, which, twins = np.unique(alone, return_inverse=True, return_counts=True)
    _, first = np.unique(both, return_index=True)
    labels = np.bincount(which[first], minlength=len(twins))  # different ones of equal inputs
    twin = twins[which] > 1
    return float((labels[which][twin] > 1).mean()) if twin.any() else 0.0


def _digests(x: Array, y: Array) -> Array:
    """(n,) one number for each row and its label; equal for equal rows."""
    rows, labels = x.reshape(len(x), -1), np.asarray(y).reshape(len(x), -1)
    digests = [
        hashlib.blake2b(row.tobytes() + label.tobytes(), digest_size=8).digest()
        for row, label in zip(rows, labels, strict=True)
    ]
    return np.frombuffer(b"".join(digests), np.uint64)


class _Judge:
    """How much of the answer one column gives: learned on half of the rows, judged on the other."""

    def __init__(self, table: Table) -> None:
        chosen = table.chosen
        numbers = table.class_numbers
        self.classes = numbers is not None
        y = table.y[chosen] if numbers is None else numbers[chosen]
        self.y = y.reshape(len(chosen), -1)[:, 0].astype(np.int64 if self.classes else np.float64)
        self.half = len(chosen) // 2
        self.varies = len(np.unique(self.y[self.half :])) > 1

    def explained(self, column: Column) -> float:
        """1 - the error on held-out rows, of that of the best constant guess."""
        bins = column.codes
        if column.distinct > _BINS and column.numeric:
            edges = np.quantile(column.codes[: self.half], np.linspace(0, 1, _BINS + 1)[1:-1])
            bins = np.searchsorted(edges, column.codes)
        learn, judge = slice(None, self.half), slice(self.half, None)
        size = int(bins.max()) + 1
        if self.classes:
            right = self._right(bins[learn], bins[judge], size, learn, judge)
            between = bins is not column.codes  # a bin may straddle where one class ends
            return max(right, self._right_of_next(column.codes)) if between else right
        count = np.bincount(bins[learn], minlength=size)
        total = np.bincount(bins[learn], self.y[learn], minlength=size)
        mean = self.y[learn].mean()
        guess = np.where(count > 0, total / np.maximum(count, 1), mean)[bins[judge]]
        left = np.square(self.y[judge] - guess).sum()
        return float(1 - left / max(np.square(self.y[judge] - mean).sum(), 1e-300))

    def _right(self, seen: Array, bins: Array, size: int, learn: slice, judge: slice) -> float:
        k = int(self.y.max()) + 1
        counts = np.bincount(seen * k + self.y[learn], minlength=size * k).reshape(size, k)
        usual = int(np.bincount(self.y[learn], minlength=k).argmax())
        guess = np.where(counts.sum(axis=1) > 0, counts.argmax(axis=1), usual)[bins]
        wrong = float((guess != self.y[judge]).mean())
        plain = float((self.y[judge] != usual).mean())
        return 1 - wrong / plain if plain else 0.0

    def _right_of_next(self, codes: Array) -> float:
        """``_right``, where a row has the class that the next lower value of the column has."""
        _, first, which = np.unique(codes, return_index=True, return_inverse=True)
        classes = self.y[first]
        lower = np.where(which > 0, which - 1, 1)  # the lowest has only a next higher one
        wrong = float((classes[lower] != self.y).mean())
        plain = float((self.y != np.bincount(self.y).argmax()).mean())
        return 1 - wrong / plain if plain else 0.0
