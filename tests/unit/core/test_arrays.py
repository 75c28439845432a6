"""Arrays by name: assigning copies into the model's memory, or says what is wrong."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from layerkit.core.arrays import Arrays


def made() -> tuple[np.ndarray[Any, Any], Arrays]:
    flat = np.zeros(10, np.float32)
    return flat, Arrays({"WH": flat[:8].reshape(2, 4)[:, :3], "b": flat[8:]}, "gradient")


def test_assigning_copies_into_the_array() -> None:
    flat, grads = made()
    value = np.arange(6.0).reshape(2, 3)
    held = grads["WH"]
    grads["WH"] = value
    value[...] = 9
    assert grads["WH"] is held
    assert flat.tolist() == [0, 1, 2, 0, 3, 4, 5, 0, 0, 0]


def test_operations_in_place_and_slices_work_as_on_any_array() -> None:
    flat, grads = made()
    grads["b"][...] = 1
    grads["b"] += 2
    grads.update(WH=np.ones((2, 3), np.float32))
    assert flat.tolist() == [1, 1, 1, 0, 1, 1, 1, 0, 3, 3]


def test_it_reads_like_a_dict() -> None:
    _, grads = made()
    assert list(grads) == ["WH", "b"]
    assert len(grads) == 2
    assert "b" in grads
    assert "c" not in grads
    assert grads.get("c") is None
    assert {name: array.shape for name, array in grads.items()} == {"WH": (2, 3), "b": (2,)}


@pytest.mark.parametrize("value", [1.0, np.ones(3), np.ones((3, 2)), np.ones((2, 1)), [[1, 2]]])
def test_another_shape_is_refused_and_changes_nothing(value: Any) -> None:
    flat, grads = made()
    said = f"gradient 'WH': expected shape [2, 3], got {list(np.shape(value))}"
    with pytest.raises(ValueError, match=re.escape(said)):
        grads["WH"] = value
    assert not flat.any()


def test_a_number_fits_where_the_parameter_is_one() -> None:
    flat = np.zeros(1)
    Arrays({"scale": flat.reshape(())})["scale"] = 3
    assert flat[0] == 3


def test_numbers_of_another_kind_are_refused() -> None:
    flat, grads = made()
    grads["b"] = np.array([1, 2])
    with pytest.raises(TypeError, match="complex"):
        grads["b"] = np.ones(2, np.complex128)
    assert flat[8:].tolist() == [1, 2]


def test_an_unknown_name_names_its_neighbours() -> None:
    _, grads = made()
    with pytest.raises(KeyError, match=r"no gradient 'Wh'; did you mean 'WH'\?"):
        grads["Wh"] = np.ones((2, 3))
    with pytest.raises(KeyError, match="no gradient 'gamma'; there are WH, b"):
        _ = grads["gamma"]
    with pytest.raises(KeyError, match="no parameter 'W'; there are none"):
        _ = Arrays({}, "parameter")["W"]


def test_nothing_is_deleted() -> None:
    _, grads = made()
    with pytest.raises(KeyError, match="the gradient 'b' cannot be deleted"):
        del grads["b"]
    assert list(grads) == ["WH", "b"]
