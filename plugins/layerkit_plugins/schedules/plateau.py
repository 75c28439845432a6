"""plateau: the rate drops by a factor when a value has stopped improving.

After each epoch, with v its value of ``monitor`` and r = 1 in the first epoch::

    better   v improves on the best so far by more than min_delta: best = v, wait = 0
    else     wait := wait + 1, unless one of ``cooldown`` epochs is left
    wait = patience     r := max(decay r, min_factor), wait = 0, ``cooldown`` epochs follow
    factor = r                                            of all steps of the next epoch

The names are those of Keras and PyTorch (ReduceLROnPlateau), but for ``decay``, their ``factor``,
which is the method that every schedule has, and ``min_factor``, a share of the base rate. Patience
counts as in Keras and in ``early_stopping``: the rate drops after ``patience`` epochs without
improvement. Cooldown counts as in PyTorch: its epochs count for the best, never for the patience.
Whether higher is better follows from the metric.

Source: PyTorch ``torch.optim.lr_scheduler.ReduceLROnPlateau``, threshold_mode "abs", with its
patience one lower; Bengio, "Practical Recommendations for Gradient-Based Training of Deep
Architectures" (arXiv 1206.5533), section 3.1.1.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

from layerkit import History, Schedule
from layerkit.fields import Fraction, NonNegative, Range, Size

__all__ = ["Plateau"]


class Plateau(Schedule):
    """factor = max(decay^drops, min_factor), drops counted from the finished epochs.

    Parameters
    ----------
    monitor
        The series that is watched: "val_loss", "val_accuracy", "loss" for the training loss.
    decay
        What the rate is multiplied with at each drop.
    patience
        Epochs without improvement before the rate drops.
    min_delta
        Smallest change that counts as an improvement.
    cooldown
        Epochs after a drop that do not count as epochs without improvement.
    min_factor
        The factor never falls below this.
    """

    type_name = "plateau"

    def __init__(
        self,
        *,
        monitor: str = "val_loss",
        decay: Annotated[float, Range(gt=0, lt=1)] = 0.1,
        patience: Size = 5,
        min_delta: NonNegative = 0.0,
        cooldown: Annotated[int, Range(ge=0, lt=2**63)] = 0,
        min_factor: Fraction = 0.0,
    ) -> None:
        self.monitor = monitor
        self.decay = decay
        self.patience = patience
        self.min_delta = min_delta
        self.cooldown = cooldown
        self.min_factor = min_factor

    @property
    def watched(self) -> tuple[str, ...]:
        """The series that is watched."""
        return (self.monitor,)

    def factor(self, epoch: float, epochs: int) -> float:
        """1: nothing is known yet."""
        return 1.0

    def factor_after(self, epoch: float, epochs: int, history: History) -> float:
        """The factor after the drops of the finished epochs."""
        sign = 1 if history.rises(self.monitor) else -1
        settings = self.decay, self.patience, self.min_delta, self.cooldown, self.min_factor
        return _lowered(tuple(history[self.monitor]), sign, *settings)


@lru_cache(maxsize=8)  # all steps of an epoch ask for the same
def _lowered(
    values: tuple[float, ...],
    sign: int,
    decay: float,
    patience: int,
    min_delta: float,
    cooldown: int,
    min_factor: float,
) -> float:
    factor, best, wait, rest = 1.0, float("-inf"), 0, 0
    for value in values:
        if sign * value - best > min_delta:  # false for NaN
            best, wait = sign * value, 0
        elif not rest:
            wait += 1
        rest = max(rest - 1, 0)
        if wait >= patience:
            factor = max(decay * factor, min_factor)
            wait, rest = 0, cooldown
    return factor
