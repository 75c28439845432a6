"""Gradients of one batch: feed, loss and backprop, in one piece or in halves on two cores.

A batch of many multiply-adds is cut into halves where one engine runs the whole network in compiled
calls and its rows do not meet. Each half is one task: feed, loss, backprop; then the gradients of
both are added. So a step wakes a second thread only once. Whether a batch is cut depends on sizes
and trials alone: the bits of the result do not depend on the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from layerkit.core.context import Array, Context
from layerkit.core.network import Network
from layerkit.core.parts import Loss
from layerkit.core.steps import as_rows
from layerkit.display import quoted
from layerkit.errors import PluginLoadError, PluginProblem
from layerkit.execution.engine import Engine, LossStage
from layerkit.execution.runner import Chain, remarks
from layerkit.execution.trial import trials_of
from layerkit.recording.arrays import NotRecorded
from layerkit.recording.record import record_loss
from layerkit.threads import together

RowGetter = Callable[[slice], Array]
"""Returns rows of a batch, (n, *in); called once per piece, perhaps by two threads at once."""

_MUCH = 12_000_000  # multiply-adds of a feed from which halves pay
_FEWEST = 32  # rows of a half: matrix products of fewer are slow


class Learner:
    """Computes the gradients of ``network`` for ``loss``, batch by batch.

    The network's vectors of parameters and gradients stay where they are.
    """

    def __init__(self, network: Network, loss: Loss, engines: Sequence[Engine]) -> None:
        self.network, self.loss, self.engines = network, loss, engines
        self._pieces = [_Piece(network, loss, engines)]
        self._halves = _halves(self._pieces[0].chain, loss)
        self._parts: dict[int, list[slice]] = {}  # by rows of a batch
        self._tried: set[int] = set()  # rows of batches that are cut, whose loss had its trial
        self._told: int | None = None  # remarks on trials that were given out

    @property
    def contexts(self) -> Mapping[str, Context]:
        """By layer name, those of the layers that run as they are written."""
        return self._pieces[0].chain.contexts

    def set_streams(self, make: Callable[[str], np.random.Generator]) -> None:
        """Give each layer that may draw its random stream, ``make(name)``."""
        chain = self._pieces[0].chain
        for name in chain.drawing():
            chain.set_stream(name, make(name))

    def learn(self, rows: RowGetter, targets: Array, weights: Array) -> tuple[Array, float]:
        """Compute the network's gradients for one batch with weights (n,).

        ``targets`` (n,) or (n, k) are as the loss expects; for outputs per step they are (n, ...)
        or (n, ..., k), and weights (n, ...). Returns the scores (n, *out), valid
        until the next batch, and the weighted sum of the rows' losses. If that is not finite, the
        gradients are meaningless.
        """
        learned = self._learn(rows, targets, weights)
        self.network.add_ties()
        return learned

    def _learn(self, rows: RowGetter, targets: Array, weights: Array) -> tuple[Array, float]:
        count = len(weights)
        parts = self._cut(rows, count)
        while len(self._pieces) < len(parts):
            self._pieces.append(_Piece(self.network.twin(), self.loss, self.engines))
        used = self._pieces[: len(parts)]
        tasks = [
            partial(piece.learn, rows, targets, weights, part)
            for piece, part in zip(used, parts, strict=True)
        ]
        if len(tasks) == 1:
            return tasks[0]()
        if count in self._tried:
            together(tasks)
        else:  # forms are tried one after the other, on the same rows whatever the threads
            for task in tasks:
                task()
        scores: Array = np.concatenate([piece.scores for piece in used])
        lost = sum(piece.lost for piece in used)
        if count not in self._tried and math.isfinite(lost):
            if not self._loss_passes(scores, targets, weights, parts):
                self._parts[count] = [slice(0, count)]
                return self._learn(rows, targets, weights)
            self._tried.add(count)
        grads = self.network.allocate_grads()
        for other in used[1:]:
            grads += other.chain.network.allocate_grads()
        return scores, lost

    def prepare(self, rows: RowGetter, count: int) -> None:
        """Make what batches of ``count`` rows need, as far as that can be known without feeding."""
        for piece, part in zip(self._pieces, self._cut(rows, count), strict=False):
            piece.chain.prepare(rows(part))

    def remarks(self) -> list[str]:
        """What there is to say of layers that run as they are written, each sentence once."""
        network = self.network
        if self._told is None:
            self._told = 0
            said = remarks(network, training=True) if self.engines else []
        else:
            said = []
        kept = trials_of(network).remarks[self._told :]
        self._told += len(kept)
        return said + kept

    def _cut(self, rows: RowGetter, count: int) -> list[slice]:
        """The pieces of a batch of ``count`` rows.

        Halves only if every form passed its trial on them and on the whole: a layer that decides by
        the number of rows would see another number.
        """
        if count not in self._parts:
            self._parts[count] = [slice(0, count)]
            if count >= 2 * _FEWEST and self._halves and count * self._halves >= _MUCH:
                half = -(-count // 32) * 16
                halves = [slice(0, half), slice(half, count)]
                if all(map(self._passes, [rows(part) for part in [slice(0, count), *halves]])):
                    self._parts[count] = halves
        return self._parts[count]

    def _passes(self, x: Array) -> bool:
        """Whether the first engine runs all layers for batches like x."""
        whole = self._pieces[0].chain.whole(x)
        return whole is not None and whole[0] is self.engines[0]

    def _loss_passes(
        self, scores: Array, targets: Array, weights: Array, parts: Sequence[slice]
    ) -> bool:
        """Whether the form of the loss passes its trial on the whole, as it did on the halves."""
        sizes = [part.stop - part.start for part in parts]
        forms = [piece.forms[size] for piece, size in zip(self._pieces, sizes, strict=True)]
        first = forms[0]
        trials = trials_of(self.network)
        return (
            first is not None
            and None not in forms
            and trials.loss(self.loss, first, *as_rows(scores, targets, weights))
        )


def _halves(chain: Chain, loss: Loss) -> float:
    """Parameters, about the multiply-adds of a row, if it may be trained in halves; otherwise 0.

    It may where one engine runs all of it without the interpreter's lock, and the graphs of the
    layers and of the loss prove that rows do not meet.
    """
    layers, engines = chain.one_group(), chain.engines
    if layers is None or not engines or not engines[0].releases_the_lock:
        return 0
    if any(engines[0].refuses(one, p) or not one.rowwise for p, one in layers):
        return 0
    out_shape = layers[-1][0].plan.out_shape[-1:]  # steps are rows to the loss
    by_class = loss.target == "class"
    kind = np.dtype(np.int64) if by_class else chain.network.dtype
    try:
        shape = () if by_class else out_shape
        judged = record_loss(loss, out_shape, chain.network.dtype, shape, kind)
    except NotRecorded:
        return 0
    if not judged.rowwise:
        return 0
    return float(sum(math.prod(shape) for _, one in layers for shape in one.params.values()))


def _check_slope(loss: Loss, dy: object, scores: Array) -> None:
    """Refuse what no stage could take: compiled ones read memory as it is."""
    got = quoted(dy)
    if isinstance(dy, np.ndarray):
        if dy.shape == scores.shape and dy.dtype == scores.dtype:
            return
        got = f"{dy.dtype} of shape {list(dy.shape)}"
    key = getattr(loss, "type_name", type(loss).__name__)
    reason = f"backprop: expected {scores.dtype} of shape {list(scores.shape)}, got {got}"
    raise PluginLoadError(f"loss {key!r}: {reason}", problems=[PluginProblem(key, reason)])


class _Piece:
    """The memory of one task and its results: ``scores`` and their loss, ``lost``."""

    def __init__(self, network: Network, loss: Loss, engines: Sequence[Engine]) -> None:
        self.chain, self.loss, self.engines = Chain(network, engines, training=True), loss, engines
        self.context: Context | None = None
        self.forms: dict[int, LossStage | None] = {}
        self.scores: Array = np.empty(0)
        self.lost = 0.0

    def learn(
        self, rows: RowGetter, targets: Array, weights: Array, part: slice
    ) -> tuple[Array, float]:
        """Feed ``part`` of a batch, compute the loss, and backpropagate it if it is finite."""
        with np.errstate(all="ignore"):  # each thread has its own
            x, targets, weights = rows(part), targets[part], weights[part]
            form = self.forms.get(len(weights))
            per_step = weights.ndim > 1  # the loss has other rows than the layers
            whole = self.chain.whole(x) if form is not None and not per_step else None
            done = None
            if whole is not None and form is not None:
                engine, stage = whole
                done = engine.learn(stage, form, x, targets, weights)
            if done is None:
                done = self._learn(x, targets, weights)
            self.scores, self.lost = done
        return done

    def _learn(self, x: Array, targets: Array, weights: Array) -> tuple[Array, float]:
        count, outputs = len(weights), self.chain.feed(x)
        scores, targets, weights = as_rows(outputs, targets, weights)
        if count not in self.forms:
            self.forms[count] = self._loss_form(scores, targets, weights)
        form = self.forms[count]
        if form is not None:
            lost, dy = form.learn(scores, targets, weights)
        else:
            if self.context is None:
                self.context = Context(scores.dtype, training=True)
            self.context.begin()
            lost = float(self.loss.feed(scores, targets, self.context) @ weights)
            if math.isfinite(lost):
                dy = self.loss.backprop(weights, self.context)
                _check_slope(self.loss, dy, scores)
        if math.isfinite(lost):
            self.chain.backprop(dy.reshape(outputs.shape))
        else:
            del self.forms[count]  # on trial again: there was nothing to compare
        return outputs, lost

    def _loss_form(self, scores: Array, targets: Array, weights: Array) -> LossStage | None:
        """The first form of the loss that gives what the loss as written gives."""
        network = self.chain.network
        kinds = scores.shape[1:], scores.dtype, targets.shape[1:], targets.dtype
        try:
            recorded = record_loss(self.loss, *kinds)
        except NotRecorded:
            return None
        for engine in self.engines:
            if not engine.refuses(recorded):
                form = engine.loss(recorded)
                if trials_of(network).loss(self.loss, form, scores, targets, weights):
                    return form
        return None
