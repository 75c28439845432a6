"""The contracts of the other parts: activation, initializer, loss, optimizer, schedule, metric,
data source.

Each is small, has no state beyond its settings (optimizers excepted) and registers under the entry
point group of its kind. Arrays are batch-first in shape; see ``layerkit.layer`` for their memory.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from layerkit.layer import Array, Context, Part, Shape
from layerkit.threads import thread_count, together

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "Activation",
    "DataSource",
    "Initializer",
    "Link",
    "Loss",
    "Metric",
    "Optimizer",
    "Rows",
    "Schedule",
    "Target",
]

Target = Literal["class", "binary", "real"]
"""What a loss or metric compares with: class numbers (n,), 0/1 flags (n, k), numbers (n, k).

Class numbers are always of rank 1 and flags of rank 2, so a metric for both tells them by ``ndim``.
"""

# A large update is cut into pieces for the cores. Its bits do not depend on that: a rule works
# element by element. Below a million the wake-up and the scratch memory of each cost more.
_LARGE, _SHARES = 1 << 20, 4

_Block = tuple[Array | None, Array, Array, list[Array], Array]  # mask, p, g, slots, scratch

Link = Literal["softmax", "sigmoid", "identity"]
"""What turns the last layer's scores into predictions: probabilities, or numbers as they are."""


class Activation(Part, ABC):
    """An elementwise function y = f(z) and the product of a gradient with its slope."""

    from_output: ClassVar[bool] = True
    """True when f'(z) can be told from y alone, so that ``feed`` may overwrite z."""

    @abstractmethod
    def feed(self, z: Array, out: Array) -> Array:
        """Write f(z) into ``out`` (may be z itself if ``from_output``) and return it; any shape."""

    @abstractmethod
    def backprop(self, dy: Array, z: Array, y: Array, out: Array) -> Array:
        """Write dy * f'(z) into ``out`` (may be dy itself, never z or y) and return it.

        When ``from_output``, z may be y; only y is to be used then.
        """


