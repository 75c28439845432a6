"""Check that the layers of a spec fit together, fit its output and fit into memory."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from layerkit.core.context import Shape
from layerkit.core.domains import domain_of, input_domains
from layerkit.core.planning import PlannedLayer
from layerkit.display import byte_size, counted
from layerkit.errors import PluginError, ShapeError, SpecError
from layerkit.specs.columns import codes_of, inputs_of, name_of
from layerkit.specs.json_source import Path
from layerkit.specs.layers import LayerRecord
from layerkit.specs.messages import Faults
from layerkit.specs.spec import Spec


def check_fit(spec: Spec, faults: Faults) -> list[PlannedLayer]:
    """Plan the layers; note an output shape or a size in memory that does not fit."""
    try:
        planned = spec.plan()
    except SpecError as error:
        faults.add(_written(spec.layers, error.location), error.reason, error)
        return []
    out = planned[-1].plan.out_shape if planned else spec.in_shape
    for key in ("classes", "targets"):
        names = spec.output[key]
        if not names:
            continue
        two = key == "classes" and len(names) == 2 and spec.link == "sigmoid"
        # The axes before the last are steps, each with answers of its own.
        if not out or out[-1] not in ({1, 2} if two else {len(names)}):
            last = repr(planned[-1].name) if planned else "the input"
            per = "class" if key == "classes" else "target"
            wanted = f"{counted(len(names), 'output')}, one per {per}"
            misfit = ShapeError(
                f"expected {'1 output (or 2) for 2 classes' if two else wanted}, "
                f"got {_outputs(out)} from {last}: "
                + _remedy(spec, 1 if two else len(names), "1 (or 2)" if two else str(len(names)))
            )
            origin = spec.layers[-1].origin if spec.layers else 0
            faults.add(("layers", origin) if spec.layers else ("layers",), misfit.reason, misfit)
    _check_memory(spec, planned, faults)
    _check_codes(spec, planned, faults)
    return planned


def _written(records: Sequence[LayerRecord], location: str) -> Path:
    """Where the user wrote the layer at ``location``, such as layers[3].layers[0]."""
    path: Path = ()
    for index in map(int, re.findall(r"layers\[(\d+)\]", location)):
        record = records[index]
        path, records = (*path, "layers", record.origin), record.layers
    _, tied, name = location.partition(".tie.")
    return (*path, "tie", name) if tied else path or ("layers", 0)


def _outputs(out: Shape) -> str:
    if not out:
        return "a single number"
    return str(out[0]) if len(out) == 1 else f"{out[-1]} for each step, shape {list(out)},"


def _check_codes(spec: Spec, planned: list[PlannedLayer], faults: Faults) -> None:
    """Note layers that take fewer whole numbers than a column of categories has codes."""
    columns = spec.input["columns"] or ()
    coded = [(codes_of(c), name_of(c), inputs_of(c)) for c in columns]
    if not any(codes for codes, _, _ in coded):
        return
    places = np.cumsum([0, *(inputs for _, _, inputs in coded)])
    for i, record in enumerate(spec.layers):
        domain, known = (input_domains(planned[:k]) for k in (i + 1, i))
        for (codes, name, _), at in zip(coded, places, strict=False):
            below, before = (0 if d is None else int(d[at]) for d in (domain, known))
            if below < codes and below not in (0, before):
                reason = (
                    f"column {name!r} has {codes} codes, 0 to {codes - 1}, but "
                    f"{_taker(planned[i], below)!r} takes whole numbers below {below}: "
                    f"expected at least {codes}"
                )
                faults.add(("layers", record.origin), reason)


def _taker(planned: PlannedLayer, below: int) -> str:
    """The layer, or the only one inside it, that takes whole numbers below ``below``."""
    inside = [
        one.name
        for one in planned.nested()
        if not one.plan.parts
        and (domain := domain_of(one.plan.takes, math.prod(one.in_shape))) is not None
        and below in domain
    ]
    return inside[0] if len(inside) == 1 else planned.name


def _remedy(spec: Spec, units: int, shown: str) -> str:
    """What makes the last layer give ``units`` numbers, in words."""
    if spec.layers and "units" in spec.layers[-1].config:
        last = spec.layers[-1]
        tried = replace(last, config={**last.config, "units": units})
        with suppress(SpecError, PluginError):
            planned = replace(spec, layers=(*spec.layers[:-1], tried)).plan()
            if planned[-1].plan.out_shape[-1:] == (units,):
                return f"set its units to {shown}"
    return f"put a dense layer with units: {shown} after it"


def _check_memory(spec: Spec, planned: list[PlannedLayer], faults: Faults) -> None:
    """Note parameters, states or rows too large for this machine, before allocating anything."""
    itemsize = 4 if spec.dtype == "float32" else 8
    have = _memory()
    row = math.prod(spec.in_shape) * itemsize
    if row > have:
        faults.add(
            ("input",),
            f"one row takes {byte_size(row)}; this machine has {byte_size(have)} of memory",
        )
    sizes = [_size(p) * itemsize for p in planned]
    if sum(sizes) > have:
        alone = [k for k, size in enumerate(sizes) if size > have]
        i = alone[0] if alone else max(range(len(planned)), key=sizes.__getitem__)
        faults.add(
            ("layers", spec.layers[i].origin),
            f"the parameters take {byte_size(sum(sizes))}, {byte_size(sizes[i])} of it in "
            f"{planned[i].name!r}; this machine has {byte_size(have)} of memory: use fewer units",
        )


def _size(p: PlannedLayer) -> int:
    """Elements of a layer's parameters, its state and one row of its output."""
    state = sum(s.size for s in p.plan.state.values())
    return p.size + state + math.prod(p.plan.out_shape)


def _memory() -> int:
    """Physical memory in bytes; 64 GB where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 64 << 30
