"""The output half of the data contract: labels to what the loss compares with, and back.

Classes are kept as the user spells them, text or whole numbers; the model knows class numbers. How
a label finds its class: ``layerkit.datacontract.labels``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np

from layerkit.core.context import Array, Shape
from layerkit.core.parts import Target
from layerkit.core.rows import Rows
from layerkit.datacontract.choose_columns import missing_column
from layerkit.datacontract.dataframes import cells_of
from layerkit.datacontract.labels import (
    check_classes,
    check_targets,
    class_numbers,
    classes_in,
    real_numbers,
)
from layerkit.datacontract.scaling import Scale, fit_scaler, min_and_max
from layerkit.datacontract.shared_fields import (
    check_distinct,
    freeze_scaler,
    from_fields,
    lengths,
    to_fields,
)
from layerkit.datacontract.step_labels import (
    check_steps,
    known_targets,
    step_classes,
    step_numbers,
    wrong_shape,
)
from layerkit.display import counted
from layerkit.errors import DataError, ShapeError, SpecError


@dataclass(frozen=True, eq=False)
class OutputContract:
    """What a label must look like, and what an output of the model means.

    The last axis of ``shape`` is of size k; the others are steps, each with a label of its own, and
    steps without one are padding (``layerkit.datacontract.step_labels``). Raises SpecError or
    ShapeError if the fields do not fit together.
    """

    shape: Shape  # of one output, without the batch axis
    dtype: Literal["float32", "float64"] = "float32"
    # The k classes in the order of the outputs (2 if k is 1); None if the outputs are numbers.
    classes: tuple[str, ...] | tuple[int, ...] | None = None
    targets: tuple[str, ...] | None = None  # names of the k numbers
    center: Array | None = None  # (k,) float64, like scale: y = y' * scale + center for output y'
    scale: Array | None = None
    label: str | None = None  # the label column in files; for numbers, targets name them
    missing_values: tuple[str, ...] = ()  # further spellings of a missing label

    def __post_init__(self) -> None:
        if not self.shape or min(self.shape) < 0:
            reason = f"expected one or more sizes >= 0, got {list(self.shape)}"
            raise SpecError(reason, location="output.shape")
        if self.classes is not None:
            if self.targets is not None or self.scale is not None:
                raise SpecError("classes cannot have targets or a scale", location="output")
            check_classes(self.classes, self.width)
        if self.targets is not None:
            check_distinct(self.targets, "output.targets")
            if len(self.targets) != self.width:
                count, numbers = len(self.targets), counted(self.width, "number")
                reason = f"{counted(count, 'target')}, but the model gives {numbers}"
                raise ShapeError(reason, location="output.targets")
        freeze_scaler(self, lengths(self.width, self.targets), "output")

    @property
    def width(self) -> int:
        """k, the size of the last axis."""
        return self.shape[-1]

    @property
    def steps(self) -> Shape:
        """The axes before the last: () for one answer per row."""
        return self.shape[:-1]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, OutputContract):
            return False
        return (self.to_spec(), self.label) == (other.to_spec(), other.label)

    __hash__ = None  # type: ignore[assignment]  # holds arrays

    def has_labels(self, rows: Rows) -> bool:
        """Whether ``rows`` carry the labels of this contract."""
        if rows.labels is not None:
            return True
        columns = self._label_columns()
        return bool(columns) and set(columns) <= set(rows.columns or ())

    def encoded(self, rows: Rows) -> Array:
        """The labels of ``rows`` as what a loss compares with.

        Raises DataError if they have none, or one is missing, none of the classes or not a number.
        """
        labels = self.labels_of(rows) if self.classes is None else self.written(rows)
        return self.encode(labels, source=rows.source)

    def written(self, rows: Rows) -> Array:
        """The class labels (n,) of ``rows`` as their source spells them; DataError without any."""
        found = self._text_of(rows)
        return self.labels_of(rows) if found is None else found

    def _text_of(self, rows: Rows) -> Array | None:
        """The labels as text where the source may spell one number in several ways, else None."""
        if rows.labels is not None:
            return rows.label_text
        columns = self._label_columns()
        if len(columns) != 1 or rows.spelling is None or columns[0] not in (rows.columns or {}):
            return None
        return rows.spelling(columns[0])

    def labels_of(self, rows: Rows) -> Array:
        """The raw labels of ``rows``: their ``labels``, or the columns this contract names.

        (n,) numbers or text, or (n, k) for several targets. Raises DataError if the rows have none.
        """
        if rows.labels is not None:
            return rows.labels
        columns = self._label_columns()
        there = rows.columns or {}
        if not columns:
            hint = f"name the label column; columns found: {', '.join(there)}" if there else None
            raise DataError("these rows have no labels", source=rows.source, hint=hint)
        absent = [name for name in columns if name not in there]
        if absent:
            raise missing_column(absent, list(there), rows.source)
        if len(columns) == 1:
            return np.asarray(there[columns[0]])
        numbers = [real_numbers(there[c], c, rows.source, self.missing_values) for c in columns]
        return np.stack(numbers, axis=1)

    def _has_flags(self, rows: Rows) -> bool:
        """Whether each row has several yes-or-no answers, not one of some classes."""
        if self.targets is not None:
            return True
        labels, rank = rows.labels, 1 + len(self.shape)
        return labels is not None and labels.ndim == rank and labels.shape[-1] > 1

    def _label_columns(self) -> tuple[str, ...]:
        return (self.targets or ()) if self.label is None else (self.label,)

    def encode(self, labels: Array, *, source: str = "rows") -> Array:
        """Raw labels as what a loss compares with.

        (n,) or (n, 1) class labels, numbers or text, become (n,) int64 class numbers; numbers (n,)
        or (n, *shape) become (n, *shape) in ``dtype``, scaled. Raises DataError, which names
        ``source``, if a label is missing, none of the classes or not a number.

        Per step, class labels (n, *steps) become such class numbers, -1 for padding; in numbers,
        padding is NaN.
        """
        labels = np.asarray(labels)
        if self.classes is not None:
            column, spellings = self.label, self.missing_values
            if self.steps:
                return step_numbers(
                    *(labels, self.classes, self.steps),
                    column=column,
                    source=source,
                    spellings=spellings,
                )
            return class_numbers(
                labels, self.classes, column=column, source=source, spellings=spellings
            )
        return self.scaled(self._unscaled(labels, source))

    def targets_of(self, rows: Rows) -> Array:
        """The raw targets (n, *shape) of ``rows``, float64, finite or padding; not for classes.

        Raises DataError if the rows have none, or one is missing or not a finite number.
        """
        return self._unscaled(self.labels_of(rows), rows.source)

    def check_least(self, targets: Array, least: float, source: str) -> None:
        """Raise DataError if one of the raw targets (n, *shape) is below ``least``."""
        low = np.argwhere(targets < least)
        if len(low):
            row, *place = low[0].tolist()
            got = f"got {targets[tuple(low[0])]:g}"
            reason = f"expected a number >= {least:g}, as the loss needs, {got}"
            raise DataError(reason, row=row, column=self._place_name(place), source=source)

    def scaled(self, targets: Array) -> Array:
        """Raw targets (n, *shape), float64, as the loss compares with them, in ``dtype``."""
        if self.center is not None and self.scale is not None:
            targets = (targets - self.center) / self.scale
        with np.errstate(over="ignore"):
            return targets.astype(self.dtype)

    def _unscaled(self, labels: Array, source: str) -> Array:
        """(n, *shape) float64, all finite but for padding."""
        numbers = real_numbers(labels, self._target_name(0), source, self.missing_values)
        if self.steps and self.width == 1:
            numbers = check_steps(numbers, self.steps, source)[..., None]
        elif numbers.ndim == 1 and self.width == 1:
            numbers = numbers[:, None]
        if self.steps and numbers.shape[1:] != self.shape:
            raise wrong_shape(numbers, self.steps, self.shape[-1:], source)
        if numbers.ndim == 0 or numbers.shape[1:] != self.shape:
            sizes = ", ".join(map(str, self.shape))
            reason = f"expected labels of shape [n, {sizes}], got {list(labels.shape)}"
            raise DataError(reason, source=source)
        y = numbers.astype(np.float64, copy=False)
        check_targets(self._filled(y), self._place_name, source)
        return y

    def _filled(self, y: Array) -> Array:
        """Targets (n, *shape) with 0 in place of padding."""
        if not self.steps:
            return y
        filled: Array = np.where(known_targets(y)[..., None], y, 0.0)
        return filled

    def _target_name(self, j: int) -> str | int:
        if self.targets is not None:
            return self.targets[j]
        return j if self.label is None else self.label

    def _place_name(self, place: Sequence[int]) -> str | int:
        """What a number of a row of targets (*shape) is called in messages."""
        name = self._target_name(place[-1] if place else 0)
        if not self.steps:
            return name
        step = f"step {np.ravel_multi_index(tuple(place[:-1]), self.steps)}"
        return step if self.width == 1 and self.targets is None else f"{step}, {name}"

    def decode(self, outputs: Array) -> Array:
        """Class numbers (n,) as labels (n,), text or int64; or outputs (n, *shape) in raw units.

        Scaled back, outputs become float64, since raw units may have more digits than the model's
        dtype. Without a scaler they are returned as they are. Raises DataError if a class number is
        out of range.
        """
        if self.classes is not None:
            numbers = np.asarray(outputs)
            if numbers.dtype.kind not in "iu" or (
                numbers.size and not 0 <= numbers.min() <= numbers.max() < len(self.classes)
            ):
                raise DataError(f"expected class numbers from 0 to {len(self.classes) - 1}")
            labels: Array = cells_of(self.classes)[numbers]
            return labels
        if self.center is None or self.scale is None:
            return outputs
        raw: Array = outputs.astype(np.float64)
        raw *= self.scale
        raw += self.center
        return raw

    @classmethod
    def fit(
        cls,
        rows: Rows,
        *,
        shape: Shape,
        target: Target = "class",
        dtype: Literal["float32", "float64"] = "float32",
        classes: Sequence[str | int] | None = None,
        targets: Sequence[str] | None = None,
        label: str | None = None,
        scale: Scale = None,
        missing_values: Sequence[str] = (),
    ) -> Self:
        """The contract for labelled training rows under the user's choices.

        ``shape`` is that of one output. ``target`` is what the loss compares with: "class";
        "binary" with one output and two classes, or with flags (0 or 1); "real". ``classes`` are in
        the order of the outputs, by default those of the data, sorted. ``targets`` names the
        columns of the numbers, ``label`` that of the class. ``scale``, for "real" only: see
        ``layerkit.datacontract.scaling``.

        Raises DataError if labels are missing or cannot be classes, ShapeError if the number of
        classes or targets does not fit ``shape``, SpecError if a choice is malformed.
        """
        if target != "real" and scale is not None:
            raise SpecError("only numbers can be scaled, not classes", location="output.scale")
        named = None if targets is None else tuple(targets)
        absent = tuple(missing_values)
        draft = cls(shape, dtype, None, named, None, None, label, absent)
        flags = target == "binary" and classes is None and draft._has_flags(rows)
        if target == "real" or flags:
            return draft._fitted(rows, scale, flags=flags)
        if classes is None:
            draft = cls(shape, dtype, label=label)
            text = draft._text_of(rows)
            labels = np.asarray(draft.labels_of(rows)) if text is None else text
            untyped = text is not None
            if draft.steps:
                found = step_classes(labels, draft.steps, label, rows.source, absent)
            else:
                found = classes_in(labels, label, rows.source, untyped=untyped, spellings=absent)
        else:
            found = tuple(classes)  # type: ignore[assignment]  # checked next
        check_classes(found, shape[-1], target)
        return cls(shape, dtype, found, label=label, missing_values=absent)

    def _fitted(self, rows: Rows, scale: Scale, *, flags: bool) -> Self:
        """The same contract with the scaler of numbers or flags in ``rows``; see ``fit``."""
        y = self._unscaled(np.asarray(self.labels_of(rows)), rows.source)
        if len(y) == 0:
            raise DataError("no rows to fit the data contract to", source=rows.source)
        check_targets(self._filled(y), self._place_name, rows.source, flags=flags)
        weights = rows.weights
        if self.steps:
            known = known_targets(y)
            weights = None if weights is None else weights[np.nonzero(known)[0]]
            y = y[known]
            if len(y) == 0:
                raise DataError("all labels are missing", source=rows.source)
        found = fit_scaler(scale, y, *min_and_max(y), weights=weights, location="output.scale")
        center, spread = found or (None, None)
        return replace(self, center=center, scale=spread)

    def to_spec(self) -> dict[str, Any]:
        """The ``output`` map of the file's data contract (FORMAT.md 3.5)."""
        spec = to_fields(self.dtype, self.shape, self.center, self.scale)
        if self.classes is not None:
            spec["classes"] = list(self.classes)
        if self.targets is not None:
            spec["targets"] = list(self.targets)
        return spec

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], label: str | None = None) -> Self:
        """The contract that ``to_spec`` wrote, which keeps rule 3.5; ``label`` is the table's.

        Raises SpecError if layerkit cannot use it.
        """
        return cls(
            classes=tuple(spec["classes"]) if "classes" in spec else None,
            targets=tuple(spec["targets"]) if "targets" in spec else None,
            label=label,
            **from_fields(spec, "spec.data.output"),
        )
