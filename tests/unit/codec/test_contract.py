from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest

from layerkit.codec import check_data_contract
from layerkit.errors import SpecError

Data = dict[str, Any]

CLASSES: Data = {
    "input": {
        "dtype": "f32",
        "shape": [None, 2],
        "columns": ["width", "height"],
        "scaler": {"center": [0.0, 1.0], "scale": [1.0, -2.0]},
        "range": {"min": [0.0, 0.0], "max": [0.0, 9.5]},
    },
    "output": {"dtype": "f32", "shape": [3], "classes": ["a", "b", "c"]},
    "table": {"fields": [{"name": "w"}]},
}
TARGETS: Data = {
    "input": {"dtype": "u8", "shape": [28, 28]},
    "output": {
        "dtype": "f64",
        "shape": [1],
        "targets": ["price"],
        "scaler": {"center": [0.0], "scale": [2.0]},
    },
}


def accept(data: Data, change: Callable[[Data], object] = lambda d: None) -> None:
    changed = copy.deepcopy(data)
    change(changed)
    check_data_contract({"schema": 1, "model": {}, "data": changed})


def test_a_spec_needs_no_contract() -> None:
    check_data_contract({"schema": 1, "model": {}})


def test_full_contracts_are_accepted() -> None:
    accept(CLASSES)
    accept(TARGETS)
    accept(CLASSES, lambda d: d.pop("output"))
    accept(CLASSES, lambda d: d["output"].update(classes=[3, 1, 2]))


def test_one_number_out_means_two_classes() -> None:
    accept(CLASSES, lambda d: d["output"].update(shape=[1], classes=["no", "yes"]))
    accept(CLASSES, lambda d: d["output"].update(shape=[], classes=["no", "yes"]))
    with pytest.raises(SpecError, match="expected 2 strings"):
        accept(CLASSES, lambda d: d["output"].update(shape=[1], classes=["a", "b", "c"]))


@pytest.mark.parametrize(
    ("change", "location"),
    [
        (lambda d: d.clear(), "spec.data"),
        (lambda d: d.update(zz=1), "spec.data"),
        (lambda d: d.update(table=[]), "spec.data.table"),
        (lambda d: d.update(input=None), "spec.data.input"),
        (lambda d: d.update(output=None), "spec.data.output"),
        (lambda d: d["input"].update(zz=1), "spec.data.input"),
        (lambda d: d["input"].update(classes=["a", "b"]), "spec.data.input"),
        (lambda d: d["input"].pop("dtype"), "spec.data.input"),
        (lambda d: d["input"].update(dtype="float32"), "spec.data.input.dtype"),
        (lambda d: d["input"].update(shape=[-1, 2]), "spec.data.input.shape"),
        (lambda d: d["input"].update(shape=[True, 2]), "spec.data.input.shape"),
        (lambda d: d["input"].update(shape=2), "spec.data.input.shape"),
        (lambda d: d["input"].update(shape=[2, None]), "spec.data.input.columns"),
        (lambda d: d["input"]["columns"].pop(), "spec.data.input.columns"),
        (lambda d: d["input"].update(columns=["w", "w"]), "spec.data.input.columns"),
        (lambda d: d["input"].update(columns=["w", 1]), "spec.data.input.columns[1]"),
        (lambda d: d["input"].update(columns=None), "spec.data.input.columns"),
        (lambda d: d["input"].update(scaler=[]), "spec.data.input.scaler"),
        (lambda d: d["input"]["scaler"].pop("center"), "spec.data.input.scaler"),
        (
            lambda d: d["input"]["scaler"].update(scale=[1.0, 0.0]),
            "spec.data.input.scaler.scale[1]",
        ),
        (
            lambda d: d["input"]["scaler"].update(scale=[1.0, -0.0]),
            "spec.data.input.scaler.scale[1]",
        ),
        (lambda d: d["input"]["scaler"].update(scale=[1.0]), "spec.data.input.scaler.scale"),
        (
            lambda d: d["input"]["scaler"].update(center=[0, 1.0]),
            "spec.data.input.scaler.center[0]",
        ),
        (
            lambda d: d["input"]["scaler"].update(center=[0.0, math.nan]),
            "spec.data.input.scaler.center[1]",
        ),
        (lambda d: d["input"]["range"].update(min=[0.0, 9.6]), "spec.data.input.range"),
        (lambda d: d["input"]["range"].update(max=[0.0, math.inf]), "spec.data.input.range.max[1]"),
        (lambda d: d["input"]["range"].update(center=[]), "spec.data.input.range"),
        (lambda d: d["output"].update(shape=[None]), "spec.data.output.classes"),
        (lambda d: d["output"].update(classes=["a", "b"]), "spec.data.output.classes"),
        (lambda d: d["output"].update(classes=["a", "b", "a"]), "spec.data.output.classes"),
        (lambda d: d["output"].update(classes=["a", "b", 3]), "spec.data.output.classes[2]"),
        (lambda d: d["output"].update(classes=[1, 2, True]), "spec.data.output.classes[2]"),
        (lambda d: d["output"].update(classes=[0.0, 1.0, 2.0]), "spec.data.output.classes"),
        (lambda d: d["output"].update(shape=[0], classes=[]), "spec.data.output.classes"),
        (lambda d: d["output"].update(targets=["a", "b", "c"]), "spec.data.output.targets"),
        (lambda d: d["output"].update(scaler={}), "spec.data.output.scaler"),
        (lambda d: d["output"].update(range={}), "spec.data.output"),
    ],
)
def test_a_wrong_contract_is_a_spec_error_with_its_place(
    change: Callable[[Data], object], location: str
) -> None:
    with pytest.raises(SpecError, match=r"rule 3\.5") as caught:
        accept(CLASSES, change)
    assert caught.value.location == location


def test_targets_are_distinct_and_counted() -> None:
    with pytest.raises(SpecError, match="distinct"):
        accept(TARGETS, lambda d: d["output"].update(shape=[2], targets=["a", "a"]))
    with pytest.raises(SpecError, match=r"output\.scaler\.center"):
        accept(TARGETS, lambda d: d["output"]["scaler"].update(center=[0.0, 0.0]))
