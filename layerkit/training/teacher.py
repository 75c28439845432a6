"""The teacher of a training: its file, and its answers to the training rows, computed once.

It is given the raw rows, which its own data contract scales.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from layerkit.core.context import Array, Shape
from layerkit.core.network import Network
from layerkit.core.planning import PlannedLayer, plan_layers
from layerkit.core.rows import Rows
from layerkit.datacontract import DataContract, OutputContract
from layerkit.discovery.registry import LAYERS, initializer
from layerkit.display import few, nearest, quoted
from layerkit.errors import DataError, DeviceError, LayerkitError, ShapeError, SpecError
from layerkit.file.inspection import inspect
from layerkit.file.load import load
from layerkit.model import Model
from layerkit.paths import expanded
from layerkit.specs import Spec
from layerkit.specs.json_source import Path
from layerkit.training.followers import Hinted, SoftNumbers, SoftTargets
from layerkit.training.guide import Guide, regressor_name
from layerkit.training.recipe import Recipe

_AT: Path = ("train", "teacher")
_BLOCK = 1024  # rows whose values of a layer are computed at once
_IN_MEMORY = 1 << 28  # bytes of such values; more of them lie in a temporary file


def with_teacher_id(spec: Spec) -> Spec:
    """The spec with the id of its teacher's file, which decides what is learned; as it is without.

    Raises what ``inspect`` raises.
    """
    given = (spec.train or {}).get("teacher")
    if given is None or given["file_id"] is not None:
        return spec
    return _with_id(spec, _opened(given, inspect).file_id)


def _with_id(spec: Spec, file_id: str | None) -> Spec:
    return spec.with_train(teacher={**(spec.train or {})["teacher"], "file_id": file_id})


def guide_of(model: Model, recipe: Recipe, contract: DataContract, rows: Rows) -> Guide:
    """What ``model`` learns of the teacher in its spec on the training rows ``rows``.

    ``contract`` is the student's, fitted. The spec gets the id of the teacher's file. Raises
    SpecError if teacher and student do not fit together, DeviceError if the student is not on the
    CPU, and what ``load`` raises.
    """
    given = (model.spec.train or {})["teacher"]
    if model.on_device is not None:
        raise DeviceError(
            f"a training beside a teacher cannot run on the device {model.device!r}",
            hint="train this model on the CPU",
        )
    teacher: Model = _opened(given, load)
    if given["file_id"] not in (None, teacher.file_id):
        raise _wrong(
            model.spec,
            (*_AT, "file_id"),
            f"this is another teacher: expected the file {given['file_id']}, {given['model']} is "
            f"{teacher.file_id}",
            hint="give the file of that teacher, or set train.teacher.file_id to null",
        )
    model.spec = _with_id(model.spec, teacher.file_id)
    soft = None
    if given["weight"]:
        soft = _soft(model.spec, teacher, recipe, contract.output, rows)
    hints = [
        _hint(model, teacher, i, one, rows)
        for i, one in enumerate((model.spec.train or {})["hints"])
    ]
    guide = Guide(model.network, soft, hints)
    if teacher.fit is None:
        guide.notices.append(
            f"{given['model']}, the teacher, holds no record of a training: unless its weights "
            "were imported, its answers are random; train it first"
        )
    regressors = [hint.regressor for hint in hints if hint.regressor is not None]
    guide.network.part(regressors).initialise(recipe.seed, initializer)
    return guide


def _opened(given: dict[str, Any], read: Any) -> Any:
    """The teacher's file as ``read`` gives it; an error says who named the file."""
    try:
        return read(expanded(given["model"]))
    except LayerkitError as error:
        at = "named by train.teacher.model, which only training needs"
        error.hint = at if error.hint is None else f"{error.hint}\n{at}"
        raise


def _soft(
    spec: Spec, teacher: Model, recipe: Recipe, own: OutputContract | None, rows: Rows
) -> SoftTargets | SoftNumbers:
    """The teacher's answers as a target of the student's scores."""
    given, theirs = (spec.train or {})["teacher"], teacher.contract.output
    at: Path = (*_AT, "model")
    assert own is not None  # noqa: S101  # the student's contract is fitted
    if theirs is None or theirs.steps != own.steps or teacher.spec.link != spec.link:
        kinds = [f"{s.link} of {list(o.shape) if o else 'nothing'}"
                 for s, o in ((spec, own), (teacher.spec, theirs))]  # fmt: skip
        raise _wrong(spec, at, f"expected a teacher that answers with {kinds[0]}, got {kinds[1]}")
    order = _order(spec, own, theirs)
    if spec.link in ("softmax", "sigmoid"):
        scores = _asked(spec, teacher.scores, rows)
        scores = -scores if order is None else scores[..., order]
        scores = scores.astype(spec.dtype, copy=False)
        return SoftTargets(scores, spec.link, given["weight"], given["temperature"])
    answers = own.scaled(_asked(spec, teacher.predict, rows)[..., order].astype(np.float64))
    return SoftNumbers(answers, recipe.loss, given["weight"])


