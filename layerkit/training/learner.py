"""Gradients of one batch: feed, loss and backprop, in one piece or in halves on two cores.

A batch of many multiply-adds is cut into halves where the whole network is one compiled program.
Each half is one task: feed, loss, backprop; then the gradients of both are added. So a step wakes a
second thread only once. Whether a batch is cut depends on sizes alone: the bits of the result do
not depend on the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from layerkit.core.context import Array, Context
from layerkit.core.network import Network
from layerkit.core.parts import Loss
from layerkit.execution.runner import Chain
from layerkit.threads import together

RowGetter = Callable[[slice], Array]
"""Returns rows of a batch, (n, *in); called once per piece, perhaps by two threads at once."""

_MUCH = 12_000_000  # multiply-adds of a feed from which halves pay
_FEWEST = 32  # rows of a half: matrix products of fewer are slow


class Learner:
    """Computes the gradients of ``network`` for ``loss``, batch by batch.

    The network's vectors of parameters and gradients stay where they are.
    """

    def __init__(self, network: Network, loss: Loss, *, fast: bool) -> None:
        self.network, self.loss = network, loss
        self._chain = partial(Chain, training=True, fast=fast)
        self._pieces = [_Piece(self._chain(network), loss)]
        self._compiled = self._pieces[0].chain.compiled

    @property
    def contexts(self) -> dict[str, Context]:
        """Those of the first piece by layer name, without the layers in a compiled program."""
        return self._pieces[0].chain.contexts

    def learn(self, rows: RowGetter, targets: Array, weights: Array) -> tuple[Array, float]:
        """Compute the network's gradients for one batch with weights (n,).

        ``targets`` (n,) or (n, k) are as the loss expects. Returns the scores (n, *out), valid
        until the next batch, and the weighted sum of the rows' losses. If that is not finite, the
        gradients are meaningless.
        """
        parts = self._cut(len(weights))
        while len(self._pieces) < len(parts):
            self._pieces.append(_Piece(self._chain(self.network.twin()), self.loss))
        tasks = [
            partial(piece.learn, rows, targets, weights, part)
            for piece, part in zip(self._pieces, parts, strict=False)
        ]
        if len(tasks) == 1:
            return tasks[0]()
        together(tasks)
        used = self._pieces[: len(parts)]
        grads = self.network.allocate_grads()
        for other in used[1:]:
            grads += other.chain.network.allocate_grads()
        scores: Array = np.concatenate([piece.scores for piece in used])
        return scores, sum(piece.lost for piece in used)

    def warm(self, targets: Array, weights: Array) -> None:
        """Run every compiled kernel once, on rows of zeros with these targets and weights (n,).

        Only the gradients change.
        """
        chain = self._pieces[0].chain
        with np.errstate(all="ignore"):
            chain.warm(len(weights))
            if chain.compiled and self.network.planned:
                shape = len(weights), *self.network.planned[-1].plan.out_shape
                scores = np.zeros(shape, self.network.dtype)
                self.loss.compiled_judge(scores, targets, weights, np.empty_like(scores))

    def _cut(self, count: int) -> list[slice]:
        much = self._compiled and count * self.network.macs >= _MUCH
        if not much or count < 2 * _FEWEST:
            return [slice(0, count)]
        half = -(-count // 32) * 16
        return [slice(0, half), slice(half, count)]


class _Piece:
    """The memory of one task and its results: ``scores`` and their loss, ``lost``."""

    def __init__(self, chain: Chain, loss: Loss) -> None:
        self.chain, self.loss = chain, loss
        self.context: Context | None = None
        self.scores: Array = np.empty(0)
        self.slope: Array = np.empty(0)
        self.lost = 0.0

    def learn(
        self, rows: RowGetter, targets: Array, weights: Array, part: slice
    ) -> tuple[Array, float]:
        """Feed ``part`` of a batch, compute the loss, and backpropagate it if it is finite."""
        with np.errstate(all="ignore"):  # each thread has its own
            mine = weights[part]
            self.scores = scores = self.chain.feed(rows(part))
            self.lost, dy = self._judge(scores, targets[part], mine)
            if dy is not None:
                self.chain.backprop(dy)
        return scores, self.lost

    def _judge(self, scores: Array, targets: Array, weights: Array) -> tuple[float, Array | None]:
        """The weighted loss and its gradient, None if the loss is not finite."""
        if self.chain.compiled:
            if self.slope.shape != scores.shape:
                self.slope = np.empty_like(scores)
            lost = self.loss.compiled_judge(scores, targets, weights, self.slope)
            if lost is not None:
                return lost, self.slope if math.isfinite(lost) else None
        if self.context is None:
            self.context = Context(scores.dtype, training=True)
        lost = float(self.loss.feed(scores, targets, self.context) @ weights)
        return lost, self.loss.backprop(weights, self.context) if math.isfinite(lost) else None
