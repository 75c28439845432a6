"""Convolution along the features: y[:, t, c] = sum_k x[:, t + k] w[k, c] + b[c], then flattened."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from layerkit import Array, Context, Layer, Param, Plan, Shape
from layerkit.fields import Size


class Conv1d(Layer):
    type_name = "strangers.conv1d"
    contract_version = 2

    def __init__(self, *, width: Size = 3, channels: Size = 2) -> None:
        self.width, self.channels = width, channels

    def plan(self, in_shape: Shape) -> Plan:
        (d,) = in_shape
        w = Param((self.width, self.channels), "he_normal")
        out = (d - self.width + 1) * self.channels
        return Plan((out,), {"w": w, "b": Param((self.channels,))})

    def feed(self, x: Array, ctx: Context) -> Array:
        windows = sliding_window_view(x, self.width, axis=1)
        ctx.save(windows)
        y = windows @ self.params["w"] + self.params["b"]
        return y.reshape(len(x), -1)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        (windows,) = ctx.saved
        n, steps, width = windows.shape
        d = dy.reshape(n, steps, self.channels)
        self.grads["w"] = np.tensordot(windows, d, axes=([0, 1], [0, 1]))
        self.grads["b"] = d.sum(axis=(0, 1))
        dwindows = d @ self.params["w"].T
        dx = np.zeros_like(dy, shape=(n, steps + width - 1))
        for k in range(width):
            dx[:, k : k + steps] += dwindows[:, :, k]
        return dx
