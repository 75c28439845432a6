"""The device cuda without a GPU: what it refuses, how a step is captured, and its own product."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from layerkit.discovery.devices import on_device
from layerkit.errors import DeviceError, MissingExtraError
from layerkit_plugins.devices import cuda


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Stands for CuPy, or for its import that fails."""

    def install(found: Any) -> None:
        def imported(name: str) -> Any:
            assert name == "cupy"
            if isinstance(found, Exception):
                raise found
            return found

        monkeypatch.setattr(cuda, "import_module", imported)
        for cached in (cuda._cupy, cuda._operations, cuda._kernel, cuda._product_is_right):
            cached.cache_clear()

    yield install
    monkeypatch.undo()
    for cached in (cuda._cupy, cuda._operations, cuda._kernel, cuda._product_is_right):
        cached.cache_clear()


def counting(count: Any) -> SimpleNamespace:
    def devices() -> int:
        if isinstance(count, Exception):
            raise count
        return int(count)

    return SimpleNamespace(cuda=SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=devices)))


def test_without_cupy_the_extra_is_named(fake: Callable[..., None]) -> None:
    fake(ModuleNotFoundError("No module named 'cupy'", name="cupy"))
    with pytest.raises(MissingExtraError) as raised:
        on_device("cuda")
    assert raised.value.extra == "cuda"
    assert 'pip install "layerkit[cuda]"' in str(raised.value.hint)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (ImportError("libcuda.so.1: cannot open shared object file"), "libcuda"),
        (counting(RuntimeError("CUDA driver version is insufficient")), "insufficient"),
        (counting(0), "CUDA finds no device here"),
    ],
    ids=["library", "driver", "none"],
)
def test_without_a_device_it_says_what_is_wrong(
    found: Any, words: str, fake: Callable[..., None]
) -> None:
    fake(found)
    with pytest.raises(DeviceError, match=f"the device 'cuda' cannot be used: .*{words}"):
        on_device("cuda")


def test_with_a_device_it_is_ready(fake: Callable[..., None]) -> None:
    fake(counting(1))
    engine = on_device("cuda")
    assert engine is not None
    assert engine.device.type_name == "cuda"


class FakeCuda:
    """Streams that log what is done; a capture fails at ``failing``."""

    def __init__(self, failing: str = "") -> None:
        self.failing, self.capturing = failing, False
        self.log: list[str] = []
        self.graph = SimpleNamespace(launch=self._launch)
        pool = SimpleNamespace(malloc=None)
        stream = SimpleNamespace(
            begin_capture=self._begin, end_capture=self._end, synchronize=lambda: None
        )
        self.cuda = SimpleNamespace(
            MemoryPool=lambda: pool,
            Stream=lambda non_blocking: _Entered(stream),
            get_current_stream=lambda: stream,
            using_allocator=lambda malloc: nullcontext(),
        )

    def _begin(self) -> None:
        self.capturing = True

    def _end(self) -> Any:
        self.capturing = False
        if self.failing == "end":
            raise RuntimeError("the capture was invalidated")
        return self.graph

    def _launch(self, stream: Any) -> None:
        self.log.append("launch")

    def step(self) -> tuple[str, ...]:
        if self.capturing and self.failing == "step":
            raise NotImplementedError("calling cuBLAS API during stream capture")
        self.log.append("captured" if self.capturing else "step")
        return ("scores", "loss")


class _Entered:
    """A stream as a context."""

    def __init__(self, stream: Any) -> None:
        self.begin_capture, self.end_capture = stream.begin_capture, stream.end_capture

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        return None


@pytest.mark.parametrize(
    ("failing", "log"),
    [
        ("", ["step", "captured", "launch", "launch"]),
        ("step", ["step", "step", "step"]),
        ("end", ["step", "captured", "step", "step"]),
    ],
)
def test_a_step_is_captured_in_its_second_call(
    failing: str, log: list[str], fake: Callable[..., None]
) -> None:
    there = FakeCuda(failing)
    fake(there)
    run = cuda._Captured(there.step)
    assert [run() for _ in range(3)] == [("scores", "loss")] * 3
    assert there.log == log


