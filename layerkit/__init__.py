"""layerkit: plugin layers for neural networks on NumPy alone.

``import layerkit`` loads nothing but this page; each name below is imported when it is first used.
The names of ``__all__`` and of ``layerkit.fields`` are public; everything else may change.

>>> import layerkit
>>> model = layerkit.build({
...     "layerkit": 1,
...     "input": {"shape": [4]},
...     "layers": [{"type": "dense", "units": 3}],
... })
>>> model.predict([[1.0, 2.0, 3.0, 4.0]]).shape
(1, 3)
"""

# Eager imports would make `layerkit --help` load NumPy and pydantic: half a second for nothing.
from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layerkit.comparison import compare as compare
    from layerkit.data import load_data as load_data
    from layerkit.data import read_rows as read_rows
    from layerkit.errors import CorruptFileError as CorruptFileError
    from layerkit.errors import DataError as DataError
    from layerkit.errors import DataSourceError as DataSourceError
    from layerkit.errors import LayerkitError as LayerkitError
    from layerkit.errors import LimitExceededError as LimitExceededError
    from layerkit.errors import MalformedFileError as MalformedFileError
    from layerkit.errors import MissingExtraError as MissingExtraError
    from layerkit.errors import ModelFileError as ModelFileError
    from layerkit.errors import NotAModelFileError as NotAModelFileError
    from layerkit.errors import PathError as PathError
    from layerkit.errors import PluginAmbiguousError as PluginAmbiguousError
    from layerkit.errors import PluginError as PluginError
    from layerkit.errors import PluginLoadError as PluginLoadError
    from layerkit.errors import PluginMissingError as PluginMissingError
    from layerkit.errors import PluginNotAllowedError as PluginNotAllowedError
    from layerkit.errors import PluginVersionError as PluginVersionError
    from layerkit.errors import SelfTestError as SelfTestError
    from layerkit.errors import ShapeError as ShapeError
    from layerkit.errors import SpecError as SpecError
    from layerkit.errors import TensorMismatchError as TensorMismatchError
    from layerkit.errors import TrainingDivergedError as TrainingDivergedError
    from layerkit.errors import TruncatedFileError as TruncatedFileError
    from layerkit.errors import UnknownTypeError as UnknownTypeError
    from layerkit.errors import UnsupportedFormatError as UnsupportedFormatError
    from layerkit.format import Limits as Limits
    from layerkit.format import load_tensors as load_tensors
    from layerkit.inspection import inspect as inspect
    from layerkit.layer import Array as Array
    from layerkit.layer import Context as Context
    from layerkit.layer import Layer as Layer
    from layerkit.layer import Param as Param
    from layerkit.layer import Part as Part
    from layerkit.layer import Plan as Plan
    from layerkit.layer import Shape as Shape
    from layerkit.model import Model as Model
    from layerkit.model import build as build
    from layerkit.parts import Activation as Activation
    from layerkit.parts import DataSource as DataSource
    from layerkit.parts import Initializer as Initializer
    from layerkit.parts import Loss as Loss
    from layerkit.parts import Metric as Metric
    from layerkit.parts import Optimizer as Optimizer
    from layerkit.parts import Rows as Rows
    from layerkit.parts import Schedule as Schedule
    from layerkit.products import matmul as matmul
    from layerkit.products import matmul_both as matmul_both
    from layerkit.products import sum_rows as sum_rows
    from layerkit.registry import activation as activation
    from layerkit.registry import initializer as initializer
    from layerkit.registry import register as register
    from layerkit.registry import schedule as schedule
    from layerkit.revise import diff as diff
    from layerkit.revise import upgrade as upgrade
    from layerkit.spec import Spec as Spec
    from layerkit.store import load as load
    from layerkit.store import save as save
    from layerkit.training import Listener as Listener
    from layerkit.training import Run as Run
    from layerkit.training import evaluate as evaluate
    from layerkit.training import resume as resume
    from layerkit.training import train as train
    from layerkit.training import train_seeds as train_seeds

__version__ = "0.1.0"

_HOME = {
    "Activation": "parts",
    "Array": "layer",
    "Context": "layer",
    "CorruptFileError": "errors",
    "DataError": "errors",
    "DataSource": "parts",
    "DataSourceError": "errors",
    "Initializer": "parts",
    "Layer": "layer",
    "LayerkitError": "errors",
    "LimitExceededError": "errors",
    "Limits": "format",
    "Listener": "training",
    "Loss": "parts",
    "MalformedFileError": "errors",
    "Metric": "parts",
    "MissingExtraError": "errors",
    "Model": "model",
    "ModelFileError": "errors",
    "NotAModelFileError": "errors",
    "PathError": "errors",
    "Optimizer": "parts",
    "Param": "layer",
    "Part": "layer",
    "Plan": "layer",
    "PluginAmbiguousError": "errors",
    "PluginError": "errors",
    "PluginLoadError": "errors",
    "PluginMissingError": "errors",
    "PluginNotAllowedError": "errors",
    "PluginVersionError": "errors",
    "Rows": "parts",
    "Run": "training",
    "Schedule": "parts",
    "SelfTestError": "errors",
    "Shape": "layer",
    "ShapeError": "errors",
    "Spec": "spec",
    "SpecError": "errors",
    "TensorMismatchError": "errors",
    "TrainingDivergedError": "errors",
    "TruncatedFileError": "errors",
    "UnknownTypeError": "errors",
    "UnsupportedFormatError": "errors",
    "activation": "registry",
    "build": "model",
    "compare": "comparison",
    "diff": "revise",
    "evaluate": "training",
    "initializer": "registry",
    "inspect": "inspection",
    "load": "store",
    "load_data": "data",
    "load_tensors": "format",
    "matmul": "products",
    "matmul_both": "products",
    "read_rows": "data",
    "register": "registry",
    "save": "store",
    "schedule": "registry",
    "sum_rows": "products",
    "resume": "training",
    "train": "training",
    "train_seeds": "training",
    "upgrade": "revise",
}

__all__ = [
    "Activation",
    "Array",
    "Context",
    "CorruptFileError",
    "DataError",
    "DataSource",
    "DataSourceError",
    "Initializer",
    "Layer",
    "LayerkitError",
    "LimitExceededError",
    "Limits",
    "Listener",
    "Loss",
    "MalformedFileError",
    "Metric",
    "MissingExtraError",
    "Model",
    "ModelFileError",
    "NotAModelFileError",
    "Optimizer",
    "Param",
    "Part",
    "PathError",
    "Plan",
    "PluginAmbiguousError",
    "PluginError",
    "PluginLoadError",
    "PluginMissingError",
    "PluginNotAllowedError",
    "PluginVersionError",
    "Rows",
    "Run",
    "Schedule",
    "SelfTestError",
    "Shape",
    "ShapeError",
    "Spec",
    "SpecError",
    "TensorMismatchError",
    "TrainingDivergedError",
    "TruncatedFileError",
    "UnknownTypeError",
    "UnsupportedFormatError",
    "activation",
    "build",
    "compare",
    "diff",
    "evaluate",
    "initializer",
    "inspect",
    "load",
    "load_data",
    "load_tensors",
    "matmul",
    "matmul_both",
    "read_rows",
    "register",
    "resume",
    "save",
    "schedule",
    "sum_rows",
    "train",
    "train_seeds",
    "upgrade",
]


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
