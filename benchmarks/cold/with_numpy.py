"""The least that can be written: weights from MessagePack, unverified, and one row in NumPy."""

import sys
from pathlib import Path

import msgpack
import numpy as np

layers = []
for layer in msgpack.unpackb(Path(sys.argv[1], "net.msgpack").read_bytes()):
    W = np.frombuffer(layer["W"], "f4").reshape(layer["shape"])
    layers.append((layer["kind"], W, np.frombuffer(layer["b"], "f4")))

x = np.load(f"{sys.argv[1]}/row.npy")
for kind, W, b in layers:
    z = x @ W + b
    if kind == "relu":
        x = np.maximum(z, 0)
    elif kind == "linear":
        x = z
    else:  # highway: H and the gate T side by side
        h, t = np.split(z, 2, axis=1)
        x = x + (np.maximum(h, 0) - x) / (1 + np.exp(-t))
e = np.exp(x - x.max())
print(*(e / e.sum())[0])
