"""layerkit: a model built from a spec, its network, loss and optimizer driven as training does.

Inference is ``model.predict``, with all its checks of the rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from benchmarks.speed.peers.base import Peer
from benchmarks.speed.workloads import CLASSES, Array, Layer, Params, Work
from layerkit import Model, build
from layerkit.discovery.engines import require_compiled
from layerkit.threads import single_blas
from layerkit.training.callbacks import Callbacks
from layerkit.training.loop import Loop
from layerkit.training.prepare import Arrays
from layerkit.training.recipe import Recipe


def _described(work: Work) -> list[dict[str, Any]]:
    """The layers of a spec."""
    dense = [{"type": "dense", "units": units, "activation": "relu"} for units in work.hidden]
    gated = {"type": "highway", "activation": "relu", "gate_bias": work.gate_bias}
    return [*dense, *[gated] * work.highway, {"type": "dense", "units": CLASSES}]


def _of_images(layer: Layer) -> dict[str, Any]:
    """One layer of a net of images; the last is a convolution of all 3 x 3 pixels that are left."""
    if layer.kind == "conv_highway":
        return {"type": "conv_highway", "kernel": layer.kernel}
    if layer.kind == "pool":
        padding = "same" if layer.kernel == 3 else "valid"
        return {"type": "maxpool", "kernel": layer.kernel, "stride": 2, "padding": padding}
    if layer.kind == "conv":
        more = {"kernel": layer.kernel, "activation": "relu"}
        return {"type": "conv2d", "filters": layer.units, **more}
    return {"type": "conv2d", "filters": layer.units, "kernel": 3, "padding": "valid"}


def spec(work: Work) -> dict[str, Any]:
    """The spec that a user would write."""
    layers = _described(work)
    if work.width:
        layers = [*map(_of_images, work.layers), {"type": "global_avgpool"}]
    return {
        "layerkit": 1,
        "input": {"shape": list(work.shape)},
        "layers": layers,
        "output": {"classes": [str(k) for k in range(CLASSES)]},
        "train": {
            "optimizer": {"type": work.optimizer, "learning_rate": work.learning_rate},
            "batch_size": work.batch,
        },
    }


def model_of(work: Work, params: list[Params]) -> Model:
    """The model with these weights."""
    model = build(spec(work))
    for planned, given in zip(model.network.planned, params, strict=False):
        for name, array in given.items():
            own = planned.layer.params[name]
            if work.width and array.ndim == 2:  # of rows (channels, 3, 3)
                array = array.reshape(-1, 3, 3, CLASSES).transpose(1, 2, 0, 3)
            own[...] = array
    return model


class Layerkit(Peer):
    packages: ClassVar[Sequence[str]] = ("layerkit", "numpy")

    def __init__(self, *args: Any, fast: bool) -> None:
        if fast:
            require_compiled()  # what is not there must not be measured as if it were
        super().__init__(*args)

    def build(self, params: list[Params]) -> None:
        self.model = model_of(self.work, params)
        self.x = self.x.reshape(-1, *self.work.shape)
        recipe = Recipe.of(self.model.spec)
        data = Arrays(self.x, self.y, self.y)
        self.loop = Loop(self.model.network, recipe, data, Callbacks(None), lambda scores, y: {})
        self.weights = np.full(self.work.batch, 1 / self.work.batch, np.float32)

    def train(self, start: int, steps: int) -> None:
        # Loop.epoch inside Session.run, but on rows that lie side by side, as the peers have them.
        loop, rule = self.loop, self.loop.recipe.rule
        with single_blas(), np.errstate(all="ignore"):
            for batch in self.batches(start, steps):
                x, y = self.x[batch], self.y[batch]
                _, loss = loop.learner.learn(x.__getitem__, y, self.weights)
                if math.isfinite(loss):
                    rule.begin(rule.learning_rate)
                    loop.network.update(rule, loop.runs)

    def predict(self, x: Array) -> Array:
        return self.model.predict(x.reshape(-1, *self.work.shape))


PEER = Layerkit
