"""PyTorch, as its users write it; tuned; and tuned and compiled.

Tuned: H and T in one ``Linear``, ``lerp`` for the carry, the fused optimizer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import nn

from benchmarks.speed.peers.base import Peer, fused
from benchmarks.speed.workloads import Array, Params


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


def fill(linear: nn.Linear, weights: Array, bias: Array) -> None:
    with torch.no_grad():
        linear.weight.copy_(torch.tensor(weights.T))
        linear.bias.copy_(torch.tensor(bias))


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
            if layer.kind == "dense":
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
        self.xt, self.yt = torch.from_numpy(self.x), torch.from_numpy(self.y)

    def train(self, start: int, steps: int) -> None:
        for batch in self.batches(start, steps):
            self.rule.zero_grad(set_to_none=True)
            self.loss(self.xt[batch], self.yt[batch]).backward()
            self.rule.step()

    def predict(self, x: Array) -> Array:
        with torch.inference_mode():
            found: Array = self.outputs(torch.from_numpy(x)).numpy()
            return found


PEER = Torch
