"""Rows that are kept with a model, and what it must give for them again."""

from __future__ import annotations

import numpy as np

from layerkit.errors import SelfTestError
from layerkit.layer import Array
from layerkit.model import Model, SelfTest
from layerkit.network import random_stream

__all__ = ["make_selftest", "run_selftest"]

_TOLERANCE = {"float32": (1e-4, 1e-5), "float64": (1e-8, 1e-10)}  # rtol, atol: FORMAT.md 9.8
_ROWS = 4
_BYTES = 1 << 20


def make_selftest(model: Model) -> SelfTest | None:
    """Rows that follow from the model alone and what it gives for them; None if too large."""
    if not model.ready:
        return None
    contract = model.contract.input
    stream = random_stream(0, "selftest")
    width = (_ROWS, *contract.shape)
    low, high = contract.low, contract.high
    if low is None or high is None:
        rows = stream.standard_normal(width)
        if contract.scale is not None and contract.center is not None:
            rows = rows * contract.scale + contract.center
    else:
        rows = low + stream.random(width) * (high - low)
    raw: Array = rows.astype(contract.dtype)
    with np.errstate(all="ignore"):
        outputs = model.predict(raw)
    if raw.nbytes + outputs.nbytes > _BYTES:
        return None
    rtol, atol = _TOLERANCE[model.spec.dtype]
    return SelfTest(raw, outputs, rtol, atol)


def run_selftest(model: Model, test: SelfTest) -> None:
    """Hold what ``model`` gives for the rows against what it gave when it was saved.

    Raises
    ------
    SelfTestError
        If it raises, or gives another shape or numbers further off than the test tolerates.
    """
    advice = "load with selftest=False only to look into it"
    shape = model.contract.input.shape
    if test.rows.shape[1:] != shape:  # predict would take flattened rows too
        raise SelfTestError(
            f"the self-test's rows are of shape {list(test.rows.shape[1:])}, {list(shape)} wanted "
            f"({advice})",
            max_abs=float("inf"),
            index=None,
        )
    try:
        with np.errstate(all="ignore"):
            got = model.predict(test.rows)
    except Exception as cause:  # a plugin's own code may raise anything
        raise SelfTestError(
            f"the self-test raised {type(cause).__name__}: {cause} ({advice})",
            max_abs=float("inf"),
            index=None,
        ) from cause
    wanted = test.outputs
    if got.shape != wanted.shape:
        raise SelfTestError(
            f"the self-test gave outputs of shape {list(got.shape)}, {list(wanted.shape)} wanted "
            f"({advice})",
            max_abs=float("inf"),
            index=None,
        )
    with np.errstate(all="ignore"):
        same = (got == wanted) | (np.isnan(got) & np.isnan(wanted))
        kind = np.complex128 if "c" in got.dtype.kind + wanted.dtype.kind else np.float64
        wide = wanted.astype(kind)
        gap = np.where(same, 0.0, np.abs(got.astype(kind) - wide))
        near = np.isfinite(wide) & (gap <= test.atol + test.rtol * np.abs(wide))
    if np.all(same | near):
        return
    gap = np.where(np.isnan(gap), np.inf, gap)
    flat = int(np.where(same | near, -1.0, gap).argmax())
    index = tuple(int(i) for i in np.unravel_index(flat, got.shape))
    raise SelfTestError(
        f"the model does not give what it gave when it was saved: largest difference "
        f"{gap[index]:.3g} at {list(index)} (atol {test.atol:g}, rtol {test.rtol:g}; {advice})",
        max_abs=float(gap[index]),
        index=index,
    )
