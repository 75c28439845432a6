"""Views of a layer's arrays in a memory-mapped file: looked up and checked when used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping

from layerkit.core.context import Array


class LayerTensors(MutableMapping[str, Array]):
    """The tensors of one layer by their short names, among all tensors of a file, read-only."""

    def __init__(self, tensors: Mapping[str, Array], layer: str, names: Iterable[str]) -> None:
        self._tensors, self._layer = tensors, layer
        self._full = {name: f"{layer}.{name}" for name in names}

    def within(self, part: str) -> LayerTensors:
        """Those of a part of a container, by the names that the part gives them."""
        start = f"{part}."
        names = [name[len(start) :] for name in self._full if name.startswith(start)]
        return LayerTensors(self._tensors, f"{self._layer}.{part}", names)

    def __getitem__(self, name: str) -> Array:
        return self._tensors[self._full[name]]

    def __setitem__(self, name: str, value: Array) -> None:
        raise TypeError(f"{self._full[name]!r} lies in a mapped file and cannot be changed")

    def __delitem__(self, name: str) -> None:
        raise TypeError(f"{self._full[name]!r} lies in a mapped file and cannot be deleted")

    def __iter__(self) -> Iterator[str]:
        return iter(self._full)

    def __len__(self) -> int:
        return len(self._full)
