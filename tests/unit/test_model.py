"""Building and predicting."""

from __future__ import annotations

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import DataError, Model, Rows, SpecError
from layerkit import predict as predicting
from layerkit.datacontract import all_finite

COLUMNS = ["a", "b"]


def spec(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "layerkit": 1,
        "input": {"shape": [2]},
        "layers": [{"type": "dense", "units": 3}],
    }
    return {**base, **changes}


def affine(model: Model, W: Any, b: Any) -> Model:
    layer = model.network.layers[0]
    layer.params["W"][...], layer.params["b"][...] = W, b
    return model


W = [[1.0, 0.0, -1.0], [0.0, 2.0, 1.0]]
B = [0.5, 0.0, -0.5]
ROWS = [[1.0, 2.0], [3.0, -1.0]]
SCORES = [[1.5, 4.0, 0.5], [3.5, -2.0, -4.5]]


def test_scores_and_predictions_by_hand() -> None:
    model = affine(layerkit.build(spec()), W, B)
    np.testing.assert_allclose(model.scores(ROWS), SCORES)
    np.testing.assert_allclose(model.predict(ROWS), SCORES)


def test_classes_give_probabilities_and_labels() -> None:
    model = affine(layerkit.build(spec(output={"classes": ["x", "y", "z"]})), W, B)
    e = np.exp(SCORES)
    np.testing.assert_allclose(
        model.predict(ROWS), e / e.sum(axis=1, keepdims=True), rtol=1e-5, atol=1e-7
    )
    assert model.classify(ROWS).tolist() == ["y", "x"]
    assert model.classes == ("x", "y", "z")


def test_classes_that_are_numbers() -> None:
    model = affine(layerkit.build(spec(output={"classes": [7, 5, 9]})), W, B)
    assert model.classify(ROWS).tolist() == [5, 7]


def test_one_output_for_two_classes() -> None:
    output = {"classes": ["no", "yes"], "link": "sigmoid"}
    model = layerkit.build(
        spec(
            output=output,
            layers=[{"type": "dense", "units": 1}],
            train={"loss": "sigmoid_cross_entropy"},
        ),
    )
    affine(model, [[1.0], [0.0]], [0.0])
    assert model.predict([[0.0, 5.0]]).tolist() == [[0.5]]
    assert model.classify([[0.0, 0.0], [-1e-3, 0.0], [2.0, 0.0]]).tolist() == ["yes", "no", "yes"]


def test_numbers_are_no_classes() -> None:
    model = layerkit.build(spec())
    assert model.classes is None
    with pytest.raises(DataError, match="gives numbers, not classes"):
        model.classify(ROWS)


def test_fixed_scaling_is_applied_to_raw_rows() -> None:
    scale = {"center": [1.0, -1.0], "scale": [2.0, 4.0]}
    model = layerkit.build(spec(input={"shape": [2], "scale": scale}))
    affine(model, W, B)
    inner = (np.array(ROWS) - [1.0, -1.0]) / [2.0, 4.0]
    np.testing.assert_allclose(model.predict(ROWS), inner @ W + B, rtol=1e-6)


def test_divide() -> None:
    model = affine(layerkit.build(spec(input={"shape": [2], "scale": {"divide": 4}})), W, B)
    np.testing.assert_allclose(model.predict(ROWS), np.array(ROWS) / 4 @ W + B)


def test_a_missing_value_gets_the_number_of_the_spec() -> None:
    model = affine(layerkit.build(spec(input={"shape": [2], "missing": 2.0})), W, B)
    np.testing.assert_allclose(model.predict([[1.0, np.nan]]), [SCORES[0]])


@pytest.mark.parametrize(
    ("part", "word"),
    [
        ({"input": {"shape": [2], "scale": "standardize"}}, "input scaling"),
        ({"input": {"shape": [2], "scale": "minmax"}}, "input scaling"),
        ({"input": {"shape": [2], "missing": "mean"}}, "missing values"),
        ({"output": {"targets": ["u", "v", "w"], "scale": "standardize"}}, "target scaling"),
    ],
)
def test_an_unfitted_model_refuses_to_predict(part: dict[str, Any], word: str) -> None:
    model = layerkit.build(spec(**part))
    assert not model.ready
    for ask in (model.predict, model.scores):
        with pytest.raises(DataError) as caught:
            ask(ROWS)
        for wanted in ("built but not trained", word, "layerkit train"):
            assert wanted in str(caught.value)


