"""Device: the contract of what holds arrays elsewhere, such as a GPU."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from layerkit.core.context import Array
from layerkit.core.parts import Part

DeviceArray = Any
"""An array of a device's namespace."""


class Device(Part):
    """Arrays elsewhere, and the functions over them; registered in the group ``layerkit.devices``.

    Recorded graphs run on any namespace of the array API standard (2024.12) whose arrays can be
    assigned to: ``y[1:] = x``. Everything is tried on its first batch against the layers' methods
    as they are written before it is used.
    """

    @abstractmethod
    def require(self) -> None:
        """Do nothing if the device can be used here.

        Raises
        ------
        MissingExtraError
            If its library is not installed.
        DeviceError
            If there is no such device, or something else is wrong.
        """

    @property
    @abstractmethod
    def xp(self) -> Any:
        """The namespace of the array API."""

    @abstractmethod
    def get(self, array: DeviceArray) -> Array:
        """A copy for NumPy, once all that was begun for it is done."""

    def put(self, array: Array) -> DeviceArray:
        """A copy of a NumPy array (or number) on the device, of the same dtype."""
        return self.xp.asarray(array, copy=True)

    def write(self, target: DeviceArray, array: Array) -> None:
        """Overwrite ``target`` with a NumPy array of the same shape and dtype."""
        target[...] = self.put(array)

    def operations(self) -> Mapping[str, Callable[..., DeviceArray]]:
        """NumPy's functions by name that the namespace has beyond the standard, called as NumPy's.

        "gather" (x, keys) and "set" (x, keys, value) index with arrays of integers as NumPy does,
        "at" (x, keys, value) adds as ``np.add.at`` does; "set" and "at" change x in place.
        """
        return {}

    def captured(
        self, step: Callable[[], tuple[DeviceArray, ...]]
    ) -> Callable[[], tuple[DeviceArray, ...]]:
        """``step`` in a form that does the same calls on the same arrays faster, or as it is.

        A step takes all that changes from arrays that stay, and neither moves arrays nor waits.
        What it gives is valid until the next call.
        """
        return step
