"""The data contract of a model: what its rows must look like, and what its answers mean.

It is built from the user's choices and the training rows (``InputContract.fit``,
``OutputContract.fit``), travels in the model file as ``spec.data`` (FORMAT.md 3.5), and is enforced
on raw rows wherever the model is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Self

from layerkit.datacontract.inputs import InputContract
from layerkit.datacontract.outputs import OutputContract
from layerkit.display import quoted
from layerkit.errors import SpecError

__all__ = ["DataContract", "InputContract", "OutputContract"]


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

    def with_missing_values(self, spellings: Sequence[str]) -> DataContract:
        """The same with further spellings of a missing value, which a file's map does not hold."""
        found = tuple(spellings)
        if found == self.input.missing_values:
            return self
        output = None if self.output is None else replace(self.output, missing_values=found)
        return DataContract(replace(self.input, missing_values=found), output)

    @classmethod
    def from_spec(cls, spec: object) -> Self:
        """The contract that ``to_spec`` wrote.

        Raises
        ------
        SpecError
            If ``spec`` does not keep rule 3.5 of FORMAT.md, or layerkit cannot use it.
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
