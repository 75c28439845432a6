"""Optimizer: the contract, and how a rule is applied to the flat vector of parameters."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import ClassVar

import numpy as np

from layerkit.core.context import Array
from layerkit.core.parts import Part
from layerkit.threads import thread_count, together

# A large update is cut into pieces for the cores. The bits do not change: a rule works element by
# element. Below a million elements, waking a thread and its scratch memory cost more.
_LARGE, _SHARES = 1 << 20, 4

_Block = tuple[Array | None, Array, Array, list[Array], Array]  # mask, p, g, slots, scratch

Kernel = Callable[[Array, Array, Sequence[Array], Mapping[str, float], Array | None], object]


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

    slot_names: ClassVar[tuple[str, ...]] = ()
    """Names of the vectors that the rule keeps, one number per parameter, starting at 0."""

    learning_rate: float
    rate: float
    steps: int = 0
    slots: Mapping[str, Array]

    block: ClassVar[int] = 262_144
    """Elements per call of a rule: a few such blocks stay in the processor's cache."""

    kernel: Kernel | None = None
    """What an engine made of ``rule``, called instead of it: ``kernel(p, g, slots, numbers,
    decay)``, ``numbers`` the rate and steps by name, ``decay`` as below or None for 1."""

    decay: Array | float = 1.0
    """In a rule: 1 for the elements of this block that weight decay applies to, else 0."""

    weight_decay: float = 0.0
    """What ``shrink`` takes away; a setting of the optimizers that call it."""

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
                # A copy each, since ``decay`` is passed through the attribute.
                partial(copy.copy(self)._apply, slice(at, min(at + step, span.stop)), share)
                for share, at in enumerate(starts)
            ]
        )

    def _apply(self, span: slice, share: int) -> None:
        """Change ``span`` block by block, with the scratch memory of this share."""
        key = span.start, span.stop, share
        blocks = self._blocks.get(key)
        if blocks is None:
            blocks = self._blocks[key] = self._cut(span)
        numbers = {"rate": self.rate, "steps": self.steps}
        for mask, p, g, slots, scratch in blocks:
            if self.kernel is not None:
                self.kernel(p, g, slots, numbers, mask)
                continue
            if mask is not None:
                self.decay = mask
            self.rule(p, g, slots, scratch)

    def _cut(self, span: slice) -> list[_Block]:
        """Views of equal blocks, made once: per step they would cost as much as 10,000 elements."""
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

    def shrink(self, p: Array, scratch: Array) -> None:
        """Decoupled weight decay, p := (1 - rate weight_decay) p, before a rule's own step.

        It leaves alone what does not decay (biases) and all else at ``weight_decay`` 0. Neither
        gradients nor slots see it, unlike ``train.weight_decay``, which is added to the gradient
        (L2). It is scaled by the rate of the step, as in PyTorch's AdamW and Keras.

        Source: Loshchilov, Hutter, "Decoupled Weight Decay Regularization" (arXiv 1711.05101).
        """
        if self.weight_decay:
            np.multiply(p, self.decay, scratch)
            scratch *= self.rate * self.weight_decay
            p -= scratch

    @abstractmethod
    def rule(self, p: Array, g: Array, slots: Sequence[Array], scratch: Array) -> None:
        """Change p (m,) in place by its gradient g (m,), at ``self.rate``.

        ``slots`` are this block of the vectors in ``slot_names``, changed in place; ``scratch``
        (m,) may be used freely; g may be overwritten. Several blocks may be processed at once, so a
        rule keeps nothing in ``self``.
        """