class Initializer(Part, ABC):
    """How a parameter starts."""

    @abstractmethod
    def make(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        """A float64 array of ``shape``; fans is (fan_in, fan_out)."""


class Loss(Part, ABC):
    """A loss of each row, and the gradient of their weighted sum."""

    target: ClassVar[Target]
    link: ClassVar[Link]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Drop the inherited shortcut of a loss that the subclass writes anew."""
        super().__init_subclass__(**kwargs)
        if vars(cls).keys() & {"feed", "backprop"} and "compiled_judge" not in vars(cls):
            setattr(cls, "compiled_judge", vars(Loss)["compiled_judge"])  # noqa: B010

    @abstractmethod
    def feed(self, scores: Array, targets: Array, ctx: Context) -> Array:
        """Loss of each row (n,) for scores (n, k); targets as ``target`` says."""

    @abstractmethod
    def backprop(self, weights: Array, ctx: Context) -> Array:
        """dL/dscores (n, k) for L = sum_i weights_i * loss_i, weights (n,)."""

    def compiled_judge(
        self, scores: Array, targets: Array, weights: Array, out: Array
    ) -> float | None:
        """``feed`` and ``backprop`` by one compiled kernel: L, and dL/dscores in ``out`` (n, k).

        Optional; None where there is no kernel for such arrays, and ``out`` is then as it was.
        """
        return None


class Optimizer(Part, ABC):
    """A rule that changes a parameter by its gradient, element by element.

    The model binds it to its flat vectors; a step is ``begin`` once, then ``apply`` for the spans
    of its layers. Subclasses write ``rule``.

    Attributes
    ----------
    learning_rate
        The base rate; every optimizer has this setting.
    rate
        The rate of the current step, after the schedule.
    steps
        Steps begun so far; 1 in the first.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Drop the inherited shortcut of a rule that the subclass writes anew."""
        super().__init_subclass__(**kwargs)
        if "rule" in vars(cls) and "compiled_rule" not in vars(cls):
            setattr(cls, "compiled_rule", vars(Optimizer)["compiled_rule"])  # noqa: B010

    slot_names: ClassVar[tuple[str, ...]] = ()
    """Names of the vectors that the rule keeps for each parameter, all starting at 0."""

    learning_rate: float
    rate: float
    steps: int = 0
    slots: Mapping[str, Array]

    block: ClassVar[int] = 262_144
    """Elements a rule is given at a time: a few such blocks stay in the processor's cache."""

    fast: bool = False
    """Whether ``compiled_rule`` takes the place of ``rule``."""

    decay: Array | float = 1.0
    """In a rule: 1 for the elements of this block that weight decay applies to, else 0."""

    def bind(self, params: Array, grads: Array, decay_mask: Array | None = None) -> None:
        """Start on the flat vectors ``params`` and ``grads``, both (size,).

        ``decay_mask`` (size,) is 1 where weight decay applies; by default everywhere.
        """
        self._mask = decay_mask
        self.steps, self.rate = 0, self.learning_rate
        self._params, self._grads = params, grads
        self.slots = {name: np.zeros_like(params) for name in self.slot_names}
        self._blocks: dict[tuple[int, int, int], list[_Block]] = {}

    def begin(self, rate: float) -> None:
        """Begin a step at learning rate ``rate``."""
        self.steps += 1
        self.rate = rate

    def apply(self, span: slice) -> None:
        """Change the parameters in ``span`` of the flat vector, shared among the cores if large."""
        size = span.stop - span.start
        if size < _LARGE or thread_count() == 1:
            self._apply(span, 0)
            return
        step = -(-size // _SHARES)
        starts = range(span.start, span.stop, step)
        together(
            [
                # A copy each, since ``decay`` is told through the attribute.
                partial(copy.copy(self)._apply, slice(at, min(at + step, span.stop)), share)
                for share, at in enumerate(starts)
            ]
        )

    def _apply(self, span: slice, share: int) -> None:
        """Change ``span`` block by block, with the scratch memory of that share."""
        key = span.start, span.stop, share
        blocks = self._blocks.get(key)
        if blocks is None:
            blocks = self._blocks[key] = self._cut(span)
        rule = self.compiled_rule if self.fast else self.rule
        for mask, p, g, slots, scratch in blocks:
            if mask is not None:
                self.decay = mask
            rule(p, g, slots, scratch)

    def _cut(self, span: slice) -> list[_Block]:
        """Views of equal blocks, made once: they would cost as much as 10,000 elements a step."""
        size = span.stop - span.start
        step = max(1, -(-size // max(1, -(-size // self.block))))
        scratch = np.empty(step, self._params.dtype)
        blocks = []
        for start in range(span.start, span.stop, step):
            part = slice(start, min(start + step, span.stop))
            mask = None if self._mask is None else self._mask[part]
            slots = [self.slots[name][part] for name in self.slot_names]
            views = self._params[part], self._grads[part]
            blocks.append((mask, *views, slots, scratch[: part.stop - part.start]))
        return blocks

    @abstractmethod
    def rule(self, p: Array, g: Array, slots: Sequence[Array], scratch: Array) -> None:
        """Change p (m,) in place by its gradient g (m,), at ``self.rate``.

        ``slots`` are this block of the vectors in ``slot_names``, changed in place; ``scratch``
        (m,) may be used freely; g may be overwritten. Several blocks may be worked on at once, so
        a rule keeps nothing in ``self``.
        """

    def compiled_rule(self, p: Array, g: Array, slots: Sequence[Array], scratch: Array) -> None:
        """``rule`` by a compiled kernel, called in its place where ``fast``. Optional."""
        self.rule(p, g, slots, scratch)


class Schedule(Part, ABC):
    """How the learning rate changes as training goes on."""

    @abstractmethod
    def factor(self, epoch: float, epochs: int) -> float:
        """What to multiply the base rate by at time ``epoch`` (0.5: half of the first) of
        ``epochs`` in all.

        A schedule's settings cannot include one called ``factor``.
        """


class Metric(Part, ABC):
    """One number that says how good predictions are."""

    target: ClassVar[tuple[Target, ...]]
    """Kinds of target it can judge."""

    higher_is_better: ClassVar[bool]

    @abstractmethod
    def value(self, predictions: Array, targets: Array, weights: Array | None = None) -> float:
        """The metric of predictions (n, k), probabilities or numbers, against targets.

        Targets are (n,) class numbers or (n, k) flags or numbers, in the units of the raw data;
        weights (n,) count rows more or less. NaN where the rows do not define the metric.
        """

    @staticmethod
    def weighted_mean(values: Array, weights: Array | None) -> float:
        """sum_i w_i v_i / sum_i w_i for values (n,), in float64; NaN where no row has a weight."""
        if len(values) == 0 or (weights is not None and not np.any(weights)):
            return math.nan
        return float(np.average(values.astype(np.float64), weights=weights))


@dataclass(frozen=True)
class Rows:
    """Raw rows as they come from a source, before the data contract is applied.

    Exactly one of ``values`` and ``columns`` is given.

    Parameters
    ----------
    values
        (n, *shape) numbers.
    columns
        Name to (n,) array of numbers or of str; the text "" is a missing value.
    labels
        (n,) class labels or numbers, or (n, k), as the source spells them; None if it has none, or
        if they are among ``columns``.
    source
        Where they came from, for messages.
    index
        (n,) the number that each row had at its source, if some were taken; for messages.
    label_text
        (n,) str, the labels as the source spells them, where ``labels`` holds them as numbers that
        may be spelled in several ways; None where ``labels`` are what was written.
    spelling
        From the name of one of ``columns`` to its cells (n,) as the source spells them, or None
        where the column itself is what was written.
    notes
        What was assumed of how the source is written, a line each.
    """

    values: Array | None = None
    columns: Mapping[str, Array] | None = None
    labels: Array | None = None
    source: str = "rows"
    index: Array | None = None
    label_text: Array | None = None
    spelling: Callable[[str], Array | None] | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        if self.values is not None:
            return len(self.values)
        if self.columns:
            size = getattr(self.columns, "size", None)  # of columns that are read when asked for
            return len(next(iter(self.columns.values()))) if size is None else int(size)
        return 0 if self.labels is None else len(self.labels)

    def take(self, index: Array | slice) -> Rows:
        """The rows at ``index``, in that order."""
        return Rows(
            None if self.values is None else self.values[index],
            None if self.columns is None else _taken_columns(self.columns, index),
            None if self.labels is None else self.labels[index],
            self.source,
            (np.arange(len(self)) if self.index is None else self.index)[index],
            None if self.label_text is None else self.label_text[index],
            None if self.spelling is None else partial(_taken, self.spelling, index),
            self.notes,
        )


def _taken_columns(columns: Mapping[str, Array], index: Array | slice) -> Mapping[str, Array]:
    take = getattr(columns, "take", None)
    if take is not None:
        taken: Mapping[str, Array] = take(index)
        return taken
    return {name: column[index] for name, column in columns.items()}


def _taken(
    spelling: Callable[[str], Array | None], index: Array | slice, name: str
) -> Array | None:
    cells = spelling(name)
    return None if cells is None else cells[index]


class DataSource(Part, ABC):
    """A data set known by name."""

    @abstractmethod
    def load(self, where: Path | None) -> dict[str, Rows]:
        """The splits by name: "train", and "test" if the data set has a standard one.

        Parameters
        ----------
        where
            The folder or file that the user named, or None: look in the usual places, then
            download.

        Raises
        ------
        DataSourceError
            If it is not there, not whole, or cannot be downloaded.
        """
