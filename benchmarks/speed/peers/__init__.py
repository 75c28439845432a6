"""The peers by name: which file, with which options, and how many threads it may use."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MODES = ("train", "infer")
_THREAD_VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "LAYERKIT_THREADS",
    "LAYERKIT_FAST",
    "LAYERKIT_EAGER",
)


@dataclass(frozen=True)
class Entry:
    """One line of the tables.

    ``family`` is a module of this package; ``options`` go to its class. ``threads`` None leaves
    the number to the library.
    """

    family: str
    threads: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    modes: tuple[str, ...] = MODES
    works: tuple[str, ...] = ("W",)
    """Only works whose name starts so."""

    def serves(self, mode: str, work: str) -> bool:
        return mode in self.modes and work.startswith(self.works)

    def environ(self) -> dict[str, str]:
        """The environment of its process: this one's, its thread counts replaced."""
        kept = {k: v for k, v in os.environ.items() if k not in _THREAD_VARIABLES}
        if self.threads is not None:
            kept |= {k: str(self.threads) for k in _THREAD_VARIABLES if k.endswith("NUM_THREADS")}
        return kept | dict(self.environment)


def _layerkit(fast: bool, **more: str) -> Entry:
    environment = {"LAYERKIT_FAST": "1" if fast else "0", **more}
    return Entry("layerkit", None, {"fast": fast}, environment, works=("W", "C"))


def _torch(threads: int, **options: bool) -> Entry:
    return Entry("torch", threads, {"threads": threads, **options}, works=("W", "C"))


ENTRIES: dict[str, Entry] = {
    "layerkit": _layerkit(fast=False),
    "layerkit_1t": _layerkit(fast=False, LAYERKIT_THREADS="1"),
    "layerkit_fast": _layerkit(fast=True),
    "layerkit_fast_1t": _layerkit(fast=True, LAYERKIT_THREADS="1"),
    "layerkit_call": Entry("layerkit_call", environment={"LAYERKIT_FAST": "0"}, modes=("train",)),
    "torch_1t": _torch(1),
    "torch_2t": _torch(2),
    "torch_tuned_1t": _torch(1, tuned=True),
    "torch_tuned_2t": _torch(2, tuned=True),
    "torch_compiled_1t": _torch(1, tuned=True, compiled=True),
    "torch_compiled_2t": _torch(2, tuned=True, compiled=True),
    "jax": Entry("jax"),
    "keras": Entry("keras", environment={"KERAS_BACKEND": "jax"}),
    "thinc": Entry("thinc", 1),
    "sklearn_1t": Entry("sklearn", 1, works=("W1",)),
    "sklearn_2t": Entry("sklearn", 2, works=("W1",)),
    "onnxruntime_1t": Entry("onnxruntime", 1, {"threads": 1}, modes=("infer",)),
    "onnxruntime_2t": Entry("onnxruntime", 2, {"threads": 2}, modes=("infer",)),
    "naive_1t": Entry("naive", 1),
    "naive_2t": Entry("naive", 2),
    "floor_1t": Entry("floor", 1),
    "floor_2t": Entry("floor", 2),
}
