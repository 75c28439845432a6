"""Arrays by name: a layer's parameters, gradients or state, whose values may be assigned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.display import nearest, quoted


class Arrays(MutableMapping[str, Array]):
    """Name to array, in the plan's order; assigning copies the value into the array.

    ``kind`` is what an entry is called in messages, such as "gradient".

    Raises
    ------
    KeyError
        If there is no array of that name, or on deleting one.
    ValueError
        If an assigned value has another shape; nothing is broadcast.
    TypeError
        If its dtype cannot be cast, as complex numbers to float32.
    """

    __slots__ = ("_arrays", "_kind")

    def __init__(self, arrays: Mapping[str, Array], kind: str = "array") -> None:
        self._arrays = dict(arrays)
        self._kind = kind

    def __getitem__(self, name: str) -> Array:
        try:
            return self._arrays[name]
        except KeyError:
            raise self._unknown(name) from None

    def __setitem__(self, name: str, value: Any) -> None:
        target = self._arrays.get(name)
        if target is None:
            raise self._unknown(name)
        if value is target:  # after an operation in place, such as grads[name] += g
            return
        shape = np.shape(value)
        if shape != target.shape:
            raise ValueError(
                f"{self._kind} {name!r}: expected shape {list(target.shape)}, got {list(shape)}"
            )
        np.copyto(target, value, casting="same_kind")

    def __delitem__(self, name: str) -> None:
        raise KeyError(f"the {self._kind} {name!r} cannot be deleted")

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def within(self, part: str) -> Arrays:
        """Those of a part of a container, by the names that the part gives them."""
        start = f"{part}."
        named = {k[len(start) :]: v for k, v in self._arrays.items() if k.startswith(start)}
        return Arrays(named, self._kind)

    def __repr__(self) -> str:
        """The arrays by name, as of a dict."""
        return repr(self._arrays)

    def _unknown(self, name: object) -> KeyError:
        known = list(self._arrays)
        near = nearest(str(name), known) or f"; there are {', '.join(known) or 'none'}"
        return KeyError(f"no {self._kind} {quoted(name)}{near}")
