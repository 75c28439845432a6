"""Which engines run a network: planned NumPy always, compiled kernels where they pay.

The engine called ``compiled`` (extra ``fast``) is used by a training where it saves more time than
it takes to load, and by inference on request: ``Model.accelerate``, or ``LAYERKIT_FAST=1`` for
every model. ``LAYERKIT_FAST=0`` switches it off, ``LAYERKIT_FAST=1`` makes every training use it.
``LAYERKIT_EAGER=1`` switches all engines off: every layer runs as it is written, the reference of
everything else. Results of engines agree with it up to rounding.
"""

from __future__ import annotations

import math
import os
import warnings
from functools import cache
from typing import TYPE_CHECKING

from layerkit.display import quoted
from layerkit.errors import LayerkitError, MissingExtraError

if TYPE_CHECKING:
    from layerkit.execution.engine import Engine

_COST = 0.5  # seconds: loading the engine and compiled kernels, and some to spare


def fast_setting() -> bool | None:
    """The value of ``LAYERKIT_FAST``, None if it is not set; LayerkitError if it is not 0 or 1."""
    return _switch("LAYERKIT_FAST")


def eager() -> bool:
    """Whether ``LAYERKIT_EAGER`` switches all engines off; LayerkitError if it is not 0 or 1."""
    return _switch("LAYERKIT_EAGER") is True


def _switch(variable: str) -> bool | None:
    word = os.environ.get(variable, "")
    if word not in ("", "0", "1"):
        raise LayerkitError(f"{variable}: expected 0 (off) or 1 (on), got {quoted(word)}")
    return word == "1" if word else None


def compiled_for_training(saved: float = math.inf) -> bool:
    """Whether to train with compiled kernels that save ``saved`` seconds; loads them if so.

    Raises LayerkitError, same as ``fast_setting``.
    """
    setting = fast_setting()
    if eager():
        return False
    if setting is None:
        return saved > _COST and trouble() == ""
    return setting and _available()


def compiled_for_inference() -> bool:
    """Whether models predict with compiled kernels, ``Model.accelerate`` aside.

    Raises LayerkitError, same as ``fast_setting``.
    """
    off = eager()  # read first, so that a mistyped value is told whatever the other one is
    return fast_setting() is True and not off and _available()


def require_compiled() -> None:
    """Raise MissingExtraError if compiled kernels cannot be used."""
    if trouble():
        raise MissingExtraError("llvmlite", "fast", f"accelerate ({trouble()})")


def engines(*, compiled: bool) -> list[Engine]:
    """The engines to use, the fastest first."""
    if eager():
        return []
    from layerkit.execution.planned_engine import PLANNED

    return [compiled_engine(), PLANNED] if compiled else [PLANNED]


@cache
def compiled_engine() -> Engine:
    """The engine of the ``fast`` extra."""
    from layerkit.discovery.registry import engine

    return engine("compiled")


def _available() -> bool:
    """Whether compiled kernels can be used; if not, warns once why."""
    found = trouble()
    if found:
        _warn_once(found)
    return not found


@cache
def _warn_once(found: str) -> None:
    warnings.warn(
        f"LAYERKIT_FAST=1, but {found}; NumPy is used instead "
        "(pip install 'layerkit[fast]' adds compiled kernels)",
        stacklevel=2,
    )


@cache
def trouble() -> str:
    """Why compiled kernels cannot be used; empty if they can."""
    try:
        return compiled_engine().trouble()
    except LayerkitError as error:
        return error.message