def test_what_needs_no_fitting_predicts_at_once() -> None:
    model = layerkit.build(spec())
    assert model.ready
    assert not model.fitted
    assert model.predict(ROWS).shape == (2, 3)


@pytest.mark.parametrize(
    "rows",
    [
        ROWS,
        tuple(map(tuple, ROWS)),
        np.array(ROWS),
        np.array(ROWS, np.float32),
        np.asfortranarray(ROWS),
        Rows(np.array(ROWS)),
        [[1, 2], [3, -1]],
    ],
    ids=["lists", "tuples", "f64", "f32", "Fortran", "Rows", "ints"],
)
def test_rows_may_come_in_many_forms(rows: Any) -> None:
    model = affine(layerkit.build(spec()), W, B)
    np.testing.assert_allclose(model.predict(rows), SCORES)


def test_columns_are_picked_by_name() -> None:
    model = affine(layerkit.build(spec(input={"columns": COLUMNS})), W, B)
    table = {"b": [2.0, -1.0], "extra": ["p", "q"], "a": [1.0, 3.0]}
    np.testing.assert_allclose(model.predict(table), SCORES)
    np.testing.assert_allclose(model.predict({"a": 1.0, "b": 2.0}), SCORES[:1])
    with pytest.raises(DataError, match="column 'b': not found") as caught:
        model.predict({"a": [1.0]})
    assert caught.value.column == "b"


def test_a_single_row_is_a_batch_of_one() -> None:
    model = affine(layerkit.build(spec()), W, B)
    np.testing.assert_allclose(model.predict(ROWS[0]), SCORES[:1])


@pytest.mark.parametrize("n", [0, 1, 7, 1023, 1024, 1025, 3000])
def test_any_number_of_rows(n: int) -> None:
    model = layerkit.build(spec())
    rows = np.random.default_rng(0).standard_normal((n, 2))
    out = model.predict(rows)
    assert out.shape == (n, 3)
    layer = model.network.layers[0]
    np.testing.assert_allclose(out, rows @ layer.params["W"] + layer.params["b"], atol=1e-5)


@pytest.mark.parametrize(
    "rows", [[[1.0, 2.0, 3.0]], [[np.nan, 1.0]], [[np.inf, 1.0]], [["a", 1.0]], [[1.0], [1.0, 2.0]]]
)
def test_rows_that_break_the_contract_are_refused(rows: Any) -> None:
    with pytest.raises(DataError):
        layerkit.build(spec()).predict(rows)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predictions_keep_the_dtype_of_the_model(dtype: str) -> None:
    for output in ({}, {"classes": ["a", "b", "c"]}):
        model = layerkit.build(spec(dtype=dtype, output=output))
        assert model.predict(ROWS).dtype == np.dtype(dtype)
        assert model.scores(ROWS).dtype == np.dtype(dtype)
        assert model.network.params.dtype == np.dtype(dtype)


def test_rows_are_never_written() -> None:
    model = layerkit.build(
        spec(
            dtype="float64",
            layers=[{"type": "highway"}, {"type": "projection", "units": 2}, {"type": "highway"}],
        )
    )
    rows = np.random.default_rng(0).standard_normal((5, 2))
    kept = rows.copy()
    rows.flags.writeable = False
    model.predict(rows)
    np.testing.assert_array_equal(rows, kept)


def test_answers_belong_to_the_caller() -> None:
    model = layerkit.build(spec(layers=[]))
    rows = np.array(ROWS, np.float32)
    first = model.predict(rows)
    kept = first.copy()
    model.predict(rows + 1)
    np.testing.assert_array_equal(first, kept)
    first[...] = 0
    np.testing.assert_array_equal(rows, ROWS)
    scores = model.scores(rows)
    assert not np.shares_memory(scores, rows)


def test_a_model_without_layers_gives_its_input() -> None:
    model = layerkit.build(spec(layers=[]))
    np.testing.assert_array_equal(model.predict(ROWS), ROWS)


