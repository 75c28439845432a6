"""Convolutions and poolings against PyTorch: outputs and all gradients, in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import ShapeError

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed: no reference")

RNG = np.random.default_rng(4)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Torch's threads are slow to start and belong to other tests."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _both(
    settings: dict[str, Any],
    shape: tuple[int, ...],
    reference: Callable[[Any, dict[str, Any]], Any],
    *,
    n: int = 3,
    x: Any = None,
) -> None:
    """Outputs, dx and gradients of the layer of ``settings`` equal those of ``reference``."""
    spec = {
        "layerkit": 1,
        "dtype": "float64",
        "input": {"shape": list(shape)},
        "layers": [settings],
    }
    network = layerkit.build(spec).network
    network.allocate_grads()
    (planned,) = network.planned
    layer = planned.layer
    for array in layer.params.values():
        array[...] = RNG.normal(size=array.shape)
    x = RNG.normal(size=(n, *shape)) if x is None else x
    (ctx,) = network.contexts(training=True, keeps=True, wants_dx=True)
    y = layer.feed(x, ctx)
    dy = RNG.normal(size=y.shape)
    dx = layer.backprop(dy, ctx)
    with _one_thread():
        given = torch.tensor(x, requires_grad=True)
        params = {k: torch.tensor(v, requires_grad=True) for k, v in layer.params.items()}
        wanted = reference(given, params)
        wanted.backward(torch.tensor(dy))
    np.testing.assert_allclose(y, wanted.detach().numpy(), rtol=0, atol=1e-10)
    np.testing.assert_allclose(dx, given.grad.numpy(), rtol=0, atol=1e-10)
    for name, param in params.items():
        np.testing.assert_allclose(
            layer.grads[name], param.grad.numpy(), rtol=0, atol=1e-10, err_msg=name
        )


def _ends(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's padding "same" at both ends."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _padded(x: Any, kernel: list[int], stride: int, padding: str, fill: float = 0.0) -> Any:
    if padding == "valid":
        return x
    high, wide = (_ends(s, k, stride) for s, k in zip(x.shape[2:], kernel, strict=True))
    return torch.nn.functional.pad(x, (*wide, *high), value=fill)


SIZES = [(1, 5, 5), (2, 7, 4), (3, 6, 9), (2, 8, 8)]
KERNELS = [[1, 1], [3, 3], [2, 3], [4, 2], [5, 1]]


@pytest.mark.parametrize("shape", SIZES, ids=str)
@pytest.mark.parametrize("kernel", KERNELS, ids=str)
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_conv2d(shape: tuple[int, ...], kernel: list[int], stride: int, padding: str) -> None:
    def reference(x: Any, p: Any) -> Any:
        W = p["W"].permute(3, 2, 0, 1)
        x = _padded(x, kernel, stride, padding)
        return torch.tanh(torch.nn.functional.conv2d(x, W, p["b"], stride))

    settings = {"filters": 4, "kernel": kernel, "stride": stride, "padding": padding}
    _both({"type": "conv2d", "activation": "tanh", **settings}, shape, reference)


def test_one_number_is_a_square_kernel() -> None:
    def reference(x: Any, p: Any) -> Any:
        return torch.nn.functional.conv2d(x, p["W"].permute(3, 2, 0, 1), padding="same")

    _both({"type": "conv2d", "filters": 2, "kernel": 3, "use_bias": False}, (2, 5, 6), reference)


@pytest.mark.parametrize("shape", [(5, 1), (8, 3), (7, 2)], ids=str)
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", ["same", "valid", "causal"])
def test_conv1d(shape: tuple[int, ...], kernel: int, stride: int, padding: str) -> None:
    def reference(x: Any, p: Any) -> Any:
        x = x.permute(0, 2, 1)
        if padding != "valid":
            causal = padding == "causal"
            ends = (kernel - 1, 0) if causal else _ends(x.shape[2], kernel, stride)
            x = torch.nn.functional.pad(x, ends)
        z = torch.nn.functional.conv1d(x, p["W"].permute(2, 1, 0), p["b"], stride)
        return torch.sigmoid(z).permute(0, 2, 1)

    settings = {"filters": 3, "kernel": kernel, "stride": stride, "padding": padding}
    _both({"type": "conv1d", "activation": "sigmoid", **settings}, shape, reference)


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("shape", [(2, 5, 6), (3, 2, 3)], ids=str)
def test_conv_highway(shape: tuple[int, ...], kernel: int) -> None:
    def reference(x: Any, p: Any) -> Any:
        padded = _padded(x, [kernel, kernel], 1, "same")
        aH, aT = (
            torch.nn.functional.conv2d(padded, p[f"W{k}"].permute(3, 2, 0, 1), p[f"b{k}"])
            for k in "HT"
        )
        T = torch.sigmoid(aT)
        return T * torch.tanh(aH) + (1 - T) * x

    settings = {"kernel": kernel, "activation": "tanh"}
    _both({"type": "conv_highway", **settings}, shape, reference)


@pytest.mark.parametrize("shape", [*SIZES, (2, 28, 28), (1, 14, 7)], ids=str)
@pytest.mark.parametrize("kernel", [[2, 2], [3, 3], [1, 3]], ids=str)
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_maxpool(shape: tuple[int, ...], kernel: list[int], stride: int, padding: str) -> None:
    def reference(x: Any, _: Any) -> Any:
        x = _padded(x, kernel, stride, padding, -torch.inf)
        return torch.nn.functional.max_pool2d(x, kernel, stride)

    settings = {"kernel": kernel, "stride": stride, "padding": padding}
    _both({"type": "maxpool", **settings}, shape, reference)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_the_first_of_equal_numbers_takes_the_gradient(padding: str) -> None:
    def reference(x: Any, _: Any) -> Any:
        x = _padded(x, [3, 3], 2, padding, -torch.inf)
        return torch.nn.functional.max_pool2d(x, 3, 2)

    x = RNG.integers(0, 2, size=(5, 2, 7, 8)).astype(float)
    settings = {"kernel": 3, "stride": 2, "padding": padding}
    _both({"type": "maxpool", **settings}, (2, 7, 8), reference, x=x)


@pytest.mark.parametrize("shape", SIZES, ids=str)
@pytest.mark.parametrize("kernel", [[2, 2], [3, 3], [1, 3]], ids=str)
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_avgpool(shape: tuple[int, ...], kernel: list[int], stride: int, padding: str) -> None:
    def reference(x: Any, _: Any) -> Any:
        high, wide = kernel
        ones = torch.ones_like(x[:1, :1])
        total, count = (
            torch.nn.functional.avg_pool2d(_padded(v, kernel, stride, padding), kernel, stride)
            for v in (x, ones)
        )
        return total * (high * wide) / (count * (high * wide))

    settings = {"kernel": kernel, "stride": stride, "padding": padding}
    _both({"type": "avgpool", **settings}, shape, reference)


def test_global_avgpool() -> None:
    _both({"type": "global_avgpool"}, (3, 4, 5), lambda x, _: x.mean(dim=(2, 3)))
    _both({"type": "global_avgpool"}, (4, 5), lambda x, _: x.mean(dim=1))


@pytest.mark.parametrize("kind", ["maxpool", "avgpool"])
def test_stride_is_the_height_of_the_kernel_unless_given(kind: str) -> None:
    pool = {"maxpool": torch.nn.functional.max_pool2d, "avgpool": torch.nn.functional.avg_pool2d}
    _both({"type": kind, "kernel": 3}, (2, 7, 9), lambda x, _: pool[kind](x, 3))
    _both({"type": kind, "kernel": [3, 2]}, (2, 7, 9), lambda x, _: pool[kind](x, (3, 2), 3))


class TestShift:
    """What a shift moves."""

    def _fed(self, x: Any, most: int, *, training: bool) -> tuple[Any, Any, Any]:
        spec = {
            "layerkit": 1,
            "input": {"shape": list(x.shape[1:])},
            "layers": [{"type": "shift", "most": most}],
        }
        network = layerkit.build(spec).network
        (ctx,) = network.contexts(training=training, keeps=True, wants_dx=True)
        ctx.rng = np.random.default_rng(7)
        layer = network.planned[0].layer
        y = layer.feed(x, ctx)
        dy = RNG.normal(size=y.shape)
        return y, dy, layer.backprop(dy, ctx)

    def test_every_shift_occurs_and_is_undone_by_backprop(self) -> None:
        x = RNG.normal(size=(400, 2, 5, 6))
        y, dy, dx = self._fed(x, 2, training=True)
        found = set()
        for k in range(len(x)):
            for u, v in product(range(-2, 3), repeat=2):
                into = np.s_[:, max(u, 0) : 5 + min(u, 0), max(v, 0) : 6 + min(v, 0)]
                of = np.s_[:, max(-u, 0) : 5 + min(-u, 0), max(-v, 0) : 6 + min(-v, 0)]
                wanted, back = np.zeros_like(x[k]), np.zeros_like(x[k])
                wanted[into] = x[k][of]
                back[of] = dy[k][into]
                if np.array_equal(wanted, y[k]):
                    found.add((u, v))
                    np.testing.assert_array_equal(dx[k], back)
                    break
            else:
                pytest.fail(f"row {k} is no shift")
        assert len(found) == 25

    def test_nothing_moves_in_inference(self) -> None:
        x = RNG.normal(size=(4, 1, 3, 3))
        y, dy, dx = self._fed(x, 1, training=False)
        np.testing.assert_array_equal(y, x)
        np.testing.assert_array_equal(dx, dy)


@pytest.mark.parametrize(
    ("settings", "shape", "reason"),
    [
        ({"type": "conv2d", "filters": 2}, [784], "rows (channels, height, width)"),
        ({"type": "conv2d", "filters": 2, "kernel": 5, "padding": "valid"}, [1, 4, 8], "least 5"),
        ({"type": "conv2d", "filters": 2, "kernel": [3]}, [1, 4, 8], "a kernel of 2 sizes"),
        ({"type": "conv1d", "filters": 2}, [12], "rows (steps, channels)"),
        ({"type": "conv1d", "filters": 2, "kernel": 9, "padding": "valid"}, [8, 2], "at least 9"),
        ({"type": "conv_highway"}, [5, 5], "rows (channels, height, width)"),
        ({"type": "maxpool", "kernel": 3}, [1, 2, 2], "at least 3"),
        ({"type": "maxpool", "kernel": []}, [1, 2, 2], "a kernel of 2 sizes"),
        ({"type": "avgpool"}, [4], "rows (channels, height, width)"),
        ({"type": "global_avgpool"}, [4], "rows (channels, height, width)"),
        ({"type": "shift"}, [784], "such as [1, 28, 28] for rows of 784 numbers"),
        ({"type": "conv2d", "filters": 2}, [64], "such as [1, 8, 8] for rows of 64 numbers"),
        ({"type": "global_avgpool"}, [3072], "such as [3, 32, 32] for rows of 3,072 numbers"),
        ({"type": "conv2d", "filters": 2}, [8, 9], "an image of one channel is [1, 8, 9]"),
        ({"type": "conv2d", "filters": 2}, [13], "got shape [13]; set the input's shape"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_rows_that_do_not_fit_are_refused(
    settings: dict[str, Any], shape: list[int], reason: str
) -> None:
    with pytest.raises(ShapeError, match="does not fit") as refused:
        layerkit.build({"layerkit": 1, "input": {"shape": shape}, "layers": [settings]})
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("initializer", "variance"),
    [("he_normal", 2 / (5 * 5 * 32)), ("glorot_normal", 2 / (5 * 5 * (32 + 64)))],
)
def test_initializers_scale_by_the_numbers_of_one_place(initializer: str, variance: float) -> None:
    spec = {
        "layerkit": 1,
        "input": {"shape": [32, 4, 4]},
        "layers": [{"type": "conv2d", "filters": 64, "kernel": 5, "initializer": initializer}],
    }
    W = layerkit.build(spec).network.planned[0].layer.params["W"]
    assert W.std() == pytest.approx(variance**0.5, rel=0.02)


@pytest.mark.parametrize(
    ("shape", "wants_dx", "warned"),
    [((8, 8, 1), False, True), ((8, 8, 1), True, False), ((3, 8, 8), False, False)],
    ids=["last", "inner", "first"],
)
def test_images_with_channels_last_are_warned_about(
    shape: tuple[int, ...], wants_dx: bool, warned: bool
) -> None:
    spec = {
        "layerkit": 1,
        "input": {"shape": list(shape)},
        "layers": [{"type": "conv2d", "filters": 2}],
    }
    network = layerkit.build(spec).network
    contexts = network.contexts(training=True, wants_dx=wants_dx)
    network.feed(np.zeros((2, *shape), np.float32), contexts)
    told = network.layers[0].advice(contexts[0])
    assert [("8 channels of 8 x 1" in text) for text in told] == [True] * warned
