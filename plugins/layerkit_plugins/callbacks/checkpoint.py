"""checkpoint: saves the model while it is trained: the last epoch, the best, every k-th.

Each file can be loaded, evaluated and resumed. It is complete or not there, and if it cannot be
written, a warning says so, the earlier one stays, and the training goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from layerkit import Callback
from layerkit.fields import Range, Size

__all__ = ["Checkpoint"]


class Checkpoint(Callback):
    """Save NAME-sSEED-last.layerkit, -best.layerkit and -epochN.layerkit after each epoch.

    Parameters
    ----------
    folder
        Where; it is made if it does not exist. Files of an earlier training with this name and seed
        are replaced.
    every
        Epochs between two files.
    last
        Whether to save the last epoch under the name -last.
    best
        A value such as ``val_loss`` or ``val_accuracy``: the best epoch is saved under -best.
    keep
        How many of the newest epochs to keep under their numbers; older ones are removed.
    """

    type_name = "checkpoint"
    contract_version = 2
    best_value: float | None
    kept: list[int]

    def __init__(
        self,
        *,
        folder: str = "checkpoints",
        every: Size = 1,
        last: bool = True,
        best: str | None = None,
        keep: Annotated[int, Range(ge=0, lt=10000)] = 0,
    ) -> None:
        self.folder = folder
        self.every = every
        self.last = last
        self.best = best
        self.keep = keep

    @property
    def watched(self) -> tuple[str, ...]:
        """The value whose best epoch is saved."""
        return () if self.best is None else (self.best,)

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Save what is due."""
        if self.best is not None and self._is_best(values[self.best]):
            self.best_value = values[self.best]
            self._save("best")
        if epoch % self.every:
            return
        if self.last:
            self._save("last")
        if self.keep:
            old = self.kept[: max(0, len(self.kept) + 1 - self.keep)]
            self.kept = [*self.kept[len(old) :], epoch]
            self._save(f"epoch{epoch}", old)

    def _is_best(self, value: float) -> bool:
        best = self.best_value
        if best is None or best != best:  # NaN
            return True
        return value > best if self.training.rises(str(self.best)) else value < best

    def _path(self, what: str) -> Path:
        name = f"{self.training.spec.name}-s{self.training.seed}-{what}.layerkit"
        return Path(self.folder).expanduser() / name

    def _save(self, what: str, old: list[int] = []) -> None:  # noqa: B006  # never changed
        path = self._path(what)
        with suppress(OSError):  # saving tells what is wrong
            path.parent.mkdir(parents=True, exist_ok=True)
        self.training.save(str(path), then=partial(self._remove, old))

    def _remove(self, epochs: list[int]) -> None:
        for epoch in epochs:
            with suppress(OSError):
                self._path(f"epoch{epoch}").unlink(missing_ok=True)

    def state(self) -> dict[str, Any]:
        """The best value so far, and the epochs whose files are kept."""
        found = {"best": self.best_value, "kept": self.kept or None}
        return {name: value for name, value in found.items() if value is not None}

    def restore(self, state: dict[str, Any]) -> None:
        """Begin, or continue from such a state; ValueError for another one."""
        best, kept = state.get("best"), state.get("kept", [])
        if not isinstance(best, float | None) or not all(type(epoch) is int for epoch in kept):
            raise ValueError(f"expected the best value and a list of epochs, got {state}")
        self.best_value, self.kept = best, [*kept]
