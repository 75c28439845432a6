"""PyTorch, as its users write it; tuned; and tuned and compiled.

Tuned: H and T in one ``Linear``, ``lerp`` for the carry, the fused optimizer; images in the memory
format ``channels_last``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import nn

from benchmarks.speed.peers.base import Peer, fused
from benchmarks.speed.workloads import Array, Layer, Params


class Highway(nn.Module):
    def __init__(self, units: int) -> None:
        super().__init__()
        self.h, self.t = nn.Linear(units, units), nn.Linear(units, units)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h, t = torch.relu(self.h(x)), torch.sigmoid(self.t(x))
        return t * h + (1 - t) * x


class TunedHighway(nn.Module):
    def __init__(self, units: int) -> None:
        super().__init__()
        self.both = nn.Linear(units, 2 * units)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h, t = self.both(x).chunk(2, 1)
        return torch.lerp(x, torch.relu(h), torch.sigmoid(t))


class ConvHighway(nn.Module):
    def __init__(self, units: int, kernel: int) -> None:
        super().__init__()
        self.h, self.t = (nn.Conv2d(units, units, kernel, padding="same") for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h, t = torch.relu(self.h(x)), torch.sigmoid(self.t(x))
        return t * h + (1 - t) * x


def fill(linear: nn.Linear | nn.Conv2d, weights: Array, bias: Array) -> None:
    with torch.no_grad():
        turned = weights.T if weights.ndim == 2 else weights.transpose(3, 2, 0, 1)
        linear.weight.copy_(torch.tensor(turned))
        linear.bias.copy_(torch.tensor(bias))


def of_images(layer: Layer, given: Params) -> list[nn.Module]:
    """The modules of one layer of images."""
    if layer.kind == "pool":
        return [nn.MaxPool2d(layer.kernel, 2, ceil_mode=layer.kernel == 3)]
    if layer.kind == "conv":
        conv = nn.Conv2d(layer.inputs, layer.units, layer.kernel, padding="same")
        fill(conv, given["W"], given["b"])
        return [conv, nn.ReLU()]
    gated = ConvHighway(layer.units, layer.kernel)
    fill(gated.h, given["WH"], given["bH"])
    fill(gated.t, given["WT"], given["bT"])
    return [gated]


class Torch(Peer):
    packages: ClassVar[Sequence[str]] = ("torch", "numpy")

    def __init__(
        self, *args: Any, threads: int, tuned: bool = False, compiled: bool = False
    ) -> None:
        self.tuned, self.compiled = tuned, compiled
        torch.set_num_threads(threads)
        super().__init__(*args)

    def build(self, params: list[Params]) -> None:
        modules: list[nn.Module] = []
        for layer, given in zip(self.work.layers, params, strict=True):
            if layer.kind in ("conv", "conv_highway", "pool"):
                modules += of_images(layer, given)
            elif layer.kind == "dense":
                modules += [nn.Flatten()] if self.work.width else []
                linear = nn.Linear(layer.inputs, layer.units)
                fill(linear, *fused(given))
                modules += [linear, nn.ReLU()] if layer.relu else [linear]
            elif self.tuned:
                tuned = TunedHighway(layer.units)
                fill(tuned.both, *fused(given))
                modules.append(tuned)
            else:
                gated = Highway(layer.units)
                fill(gated.h, given["WH"], given["bH"])
                fill(gated.t, given["WT"], given["bT"])
                modules.append(gated)
        self.model = nn.Sequential(*modules)
        if self.work.width and self.tuned:
            self.model = self.model.to(memory_format=torch.channels_last)
        parameters, rate = self.model.parameters(), self.work.learning_rate
        more = {"fused": True} if self.tuned else {}
        if self.work.optimizer == "adam":
            self.rule: Any = torch.optim.Adam(parameters, lr=rate, **more)
        else:
            self.rule = torch.optim.SGD(parameters, lr=rate, momentum=0.9, **more)
        loss = nn.CrossEntropyLoss()
        self.loss: Any = lambda x, y: loss(self.model(x), y)
        self.outputs: Any = lambda x: torch.softmax(self.model(x), 1)
        if self.compiled:  # a graph for each batch size: what is timed is never a general one
            self.loss = torch.compile(self.loss, dynamic=False)
            self.outputs = torch.compile(self.outputs, dynamic=False)
        self.xt, self.yt = self.given(self.x), torch.from_numpy(self.y)

    def given(self, x: Array) -> torch.Tensor:
        return torch.from_numpy(x.reshape(-1, *self.work.shape))

    def train(self, start: int, steps: int) -> None:
        for batch in self.batches(start, steps):
            self.rule.zero_grad(set_to_none=True)
            self.loss(self.xt[batch], self.yt[batch]).backward()
            self.rule.step()

    def predict(self, x: Array) -> Array:
        with torch.inference_mode():
            found: Array = self.outputs(self.given(x)).numpy()
            return found


PEER = Torch
