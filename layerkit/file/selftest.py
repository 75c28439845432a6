"""The self-test of a file: stored rows, and the outputs that the model must reproduce."""

from __future__ import annotations

import numpy as np

from layerkit.core.context import Array
from layerkit.core.domains import with_whole_numbers
from layerkit.core.planning import unusable
from layerkit.core.rng import random_stream
from layerkit.errors import LayerkitError, MissingExtraError, PluginLoadError, SelfTestError
from layerkit.model import Model, SelfTest

_TOLERANCE = {"float32": (1e-4, 1e-5), "float64": (1e-8, 1e-10)}  # rtol, atol: FORMAT.md 9.8
_ROUNDING = 1e-14  # float64 rounding when outputs are scaled back
_ROWS = 4
_BYTES = 1 << 20


def make_selftest(model: Model) -> SelfTest | None:
    """Rows derived from the model, with its outputs for them; None if too large.

    Raises PluginLoadError, and leaves the model unchanged, if no file could hold it: if a layer's
    outputs for the same rows vary, or a prediction changes its state.
    """
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
    rows = with_whole_numbers(rows, contract.whole, stream)
    raw: Array = rows.astype(contract.raw_dtype)
    outputs = _outputs(model, raw)
    test = SelfTest(raw, outputs, *_tolerance(model, outputs))
    try:
        run_selftest(model, test)
    except SelfTestError as cause:
        raise _unsteady(model, raw, cause) from cause
    return None if raw.nbytes + outputs.nbytes > _BYTES else test


def _tolerance(model: Model, outputs: Array) -> tuple[float, float]:
    """(rtol, atol): those of the model's dtype, which hold before outputs are scaled back."""
    rtol, atol = _TOLERANCE[model.spec.dtype]
    output = model.contract.output
    if output is None or output.center is None or output.scale is None or not output.center.any():
        return rtol, atol
    scaled = np.abs((outputs - output.center) / output.scale)
    size = np.max(scaled, initial=0.0, where=np.isfinite(scaled))
    return _ROUNDING, float(np.abs(output.scale).max() * (atol + rtol * size))


def _outputs(model: Model, raw: Array) -> Array:
    """The model's outputs for ``raw``, if no layer changes its state meanwhile."""
    network = model.network
    kept = {} if network.mapped else {n: a.copy() for n, (_, a) in network.tensors().items()}
    with np.errstate(all="ignore"):
        outputs = model.predict_as_written(model.contract.input.given_back(raw))
    live = network.tensors() if kept else {}
    moved = [n for n, a in kept.items() if not np.array_equal(live[n][1], a, equal_nan=True)]
    for name in moved:
        live[name][1][...] = kept[name]
    if moved:
        layer, _, array = moved[0].rpartition(".")
        planned = next(p for p in network.planned if p.name == layer)
        reason = (
            f"it changes {array!r} in a prediction, so no file could hold the model; a layer may "
            "change its state only in training (ctx.training)"
        )
        raise unusable(layer, planned.layer, reason)
    return outputs


def _unsteady(model: Model, raw: Array, cause: SelfTestError) -> PluginLoadError:
    """The error for a model whose outputs for the same rows vary; names the layer."""
    network, inputs = model.network, model.contract.input
    x = inputs.scale_rows(inputs.matrix(inputs.given_back(raw)))
    found = network.planned[-1]
    with np.errstate(all="ignore"):
        for i, planned in enumerate(network.planned):
            part = network.part(network.planned[: i + 1])
            first, second = (part.feed(x.copy(), part.contexts(keeps=False)).copy() for _ in "ab")
            if not np.array_equal(first, second, equal_nan=True):
                found = planned
                break
    reason = (
        "its outputs for the same rows vary, so a file of the model would not load "
        f"({cause.message.partition(' (')[0]}); randomness is for training only (ctx.training)"
    )
    return unusable(found.name, found.layer, reason)


def run_selftest(model: Model, test: SelfTest) -> None:
    """Compare the outputs of ``model`` with those from when it was saved.

    Raises SelfTestError if the model raises, or its outputs differ in shape or by more than the
    tolerance. Errors of a process that cannot run any model pass unchanged: a LayerkitError for an
    invalid environment variable, MissingExtraError, MemoryError.
    """
    shape, expected = model.contract.input.shape, test.outputs
    if test.rows.shape[1:] != shape:  # predict would accept flattened rows
        found = list(test.rows.shape[1:])
        raise _failed(f"the self-test: expected rows of shape {list(shape)}, got {found}")
    try:
        with np.errstate(all="ignore"):
            got = model.predict_as_written(model.contract.input.given_back(test.rows))
    except MemoryError:
        raise
    except Exception as cause:  # a plugin's own code may raise anything
        if type(cause) in (LayerkitError, MissingExtraError):  # not the model's fault
            raise
        raise _failed(f"the self-test raised {type(cause).__name__}: {cause}") from cause
    if got.shape != expected.shape:
        raise _failed(
            f"the self-test: expected outputs of shape {list(expected.shape)}, got "
            f"{list(got.shape)}"
        )
    with np.errstate(all="ignore"):
        same = (got == expected) | (np.isnan(got) & np.isnan(expected))
        kind = np.complex128 if "c" in got.dtype.kind + expected.dtype.kind else np.float64
        wide = expected.astype(kind)
        gap = np.where(same, 0.0, np.abs(got.astype(kind) - wide))
        near = np.isfinite(wide) & (gap <= test.atol + test.rtol * np.abs(wide))
    if np.all(same | near):
        return
    gap = np.where(np.isnan(gap), np.inf, gap)
    flat = int(np.where(same | near, -1.0, gap).argmax())
    index = tuple(int(i) for i in np.unravel_index(flat, got.shape))
    raise _failed(
        f"the model's outputs are not those from when it was saved: largest difference "
        f"{gap[index]:.3g} at {list(index)}",
        f"atol {test.atol:g}, rtol {test.rtol:g}; ",
        max_abs=float(gap[index]),
        index=index,
    )


def _failed(
    reason: str,
    tolerance: str = "",
    *,
    max_abs: float = float("inf"),
    index: tuple[int, ...] | None = None,
) -> SelfTestError:
    advice = "load with selftest=False only to inspect the model"
    return SelfTestError(f"{reason} ({tolerance}{advice})", max_abs=max_abs, index=index)
