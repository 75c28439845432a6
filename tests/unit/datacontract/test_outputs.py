from typing import Any

import numpy as np
import pytest

from layerkit.core.rows import Rows
from layerkit.datacontract import OutputContract
from layerkit.errors import DataError, ShapeError, SpecError

DIGITS = OutputContract((3,), classes=("0", "1", "2"), label="digit")
NAMES = OutputContract((3,), classes=("setosa", "versicolor", "virginica"))


@pytest.mark.parametrize(
    "labels",
    [
        np.array([2, 0, 1], np.uint8),
        np.array([2.0, 0.0, 1.0]),
        np.array(["2", "0", " 1"]),
        np.array([2, "0", 1.0], object),
        np.array([[2], [0], [1]]),
        np.array([b"2", b"0", b"1"]),
    ],
)
def test_labels_match_as_they_are_written(labels: np.ndarray) -> None:
    for classes in (("0", "1", "2"), (0, 1, 2)):
        numbers = OutputContract((3,), classes=classes).encode(labels)
        assert numbers.dtype == np.int64
        assert numbers.tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("label", "classes", "meant"),
    [
        ("007", (7, 8), "7"),
        ("1.0", (1, 2), "1"),
        ("1.00", ("1.0", "2"), "1.0"),
        (7, ("007", "8"), "007"),
        (9007199254740993, (9007199254740992, 1), "9007199254740992"),
        (True, (0, 1), "1"),
        ("TRUE", (0, 1), "1"),
    ],
)
def test_another_spelling_is_another_label(label: Any, classes: Any, meant: str) -> None:
    with pytest.raises(DataError, match=f"did you mean '{meant}'"):
        OutputContract((2,), classes=classes).encode(np.array([label]))


def test_spelling_goes_before_value() -> None:
    contract = OutputContract((3,), classes=("1", "1.0", "2"))
    assert contract.encode(np.array(["1.0", "1", "2"])).tolist() == [1, 0, 2]
    assert contract.encode(np.array([1.0, 2.0])).tolist() == [0, 2]
    assert OutputContract((2,), classes=("1.0", "2.0")).encode(np.array([2.0])).tolist() == [1]


@pytest.mark.parametrize("classes", [("false", "true"), ("False", "True"), ("FALSE", "TRUE")])
@pytest.mark.parametrize(
    "flags",
    [
        np.array([True, False]),
        np.array([True, False], object),
        np.array(["true", "false"]),
        np.array(["True", "FALSE"]),
    ],
)
def test_true_is_one_class_whatever_its_form(flags: np.ndarray, classes: Any) -> None:
    assert OutputContract((1,), classes=classes).encode(flags).tolist() == [1, 0]


def test_true_of_several_spellings() -> None:
    contract = OutputContract((3,), classes=("True", "true", "no"))
    assert contract.encode(np.array(["true", "True"])).tolist() == [1, 0]
    with pytest.raises(DataError, match="one of 3 classes"):  # either
        contract.encode(np.array(["TRUE"]))


def test_label_outside_the_classes() -> None:
    labels = np.array(["setosa", "virginca", "other"])
    with pytest.raises(DataError, match="did you mean 'virginica'") as caught:
        NAMES.encode(labels, source="test.csv")
    assert (caught.value.row, caught.value.source) == (1, "test.csv")
    assert "expected one of 3 classes, got 'virginca'" in str(caught.value)
    assert "setosa, versicolor, virginica" in str(caught.value)


@pytest.mark.parametrize("bad", [3, 1.5, -1, np.inf])
def test_number_outside_the_classes(bad: float) -> None:
    with pytest.raises(DataError, match="expected one of 3 classes, got") as caught:
        DIGITS.encode(np.array([0, 1, bad, 2]))
    assert (caught.value.row, caught.value.column) == (2, "digit")


@pytest.mark.parametrize(
    "labels",
    [np.array([0, np.nan]), np.array(["0", ""]), np.array(["0", "?"]), np.array([0, None])],
)
def test_missing_label(labels: np.ndarray) -> None:
    with pytest.raises(DataError, match="the label is missing") as caught:
        DIGITS.encode(labels)
    assert (caught.value.row, caught.value.column) == (1, "digit")


@pytest.mark.parametrize("labels", [np.zeros((2, 3)), np.zeros(2, complex), np.array(1)])
def test_labels_of_no_use(labels: np.ndarray) -> None:
    with pytest.raises(DataError, match="one class per row"):
        DIGITS.encode(labels)


