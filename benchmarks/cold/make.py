"""One net in every format: python make.py FOLDER. Prints what could not be made, and why.

784 inputs, a dense layer of 64 with relu, ten highway layers, ten classes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import layerkit

Layers = list[tuple[str, np.ndarray, np.ndarray]]
"""(kind, W, b): relu, linear, or highway with H and the gate T side by side."""


def net() -> Layers:
    rng = np.random.default_rng(1)

    def layer(kind: str, rows: int, columns: int) -> tuple[str, np.ndarray, np.ndarray]:
        W = rng.standard_normal((rows, columns)) * np.sqrt(2 / rows)
        b = np.zeros(columns)
        if kind == "highway":
            b[columns // 2 :] = -2
        return kind, W.astype("f4"), b.astype("f4")

    deep = [layer("highway", 64, 128) for _ in range(10)]
    return [layer("relu", 784, 64), *deep, layer("linear", 64, 10)]


def with_layerkit(layers: Layers, folder: Path) -> None:
    spec = {
        "layerkit": 1,
        "input": {"shape": [784]},
        "layers": [
            {"type": "dense", "units": 64, "activation": "relu"},
            {"type": "highway", "activation": "relu", "gate_bias": -2.0, "repeat": 10},
            {"type": "dense", "units": 10},
        ],
        "output": {"classes": [str(digit) for digit in range(10)]},
        "train": {"optimizer": {"type": "momentum", "learning_rate": 0.05}},
    }
    model = layerkit.build(spec)
    for planned, (kind, W, b) in zip(model.network.planned, layers, strict=True):
        held = planned.layer.params
        if kind == "highway":
            held["WH"][...], held["WT"][...] = np.split(W, 2, axis=1)
            held["bH"][...], held["bT"][...] = np.split(b, 2)
        else:
            held["W"][...], held["b"][...] = W, b
    layerkit.save(model, folder / "net.layerkit")


def with_msgpack(layers: Layers, folder: Path) -> None:
    import msgpack

    packed = [
        {"kind": kind, "shape": W.shape, "W": W.tobytes(), "b": b.tobytes()}
        for kind, W, b in layers
    ]
    (folder / "net.msgpack").write_bytes(msgpack.packb(packed))


def with_torch(layers: Layers, folder: Path) -> None:
    import torch

    state = {}
    for place, (kind, W, b) in zip([0, *range(2, 13)], layers, strict=True):
        name = f"{place}.both" if kind == "highway" else f"{place}"
        state[f"{name}.weight"] = torch.from_numpy(W.T.copy())
        state[f"{name}.bias"] = torch.from_numpy(b)
    torch.save(state, folder / "net.pt")


def with_onnx(layers: Layers, folder: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, held, x = [], [numpy_helper.from_array(np.float32(1), "one")], "x"

    def step(kind: str, *inputs: str) -> str:
        out = f"v{len(nodes)}"
        nodes.append(helper.make_node(kind, list(inputs), [out]))
        return out

    for k, (kind, W, b) in enumerate(layers):
        pairs = [(W, b)]
        if kind == "highway":
            pairs = list(zip(np.split(W, 2, axis=1), np.split(b, 2), strict=True))
        z = []
        for i, (weight, bias) in enumerate(pairs):
            held.append(numpy_helper.from_array(np.ascontiguousarray(weight), f"W{k}{i}"))
            held.append(numpy_helper.from_array(bias, f"b{k}{i}"))
            z.append(step("Gemm", x, f"W{k}{i}", f"b{k}{i}"))
        if kind == "highway":
            t = step("Sigmoid", z[1])
            h = step("Mul", step("Relu", z[0]), t)
            x = step("Add", h, step("Mul", x, step("Sub", "one", t)))
        else:
            x = step("Relu", z[0]) if kind == "relu" else z[0]
    step("Softmax", x)
    rows, scores = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, size])
        for name, size in (("x", 784), (nodes[-1].output[0], 10))
    )
    graph = helper.make_graph(nodes, "net", [rows], [scores], held)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), folder / "net.onnx")


def main(folder: Path) -> None:
    layers = net()
    row = np.random.default_rng(0).random((1, 784), dtype="f4")
    np.save(folder / "row.npy", row)
    for make in (with_layerkit, with_msgpack, with_torch, with_onnx):
        try:
            make(layers, folder)
        except ImportError as missing:
            print(f"{make.__name__.removeprefix('with_')}: {missing}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
