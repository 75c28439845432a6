"""Whether the compiled kernels of the ``fast`` extra are used.

Training uses them where numba is installed and they save more time than they take to load.
Inference uses them when asked, since importing numba takes longer than most predictions:
``Model.accelerate``, or ``LAYERKIT_FAST=1`` for every model. ``LAYERKIT_FAST=0`` switches them off,
``LAYERKIT_FAST=1`` lets every training use them. Results agree with NumPy's to rounding. Layers and
optimizers that have no kernels run as they are.
"""

from __future__ import annotations

import math
import os
import warnings
from functools import cache

from layerkit.display import quoted
from layerkit.errors import LayerkitError, MissingExtraError

__all__ = ["asked", "kernels_for_inference", "kernels_for_training", "require"]


_COST = 1.0  # seconds: importing numba and loading compiled kernels, and some to spare


def asked() -> bool | None:
    """What ``LAYERKIT_FAST`` says: yes, no, or None for nothing.

    Raises
    ------
    LayerkitError
        If it is neither 0 nor 1.
    """
    word = os.environ.get("LAYERKIT_FAST", "")
    if word not in ("", "0", "1"):
        raise LayerkitError(f"LAYERKIT_FAST is {quoted(word)}; 0 (off) or 1 (on) is wanted")
    return word == "1" if word else None


def kernels_for_training(saved: float = math.inf) -> bool:
    """Whether a training in which compiled kernels save ``saved`` seconds shall use them.

    numba is imported only if so.

    Raises
    ------
    LayerkitError
        As ``asked``.
    """
    wish = asked()
    if wish is None:
        return saved > _COST and _trouble() == ""
    return wish and _available()


def kernels_for_inference() -> bool:
    """Whether a model that was not told otherwise shall predict with compiled kernels.

    Raises
    ------
    LayerkitError
        As ``asked``.
    """
    return asked() is True and _available()


def require() -> None:
    """See that the kernels can be used.

    Raises
    ------
    MissingExtraError
        If numba is not installed, or does not work.
    """
    if _trouble():
        raise MissingExtraError("numba", "fast", f"accelerate ({_trouble()})")


def _available() -> bool:
    """Whether kernels that were asked for can be used; says once why not."""
    trouble = _trouble()
    if trouble:
        _tell_once(trouble)
    return not trouble


@cache
def _tell_once(trouble: str) -> None:
    warnings.warn(
        f"LAYERKIT_FAST=1, but {trouble}; NumPy is used instead "
        "(pip install 'layerkit[fast]' brings compiled kernels)",
        RuntimeWarning,
        stacklevel=2,
    )


@cache
def _trouble() -> str:
    """Why numba cannot be used; empty if it can."""
    try:
        import numba  # noqa: F401
        from numba.core.entrypoints import init_all

        # It would run at the first kernel, and stumble over a stranger's metadata only there.
        init_all()  # type: ignore[no-untyped-call]  # numba has no types
    except ImportError as error:
        if error.name == "numba":
            return "numba is not installed"
        return f"numba cannot be imported: {error}"
    except Exception as error:  # noqa: BLE001  # an installed numba may refuse this NumPy
        return f"numba cannot be imported: {error}"
    return ""
