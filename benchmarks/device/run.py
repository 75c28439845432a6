"""Training on a device beside compiled PyTorch on the same card.

    python -m benchmarks.device.run                     # on a GPU: a table, and device.json
    python -m benchmarks.device.run --smoke             # starts here: tiny, on array-api-strict

Nets: W2, W4, a thousand highway layers, and the ready spec highway-conv-mnist where it is there
(layerkit alone). Rows lie on the card. Seconds are those of the fastest epoch after the first,
which compiles, tries and captures. "cuda" captures its steps where it can, "cuda-plain" never does.
The losses say whether all have learned alike: weights start equal, orders of rows do not.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import layerkit
from benchmarks.speed.peers.layerkit import model_of
from benchmarks.speed.workloads import WORKS, Array, Work, initial, rows
from layerkit.discovery.registry import DEVICES
from layerkit.execution.devices.device import Device
from layerkit.specs.ready import ready_specs

CONV = "highway-conv-mnist"
THOUSAND = Work("thousand", 128, (50,), 1000, "momentum", 0.01, gate_bias=-8.0)
SMOKE = Work("smoke", 16, (8,), 3, "momentum", 0.05)


class Epochs(layerkit.Listener):
    """Seconds and loss of each epoch."""

    def __init__(self) -> None:
        self.at, self.losses = [time.perf_counter()], [0.0]

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        self.at.append(time.perf_counter())
        self.losses.append(values["loss"])

    def best(self) -> tuple[float, float]:
        """Seconds of the fastest epoch after the first, and the loss of the last."""
        return float(np.diff(self.at)[1:].min()), self.losses[-1]


def by_layerkit(device: str, work: Work, x: Array, y: Array, epochs: int) -> tuple[float, float]:
    model, told = model_of(work, initial(work)), Epochs()
    model.spec = model.spec.with_train(epochs=epochs, validation=0.0)
    labels = y.astype(str)
    layerkit.train(model, data=(x, labels), listener=told, device=device)
    return told.best()


def conv(device: str, x: Array, y: Array, epochs: int) -> tuple[float, float]:
    told = Epochs()
    settings = [f"train.epochs={epochs}", "train.callbacks=[]", "train.validation=0"]
    layerkit.train(CONV, data=(x, y.astype(str)), settings=settings, listener=told, device=device)
    return told.best()


def by_torch(device: str, work: Work, x: Array, y: Array, epochs: int) -> tuple[float, float]:
    """Tuned, compiled with CUDA graphs; rows in an order drawn once, as many steps an epoch."""
    import torch

    from benchmarks.speed.peers.torch import Torch

    peer = Torch(work, initial(work), x, y, threads=1, tuned=True)
    peer.model.to(device)
    xs, ys = peer.xt.to(device), peer.yt.to(device)
    loss = torch.nn.CrossEntropyLoss()
    step: Any = lambda x, y: loss(peer.model(x), y)  # noqa: E731
    if device != "cpu":
        step = torch.compile(step, mode="reduce-overhead", dynamic=False)
    wait: Callable[[], object] = torch.cuda.synchronize if device != "cpu" else lambda: None
    order = torch.as_tensor(np.random.default_rng(0).permutation(len(x))).to(device)
    told = Epochs()
    for epoch in range(1, epochs + 1):
        total = torch.zeros((), device=device)
        for at in range(0, len(x), work.batch):
            batch = order[at : at + work.batch]
            peer.rule.zero_grad(set_to_none=True)
            lost = step(xs[batch], ys[batch])
            lost.backward()
            peer.rule.step()
            total += lost.detach() * len(batch)
        wait()
        told.epoch(epoch, {"loss": float(total) / len(x)})
    return told.best()


def register_devices(smoke: bool) -> list[str]:
    """The names of the devices to measure."""
    if smoke:
        import array_api_strict

        class Strict(Device):
            type_name = "strict"
            xp = array_api_strict

            def require(self) -> None:
                """Nothing."""

            def get(self, array: Any) -> Array:
                return np.array(array)

        return [layerkit.register(Strict).type_name]
    cuda: Any = DEVICES["cuda"]
    cuda().require()

    class Plain(cuda):  # type: ignore[misc]
        """Calls one by one, never a graph."""

        type_name = "cuda-plain"

        def captured(self, step: Any) -> Any:
            return step

    return ["cuda", layerkit.register(Plain).type_name]


def card(smoke: bool) -> str:
    if smoke:
        return platform.processor() or platform.machine()
    import cupy

    name = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    return f"{name}, CuPy {cupy.__version__}"


def measured(task: Callable[[], tuple[float, float]]) -> dict[str, Any]:
    """What a task gives, or why it fails: one failure must not lose the others."""
    try:
        seconds, loss = task()
    except Exception as error:  # noqa: BLE001
        return {"error": f"{type(error).__name__}: {error}"}
    return {"seconds": seconds, "loss": loss}


def tasks(given: argparse.Namespace) -> dict[tuple[str, str], Callable[[], tuple[float, float]]]:
    """By net and who trains it."""
    works = [SMOKE] if given.smoke else [WORKS["W2-b128"], WORKS["W4"], THOUSAND]
    x, y = rows(96 if given.smoke else given.rows)
    devices = register_devices(given.smoke)
    found: dict[tuple[str, str], Callable[[], tuple[float, float]]] = {}
    for work in works:
        for name in devices:
            found[work.name, name] = partial(by_layerkit, name, work, x, y, given.epochs)
        card = "cpu" if given.smoke else "cuda"
        found[work.name, "torch"] = partial(by_torch, card, work, x, y, given.epochs)
    if CONV in ready_specs():
        few = 64 if given.smoke else given.rows
        for name in devices:
            found[CONV, name] = partial(conv, name, 255 * x[:few], y[:few], given.epochs)
    return found


def table(results: Mapping[tuple[str, str], Mapping[str, Any]]) -> str:
    lines = ["| net | by | seconds an epoch | loss |", "|---|---|---:|---:|"]
    for (net, by), one in results.items():
        told = one.get("error") or f"{one['seconds']:.4f} | {one['loss']:.4f}"
        lines.append(f"| {net} | {by} | {told} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--smoke", action="store_true", help="tiny, on the CPU")
    parser.add_argument("--rows", type=int, default=16_384)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--json", type=Path, default=Path("device.json"))
    given = parser.parse_args()
    results: dict[tuple[str, str], dict[str, Any]] = {}
    about = {"card": card(given.smoke), "rows": given.rows, "layerkit": layerkit.__version__}
    for key, task in tasks(given).items():
        results[key] = measured(task)
        print(*key, results[key], flush=True)
        told = [{"net": net, "by": by, **one} for (net, by), one in results.items()]
        given.json.write_text(json.dumps({**about, "results": told}, indent=1) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