def test_decode_is_the_other_way() -> None:
    assert NAMES.decode(np.array([2, 0])).tolist() == ["virginica", "setosa"]
    labels = OutputContract((2,), classes=(3, 8)).decode(np.array([1, 0, 1]))
    assert labels.dtype == np.int64
    assert labels.tolist() == [8, 3, 8]
    assert DIGITS.encode(np.empty(0)).shape == (0,)


@pytest.mark.parametrize("numbers", [[3], [-1], [0.5]])
def test_decode_refuses_what_is_no_class_number(numbers: list[float]) -> None:
    with pytest.raises(DataError, match="from 0 to 2"):
        NAMES.decode(np.array(numbers))


def test_labels_of_rows() -> None:
    contract = OutputContract((2,), classes=("x", "y"), label="kind")
    rows = Rows(columns={"a": np.zeros(2), "kind": np.array(["x", "y"])}, source="f.csv")
    assert contract.has_labels(rows)
    assert contract.labels_of(rows).tolist() == ["x", "y"]
    own = Rows(np.zeros((2, 1)), labels=np.array(["y", "y"]))
    assert contract.labels_of(own).tolist() == ["y", "y"]
    bare = Rows(columns={"a": np.zeros(2), "kin": np.zeros(2)}, source="f.csv")
    assert not contract.has_labels(bare)
    with pytest.raises(DataError, match="did you mean 'kin'") as caught:
        contract.labels_of(bare)
    assert (caught.value.column, caught.value.source) == ("kind", "f.csv")
    with pytest.raises(DataError, match="these rows have no labels") as caught:
        NAMES.labels_of(bare)
    assert "columns found: a, kin" in str(caught.value)
    assert not NAMES.has_labels(bare)


def test_targets_are_stacked_scaled_and_come_back() -> None:
    rows = Rows(columns={"u": np.array([1.0, 3.0]), "v": np.array([10, 10]), "w": np.zeros(2)})
    contract = OutputContract.fit(
        rows, shape=(2,), target="real", targets=["u", "v"], scale="standardize"
    )
    y = contract.encode(contract.labels_of(rows))
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, [[-1, 0], [1, 0]])
    np.testing.assert_array_equal(contract.decode(y), [[1, 10], [3, 10]])


def test_one_target_from_a_vector() -> None:
    rows = Rows(np.zeros((3, 1)), labels=np.array([1.0, 2.0, 6.0]))
    contract = OutputContract.fit(rows, shape=(1,), target="real", label="price")
    assert contract.encode(np.array(["1", "2.5"])).tolist() == [[1.0], [2.5]]
    outputs = np.array([[4.0]], np.float32)
    assert contract.decode(outputs).tolist() == [[4.0]]


@pytest.mark.parametrize(
    ("labels", "row", "words"),
    [
        (np.array([[1, 2], [3, np.nan]]), 1, "the target is missing"),
        (np.array([[1, 2], [3, np.inf]]), 1, "the target is infinite"),
        (np.array([[1, "2"], [3, "x"]], object), 1, "expected a number, got 'x'"),
    ],
)
def test_targets_that_are_no_numbers(labels: np.ndarray, row: int, words: str) -> None:
    contract = OutputContract((2,), targets=("u", "v"))
    with pytest.raises(DataError, match=words) as caught:
        contract.encode(labels)
    assert caught.value.row == row
    if "target" in words:
        assert caught.value.column == "v"


@pytest.mark.parametrize("labels", [np.zeros(3), np.zeros((3, 3)), np.array(1.0)])
def test_targets_of_the_wrong_width(labels: np.ndarray) -> None:
    with pytest.raises(DataError, match="expected labels of shape"):
        OutputContract((2,)).encode(labels)


