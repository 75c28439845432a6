"""cuda: a GPU of NVIDIA through CuPy, the extra ``cuda``.

CuPy's namespace has the functions of the array API standard, and NumPy's beyond it. Importing this
module imports no CuPy.

A step of small products is captured as one CUDA graph, since launching its calls one by one takes
longer than doing them. CuPy (14) refuses cuBLAS in a capture, so there ``PRODUCT`` multiplies. It
is a plain kernel, slower than cuBLAS: a step with a larger product, or with a call that cannot be
captured, runs call by call.

None of this has been run on a GPU yet.

Source: Okuta, Unno, Nishino, Hido, Loomis, "CuPy: A NumPy-Compatible Library for NVIDIA GPU
Calculations" (LearningSys at NIPS 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib import import_module
from typing import Any

import numpy as np

from layerkit import Array, DeviceError, MissingExtraError
from layerkit.execution.devices.device import Device

__all__ = ["Cuda"]

_BEYOND = "pad", "cumsum", "cumprod"
"""Functions beyond the standard, or with NumPy's names, that layers use."""

_SMALL = 1 << 25
"""Multiply-adds of a product up to which a step is captured; a guess, not measured."""

_TILE = 16

PRODUCT = """
extern "C" __global__ void product(
    const T* a, const T* b, T* y, long long m, long long n, long long k,
    long long am, long long ak, long long bk, long long bn) {
  // y (m, n) = a (m, k) b (k, n), whose strides are am, ak and bk, bn; a block makes one tile
  __shared__ T ta[TILE][TILE + 1], tb[TILE][TILE + 1];
  const int i = threadIdx.y, j = threadIdx.x;
  const long long row = (long long)blockIdx.y * TILE + i, col = (long long)blockIdx.x * TILE + j;
  T total = 0;
  for (long long at = 0; at < k; at += TILE) {
    ta[i][j] = row < m && at + j < k ? a[row * am + (at + j) * ak] : (T)0;
    tb[i][j] = at + i < k && col < n ? b[(at + i) * bk + col * bn] : (T)0;
    __syncthreads();
    for (int l = 0; l < TILE; ++l) total += ta[i][l] * tb[l][j];
    __syncthreads();
  }
  if (row < m && col < n) y[row * n + col] = total;
}
"""


@cache
def _cupy() -> Any:
    return import_module("cupy")


class Cuda(Device):
    """The current CUDA device of this process."""

    type_name = "cuda"

    def require(self) -> None:
        """Raise MissingExtraError without CuPy, DeviceError without a device it can use."""
        try:
            count = _cupy().cuda.runtime.getDeviceCount()
        except ImportError as error:
            if error.name == "cupy":
                raise MissingExtraError("cupy-cuda12x", "cuda", "the device 'cuda'") from error
            raise _unusable(error) from error
        except Exception as error:  # a driver that is missing, or too old
            raise _unusable(error) from error
        if not count:
            raise DeviceError("the device 'cuda' cannot be used: CUDA finds no device here")

    @property
    def xp(self) -> Any:
        """CuPy."""
        return _cupy()

    def get(self, array: Any) -> Array:
        """A copy for NumPy; waits for what was begun."""
        found: Array = _cupy().asnumpy(array)
        return found

    def put(self, array: Array) -> Any:
        """A copy on the device."""
        return _cupy().array(array)

    def write(self, target: Any, array: Array) -> None:
        """Overwrite ``target`` without a copy between."""
        target.set(array)

    def operations(self) -> Mapping[str, Callable[..., Any]]:
        """Products that can be captured, NumPy's indexing, and functions beyond the standard."""
        return _operations()

    def captured(self, step: Callable[[], tuple[Any, ...]]) -> Callable[[], tuple[Any, ...]]:
        """``step`` as one CUDA graph from its second call on, if it can be captured."""
        return _Captured(step) if _product_is_right() else step


def _unusable(error: Exception) -> DeviceError:
    return DeviceError(
        f"the device 'cuda' cannot be used: {error}",
        hint="check the driver with nvidia-smi; CUDA 13 needs the package cupy-cuda13x instead of "
        "cupy-cuda12x",
    )


