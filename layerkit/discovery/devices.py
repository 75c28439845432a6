"""Devices by name: the CPU always, others through plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layerkit.discovery.engines import eager
from layerkit.errors import DeviceError

if TYPE_CHECKING:
    from layerkit.execution.devices.engine import OnDevice

CPU = "cpu"
"""The name of no other device: NumPy, and engines over its arrays."""


def on_device(name: str) -> OnDevice | None:
    """What runs recordings on the device called ``name``, ready for use; None for the CPU.

    Raises
    ------
    PluginError
        If there is no such device.
    MissingExtraError, DeviceError
        If it cannot be used here.
    """
    if name == CPU:
        return None
    from layerkit.discovery.registry import DEVICES
    from layerkit.execution.devices.engine import OnDevice

    device = DEVICES.create(name)
    device.require()
    if eager():
        raise DeviceError(
            f"LAYERKIT_EAGER=1 runs every layer as it is written, on the CPU, not on {name!r}",
            hint="unset LAYERKIT_EAGER, or leave out the device",
        )
    return OnDevice(device)
