"""What follows the teacher in a training: the student's scores, and layers by hints.

A follower looks at one output of the student as that is fed, and gives its own part of the loss and
of the gradient there. With the teacher's scores v, the student's s and p = softmax(v / T),
q = softmax(s / T)::

    loss = T^2 sum over k of p log(p / q)          (n,)
    ds   = weights * T (q - p)                     (n, k); T^2 keeps it of the size it has for T = 1

and with sigmoid the mean over k of both answers of each output. A hint, with the values t
(n, *shape) of the teacher's layer and r(y) of the student's through the regressor::

    loss = weight * mean of (r - t)^2              (n,)
    dr   = weights * 2 weight (r - t) / size       (n, *shape); the regressor gives dy

Sources: Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network" (arXiv 1503.02531),
section 2; Romero and others, "FitNets: Hints for Thin Deep Nets" (arXiv 1412.6550), equations 3
(soft targets) and 4 (hints, there half the sum of the squares instead of their mean).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from layerkit.core.context import Array, Context
from layerkit.core.parts import Link, Loss
from layerkit.core.planning import PlannedLayer
from layerkit.errors import SpecError
from layerkit.execution.runner import Chain


class Follower(ABC):
    """What an output of the student is compared with; ``lost`` is its part of the batch's loss."""

    def __init__(self) -> None:
        self.lost = 0.0
        self._rows: Array = np.empty(0, np.intp)
        self._weights: Array = np.empty(0)
        self._waits = False

    def begin(self, rows: Array, weights: Array) -> None:
        """Begin a batch of the training rows ``rows`` with weights (n,), or (n, ...) per step."""
        self._rows, self._weights, self._waits = rows, weights, True

    def follow(self, y: Array) -> Array:
        """dL/dy of this part of the loss, for the output y (n, *out) of the batch.

        Raises SpecError for a second output: a layer that a container feeds step by step.
        """
        if not self._waits:
            raise SpecError("a layer that is fed more than once in a pass cannot follow a hint")
        self._waits = False
        self.lost, dy = self._learn(y, self._rows, self._weights)
        return dy

    @abstractmethod
    def _learn(self, y: Array, rows: Array, weights: Array) -> tuple[float, Array]:
        """The part of the loss, and its gradient."""


class SoftTargets(Follower):
    """Scores follow the teacher's ``scores`` (rows, *steps, k) of all training rows."""

    def __init__(self, scores: Array, link: Link, weight: float, temperature: float) -> None:
        super().__init__()
        self.weight, self.temperature, self.link = weight, temperature, link
        self._scores = scores

    def _learn(self, y: Array, rows: Array, weights: Array) -> tuple[float, Array]:
        T, w = self.temperature, self.weight * weights.reshape(-1, 1).astype(y.dtype)
        s, v = (a.reshape(-1, a.shape[-1]) / T for a in (y, self._scores[rows]))
        if self.link == "softmax":
            log_p, log_q = _log_softmax(v), _log_softmax(s)
            p, q = np.exp(log_p), np.exp(log_q)
            each, k = (p * (log_p - log_q)).sum(axis=1), 1
        else:
            log_p, log_q = -np.logaddexp(0, -v), -np.logaddexp(0, -s)
            p, q = np.exp(log_p), np.exp(log_q)
            # log(1 - p) is log_p - v, and log(1 - q) is log_q - s
            each = (log_p - log_q - (1 - p) * (v - s)).mean(axis=1)
            k = y.shape[-1]
        dy = w * (q - p) * (T / k)
        return T * T * float(each @ w[:, 0]), dy.reshape(y.shape)


class SoftNumbers(Follower):
    """Scores follow the teacher's ``answers`` (rows, *steps, k), numbers, by the loss itself."""

    def __init__(self, answers: Array, loss: Loss, weight: float) -> None:
        super().__init__()
        self.weight, self._answers, self._loss = weight, answers, loss

    def _learn(self, y: Array, rows: Array, weights: Array) -> tuple[float, Array]:
        ctx = Context(y.dtype, training=True)
        w = self.weight * weights.reshape(-1)
        s, t = (a.reshape(-1, a.shape[-1]) for a in (y, self._answers[rows]))
        lost = float(self._loss.feed(s, t, ctx) @ w)
        return lost, self._loss.backprop(w, ctx).reshape(y.shape)


class Hinted(Follower):
    """The layer at ``path`` follows ``values`` (rows, *shape), through a regressor or directly.

    It does so up to epoch ``until``, counted from 1; ``alone``: nothing else is learned then.
    """

    def __init__(
        self,
        path: str,
        values: Array,
        regressor: PlannedLayer | None,
        weight: float,
        *,
        until: float = math.inf,
        alone: bool = False,
    ) -> None:
        super().__init__()
        self.path, self.regressor, self.weight = path, regressor, weight
        self.until, self.alone = until, alone
        self._values = values
        self.chain: Chain | None = None

    def connect(self, make: Callable[[PlannedLayer], Chain]) -> None:
        """Make what runs the regressor."""
        if self.regressor is not None:
            self.chain = make(self.regressor)

    def _learn(self, y: Array, rows: Array, weights: Array) -> tuple[float, Array]:
        r = y if self.chain is None else self.chain.feed(y)
        w = self.weight * weights.reshape(len(y), -1).sum(axis=1).astype(r.dtype)
        difference = r - self._values[rows]
        size = difference[0].size
        flat = difference.reshape(len(y), -1)
        lost = float(np.einsum("ij,ij->i", flat, flat) @ w) / size
        dr = difference * (w * (2 / size)).reshape(-1, *(1,) * (r.ndim - 1)).astype(r.dtype)
        return lost, dr if self.chain is None else self.chain.backprop(dr)


def _log_softmax(scores: Array) -> Array:
    shifted = scores - scores.max(axis=1, keepdims=True)
    found: Array = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return found
