"""layerkit: plugin layers for neural networks on NumPy alone.

``import layerkit`` loads nothing but this page; each name below is imported when it is first used.
``__init__.pyi`` lists these names. They and those of ``layerkit.fields`` are public; everything
else may change.

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

from typing import Any

__version__ = "0.1.0"


def _homes() -> dict[str, str]:
    """Public name to the module that defines it, as ``__init__.pyi`` lists them."""
    stub = __loader__.get_data(f"{__path__[0]}/__init__.pyi").decode()
    homes = {}
    for statement in stub.split("\nfrom ")[1:]:
        module, _, rest = statement.partition(" import ")
        names = rest.partition("\n\n")[0].strip("()\n")
        homes |= {name.split()[0]: module for name in names.split(",") if name.strip()}
    return homes


_HOME = _homes()
__all__ = sorted(_HOME)  # a list, though not a literal one


_VERSION_ONE = ("matmul", "matmul_both", "sum_rows")  # public in contract version 1, found for now


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _VERSION_ONE:
        return import_module("layerkit.core.version_one").public(name)
    if name not in _HOME:
        raise AttributeError(f"module 'layerkit' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
