"""tensorboard: writes the values of each epoch as TensorBoard events, with the extra ``track``.

``tensorboard --logdir FOLDER`` shows them, one curve per value and run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from layerkit import Callback, MissingExtraError

__all__ = ["TensorBoard"]


class TensorBoard(Callback):
    """Write events to FOLDER/NAME-sSEED; a resumed training goes on in another file there.

    Parameters
    ----------
    folder
        What ``--logdir`` names; made if it does not exist.
    """

    type_name = "tensorboard"
    contract_version = 2

    def __init__(self, *, folder: str = "runs") -> None:
        self.folder = folder

    def begin(self, name: str, *, seed: int, epochs: int, rows: int) -> None:
        """Open the file; MissingExtraError without tensorboardX."""
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise MissingExtraError("tensorboardX", "track", "the callback tensorboard") from error
        self.writer: Any = None
        path = Path(self.folder).expanduser() / f"{name}-s{seed}"
        try:
            # What an interrupted training wrote of later epochs is hidden from here on.
            done = self.training.done
            self.writer = SummaryWriter(str(path), purge_step=done + 1 if done else None)
        except OSError as error:
            self._fail(error)

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Add a point to each curve; what is kept on the way to the disk is lost by no crash."""
        if self.writer is None:
            return
        try:
            for name, value in values.items():
                self.writer.add_scalar(name, value, epoch)
            self.writer.flush()
        except OSError as error:
            self._fail(error)

    def end(self, seconds: float) -> None:
        """Close the file."""
        if self.writer is not None:
            try:
                self.writer.close()
            except OSError as error:
                self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.writer = None
        self.training.notice(f"tensorboard: no events are written ({error})")
