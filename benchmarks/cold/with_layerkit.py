"""A model file, verified and self-tested, and one row."""

import sys

import numpy as np

import layerkit

model = layerkit.load(f"{sys.argv[1]}/net.layerkit")
print(*model.predict(np.load(f"{sys.argv[1]}/row.npy"))[0])
