"""The program of a model: its data contract, layers and output function as graphs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from layerkit.core.context import Array, Shape
from layerkit.core.output_functions import apply_link
from layerkit.core.parts import Link
from layerkit.datacontract import DataContract, InputContract, OutputContract
from layerkit.datacontract.parse_cells import missing_texts
from layerkit.errors import DataError, ExportError
from layerkit.execution.runner import recordings_of
from layerkit.model import Model
from layerkit.recording.arrays import NotRecorded
from layerkit.recording.graph import Graph, N, Node
from layerkit.recording.program import Program, RawColumn, Step
from layerkit.recording.record import record_function


def program_of(model: Model) -> Program:
    """The program that computes what ``model.predict`` gives for numeric rows.

    Raises
    ------
    ExportError
        If a layer cannot be recorded.
    DataError
        If what the spec asks to be fitted is not fitted yet.
    """
    if not model.ready:
        missing = model.contract.unfitted(model.spec.input, model.spec.output)
        raise DataError(
            f"the model {model.name!r} was built but not trained: its {missing} must be fitted "
            "to training rows first",
            hint="train it, for example with: layerkit train MODEL --data PATH",
        )
    contract = model.contract
    steps = [*_before(contract.input), *_layers(model), *_after(model.spec.link, contract, model)]
    output = contract.output
    planned = model.network.planned
    return Program(
        model.name,
        contract.input.raw_dtype,
        contract.input.shape,
        planned[-1].plan.out_shape if planned else contract.input.shape,
        tuple(steps),
        contract.input.columns,
        model.classes,
        None if output is None else output.targets,
        {} if model.file_id is None else {"file_id": model.file_id},
        _raw_columns(contract.input),
        tuple(sorted(missing_texts(contract.input.missing_values))),
    )


def _raw_columns(inputs: InputContract) -> tuple[RawColumn, ...] | None:
    """The columns of raw rows where some are categories."""
    if inputs.encoder is None:
        return None
    found = []
    for field in inputs.encoder.fields:
        if isinstance(field, str):
            found.append(RawColumn(field))
            continue
        gap = len(field.categories) if field.missing == "category" else None
        others, code = field.unknown == "other", field.encode == "code"
        width = field.codes - others if code else len(field.columns)
        found.append(RawColumn(field.name, field.places, width, others, gap, code))
    return tuple(found)


def _layers(model: Model) -> list[Step]:
    recordings = recordings_of(model.network)
    found = []
    for planned in model.network.planned:
        recording = recordings.get(planned, training=False, keeps=False)
        if isinstance(recording, NotRecorded):
            where = f" ({recording.line})" if recording.line else ""
            raise ExportError(
                f"layer {planned.name!r} cannot be exported: its feed is not recorded{where}: "
                f"{recording.reason}",
                hint="the author of the layer finds what to write instead with: layerkit plugins "
                f"check {type(planned.layer).type_name}",
            )
        layer = planned.layer
        tensors = {**layer.params, **layer.state}
        graph = recording.graph
        found.append(Step(planned.name, graph, tensors, planned.in_shape, planned.plan.out_shape))
    return found


def _scaled(inputs: InputContract, x: Array) -> Array:
    """Missing numbers filled, then x' = (x - center) / scale."""
    if inputs.missing is not None:
        fill = inputs.missing.astype(x.dtype)
        if inputs.whole is not None:  # which nothing stands for
            fill = np.where(inputs.whole.reshape(inputs.shape) > 0, fill.dtype.type(np.nan), fill)
        x = np.where(np.isnan(x), fill, x)
    if inputs.scale is None or inputs.center is None:
        return x
    return (x - inputs.center) / inputs.scale if inputs.wide else x / inputs.scale.astype(x.dtype)


def _unscaled(output: OutputContract, x: Array) -> Array:
    """Targets in raw units: y = y' scale + center."""
    y: Array = x * output.scale + output.center
    return y


def _before(inputs: InputContract) -> list[Step]:
    if inputs.missing is None and inputs.scale is None:
        return []
    shape, dtype = inputs.shape, inputs.raw_dtype
    return [
        _step("input", partial(_scaled, inputs), shape, dtype),
        *_cast(shape, dtype, np.dtype(inputs.dtype)),
    ]


def _after(link: Link, contract: DataContract, model: Model) -> list[Step]:
    planned = model.network.planned
    shape = planned[-1].plan.out_shape if planned else contract.input.shape
    found = []
    if link != "identity":
        found.append(_step("link", partial(apply_link, link), shape, model.network.dtype))
    output = contract.output
    if output is not None and output.classes is None and output.scale is not None:
        wide = np.dtype(np.float64)  # as in OutputContract.decode
        found += _cast(shape, model.network.dtype, wide)
        found.append(_step("targets", partial(_unscaled, output), shape, wide))
    return found


def _step(name: str, function: Callable[[Array], Array], shape: Shape, dtype: Any) -> Step:
    return Step(name, record_function(function, shape, dtype).graph, {}, shape, shape)


def _cast(shape: Shape, old: np.dtype[Any], new: np.dtype[Any]) -> list[Step]:
    """The step between two dtypes, if they differ."""
    if old == new:
        return []
    x = Node("input", ("x",), shape=(N, *shape), dtype=old)
    y = Node("astype", (x, new), fn=np.ndarray.astype, shape=x.shape, dtype=new)
    return [Step("cast", Graph(y), {}, shape, shape)]
