"""An ONNX graph, and one row."""

import sys

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(
    f"{sys.argv[1]}/net.onnx", providers=["CPUExecutionProvider"]
)
print(*session.run(None, {"x": np.load(f"{sys.argv[1]}/row.npy")})[0][0])