HARNESS = """
#include <barrier>
#include <thread>
#include <vector>
#include <cstdio>
struct Index { int x, y; };
thread_local Index threadIdx;
static Index blockIdx;
static std::barrier<> meet(TILE * TILE);
#define __global__
#define __shared__ static
#define __syncthreads() meet.arrive_and_wait()
%s
int main() {
  long long m, n, k, s[4];
  if (scanf("%%lld %%lld %%lld %%lld %%lld %%lld %%lld", &m, &n, &k, s, s + 1, s + 2, s + 3) != 7)
    return 1;
  std::vector<T> a(m * k), b(k * n), y(m * n);
  double v;
  for (auto* list : {&a, &b})
    for (auto& one : *list) {
      if (scanf("%%lf", &v) != 1) return 1;
      one = v;
    }
  for (blockIdx.y = 0; blockIdx.y * TILE < m; ++blockIdx.y)
    for (blockIdx.x = 0; blockIdx.x * TILE < n; ++blockIdx.x) {
      std::vector<std::thread> threads;
      for (int i = 0; i < TILE; ++i) for (int j = 0; j < TILE; ++j)
        threads.emplace_back([&, i, j] {
          threadIdx = {j, i};
          product(a.data(), b.data(), y.data(), m, n, k, s[0], s[1], s[2], s[3]);
        });
      for (auto& thread : threads) thread.join();
    }
  for (T one : y) printf("%%.17g ", (double)one);
}
"""


def test_the_kernel_multiplies(tmp_path: Path) -> None:
    """Its source, with the threads of a block as threads of the CPU."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("g++ is not installed")
    source, program = tmp_path / "product.cc", tmp_path / "product"
    source.write_text(HARNESS % cuda.PRODUCT)
    words = ["-std=c++20", "-pthread", "-DT=double", "-DTILE=4"]  # fewer threads than on a GPU
    made = subprocess.run(
        [compiler, *words, str(source), "-o", str(program)], capture_output=True, text=True
    )
    if made.returncode and "barrier" in made.stderr:
        pytest.skip("g++ knows no C++20")
    assert made.returncode == 0, made.stderr
    rng = np.random.default_rng(0)
    for m, k, n in ((1, 1, 1), (5, 9, 6), (8, 4, 3)):
        for turned in (False, True):
            a, b = rng.standard_normal((m, k)), rng.standard_normal((k, n))
            wanted = a @ b
            strides = (1, m, 1, k) if turned else (k, 1, n, 1)
            order: Any = "F" if turned else "C"
            numbers = np.concatenate([a.ravel(order), b.ravel(order)])
            text = " ".join(map(repr, [m, n, k, *strides, *numbers.tolist()]))
            got = subprocess.run([program], input=text, capture_output=True, text=True, check=True)
            found = np.array(got.stdout.split(), float).reshape(m, n)
            np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


def test_products_that_are_captured_are_cupys_otherwise(fake: Callable[..., None]) -> None:
    stream = SimpleNamespace(is_capturing=lambda: False)
    numpy_like: Any = ModuleType("cupy")
    numpy_like.__dict__.update({k: v for k, v in vars(np).items() if not k.startswith("__")})
    numpy_like.cuda = SimpleNamespace(get_current_stream=lambda: stream)
    fake(numpy_like)
    a, b = np.ones((2, 3)), np.ones((3, 4))
    assert cuda._matmul(a, b).tolist() == (a @ b).tolist()
    stream.is_capturing = lambda: True
    for pair in ((np.ones((2, 2, 2)), b), (np.ones((6000, 6000)), np.ones((6000, 1)))):
        with pytest.raises(NotImplementedError, match="only small products"):
            cuda._matmul(*pair)