def _order(spec: Spec, own: OutputContract, theirs: OutputContract) -> list[int] | None:
    """Which of the teacher's outputs is each of the student's; None: one, of classes swapped."""
    kind, names, others = "targets", own.targets, theirs.targets
    if own.classes is not None or theirs.classes is not None:
        kind, names, others = "classes", _texts(own.classes), _texts(theirs.classes)
    if (names is None or others is None) and own.width == theirs.width and kind == "targets":
        return list(range(own.width))
    if names is None or others is None or sorted(names) != sorted(others):
        want, have = (_listed(n, o.width) for n, o in ((names, own), (others, theirs)))
        raise _wrong(
            spec, (*_AT, "model"), f"expected a teacher with the same {kind}: {want}, got {have}"
        )
    if own.width != theirs.width:
        reason = f"expected a teacher with {own.width} outputs, got {theirs.width}"
        raise _wrong(spec, (*_AT, "model"), reason)
    if len(names) > own.width:  # two classes, one output
        return [0] if names == others else None
    return [others.index(name) for name in names]


def _texts(classes: Iterable[Any] | None) -> tuple[str, ...] | None:
    return None if classes is None else tuple(map(str, classes))


def _listed(names: Sequence[str] | None, width: int) -> str:
    return f"{width} without names" if names is None else few(names, 10)


def _hint(model: Model, teacher: Model, i: int, given: dict[str, Any], rows: Rows) -> Hinted:
    """The i-th hint of the recipe, with the values of the teacher's layer."""
    spec, at = model.spec, ("train", "hints", i)
    layer = _layer(spec, model.network, given["layer"], (*at, "layer"), "model")
    theirs = _layer(spec, teacher.network, given["teacher"], (*at, "teacher"), "teacher")
    regressor, shape = None, layer.out_shape
    if given["regressor"] is not None:
        try:
            part = LAYERS.create(given["regressor"])
            (regressor,) = plan_layers([(regressor_name(i), part)], shape)
        except ShapeError as error:
            after = f"{given['layer']!r} (output shape {list(shape)})"
            reason = f"does not fit after {after}: {error.reason.partition(': ')[2]}"
            raise _wrong(spec, (*at, "regressor"), reason) from error
        if regressor.plan.state:
            reason = f"{part.type_name!r} keeps state, which a regressor cannot"
            raise _wrong(spec, (*at, "regressor"), reason)
        shape = regressor.out_shape
    if shape != theirs.out_shape:
        what = f"the layer {given['layer']!r}" if regressor is None else "the regressor"
        raise _wrong(
            spec,
            (*at, "layer" if regressor is None else "regressor"),
            f"{what} gives {list(shape)}, the teacher's {given['teacher']!r} "
            f"{list(theirs.out_shape)}: a hint needs equal shapes",
            hint=f"set train.hints[{i}].regressor to a layer that gives {list(theirs.out_shape)}",
        )
    values = _values(spec, teacher, theirs, rows)
    until = math.inf if given["until_epoch"] is None else given["until_epoch"]
    return Hinted(
        given["layer"], values, regressor, given["weight"], until=until, alone=given["alone"]
    )


def _layer(spec: Spec, network: Network, name: str, at: Path, whose: str) -> PlannedLayer:
    """The layer at the path ``name``."""
    known = {p.name: p for p in network.nested()}
    if name not in known:
        reason = f"the {whose} has no layer {quoted(name)}{nearest(name, list(known))}"
        raise _wrong(spec, at, reason, hint=f"layers of the {whose}: {', '.join(known)}")
    return known[name]


def _values(spec: Spec, teacher: Model, layer: PlannedLayer, rows: Rows) -> Array:
    """What a layer of the teacher gives for all rows (n, *shape), in memory or a temporary file."""
    dtype, shape = np.dtype(spec.dtype), (len(rows), *layer.out_shape)
    store = _Store(shape, dtype)
    for start in range(0, len(rows), _BLOCK):
        block = rows.take(slice(start, start + _BLOCK))
        found = _asked(spec, lambda block: teacher.encode(block, layer=layer.name), block)
        if found.shape != (len(block), *layer.out_shape):
            reason = f"the teacher feeds its layer {layer.name!r} more than once for a row"
            raise _wrong(spec, ("train", "hints"), reason)
        store.add(found.astype(dtype, copy=False))
    return store.array()


class _Store:
    """An array that is written block by block; a large one lies in a file without a name."""

    def __init__(self, shape: Shape, dtype: np.dtype[Any]) -> None:
        self._shape, self._dtype, self._done = shape, dtype, 0
        large = math.prod(shape) * dtype.itemsize > _IN_MEMORY
        self._file = tempfile.TemporaryFile() if large else None  # noqa: SIM115  # lives on
        self._array = np.empty((0 if large else shape[0], *shape[1:]), dtype)

    def add(self, block: Array) -> None:
        """Add rows; OSError if the disk is full."""
        if self._file is not None:
            self._file.write(np.ascontiguousarray(block).data)
        else:
            self._array[self._done : self._done + len(block)] = block
        self._done += len(block)

    def array(self) -> Array:
        """All of it; only read."""
        if self._file is None:
            return self._array
        with self._file as file:  # which lives as long as the map
            file.flush()
            return np.memmap(file, self._dtype, "r", shape=self._shape)


def _asked(spec: Spec, ask: Any, rows: Rows) -> Array:
    """The teacher's answers; an error in the rows says that they do not fit the teacher."""
    try:
        found: Array = ask(rows)
    except DataError as error:
        reason = f"the teacher cannot take the training rows: {error.message}"
        raise _wrong(spec, (*_AT, "model"), reason, hint=error.hint) from error
    return found


def _wrong(spec: Spec, at: Path, reason: str, *, hint: str | None = None) -> SpecError:
    """The error for the field at ``at``, with the file and the line where it is."""
    found = spec.fault(at, reason)
    found.hint = hint
    return found