def fitted(labels: Any, width: int, **choice: Any) -> OutputContract:
    values = np.array(labels)
    return OutputContract.fit(
        Rows(np.zeros((len(values), 1)), labels=values), shape=(width,), **choice
    )


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["b", "a", "b"], ("a", "b")),
        ([3.0, 1.0, 3.0], (1, 3)),
        (["10", "9", "9"], ("9", "10")),
        ([True, False], ("false", "true")),
        (["007", "7", "10"], ("007", "7", "10")),
        ([9007199254740993, 9007199254740992], (9007199254740992, 9007199254740993)),
        (np.array([2**64 - 1, 0], np.uint64), ("0", "18446744073709551615")),
    ],
)
def test_classes_of_the_data(labels: list[Any], classes: tuple[Any, ...]) -> None:
    found = fitted(labels, len(classes)).classes
    assert found == classes
    assert found is not None
    assert {type(c) for c in found} == {type(c) for c in classes}


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        (["3", "-1", "0"], (-1, 0, 3)),
        (["007", "7", "10"], ("007", "7", "10")),
        (["1.10", "1.1", "2"], ("1.1", "1.10", "2")),
        (["9007199254740993", "9007199254740992"], (9007199254740992, 9007199254740993)),
        (["9223372036854775808", "1"], ("1", "9223372036854775808")),
        (["-0", "0"], ("-0", "0")),
    ],
)
def test_classes_of_a_source_without_types(text: list[str], classes: tuple[Any, ...]) -> None:
    values, spelled = np.array([float(t) for t in text]), np.array(text)
    rows = [
        Rows(np.zeros((len(text), 1)), labels=values, label_text=spelled),
        Rows(columns={"y": values}, spelling={"y": spelled}.get),
    ]
    for given in rows:
        contract = OutputContract.fit(given, shape=(len(classes),), label="y")
        assert contract.classes == classes
        numbers = contract.encoded(given)
        assert [str(label) for label in contract.decode(numbers)] == text


def test_classes_in_the_users_order() -> None:
    assert fitted(["a", "b"], 2, classes=["b", "a"]).encode(np.array(["a"])).tolist() == [1]


@pytest.mark.parametrize(
    ("labels", "row", "words"),
    [
        (["a", "", "b"], 1, "the label is missing"),
        ([0, 1, np.nan], 2, "the label is missing"),
        ([0, 1, 2.5], 2, "2.5 cannot be a class"),
        (["a", "a"], None, "only 'a'"),
        ([], None, "got none"),
    ],
)
def test_labels_that_are_no_classes(labels: list[Any], row: int | None, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        fitted(labels, 3)
    assert caught.value.row == row


def test_number_of_classes_and_outputs_must_agree() -> None:
    with pytest.raises(ShapeError, match="3 classes, but the model gives 2") as caught:
        fitted(["a", "b", "c"], 2)
    assert "units: 3" in str(caught.value)
    assert fitted(["a", "b"], 1, target="binary").classes == ("a", "b")
    with pytest.raises(ShapeError, match="3 classes, but the model gives 1"):
        fitted(["a", "b", "c"], 1, target="binary")
    with pytest.raises(ShapeError, match="1 target, but the model gives 2"):
        fitted([[1, 2]], 2, target="real", targets=["u"])


def test_flags_for_several_outputs() -> None:
    contract = fitted([[0, 1], [1, 1]], 2, target="binary")
    assert contract.classes is None
    assert contract.encode(np.array([[1, 0]])).tolist() == [[1.0, 0.0]]
    with pytest.raises(DataError, match=r"expected 0 or 1, got 2\.0") as caught:
        fitted([[0, 1], [1, 2]], 2, target="binary", targets=["u", "v"])
    assert (caught.value.row, caught.value.column) == (1, "v")


@pytest.mark.parametrize(
    "fields",
    [
        {"classes": ("a", 1)},
        {"classes": ("a", "a")},
        {"classes": (True, False)},
        {"targets": ("u", "u")},
        {"classes": ("a", "b"), "targets": ("u", "v")},
        {"classes": ("a", "b"), "center": [0, 0], "scale": [1, 1]},
        {"center": [0, 0]},
        {"center": [0, 0], "scale": [1, 0]},
        {"center": [0, 0], "scale": [1, np.nan]},
        {"center": [0, 0], "scale": [1]},
    ],
)
def test_fields_that_do_not_fit_together(fields: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match="output"):
        OutputContract((2,), **fields)


def test_an_output_needs_an_axis_and_contracts_compare() -> None:
    with pytest.raises(SpecError, match="expected one or more sizes"):
        OutputContract(())
    assert OutputContract((3,), classes=("0", "1", "2"), label="digit") == DIGITS
    assert NAMES != DIGITS
    assert NAMES != "names"


def test_odd_labels_are_refused_not_crashed_on() -> None:
    odd = np.array(["setosa", (1, 2)], object)
    with pytest.raises(DataError, match="expected one of 3 classes, got") as caught:
        NAMES.encode(odd)
    assert caught.value.row == 1


def test_no_rows_of_targets() -> None:
    with pytest.raises(DataError, match="no rows"):
        fitted([], 1, target="real")


def test_classes_have_no_scale() -> None:
    with pytest.raises(SpecError, match="only numbers can be scaled"):
        fitted(["a", "b"], 2, scale="standardize")
