"""Multiply-adds are seen however a layer writes its products; what cannot be seen is skipped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy import ascontiguousarray

import layerkit
from layerkit import Array, Context, Layer, Param, Plan, Shape
from layerkit.discovery.registry import REGISTRIES
from layerkit.testing import Outcome, check_layer
from layerkit.testing.counting import count
from layerkit.testing.layer_trial import LayerTrial
from layerkit.testing.subject import Subject

Product = Callable[[Array, Array], Array]


def by_out(x: Array, W: Array) -> Array:
    out = np.empty((len(x), W.shape[1]), x.dtype)
    return np.matmul(x, W, out=out)


def by_transposed_out(x: Array, W: Array) -> Array:
    out = np.empty((W.shape[1], len(x)), x.dtype)
    np.matmul(W.T, x.T, out)
    return out.T


def by_stripping(x: Array, W: Array) -> Array:
    y: Array = np.asarray(np.array(x)) @ np.ascontiguousarray(W)
    return y


def by_early_import(x: Array, W: Array) -> Array:
    y: Array = ascontiguousarray(x) @ ascontiguousarray(W)
    return y


def by_layerkit(x: Array, W: Array) -> Array:
    return layerkit.matmul(x, W, np.empty((len(x), W.shape[1]), x.dtype))


def by_copies_in_fresh_memory(x: Array, W: Array) -> Array:
    left, right = np.zeros(x.shape, x.dtype), np.empty(W.shape, W.dtype)
    left[...] = x
    np.copyto(right, W)
    y: Array = left @ right
    return y


PRODUCTS: dict[str, Product] = {
    "operator": lambda x, W: x @ W,
    "matmul": np.matmul,
    "out": by_out,
    "transposed out": by_transposed_out,
    "dot": np.dot,
    "method dot": lambda x, W: x.dot(W),
    "inner": lambda x, W: np.inner(x, W.T),
    "tensordot": lambda x, W: np.tensordot(x, W, 1),
    "einsum": lambda x, W: np.einsum("ni,io->no", x, W),
    "einsum without arrow": lambda x, W: np.einsum("ij,jk", x, W),
    "stripped": by_stripping,
    "early import": by_early_import,
    "layerkit.matmul": by_layerkit,
    "fresh memory": by_copies_in_fresh_memory,
    "row by row": lambda x, W: (
        np.stack([row @ W for row in x]) if len(x) else np.zeros((0, W.shape[1]), x.dtype)
    ),
}


def layer_with(product: Product, declared: int | None = None) -> type[Layer]:
    class Free(Layer):
        type_name = "kit.free"

        def plan(self, in_shape: Shape) -> Plan:
            i = in_shape[0]
            return Plan(
                (3,), {"W": Param((i, 3), 1.0)}, macs=3 * i if declared is None else declared
            )

        def feed(self, x: Array, ctx: Context) -> Array:
            ctx.save(x)
            return product(x, self.params["W"])

        def backprop(self, dy: Array, ctx: Context) -> Array:
            (x,) = ctx.saved
            self.grads["W"][...] = x.T @ dy
            dx: Array = dy @ self.params["W"].T
            return dx

    return Free


def verdict(product: Product, declared: int | None = None) -> Outcome:
    return check_layer(layer_with(product, declared), only="plan.macs")["plan.macs"]


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_is_seen_however_it_is_written(name: str) -> None:
    right = verdict(PRODUCTS[name])
    assert right.status == "passed", right.text()
    wrong = verdict(PRODUCTS[name], declared=11)
    assert wrong.status == "failed"
    assert "declares 11 multiply-adds per row, the products of feed have 12" in wrong.message


def test_nothing_declared_and_nothing_multiplied_is_right() -> None:
    assert verdict(lambda x, W: x[:, :3] + W[:1], declared=0).status == "passed"
    assert verdict(lambda x, W: x[:, :3] + W[:1], declared=12).status == "failed"


def test_elementwise_products_are_not_counted() -> None:
    found = verdict(lambda x, W: (x[:, :, None] * W).sum(axis=1))
    assert found.status == "skipped"
    assert "12 declared multiply-adds may be elementwise" in found.message
    assert verdict(lambda x, W: (x[:, :, None] * W).sum(axis=1), declared=13).status == "failed"


def test_what_cannot_be_counted_is_skipped_with_its_name() -> None:
    def by_fft(x: Array, W: Array) -> Array:
        y: Array = np.fft.ifft(np.fft.fft(x, axis=1), axis=1).real[:, :3].astype(x.dtype) + W[0]
        return y

    found = verdict(by_fft)
    assert found.status == "skipped"
    assert "numpy fft" in found.message


def test_a_layer_that_refuses_subclasses_is_skipped() -> None:
    def strict(x: Array, W: Array) -> Array:
        if type(x) is not np.ndarray:
            raise TypeError("only plain arrays here")
        y: Array = x @ W
        return y

    found = verdict(strict)
    assert found.status == "skipped"
    assert "only plain arrays here" in found.message


def test_products_of_weights_alone_are_counted_apart() -> None:
    found = verdict(lambda x, W: x @ (W @ np.eye(3, dtype=x.dtype)))
    assert found.status == "passed"
    assert "36 multiply-adds per feed" in found.message


def test_numpy_is_whole_again_afterwards() -> None:
    makers = {name: getattr(np, name) for name in ("empty", "array", "asarray", "zeros")}
    verdict(by_out)
    assert {name: getattr(np, name) for name in makers} == makers
    assert ascontiguousarray is np.ascontiguousarray
    assert type(np.empty(3)) is np.ndarray
    assert type(Context().buffer("a", (2,))) is np.ndarray


@pytest.mark.parametrize("name", REGISTRIES["layers"].names())
def test_first_party_plans_declare_what_is_observed(name: str) -> None:
    part: Any = REGISTRIES["layers"][name]
    subject = Subject(part)
    for example in subject.examples:
        trial = LayerTrial(subject, example)
        seen = count(trial, trial.rows(5))
        assert seen.products == 5 * trial.plan.macs
        assert not seen.opaque
