"""csv_log, jsonl_log: a file with one line per epoch: its number and its values.

A resumed training continues its file: lines of epochs that are trained again are replaced, so the
log is that of a training without an interruption. If the file cannot be written, or is there and is
no log, a warning says so once, and the training goes on.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from layerkit import Callback

__all__ = ["CsvLog", "JsonlLog"]


class _EpochLog(Callback, ABC):
    contract_version = 2
    ending: ClassVar[str]
    start: ClassVar[str]
    """How the first line of such a file begins."""

    def __init__(self, *, folder: str = "logs") -> None:
        self.folder = folder

    def heads(self, values: Mapping[str, float]) -> list[str]:
        """The lines above the first epoch's."""
        return []

    @abstractmethod
    def line(self, epoch: int, values: Mapping[str, float]) -> str:
        """What to write of an epoch."""

    def begin(self, name: str, *, seed: int, epochs: int, rows: int) -> None:
        """Keep the lines of the epochs that are done."""
        self.path = Path(self.folder).expanduser() / f"{name}-s{seed}{self.ending}"
        self.ready, self.failed = False, False
        self.kept: list[str] = []
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            old = self.path.read_text("utf-8").splitlines() if self.path.exists() else []
            if old and not old[0].startswith(self.start):
                raise ValueError("it is there and is no log")  # noqa: TRY301
        except (OSError, ValueError) as error:
            self._fail(error)
        else:
            above = len(self.heads({}))
            self.kept = old[: above + self.training.done] if self.training.done else []

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Write a line."""
        if self.failed:
            return
        above = [] if self.kept or self.ready else self.heads(values)
        lines = [*self.kept, *above, self.line(epoch, values)]
        try:
            with self.path.open("a" if self.ready else "w", encoding="utf-8") as file:
                file.write("".join(f"{line}\n" for line in lines))
            self.ready, self.kept = True, []
        except OSError as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.failed = True
        self.training.notice(f"{self.type_name}: {self.path} is not written ({error})")


class CsvLog(_EpochLog):
    """Write FOLDER/NAME-sSEED.csv with the columns epoch, loss and so on; NaN is an empty cell.

    Parameters
    ----------
    folder
        Made if it does not exist. A log of an earlier training with this name and seed is replaced.
    """

    type_name = "csv_log"
    ending = ".csv"
    start = "epoch,"

    def heads(self, values: Mapping[str, float]) -> list[str]:
        """The names of the columns."""
        return [",".join(["epoch", *values])]

    def line(self, epoch: int, values: Mapping[str, float]) -> str:
        """The cells of a line."""
        cells = ("" if math.isnan(value) else repr(float(value)) for value in values.values())
        return ",".join([str(epoch), *cells])


class JsonlLog(_EpochLog):
    """Write FOLDER/NAME-sSEED.jsonl with an object per epoch; a value that is not finite is null.

    Parameters
    ----------
    folder
        Made if it does not exist. A log of an earlier training with this name and seed is replaced.
    """

    type_name = "jsonl_log"
    ending = ".jsonl"
    start = '{"epoch": '

    def line(self, epoch: int, values: Mapping[str, float]) -> str:
        """The object of a line."""
        shown = {k: float(v) if math.isfinite(v) else None for k, v in values.items()}
        return json.dumps({"epoch": epoch, **shown})
