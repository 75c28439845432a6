import json
from typing import Any

import numpy as np
import pytest

from layerkit.codec import check_data_contract
from layerkit.core.rows import Rows
from layerkit.datacontract import DataContract, InputContract, OutputContract
from layerkit.errors import SpecError

FULL: dict[str, Any] = {
    "input": {
        "dtype": "f32",
        "shape": [2],
        "columns": ["a", "b"],
        "scaler": {"center": [1.0, 2.0], "scale": [0.5, 1.0]},
        "range": {"min": [0.0, 1.0], "max": [2.0, 3.0]},
    },
    "output": {"dtype": "f32", "shape": [2], "classes": ["x", "y"]},
    "table": {
        "fields": [
            {"kind": "numeric", "name": "a", "fill": 1.5},
            {"kind": "numeric", "name": "b", "fill": 2.0},
        ],
        "label": "kind",
    },
}


def changed(path: str, value: Any) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(json.dumps(FULL))
    *outer, last = path.split(".")
    inner: Any = spec
    for step in outer:
        inner = inner[int(step) if step.isdigit() else step]
    if value is ...:
        del inner[last]
    else:
        inner[int(last) if last.isdigit() else last] = value
    return spec


def test_spec_and_back() -> None:
    contract = DataContract.from_spec(FULL)
    assert contract.to_spec() == FULL
    assert contract.input.columns == ("a", "b")
    assert contract.output is not None
    assert contract.output.label == "kind"
    np.testing.assert_array_equal(contract.input.matrix({"b": [np.nan], "a": [4]}), [[4, 2]])


def test_least_spec() -> None:
    spec = {"input": {"dtype": "f64", "shape": [28, 28]}}
    contract = DataContract.from_spec(spec)
    assert contract.to_spec() == spec
    assert contract.output is None
    assert contract.input.dtype == "float64"


def test_fitted_contract_is_json_with_finite_floats() -> None:
    rows = Rows(
        columns={"a": np.array([1, np.nan, 4], np.float32), "b": np.array([3, 3, 3])},
        labels=np.array([0.5, 1.5, 9]),
    )
    contract = DataContract(
        InputContract.fit(rows, scale="standardize", missing="median"),
        OutputContract.fit(rows, shape=(1,), target="real", targets=["y"], scale="minmax"),
    )
    text = json.dumps(contract.to_spec(), allow_nan=False)
    again = DataContract.from_spec(json.loads(text))
    assert again == contract
    x = contract.input.matrix(rows)
    np.testing.assert_array_equal(again.input.matrix(rows), x)
    np.testing.assert_array_equal(again.input.scale_rows(x), contract.input.scale_rows(x))


def test_contracts_differ_when_a_number_does() -> None:
    assert DataContract.from_spec(FULL) == DataContract.from_spec(FULL)
    for path in ("input.scaler.center.0", "table.fields.0.fill", "input.range.max.1"):
        assert DataContract.from_spec(changed(path, 2.25)) != DataContract.from_spec(FULL)
    assert DataContract.from_spec(changed("table.label", "z")) != DataContract.from_spec(FULL)


@pytest.mark.parametrize(
    ("path", "value", "location"),
    [
        ("input", ..., "spec.data"),
        ("extra", 1, "spec.data"),
        ("input", [], "spec.data.input"),
        ("input.dtype", "f16", "spec.data.input.dtype"),
        ("input.dtype", ..., "spec.data.input"),
        ("input.shape", [None], "spec.data.input.columns"),
        ("input.shape", [True], "spec.data.input.shape"),
        ("input.shape", [-1], "spec.data.input.shape"),
        ("input.shape", "2", "spec.data.input.shape"),
        ("input.shape", [], "spec.data.input.columns"),
        ("input.columns", ["a"], "spec.data.input.columns"),
        ("input.columns", ["a", "a"], "spec.data.input.columns"),
        ("input.columns", ["a", 1], "spec.data.input.columns[1]"),
        ("input.columns", "ab", "spec.data.input.columns"),
        ("input.categories", [], "spec.data.input"),
        ("input.scaler.scale", [0.0, 1.0], "spec.data.input.scaler.scale[0]"),
        ("input.scaler.scale", [-0.0, 1.0], "spec.data.input.scaler.scale[0]"),
        ("input.scaler.scale", [1.0], "spec.data.input.scaler.scale"),
        ("input.scaler.scale", [1.0, "2"], "spec.data.input.scaler.scale[1]"),
        ("input.scaler.scale", [1.0, float("nan")], "spec.data.input.scaler.scale[1]"),
        ("input.scaler.scale", 1.0, "spec.data.input.scaler.scale"),
        ("input.scaler.scale", [1.0, 10**400], "spec.data.input.scaler.scale[1]"),
        ("input.scaler.scale", ..., "spec.data.input.scaler"),
        ("input.range.min", [5.0, 1.0], "spec.data.input.range"),
        ("output.classes", ["x", "x"], "spec.data.output.classes"),
        ("output.classes", "xy", "spec.data.output.classes"),
        ("output.classes", ["x", {}], "spec.data.output.classes[1]"),
        ("output.shape", [3], "spec.data.output.classes"),
        ("output.targets", ["u", "v"], "spec.data.output.targets"),
        ("table.fields.1.fill", True, "spec.data.table.fields[1].fill"),
        ("table.fields.1.fill", 10**400, "spec.data.table.fields[1].fill"),
        ("table.fields.1.fill", float("inf"), "spec.data.table.fields[1].fill"),
        ("table.label", 3, "spec.data.table.label"),
        ("table.more", 3, "spec.data.table"),
        ("table.fields", [], "spec.data.table.fields"),
        ("table.fields.1.kind", "ordinal", "spec.data.table.fields[1].kind"),
        ("table.fields.1.kind", "categorical", "spec.data.table.fields[1]"),
        ("table.fields.1.name", "z", "spec.data.table.fields[1].name"),
        ("table.fields.1.fill", None, "spec.data.table.fields[1].fill"),
        ("table.fields.1.fill", ..., "spec.data.table.fields[1]"),
        ("table.fields.1.more", 1, "spec.data.table.fields[1]"),
    ],
)
def test_malformed_spec_gives_the_place(path: str, value: Any, location: str) -> None:
    with pytest.raises(SpecError) as caught:
        DataContract.from_spec(changed(path, value))
    assert caught.value.location == location


def test_a_kind_of_field_to_come_is_named() -> None:
    with pytest.raises(SpecError, match="unknown kind 'ordinal': it needs a newer"):
        DataContract.from_spec(changed("table.fields.0.kind", "ordinal"))


@pytest.mark.parametrize("half", ["input", "output"])
@pytest.mark.parametrize(
    ("field", "value"), [("shape", []), ("shape", [None, 2]), ("dtype", "u8"), ("dtype", "f16")]
)
def test_what_the_format_allows_and_layerkit_cannot_use(half: str, field: str, value: Any) -> None:
    plain = {"dtype": "f32", "shape": [2]}
    spec: dict[str, Any] = {"input": plain, "output": plain}
    spec[half] = {**plain, field: value}
    check_data_contract({"data": spec})
    with pytest.raises(SpecError) as caught:
        DataContract.from_spec(spec)
    assert caught.value.location == f"spec.data.{half}.{field}"