@cache
def _operations() -> dict[str, Callable[..., Any]]:
    cupy = _cupy()
    own = {
        "matmul": _matmul,
        "gather": lambda x, keys: x[keys],
        "set": lambda x, keys, value: x.__setitem__(keys, value),
        "at": cupy.add.at,
    }
    own["sliding_window_view"] = cupy.lib.stride_tricks.sliding_window_view
    return own | {name: getattr(cupy, name) for name in _BEYOND if hasattr(cupy, name)}


def _matmul(a: Any, b: Any) -> Any:
    cupy = _cupy()
    if not cupy.cuda.get_current_stream().is_capturing():
        return cupy.matmul(a, b)
    if a.ndim != 2 or b.ndim != 2 or a.shape[0] * a.shape[1] * b.shape[1] > _SMALL:
        raise NotImplementedError("only small products of two matrices are captured")
    return _product(a, b)


def _product(a: Any, b: Any) -> Any:
    """The product of two matrices by ``PRODUCT``."""
    (m, k), n = a.shape, b.shape[1]
    y = _cupy().empty((m, n), a.dtype)
    strides = [stride // a.itemsize for stride in (*a.strides, *b.strides)]
    blocks = -(-n // _TILE), -(-m // _TILE)
    numbers = [np.int64(number) for number in (m, n, k, *strides)]
    if m and n:
        _kernel(a.dtype.name)(blocks, (_TILE, _TILE), (a, b, y, *numbers))
    return y


@cache
def _kernel(dtype: str) -> Any:
    kind = {"float32": "float", "float64": "double"}[dtype]
    source = f"#define T {kind}\n#define TILE {_TILE}\n{PRODUCT}"
    return _cupy().RawKernel(source, "product")


@cache
def _product_is_right() -> bool:
    """Whether ``PRODUCT`` gives what cuBLAS gives, also for transposed matrices."""
    cupy = _cupy()
    for dtype, tolerance in (("float32", 1e-4), ("float64", 1e-12)):
        for m, k, n in ((1, 1, 1), (33, 47, 5), (16, 64, 31)):
            numbers = np.random.default_rng(k)
            a, b = (
                cupy.array(numbers.standard_normal(shape).astype(dtype))
                for shape in ((k, m), (n, k))
            )
            if float(abs(_product(a.T, b.T) - cupy.matmul(a.T, b.T)).max()) > tolerance * k:
                return False
    return True


class _Captured:
    """A step that runs as it is first, and is captured in its second call.

    The memory of the graph comes from a pool of its own, which nothing else uses while it lives.
    """

    def __init__(self, step: Callable[[], tuple[Any, ...]]) -> None:
        self._step, self._calls = step, 0
        self._launch: Callable[[], None] | None = None
        self._results: tuple[Any, ...] = ()

    def __call__(self) -> tuple[Any, ...]:
        self._calls += 1
        if self._calls == 2:  # the first call has compiled all kernels
            self._capture()
        if self._launch is None:
            return self._step()
        self._launch()
        return self._results

    def _capture(self) -> None:
        """Capture the step, which then has not been run; leave it where that cannot be."""
        cuda = _cupy().cuda
        self._pool = cuda.MemoryPool()
        stream = cuda.Stream(non_blocking=True)
        cuda.get_current_stream().synchronize()
        with cuda.using_allocator(self._pool.malloc), stream:
            stream.begin_capture()
            try:
                results = self._step()
            except Exception:  # noqa: BLE001  # a call that cannot be captured, of any library
                results = ()
            finally:
                graph = _ended(stream)
        if graph is not None and results:
            self._results, self._graph = results, graph
            self._launch = partial(graph.launch, cuda.get_current_stream())


def _ended(stream: Any) -> Any:
    """The graph of a capture; None if it is not valid."""
    try:
        return stream.end_capture()
    except Exception:  # noqa: BLE001  # CUDA's errors differ from version to version
        return None