def test_many_threads_predict_with_one_model() -> None:
    model = layerkit.build(
        spec(
            layers=[
                {"type": "dense", "units": 8, "activation": "tanh"},
                {"type": "highway", "repeat": 3},
            ]
        )
    )
    inputs = [np.random.default_rng(s).standard_normal((64, 2)) for s in range(6)]
    wanted = [model.predict(x) for x in inputs]
    found: dict[int, bool] = {}

    def work(i: int) -> None:
        found[i] = all(np.array_equal(model.predict(inputs[i]), wanted[i]) for _ in range(30))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == dict.fromkeys(range(6), True)


def test_weights_follow_from_the_seed_of_the_recipe() -> None:
    def start(**train: Any) -> bytes:
        return layerkit.build(spec(train=train)).network.params.tobytes()

    assert start(seed=3) == start(seed=3, epochs=99)
    assert start(seed=3) != start(seed=4)
    assert start() == start(seed=0)
    assert layerkit.build(spec()).network.params.tobytes() == start(seed=0)


def test_overrides() -> None:
    model = layerkit.build(spec(), settings=["layers.0.units=5", "name=other"])
    assert (model.network.size, model.name) == (15, "other")


def test_a_resolved_spec_builds_the_same_model() -> None:
    model = layerkit.build(spec(train={"seed": 5}))
    again = layerkit.build(model.spec)
    assert again.network.params.tobytes() == model.network.params.tobytes()


def test_overrides_of_a_resolved_spec_are_not_lost_silently() -> None:
    resolved = layerkit.build(spec()).spec
    try:
        model = layerkit.build(resolved, settings=["name=other"])
    except (ValueError, SpecError):
        return
    assert model.name == "other"


def test_the_object_given_is_left_alone() -> None:
    given = spec(train={}, output={"classes": ["a", "b", "c"]})
    kept = repr(given)
    model = layerkit.build(given)
    assert repr(given) == kept
    model.spec.input["shape"].append(9)
    assert repr(given) == kept


@pytest.mark.parametrize(
    ("value", "place"), [([1.0, 2.0, 3.0], "input.scale"), ([0, 1], "input.scale")]
)
def test_a_scale_of_the_wrong_width_is_a_spec_error(value: Any, place: str) -> None:
    with pytest.raises(SpecError) as caught:
        layerkit.build(spec(input={"shape": [2], "scale": {"divide": value}}))
    assert caught.value.location.startswith(place)


def test_a_row_too_wide_for_memory_is_refused_without_allocating() -> None:
    with pytest.raises(SpecError):
        layerkit.build(spec(input={"shape": [10**13]}, layers=[]))


class Liar(layerkit.Layer):
    """Gives rows of another shape than its plan says."""

    type_name = "test.liar"

    def plan(self, in_shape: layerkit.Shape) -> layerkit.Plan:
        return layerkit.Plan(in_shape)

    def feed(self, x: layerkit.Array, ctx: layerkit.Context) -> layerkit.Array:
        return x[:, :1]

    def backprop(self, dy: layerkit.Array, ctx: layerkit.Context) -> layerkit.Array:
        return dy


def test_a_layer_that_breaks_its_plan_is_noticed(register: Any) -> None:
    """NumPy would broadcast (n, 1) to (n, 2) without a word."""
    register(Liar)
    model = layerkit.build(spec(layers=[{"type": "test.liar"}]))
    with pytest.raises((layerkit.LayerkitError, ValueError), match="shape"):
        model.predict(ROWS)


def test_a_model_says_in_one_line_what_it_is() -> None:
    model = layerkit.build(Path(__file__).parents[2] / "models" / "highway-digits.json")
    assert repr(model) == (
        "<Model highway-digits: dense > highway > highway > ... > highway > dense, "
        "19,306 parameters, not trained>"
    )


def test_a_deep_copy_is_a_model_of_its_own() -> None:
    model = layerkit.build(Path(__file__).parents[2] / "models" / "highway-digits.json")
    twin = copy.deepcopy(model)
    x = np.ones((2, 64))
    assert twin.predict(x).tobytes() == model.predict(x).tobytes()
    twin.network.params[...] = 0
    assert model.network.params.any()
    assert not twin.network.layers[0].params["W"].any()
    with pytest.raises(TypeError, match=r"layerkit\.save"):
        pickle.dumps(model)


