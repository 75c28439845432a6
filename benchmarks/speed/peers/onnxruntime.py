"""ONNX Runtime, inference only: the net as a graph, H and T in one ``Gemm``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.speed.peers.base import Peer, fused
from benchmarks.speed.workloads import CLASSES, INPUTS, Array, Layer, Params


def graph(layers: list[Layer], params: list[Params]) -> bytes:
    """The model file: x (B, 784) to probabilities y (B, 10)."""
    nodes: list[Any] = []
    tensors: list[Any] = []

    def node(kind: str, inputs: list[str], *outputs: str, **more: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, list(outputs), **more))
        return outputs[0]

    x = "x"
    for i, (layer, given) in enumerate(zip(layers, params, strict=True)):
        w, b = fused(given)
        tensors.append(numpy_helper.from_array(np.ascontiguousarray(w), f"w{i}"))
        tensors.append(numpy_helper.from_array(b, f"b{i}"))
        z = node("Gemm", [x, f"w{i}", f"b{i}"], f"z{i}")
        if layer.kind == "dense":
            x = node("Relu", [z], f"x{i}") if layer.relu else z
            continue
        node("Split", [z], f"zh{i}", f"zt{i}", axis=1, num_outputs=2)
        h, t = node("Relu", [f"zh{i}"], f"h{i}"), node("Sigmoid", [f"zt{i}"], f"t{i}")
        gain = node("Mul", [t, node("Sub", [h, x], f"d{i}")], f"g{i}")
        x = node("Add", [gain, x], f"x{i}")
    node("Softmax", [x], "y", axis=1)
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", width])
        for name, width in (("x", INPUTS), ("y", CLASSES))
    ]
    body = helper.make_graph(nodes, "net", ends[:1], ends[1:], tensors)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    found: bytes = model.SerializeToString()
    return found


class OnnxRuntime(Peer):
    packages: ClassVar[Sequence[str]] = ("onnxruntime", "numpy")

    def __init__(self, *args: Any, threads: int) -> None:
        self.options = onnxruntime.SessionOptions()
        self.options.intra_op_num_threads = threads
        self.options.inter_op_num_threads = 1
        super().__init__(*args)

    def build(self, params: list[Params]) -> None:
        self.session = onnxruntime.InferenceSession(
            graph(self.work.layers, params), self.options, providers=["CPUExecutionProvider"]
        )

    def train(self, start: int, steps: int) -> None:
        raise NotImplementedError("ONNX Runtime predicts only")

    def predict(self, x: Array) -> Array:
        found: Array = self.session.run(None, {"x": x})[0]
        return found


PEER = OnnxRuntime
