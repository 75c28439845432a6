"""History: what a training has reached so far, as schedules see it."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence


class History(Mapping[str, Sequence[float]]):
    """Values of the finished epochs, oldest first, by series name: ``history["val_loss"]``.

    Each series has one number per finished epoch, NaN where nothing was measured: none during the
    first epoch. Nothing here can be changed.

    Parameters
    ----------
    series
        The values by name, such as "loss", "val_loss", "accuracy".
    rising
        Names of the series that are better if they are higher.
    """

    def __init__(self, series: Mapping[str, Iterable[float]], rising: Collection[str] = ()) -> None:
        copied = {name: tuple(map(float, values)) for name, values in series.items()}
        self._share(copied, rising, 0, sys.maxsize)

    def _share(
        self, series: Mapping[str, Sequence[float]], rising: Collection[str], first: int, end: int
    ) -> None:
        self._series, self._rising = series, frozenset(rising)
        self._first, self._end = first, end
        self._read: dict[str, tuple[float, ...]] = {}

    def __getitem__(self, name: str) -> tuple[float, ...]:
        if name not in self._read:  # a training makes a history for each epoch and reads few series
            self._read[name] = tuple(self._series[name][self._first : self._end])
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._series)

    def __len__(self) -> int:
        return len(self._series)

    def rises(self, name: str) -> bool:
        """Whether the series called ``name`` is better if it is higher."""
        return name in self._rising

    def between(self, first: int, end: int | None = None) -> History:
        """The epochs from ``first`` on, counted from 0, up to but without ``end``."""
        last = self._end if end is None else min(self._end, self._first + end)
        return _shared(self._series, self._rising, self._first + first, last)


def growing(series: Mapping[str, Sequence[float]], rising: Collection[str], epochs: int) -> History:
    """The first ``epochs`` of ``series``, whose lists are not copied and may only grow."""
    return _shared(dict(series), rising, 0, epochs)


def _shared(
    series: Mapping[str, Sequence[float]], rising: Collection[str], first: int, end: int
) -> History:
    made = History.__new__(History)
    made._share(series, rising, first, end)
    return made
