"""Readers: a file gives the rows that were written, and a damaged one an error."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from layerkit.core.parts import Reader
from layerkit.core.rows import Rows
from layerkit.data.readers.registered import concatenated
from layerkit.datacontract import as_rows
from layerkit.display import quoted
from layerkit.errors import MissingExtraError
from layerkit.testing.rules import Battery
from layerkit.testing.subject import Trial
from layerkit.testing.verdicts import Failed, Skipped


class _Trial(Trial):
    """A reader and its example file."""

    part: Reader

    def file(self) -> tuple[bytes, Mapping[str, Sequence[Any]]]:
        """The contents of the example, and the columns it holds."""
        try:
            with self.catch("example()"):
                found = self.part.example()
        except Failed as failed:
            if isinstance(failed.__cause__, MissingExtraError):
                raise Skipped(str(failed.__cause__)) from failed
            raise
        if found is None:
            raise Skipped("example() gives no file")
        return found

    def rows(self, raw: bytes) -> Rows:
        """The rows of a file with these contents."""
        return concatenated([as_rows(table) for table in self.part.tables(io.BytesIO(raw))])


BATTERY = Battery("settings.constructor", trial=_Trial)


@BATTERY.rule(
    "pass.reads",
    why="A model is trained on what the reader gives.",
    fix="yield all rows in order, with None or NaN for a missing cell",
)
def _reads(trial: _Trial) -> None:
    raw, written = trial.file()
    with trial.catch("tables(file)"):
        rows = trial.rows(raw)
    found = rows.columns or {}
    if list(found) != list(written):
        raise Failed(f"tables(file): expected the columns {list(written)}, got {list(found)}")
    for name, cells in written.items():
        got = [_plain(cell) for cell in found[name].tolist()]
        if got != [_plain(cell) for cell in cells]:
            raise Failed(f"tables(file), column {quoted(name)}: expected {list(cells)}, got {got}")


@BATTERY.rule(
    "pass.refuses",
    why="A file cut short by a failed download must not be taken for a smaller one.",
    fix="check the length or a checksum; raise any exception for a damaged file",
    needs=("pass.reads",),
)
def _refuses(trial: _Trial) -> None:
    raw, written = trial.file()
    count = len(next(iter(written.values())))
    for what, damaged in (
        ("no bytes", b""),
        ("other bytes", bytes(range(256)) * 4),
        ("the first half of its example", raw[: len(raw) // 2]),
    ):
        try:
            rows = trial.rows(damaged)
        except (Exception, SystemExit):  # noqa: BLE001, S112  # any exception is a refusal
            continue
        got = f"{len(rows)} of {count} rows"
        raise Failed(f"tables of a file of {what}: expected an exception, got {got}")


@BATTERY.rule(
    "stochastic.replay",
    why="A file is read again for prediction, and by several threads.",
    fix="keep nothing of a file in self",
    needs=("pass.reads",),
)
def _replay(trial: _Trial) -> None:
    raw, _ = trial.file()
    with trial.catch("tables(file)"):
        tables = trial.part.tables(io.BytesIO(raw))
        again = trial.rows(raw)  # while the first is open
        first = concatenated([as_rows(table) for table in tables])
    if not _equal(first, again):
        raise Failed("two readings of one file give different rows")


def _plain(cell: Any) -> Any:
    """A cell in a form that compares: missing ones are None, numbers floats."""
    if cell is None or cell == "" or (isinstance(cell, float) and np.isnan(cell)):
        return None
    return float(cell) if isinstance(cell, (int, float)) and not isinstance(cell, bool) else cell


def _equal(one: Rows, other: Rows) -> bool:
    first, second = one.columns or {}, other.columns or {}
    return list(first) == list(second) and all(
        [_plain(c) for c in first[name].tolist()] == [_plain(c) for c in second[name].tolist()]
        for name in first
    )
