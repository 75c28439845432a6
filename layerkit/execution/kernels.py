"""Compiled kernels: whether those of the ``fast`` extra are used.

Training uses them where numba is installed and they save more time than they take to load.
Inference uses them on request, since importing numba takes longer than most predictions:
``Model.accelerate``, or ``LAYERKIT_FAST=1`` for every model. ``LAYERKIT_FAST=0`` switches them off,
``LAYERKIT_FAST=1`` makes every training use them. Results agree with NumPy's to rounding. Layers
and optimizers without kernels run in NumPy.
"""

from __future__ import annotations

import math
import os
import warnings
from functools import cache

from layerkit.display import quoted
from layerkit.errors import LayerkitError, MissingExtraError

_COST = 1.0  # seconds: importing numba and loading compiled kernels, and some to spare


def fast_setting() -> bool | None:
    """The value of ``LAYERKIT_FAST``, None if it is not set; LayerkitError if it is not 0 or 1."""
    word = os.environ.get("LAYERKIT_FAST", "")
    if word not in ("", "0", "1"):
        raise LayerkitError(f"LAYERKIT_FAST: expected 0 (off) or 1 (on), got {quoted(word)}")
    return word == "1" if word else None


def kernels_for_training(saved: float = math.inf) -> bool:
    """Whether to train with kernels that save ``saved`` seconds; imports numba if so.

    Raises LayerkitError, same as ``fast_setting``.
    """
    setting = fast_setting()
    if setting is None:
        return saved > _COST and _trouble() == ""
    return setting and _available()


def kernels_for_inference() -> bool:
    """Whether models predict with compiled kernels, ``Model.accelerate`` aside.

    Raises LayerkitError, same as ``fast_setting``.
    """
    return fast_setting() is True and _available()


def require_numba() -> None:
    """Raise MissingExtraError if numba is not installed, or does not work."""
    if _trouble():
        raise MissingExtraError("numba", "fast", f"accelerate ({_trouble()})")


def _available() -> bool:
    """Whether the kernels can be used; if not, warns once why."""
    trouble = _trouble()
    if trouble:
        _warn_once(trouble)
    return not trouble


@cache
def _warn_once(trouble: str) -> None:
    warnings.warn(
        f"LAYERKIT_FAST=1, but {trouble}; NumPy is used instead "
        "(pip install 'layerkit[fast]' adds compiled kernels)",
        RuntimeWarning,
        stacklevel=2,
    )


@cache
def _trouble() -> str:
    """Why numba cannot be used; empty if it can."""
    try:
        import numba  # noqa: F401
        from numba.core.entrypoints import init_all

        # It would run at the first kernel, and fail only there on another package's bad metadata.
        init_all()  # type: ignore[no-untyped-call]  # numba has no types
    except ImportError as error:
        if error.name == "numba":
            return "numba is not installed"
        return f"numba cannot be imported: {error}"
    except Exception as error:  # noqa: BLE001  # an installed numba may refuse this NumPy
        return f"numba cannot be imported: {error}"
    return ""
