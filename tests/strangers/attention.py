"""Attention of a row over its groups of features: y = softmax(q k^T / sqrt(d)) v, added to x."""

from __future__ import annotations

import math

import numpy as np

from layerkit import Array, Context, Layer, Param, Plan, Shape, ShapeError
from layerkit.fields import Size


class Attention(Layer):
    type_name = "strangers.attention"
    contract_version = 2

    def __init__(self, *, groups: Size = 3) -> None:
        self.groups = groups

    def plan(self, in_shape: Shape) -> Plan:
        (d,) = in_shape
        if d % self.groups:
            raise ShapeError(f"{d} features do not make {self.groups} equal groups")
        k = d // self.groups
        W = Param((k, k), "glorot_uniform")
        return Plan(in_shape, {"Q": W, "K": W, "V": W})

    def feed(self, x: Array, ctx: Context) -> Array:
        t = x.reshape(len(x), self.groups, -1)
        q, k, v = (t @ self.params[name] for name in "QKV")
        logits = q @ np.swapaxes(k, 1, 2) / math.sqrt(t.shape[2])
        a = np.exp(logits - logits.max(axis=-1, keepdims=True))
        a /= a.sum(axis=-1, keepdims=True)
        ctx.save(t, q, k, v, a)
        return x + (a @ v).reshape(x.shape)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        t, q, k, v, a = ctx.saved
        d = dy.reshape(t.shape)
        dv = a.transpose(0, 2, 1) @ d
        da = d @ v.transpose(0, 2, 1)
        dlogits = a * (da - (da * a).sum(axis=-1, keepdims=True)) / math.sqrt(t.shape[2])
        dq, dk = dlogits @ k, dlogits.transpose(0, 2, 1) @ q
        dt = d
        for name, back in ("Q", dq), ("K", dk), ("V", dv):
            self.grads[name] = np.einsum("ngi,ngo->io", t, back)
            dt = dt + back @ self.params[name].T
        return dt.reshape(dy.shape)
