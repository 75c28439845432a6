"""layerkit: plugin layers for neural networks on NumPy alone.

``import layerkit`` loads nothing but this page; each name below is imported when it is first used.
"""

# Eager imports would make `layerkit --help` load NumPy and pydantic: half a second for nothing.
from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layerkit.errors import DataError as DataError
    from layerkit.errors import DataSourceError as DataSourceError
    from layerkit.errors import LayerkitError as LayerkitError
    from layerkit.errors import ModelFileError as ModelFileError
    from layerkit.errors import PluginError as PluginError
    from layerkit.errors import ShapeError as ShapeError
    from layerkit.errors import SpecError as SpecError
    from layerkit.layer import Array as Array
    from layerkit.layer import Context as Context
    from layerkit.layer import Layer as Layer
    from layerkit.layer import Param as Param
    from layerkit.layer import Plan as Plan
    from layerkit.layer import Shape as Shape
    from layerkit.parts import Activation as Activation
    from layerkit.parts import DataSource as DataSource
    from layerkit.parts import Initializer as Initializer
    from layerkit.parts import Loss as Loss
    from layerkit.parts import Metric as Metric
    from layerkit.parts import Optimizer as Optimizer
    from layerkit.parts import Rows as Rows
    from layerkit.parts import Schedule as Schedule
    from layerkit.registry import activation as activation
    from layerkit.registry import register as register
    from layerkit.registry import schedule as schedule

__version__ = "0.1.0"

_HOME = {
    "Activation": "parts",
    "Array": "layer",
    "Context": "layer",
    "DataError": "errors",
    "DataSource": "parts",
    "DataSourceError": "errors",
    "Initializer": "parts",
    "Layer": "layer",
    "LayerkitError": "errors",
    "Loss": "parts",
    "Metric": "parts",
    "ModelFileError": "errors",
    "Optimizer": "parts",
    "Param": "layer",
    "Plan": "layer",
    "PluginError": "errors",
    "Rows": "parts",
    "Schedule": "parts",
    "Shape": "layer",
    "ShapeError": "errors",
    "SpecError": "errors",
    "activation": "registry",
    "register": "registry",
    "schedule": "registry",
}

__all__ = sorted(_HOME)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module 'layerkit' has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f"layerkit.{_HOME[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_HOME})
