"""The data contract of a model: what its rows must look like, and what its answers mean.

It is fitted to the training rows under the user's choices (``InputContract.fit``,
``OutputContract.fit``), kept in the model file as ``spec.data`` (FORMAT.md 3.5), and enforced on
raw rows wherever the model is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple, Self

import numpy as np

from layerkit.core.context import Array, Shape
from layerkit.datacontract.encoder import Encoder
from layerkit.datacontract.inputs import InputContract
from layerkit.datacontract.outputs import OutputContract
from layerkit.display import quoted
from layerkit.errors import SpecError


class DataContract(NamedTuple):
    """Both halves; ``output`` is None for a model without one."""

    input: InputContract
    output: OutputContract | None = None

    def to_spec(self) -> dict[str, Any]:
        """The file's ``spec.data``: JSON values only, all floats finite."""
        spec: dict[str, Any] = {"input": self.input.to_spec()}
        table: dict[str, Any] = {}
        fields = self.input.table()
        if fields is not None:
            table["fields"] = fields
        if self.output is not None:
            spec["output"] = self.output.to_spec()
            if self.output.label is not None:
                table["label"] = self.output.label
        if table:
            spec["table"] = table
        return spec

    def with_missing_values(self, spellings: Sequence[str]) -> Self:
        """The same contract with further spellings of a missing value (not kept in the file)."""
        found = tuple(spellings)
        if found == self.input.missing_values:
            return self
        output = None if self.output is None else replace(self.output, missing_values=found)
        return self._replace(input=replace(self.input, missing_values=found), output=output)

    @classmethod
    def declared(
        cls,
        given: Mapping[str, Any],
        output: Mapping[str, Any],
        *,
        dtype: Literal["float32", "float64"],
        in_shape: Shape,
        out_shape: Shape,
        whole: Array | None = None,
    ) -> Self:
        """What a spec alone says of the data, before any training rows are seen.

        ``given`` and ``output`` are the sections ``input`` and ``output`` of a resolved spec; the
        shapes are those of one row as the first layer sees it and as the last layer gives it, and
        ``whole`` says which whole numbers the layers take (``InputContract``).
        """
        encoder = Encoder.of(given["columns"])
        listed = given["columns"] if encoder is None else encoder.columns
        columns = None if listed is None else tuple(listed)
        inputs = InputContract(in_shape, dtype, columns, encoder=encoder, whole=whole)
        blank = np.broadcast_to(0.0, (inputs.numbers,))
        if isinstance(given["scale"], dict):
            inputs = inputs.with_scaler(given["scale"], blank, blank, blank)
        if not isinstance(given["missing"], str):
            inputs = inputs.with_fill(given["missing"], blank)
        classes, targets = output["classes"], output["targets"]
        outputs = OutputContract(
            out_shape,
            dtype,
            None if classes is None else tuple(classes),
            None if targets is None else tuple(targets),
            label=output["column"],
        )
        return cls(inputs, outputs).with_missing_values(given.get("missing_values") or ())

    def unfitted(self, given: Mapping[str, Any], output: Mapping[str, Any]) -> str:
        """What the sections ``input`` and ``output`` of a spec choose and is not fitted yet.

        Empty if nothing is left to fit.
        """
        missing = []
        if given["scale"] is not None and self.input.scale is None:
            missing.append("input scaling")
        if given["missing"] != "error" and self.input.missing is None:
            missing.append("rule for missing values")
        if output["scale"] is not None and (self.output is None or self.output.scale is None):
            missing.append("target scaling")
        return " and ".join(missing)

    @classmethod
    def from_spec(cls, spec: object) -> Self:
        """The contract that ``to_spec`` wrote.

        Raises SpecError if ``spec`` does not keep rule 3.5 of FORMAT.md, or layerkit cannot use it.
        """
        from layerkit.codec.contract import check_data_contract, closed_map  # only for files

        check_data_contract({"data": spec})
        data: Mapping[str, Any] = spec  # type: ignore[assignment]  # as was checked
        at = "spec.data.table"
        table = closed_map(data.get("table", {}), at, (), ("fields", "label"))
        label = table.get("label")
        if not isinstance(label, str | None):
            raise SpecError(f"expected a name, got {quoted(label)}", location=f"{at}.label")
        output = OutputContract.from_spec(data["output"], label) if "output" in data else None
        return cls(InputContract.from_spec(data["input"], table.get("fields")), output)