def test_tiles_cover_all_rows_in_even_numbers() -> None:
    for n in (0, 1, 256, 257, 300, 1000, 1024, 1025, 5000):
        tiles = predicting._equal_tiles(n)
        assert [i for tile in tiles for i in range(tile.start, tile.stop)] == list(range(n))
        assert all(0 < tile.stop - tile.start <= 512 for tile in tiles)
        assert len(tiles) == 1 or len(tiles) % 2 == 0 or n <= 256


@pytest.mark.parametrize("width", [3, 5_000])
def test_blocks_give_the_bits_of_all_rows_at_once(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr(predicting, "_BLOCK", 2048)
    layers = [{"type": "dense", "units": 7, "activation": "tanh"}, {"type": "dense", "units": 4}]
    model = layerkit.build({"layerkit": 1, "input": {"shape": [width]}, "layers": layers})
    block = model.block_rows
    assert block == (2048 if width == 3 else 256)
    rows = np.random.default_rng(0).normal(size=(2 * block + 301, width)).astype(np.float32)
    for n in (1, 2, block - 1, block, block + 1, block + 2, 2 * block + 1, len(rows)):
        pieces = [model.predict(rows[at : min(at + block, n)]) for at in range(0, n, block)]
        np.testing.assert_array_equal(np.concatenate(pieces), model.predict(rows[:n]))


@pytest.mark.parametrize("n", [1, 300, 2000])
@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_the_place_of_a_number_that_is_not_finite_is_told(n: int, odd: float) -> None:
    model = layerkit.build(spec())
    rows = np.ones((n, 2), np.float32)
    rows[n - 1, 1] = odd
    with pytest.raises(DataError) as caught:
        model.predict(rows)
    with pytest.raises(DataError) as wanted:
        model.contract.input.matrix(rows)
    assert str(caught.value) == str(wanted.value)
    assert (caught.value.row, caught.value.column) == (n - 1, 1)


@pytest.mark.parametrize("n", [1, 300])
def test_missing_values_are_filled_in_arrays_of_the_right_form(n: int) -> None:
    model = affine(layerkit.build(spec(input={"shape": [2], "missing": 2.0})), W, B)
    rows = np.ones((n, 2), np.float32)
    rows[n - 1, 1] = np.nan
    filled = np.where(np.isnan(rows), np.float32(2), rows)
    np.testing.assert_array_equal(model.predict(rows), model.predict(filled))


def test_large_numbers_are_no_infinity() -> None:
    model = affine(layerkit.build(spec()), W, B)
    for n in (1, 3, 600):
        rows = np.full((n, 2), 1e30, np.float32)  # its squares are beyond float32
        assert all_finite(rows)
        np.testing.assert_allclose(model.scores(rows)[-1], [1e30, 2e30, 0], atol=1e24)


def test_infinite_scores_are_told_of_by_numpy() -> None:
    model = affine(layerkit.build(spec(output={"classes": ["a", "b", "c"]})), W, B)
    rows = np.array([[3e38, 3e38]], np.float32)
    for some in (rows, np.repeat(rows, 2, 0)):
        with pytest.warns(RuntimeWarning, match="invalid value"):
            assert np.isnan(model.predict(some)).all()


@pytest.mark.parametrize("n", [1, 2])
def test_weights_as_they_are_at_the_call(n: int) -> None:
    model = affine(layerkit.build(spec()), W, B)
    model.predict(ROWS[:n])
    affine(model, 2 * np.array(W), 2 * np.array(B))
    np.testing.assert_allclose(model.predict(ROWS[:n]), 2 * np.array(SCORES[:n]))


def test_many_threads_predict_single_rows() -> None:
    layers = [{"type": "dense", "units": 8, "activation": "tanh"}, {"type": "highway"}]
    model = layerkit.build(spec(layers=layers, output={"classes": list("abcdefgh")}))
    rows = np.random.default_rng(0).standard_normal((8, 1, 2)).astype(np.float32)
    model.predict(rows[0])  # the first row runs as it is written: other last digits
    wanted = [model.predict(row) for row in rows]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: model.predict(rows[i % 8]), range(400)))
    for i, out in enumerate(found):
        np.testing.assert_array_equal(out, wanted[i % 8])
