"""Data sources: a missing file is refused, and what is at hand is loaded; nothing is downloaded."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from layerkit.core.context import Array
from layerkit.core.parts import DataSource
from layerkit.core.rows import Rows
from layerkit.display import quoted
from layerkit.errors import LayerkitError
from layerkit.testing.arrays import equal
from layerkit.testing.rules import Battery
from layerkit.testing.subject import Example, Subject, Trial
from layerkit.testing.verdicts import Failed, Skipped, describe_error

BATTERY = Battery("settings.constructor")

Splits = Mapping[str, Rows]


@BATTERY.rule(
    "pass.refuses",
    why="A mistyped path must give a clear message, not another data set or a traceback.",
    fix="raise DataSourceError when `where` holds no such file; download only when it is None",
)
def _refuses(trial: Trial) -> None:
    with tempfile.TemporaryDirectory(prefix="layerkit-", ignore_cleanup_errors=True) as folder:
        for what, where in (
            ("an empty folder", Path(folder)),
            ("a file that does not exist", Path(folder) / "no-such-file"),
        ):
            try:
                trial.part.load(where)
            except (LayerkitError, OSError):
                continue
            except Exception as error:  # whatever a plugin raises
                raise Failed(
                    f"load of {what}: expected a DataSourceError, got {type(error).__name__}: "
                    f"{error}"
                ) from error
            raise Failed(f"load of {what}: expected a DataSourceError, got rows")


@contextmanager
def _offline() -> Iterator[None]:
    """Inside, no connection can be made."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise OSError("the conformance kit downloads nothing")

    kept = {name: getattr(socket, name) for name in ("create_connection", "getaddrinfo")}
    connect = socket.socket.connect
    try:
        for name in kept:
            setattr(socket, name, refuse)
        socket.socket.connect = refuse  # type: ignore[method-assign]
        yield
    finally:
        socket.socket.connect = connect  # type: ignore[method-assign]
        for name, function in kept.items():
            setattr(socket, name, function)


class _Loaded(Trial):
    """An example whose rows are at hand: bundled, or in one of the usual places."""

    part: DataSource

    def __init__(self, subject: Subject, example: Example) -> None:
        super().__init__(subject, example)
        self.splits = self.load(self.part)

    def load(self, part: DataSource) -> Splits:
        """The splits. Raises ``Skipped`` if they would have to be downloaded."""
        try:
            with _offline():
                splits: Any = part.load(None)
        except (LayerkitError, OSError) as error:
            raise Skipped("no rows are at hand, and the kit downloads nothing") from error
        except Exception as error:  # whatever a plugin raises
            text = describe_error(error, self.subject.part)
            raise Failed(f"load(None): expected splits or a DataSourceError, got {text}") from error
        if not isinstance(splits, Mapping) or "train" not in splits:
            raise Failed(f"load: expected a mapping with the split 'train', got {quoted(splits)}")
        for name, rows in splits.items():
            if not isinstance(rows, Rows):
                raise Failed(f"load: expected Rows as the split {name!r}, got {quoted(rows)}")
        return splits


def _arrays(rows: Rows) -> dict[str, Array]:
    """The arrays of a split by the words for them; each has a number or more for every row."""
    columns = {f"column {name!r}": column for name, column in (rows.columns or {}).items()}
    found = {"values": rows.values, "labels": rows.labels, "weights": rows.weights, **columns}
    return {name: np.asarray(array) for name, array in found.items() if array is not None}


@BATTERY.rule(
    "pass.loads",
    why="Values and labels belong together row by row; where one is missing, training stops in the "
    "middle, or learns the labels of other rows.",
    fix="read values and labels from the same rows, and drop rows from both at once",
    trial=_Loaded,
)
def _loads(trial: _Loaded) -> None:
    for split, rows in trial.splits.items():
        arrays = _arrays(rows)
        if not len(rows):
            raise Failed(f"the split {split!r} has no rows")
        if (rows.values is None) == (rows.columns is None):
            raise Failed(f"the split {split!r}: expected either values or columns")
        for name, array in arrays.items():
            if not array.ndim or len(array) != len(rows):
                found = f"shape {list(array.shape)}"
                raise Failed(
                    f"the split {split!r}: expected {name} of {len(rows)} rows, got {found}"
                )


@BATTERY.rule(
    "stochastic.replay",
    why="A training that is resumed takes its validation rows by their numbers: another order "
    "gives it other rows.",
    fix="sort what comes from a folder or a set, and shuffle nothing: training does, by its seed",
    needs=("settings.constructor", "pass.loads"),
    trial=_Loaded,
)
def _replay(trial: _Loaded) -> None:
    again = trial.load(trial.subject.make(trial.example.config))
    if list(again) != list(trial.splits):
        raise Failed(f"loaded again, the splits are {list(again)}, not {list(trial.splits)}")
    for split, rows in trial.splits.items():
        others = _arrays(again[split])
        for name, array in _arrays(rows).items():
            if name not in others or not _same(array, others[name]):
                raise Failed(f"loaded again, the {name} of the split {split!r} are different")


def _same(a: Array, b: Array) -> bool:
    return equal(a, b) if a.dtype.kind in "fc" else bool(np.array_equal(a, b))


_CHANCE = 0.02  # of rows may be elsewhere by chance, beside twice as many as repeat in one split


@BATTERY.rule(
    "batch.disjoint",
    why="A test on rows of the training measures memory.",
    fix="split once, into rows that are in one split only: `rows.take(test)`, `rows.take(~test)`",
    needs=("settings.constructor", "pass.loads"),
    trial=_Loaded,
)
def _disjoint(trial: _Loaded) -> str | None:
    seen = {split: _rows(rows) for split, rows in trial.splits.items()}
    if len(seen) < 2:
        return "there is one split"
    for split, rows in seen.items():
        if split == "train":
            continue
        train = set(seen["train"])
        repeated = 1 - len(train) / len(seen["train"])
        both = sum(row in train for row in rows) / len(rows)
        if both > _CHANCE + 2 * repeated:
            raise Failed(f"{both:.0%} of the rows of {split!r} are rows of 'train' too")
    return None


def _rows(rows: Rows) -> list[bytes]:
    """Each row with its label, as bytes."""
    arrays = [a.astype(str) if a.dtype.kind in "OTU" else a for a in _arrays(rows).values()]
    flat = [np.ascontiguousarray(a).reshape(len(rows), -1).view(np.uint8) for a in arrays]
    return [row.tobytes() for row in np.concatenate(flat, axis=1)]
