"""Views of a layer's arrays in a memory-mapped file: looked up, joined and checked when used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from layerkit.core.context import Array


class LayerTensors(Mapping[str, Array]):
    """The tensors of one layer by their short names, among all tensors of a file."""

    def __init__(self, tensors: Mapping[str, Array], layer: str, names: Iterable[str]) -> None:
        self._tensors = tensors
        self._full = {name: f"{layer}.{name}" for name in names}

    def __getitem__(self, name: str) -> Array:
        return self._tensors[self._full[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._full)

    def __len__(self) -> int:
        return len(self._full)


class JoinedTensors(Mapping[str, Array]):
    """Joined parameters: separate tensors in a file, so the first use copies them together."""

    def __init__(self, params: Mapping[str, Array], groups: Mapping[str, tuple[str, ...]]) -> None:
        self._params = params
        self._groups = groups
        self._made: dict[str, Array] = {}

    def __getitem__(self, group: str) -> Array:
        if group not in self._made:
            parts = [self._params[name] for name in self._groups[group]]
            self._made[group] = np.concatenate(parts, axis=-1)
        return self._made[group]

    def __iter__(self) -> Iterator[str]:
        return iter(self._groups)

    def __len__(self) -> int:
        return len(self._groups)
