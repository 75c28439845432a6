"""History: what a training has reached so far, as schedules see it."""

from __future__ import annotations

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
        self._series = {name: tuple(map(float, values)) for name, values in series.items()}
        self._rising = frozenset(rising)

    def __getitem__(self, name: str) -> tuple[float, ...]:
        return self._series[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._series)

    def __len__(self) -> int:
        return len(self._series)

    def rises(self, name: str) -> bool:
        """Whether the series called ``name`` is better if it is higher."""
        return name in self._rising

    def between(self, first: int, end: int | None = None) -> History:
        """The epochs from ``first`` on, counted from 0, up to but without ``end``."""
        return History({k: v[first:end] for k, v in self._series.items()}, self._rising)
