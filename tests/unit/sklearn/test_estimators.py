"""Estimators beyond scikit-learn's own checks: what they are to layerkit, and what users do."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the extra sklearn is not installed")

import joblib  # comes with scikit-learn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted

import layerkit
from layerkit import Array
from layerkit.sklearn import LayerkitClassifier, LayerkitRegressor

rng = np.random.default_rng(3)
N = 90
X = rng.normal(5, 3, (N, 4))
CODES = (X[:, 0] > 5).astype(int) + (X[:, 1] > 6)
LABELS = np.array(["low", "mid", "top"])[CODES]
TARGETS = 40 + 3 * X[:, 0] - X[:, 1] ** 2
QUICK = {"type": "adam", "learning_rate": 0.05}
SMALL: dict[str, Any] = {"layers": [8], "epochs": 15, "optimizer": QUICK, "random_state": 0}


def classifier(**given: Any) -> Any:
    return LayerkitClassifier(**{**SMALL, **given})


def regressor(**given: Any) -> Any:
    return LayerkitRegressor(**{**SMALL, **given})


def content(model: layerkit.Model) -> bytes:
    file = io.BytesIO()
    layerkit.save(model, file)
    return file.getvalue()


# ---- what an estimator is to layerkit


def test_fit_is_a_training_of_the_spec_it_writes() -> None:
    estimator = classifier(random_state=7).fit(X, LABELS)
    spec = estimator.to_layerkit().spec
    assert spec.train is not None
    assert spec.train["seed"] == 7
    run = layerkit.train(spec.to_document(), data=(X, LABELS))
    assert content(run.model) == content(estimator.to_layerkit())
    assert estimator.n_iter_ == 15
    assert estimator.loss_curve_ == run.history["loss"].tolist()


def test_the_model_and_the_file_predict_the_same(tmp_path: Path) -> None:
    estimator = regressor().fit(X, TARGETS)
    file_id = estimator.save(tmp_path / "m.layerkit")
    loaded = layerkit.load(tmp_path / "m.layerkit", expected_id=file_id)
    for model in (loaded, estimator.to_layerkit()):
        np.testing.assert_array_equal(model.predict(X)[:, 0], estimator.predict(X))


def test_to_layerkit_gives_a_copy() -> None:
    estimator = classifier().fit(X, LABELS)
    before = estimator.predict_proba(X)
    layerkit.train(estimator.to_layerkit(), data=(X, LABELS))
    np.testing.assert_array_equal(estimator.predict_proba(X), before)


@pytest.mark.parametrize("how", ["pickle", "joblib", "deepcopy"])
def test_the_state_is_the_model_file(how: str, tmp_path: Path) -> None:
    estimator = classifier().fit(X, LABELS)
    assert estimator.__getstate__()["model_"] == content(estimator.to_layerkit())
    if how == "pickle":
        again = pickle.loads(pickle.dumps(estimator))  # noqa: S301  # its own
    elif how == "joblib":
        joblib.dump(estimator, tmp_path / "e")
        again = joblib.load(tmp_path / "e")
    else:
        again = copy.deepcopy(estimator)
    np.testing.assert_array_equal(again.predict_proba(X), estimator.predict_proba(X))
    assert again.partial_fit(X, LABELS).loss_curve_ == estimator.partial_fit(X, LABELS).loss_curve_


def test_a_damaged_pickle_is_found() -> None:
    state = classifier().fit(X, LABELS).__getstate__()
    damaged = bytearray(state["model_"])
    damaged[-100] ^= 1
    with pytest.raises(layerkit.ModelFileError):
        LayerkitClassifier().__setstate__({**state, "model_": bytes(damaged)})


def test_an_estimator_that_is_not_fitted_pickles_too() -> None:
    again = pickle.loads(pickle.dumps(classifier(epochs=3)))  # noqa: S301  # its own
    assert again.epochs == 3
    for act in (again.to_layerkit, lambda: again.predict(X), lambda: again.save("x")):
        with pytest.raises(NotFittedError):
            act()


def test_arguments_are_stored_untouched_and_not_changed_by_fit() -> None:
    layers = [{"type": "dense", "units": np.int64(6), "activation": "relu"}, "highway"]
    kept = copy.deepcopy(layers)
    schedule = {"type": "exponential", "decay": 0.9}
    optimizer = {"type": "adam", "learning_rate": np.float64(0.01)}
    sizes: Any = {"epochs": np.int64(2), "batch_size": np.int64(9)}
    estimator = LayerkitClassifier(layers, optimizer=optimizer, schedule=schedule, **sizes)
    assert estimator.layers is layers
    estimator.fit(X, LABELS)
    assert estimator.layers is layers
    assert layers == kept
    types = [record.type for record in estimator.model_.spec.layers]
    assert types == ["dense", "highway", "dense"]


def test_random_state() -> None:
    def params(state: Any) -> Array:
        found: Array = classifier(random_state=state).fit(X, LABELS).model_.network.params
        return found

    assert not np.array_equal(params(None), params(None))
    for state in (3, np.int64(3)):
        np.testing.assert_array_equal(params(state), params(3))
    one, two = (np.random.RandomState(1) for _ in range(2))  # what callers hand over
    np.testing.assert_array_equal(params(one), params(two))
    assert not np.array_equal(params(one), params(np.random.RandomState(1)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_trains_in_the_dtype_of_the_rows(dtype: str) -> None:
    given = X.astype(dtype)
    assert classifier().fit(given, LABELS).predict_proba(given).dtype == dtype
    assert regressor().fit(given, TARGETS).model_.spec.dtype == dtype
    other = "float64" if dtype == "float32" else "float32"
    assert classifier(dtype=other).fit(given, LABELS).model_.spec.dtype == other


def test_whole_numbers_train_in_float64() -> None:
    assert classifier().fit(X.astype(int), LABELS).model_.spec.dtype == "float64"


# ---- labels


CASES: dict[str, tuple[Any, Any]] = {
    "int": (CODES * 10 - 5, (-5, 5, 15)),
    "uint8": (CODES.astype(np.uint8), (0, 1, 2)),
    "float": (CODES + 1.0, (1, 2, 3)),
    "bool": (CODES > 0, ("false", "true")),
    "str": (LABELS, ("low", "mid", "top")),
    "object": (LABELS.astype(object), ("low", "mid", "top")),
    "numerals": (np.array(["07", "7", "8"])[CODES], ("07", "7", "8")),
    "missing": (np.array(["?", "a", "b"])[CODES], (0, 1, 2)),
    "list": (LABELS.tolist(), ("low", "mid", "top")),
}


@pytest.mark.parametrize("kind", CASES)
def test_labels_of_any_type(kind: str) -> None:
    y, names = CASES[kind]
    estimator = classifier(epochs=60).fit(X, y)
    wanted = np.asarray(y)
    assert estimator.classes_.tolist() == sorted(set(wanted.tolist()))
    assert estimator.classes_.dtype == wanted.dtype
    assert estimator.predict(X).dtype == wanted.dtype
    assert estimator.score(X, y) > 0.8
    assert estimator.model_.classes == names


def test_categories_of_pandas() -> None:
    pandas = pytest.importorskip("pandas", reason="labels of pandas")
    y = pandas.Series(LABELS, dtype="category", index=np.arange(N)[::-1])
    estimator = classifier().fit(X, y)
    assert estimator.classes_.tolist() == ["low", "mid", "top"]
    assert estimator.score(X, y) > 0.5
    assert classifier().fit(X, pandas.Series(CODES, dtype="Int64")).classes_.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (np.zeros(N, int), "two or more classes, got one class"),
        (TARGETS, "continuous"),
        (np.array([None, "a"], object)[CODES % 2], "."),
        (LABELS[:-1], "inconsistent numbers of samples"),
        (np.stack([CODES, CODES], 1), "."),
    ],
    ids=["one class", "numbers", "none", "short", "two columns"],
)
def test_labels_that_are_none(y: Any, words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        classifier().fit(X, y)


def test_class_weights_speak_of_the_callers_labels() -> None:
    heavy = classifier(class_weight={"top": 1000.0}, epochs=60).fit(X, LABELS)
    assert np.mean(heavy.predict(X) == "top") > np.mean(LABELS == "top") + 0.1
    assert heavy.model_.spec.train is not None
    assert heavy.model_.spec.train["class_weights"] == [1.0, 1.0, 1000.0]
    with pytest.raises(ValueError, match="class_weight: 'nope' is not one of the classes"):
        classifier(class_weight={"nope": 1}).fit(X, LABELS)
    truth = classifier(class_weight={True: 3}).fit(X, CODES > 0)
    assert truth.model_.spec.train["class_weights"] == [1.0, 3.0]
    classifier(class_weight="balanced").fit(X, LABELS)


def test_weights_of_rows_are_those_of_layerkit() -> None:
    weights = rng.uniform(0, 2, N)
    estimator = classifier().fit(X, LABELS, weights)
    spec = estimator.model_.spec.to_document()
    run = layerkit.train(spec, data=(X, LABELS), sample_weight=weights)
    assert content(run.model) == content(estimator.model_)
    with pytest.raises(ValueError, match=r"row 0.*expected a finite sample weight"):
        regressor().fit(X, TARGETS, -weights)


# ---- regression


def test_several_targets() -> None:
    two = np.stack([TARGETS, -TARGETS / 100], axis=1)
    estimator = regressor(epochs=60).fit(X, two)
    assert estimator.predict(X).shape == (N, 2)
    assert estimator.score(X, two) > 0.8
    assert regressor().fit(X, TARGETS).predict(X).shape == (N,)
    assert regressor().fit(X, TARGETS[:, None]).predict(X).shape == (N, 1)


def test_a_feature_may_be_called_like_the_target() -> None:
    pandas = pytest.importorskip("pandas", reason="frames")
    frame = pandas.DataFrame(X, columns=["y", "y_", "y0", "b"])
    assert regressor().fit(frame, TARGETS).model_.spec.output["targets"] == ["y__"]
    two = np.stack([TARGETS, TARGETS], axis=1)
    assert regressor().fit(frame, two).model_.spec.output["targets"] == ["y_0", "y_1"]


def test_text_is_no_target() -> None:
    with pytest.raises(ValueError, match="LayerkitClassifier learns classes"):
        regressor().fit(X, LABELS)


def test_the_loss_and_the_scale_of_targets() -> None:
    plain = regressor(loss="huber", target_scale=None).fit(X, TARGETS)
    assert plain.model_.contract.output.scale is None
    assert plain.model_.spec.train["loss"]["type"] == "huber"
    assert regressor().fit(X, TARGETS).model_.contract.output.scale is not None


# ---- training in pieces


def test_partial_fits_on_the_same_rows_are_one_fit() -> None:
    whole = classifier(epochs=5, schedule="constant").fit(X, LABELS)
    parts = classifier(epochs=5)
    for _ in range(5):
        parts.partial_fit(X, LABELS, classes=["top", "low", "mid"])
    np.testing.assert_array_equal(parts.model_.network.params, whole.model_.network.params)
    assert parts.loss_curve_ == whole.loss_curve_
    assert parts.n_iter_ == 5
    whole = regressor(epochs=5, schedule="constant").fit(X, TARGETS, np.arange(N))
    parts = regressor(epochs=2)
    for _ in range(5):
        parts = pickle.loads(pickle.dumps(parts))  # noqa: S301  # its own
        parts.partial_fit(X, TARGETS, np.arange(N))
    np.testing.assert_array_equal(parts.model_.network.params, whole.model_.network.params)


def test_rows_in_pieces_are_learned() -> None:
    estimator = classifier(optimizer={"type": "adam", "learning_rate": 0.05})
    for _ in range(25):
        for part in np.array_split(np.arange(N), 2):
            estimator.partial_fit(X[part], LABELS[part], classes=["low", "mid", "top"])
    assert estimator.score(X, LABELS) > 0.9
    assert estimator.n_iter_ == 50


@pytest.mark.parametrize("stopping", [{}, {"validation": 0.2, "early_stopping": {"patience": 1}}])
def test_partial_fit_goes_on_from_what_fit_predicts(stopping: Any) -> None:
    estimator = classifier(epochs=40, **stopping).fit(X, LABELS)
    before = estimator.predict_proba(X)
    epochs, recipe = estimator.n_iter_, estimator.model_.spec.train
    slow = {**recipe["optimizer"], "learning_rate": 1e-12}
    estimator.model_.spec = estimator.model_.spec.with_train(optimizer=slow)
    estimator.partial_fit(X, LABELS)
    np.testing.assert_allclose(estimator.predict_proba(X), before, atol=1e-7)
    assert estimator.n_iter_ == epochs + 1


def test_partial_fit_needs_all_classes_first() -> None:
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        classifier().partial_fit(X, LABELS)
    estimator = classifier().partial_fit(X[:9], LABELS[:9], classes=["low", "mid", "top"])
    kept = content(estimator.model_)
    with pytest.raises(ValueError, match=r"expected one of the classes .* got .*other"):
        estimator.partial_fit(X, np.where(LABELS == "top", "other", LABELS))
    with pytest.raises(ValueError, match=r"classes: expected .* as in the first call"):
        estimator.partial_fit(X, LABELS, classes=["low", "mid"])
    with pytest.raises(ValueError, match="features"):
        estimator.partial_fit(X[:, :2], LABELS)
    assert content(estimator.model_) == kept


# ---- parameters


def test_a_whole_spec() -> None:
    spec = {
        "layerkit": 1,
        "name": "mine",
        "dtype": "float32",
        "input": {"shape": [4], "scale": "minmax", "missing": 0.0},
        "layers": [
            {"type": "dense", "units": 5, "activation": "tanh"},
            {"type": "dense", "units": 3},
        ],
        "train": {"epochs": 4, "seed": 5, "test": 0.5, "data": "nowhere.csv"},
    }
    kept = copy.deepcopy(spec)
    estimator = LayerkitClassifier(spec=spec, random_state=1).fit(X, LABELS)
    found: Any = estimator.model_.spec
    assert (found.name, found.dtype, found.train["epochs"]) == ("mine", "float32", 4)
    assert (found.train["seed"], found.train["test"], found.train["data"]) == (1, None, None)
    assert found.input["scale"] == "minmax"
    assert spec == kept
    gaps = np.where(np.arange(4) == 1, np.nan, X)
    assert estimator.fit(gaps, LABELS).predict(gaps).shape == (N,)  # the spec says what fills them
    changed = clone(estimator).set_params(epochs=6, layers=[7], scale=None).fit(X, LABELS)
    assert changed.model_.spec.train["epochs"] == 6
    assert changed.model_.spec.layers[0].config["units"] == 7
    assert changed.model_.spec.input["scale"] is None
    with pytest.raises(ValueError, match="3"):
        LayerkitClassifier(spec=spec).fit(X, CODES > 0)


def test_a_spec_with_one_output_for_two_classes() -> None:
    spec = {
        "layerkit": 1,
        "input": {"shape": [4], "scale": "standardize"},
        "layers": [{"type": "dense", "units": 1}],
        "train": {"loss": "sigmoid_cross_entropy", "epochs": 60, "optimizer": QUICK},
    }
    estimator = LayerkitClassifier(spec=spec, random_state=0).fit(X, CODES > 0)
    proba = estimator.predict_proba(X)
    assert proba.shape == (N, 2)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(estimator.predict(X), proba[:, 1] >= 0.5)
    assert estimator.score(X, CODES > 0) > 0.8


def test_ready_specs_and_files(tmp_path: Path) -> None:
    digits = layerkit.load_data("digits")["train"].take(slice(0, 200))
    estimator = LayerkitClassifier(spec="plain-digits", epochs=1).fit(digits.values, digits.labels)
    assert estimator.model_.name == "plain-digits"
    with pytest.raises(layerkit.LayerkitError, match="nowhere"):
        LayerkitClassifier(spec=str(tmp_path / "nowhere.json")).fit(X, LABELS)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"epochs": 0}, "train.epochs: expected an integer >= 1, got 0"),
        ({"layers": ["dens"]}, "dense"),
        ({"optimizer": "adm"}, "adam"),
        ({"batch_size": "all"}, "train.batch_size"),
        ({"dtype": "float16"}, "dtype"),
        ({"scale": "z"}, "input.scale"),
        ({"early_stopping": True}, "early stopping needs validation rows"),
        ({"missing": "mode"}, "input.missing"),
        ({"random_state": -1}, "train.seed"),
    ],
    ids=lambda v: next(iter(v)) if isinstance(v, dict) else "",
)
def test_wrong_parameters_are_value_errors(given: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        classifier(**given).fit(X, LABELS)


def test_early_stopping_and_full_batches() -> None:
    stopped = classifier(epochs=300, validation=0.2, early_stopping=True).fit(X, LABELS)
    assert stopped.n_iter_ < 300
    full = classifier(batch_size="full").fit(X, LABELS)
    assert full.model_.spec.train["batch_size"] == N


def test_missing_values() -> None:
    gaps = X.copy()
    gaps[::7, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        classifier().fit(gaps, LABELS)
    estimator = classifier(missing="median").fit(gaps, LABELS)
    filled = np.where(np.isnan(gaps), np.nanmedian(gaps, axis=0), gaps)
    np.testing.assert_array_equal(estimator.predict_proba(gaps), estimator.predict_proba(filled))
    assert estimator.__sklearn_tags__().input_tags.allow_nan
    assert not classifier().__sklearn_tags__().input_tags.allow_nan
    gaps[0, 0] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        estimator.predict(gaps)


def test_a_line_per_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    classifier(epochs=2, verbose=True).fit(X, LABELS)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["epoch", "1/2"], ["epoch", "2/2"]]
    assert max(map(len, lines)) <= 80
    classifier(epochs=2).fit(X, LABELS)
    assert capsys.readouterr() == ("", "")


# ---- frames


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_columns_of_a_frame_are_those_of_the_model(library: str, tmp_path: Path) -> None:
    frames = pytest.importorskip(library, reason="frames")
    frame = frames.DataFrame({name: X[:, j] for j, name in enumerate("abcd")})
    estimator = classifier().fit(frame, LABELS)
    assert estimator.feature_names_in_.tolist() == list("abcd")
    estimator.save(tmp_path / "m.layerkit")
    model = layerkit.load(tmp_path / "m.layerkit")
    assert model.contract.input.columns == tuple("abcd")
    np.testing.assert_array_equal(model.predict(frame), estimator.predict_proba(frame))
    with pytest.raises(ValueError, match="feature names"):
        estimator.predict(frame[list("bacd")])


@pytest.mark.parametrize("kind", ["object", "str", "category"])
def test_text_in_a_frame_is_learned(kind: str, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="frames")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    cells = pandas.Series(np.where(rng.random(N) > 0.5, "red", "blue"))
    frame["color"] = cells.astype(kind)
    frame["odd"] = pandas.Series([1.5, 2] * (N // 2), dtype=object)  # numbers all the same
    y = cells.to_numpy() == "red"
    estimator = classifier(epochs=30).fit(frame, y)
    assert estimator.score(frame, y) == 1
    assert estimator.n_features_in_ == 6
    estimator.save(tmp_path / "m.layerkit")
    model = layerkit.load(tmp_path / "m.layerkit")
    inputs = ("a", "b", "c", "d", "color=blue", "color=red", "color=?", "odd")
    assert model.contract.input.columns == inputs
    np.testing.assert_array_equal(model.predict(frame), estimator.predict_proba(frame))
    other = frame[:2].assign(color=["green", None])  # an unknown one and a missing one
    again = pickle.loads(pickle.dumps(estimator))  # noqa: S301  # its own
    np.testing.assert_array_equal(again.predict_proba(other), estimator.predict_proba(other))
    two = np.stack([TARGETS, TARGETS], axis=1)
    assert regressor().fit(frame, two).predict(frame).shape == (N, 2)
    whole = classifier(epochs=3, schedule="constant").fit(frame, y)
    parts = classifier(epochs=3)
    for _ in range(3):
        parts.partial_fit(frame, y, classes=[False, True])
    np.testing.assert_array_equal(parts.model_.network.params, whole.model_.network.params)
    with pytest.raises(ValueError, match=r"expected a frame with the columns \['a', .* ndarray"):
        estimator.predict(frame.to_numpy())
    with pytest.raises(ValueError, match="feature names"):
        estimator.predict(frame[["color", *"abcd", "odd"]])
    for short in (y[:-1], np.where(y, np.nan, 1)):
        with pytest.raises(ValueError, match=r"inconsistent|NaN"):
            classifier().fit(frame, short)


def test_dates_in_a_frame_are_refused() -> None:
    pandas = pytest.importorskip("pandas", reason="frames")
    frame = pandas.DataFrame({"a": X[:, 0], "when": pandas.Timestamp("2001-01-01")})
    with pytest.raises(ValueError, match="got dates in 'when': turn them into numbers"):
        classifier().fit(frame, LABELS)


def test_text_in_an_encoder_s_columns() -> None:
    pandas = pytest.importorskip("pandas", reason="frames")
    frame = pandas.DataFrame({"a": X[:, 0], "b": X[:, 1], "color": LABELS})
    encoder = ColumnTransformer([("text", OneHotEncoder(), ["color"])], remainder="passthrough")
    assert (
        make_pipeline(encoder, classifier(epochs=60)).fit(frame, LABELS).score(frame, LABELS) == 1
    )


def test_a_spec_that_names_its_columns() -> None:
    pandas = pytest.importorskip("pandas", reason="frames")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    spec = classifier().fit(frame, LABELS).model_.spec.to_document()
    assert LayerkitClassifier(spec=spec).fit(frame, LABELS).feature_names_in_.tolist() == [*"abcd"]
    LayerkitClassifier(spec=spec).fit(X, LABELS)
    with pytest.raises(ValueError, match=r"input.columns: expected the columns"):
        LayerkitClassifier(spec=spec).fit(frame[list("dcba")], LABELS)


# ---- tools of scikit-learn


def test_a_search_over_a_pipeline() -> None:
    pipe = Pipeline([("scale", StandardScaler()), ("net", classifier(scale=None))])
    grid = {"net__layers": [[4], [12]], "net__optimizer": ["adam", {"type": "sgd"}]}
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(X, LABELS)
    assert search.best_params_.keys() == grid.keys()
    assert search.best_estimator_.named_steps["net"].model_.name == "model"


@pytest.mark.slow  # processes that each import everything; pickles have tests of their own
def test_processes_give_the_same_scores() -> None:
    estimator = classifier(epochs=3)
    one = cross_val_score(estimator, X, LABELS, cv=3)
    two = cross_val_score(estimator, X, LABELS, cv=3, n_jobs=2)
    np.testing.assert_array_equal(one, two)


def test_calibration_bags_and_importances() -> None:
    calibrated = CalibratedClassifierCV(classifier(), cv=2).fit(X, LABELS)
    assert calibrated.predict_proba(X).shape == (N, 3)
    bag = BaggingClassifier(classifier(), n_estimators=2, random_state=0).fit(X, LABELS)
    assert bag.score(X, LABELS) > 0.5
    found = permutation_importance(regressor(epochs=60).fit(X, TARGETS), X, TARGETS, random_state=0)
    assert found.importances_mean[:2].min() > found.importances_mean[2:].max()


def test_clones_are_equal_and_unfitted() -> None:
    estimator = classifier(class_weight={"low": 2}).fit(X, LABELS)
    twin = clone(estimator)
    assert twin.get_params() == estimator.get_params()
    with pytest.raises(NotFittedError):
        check_is_fitted(twin)


# ---- the room


def test_layerkit_does_not_import_scikit_learn() -> None:
    code = (
        "import sys, layerkit, layerkit.comparison, layerkit.training\n"
        "assert not {'sklearn', 'layerkit.sklearn', 'joblib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_scikit_learn_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['sklearn.utils.validation'] = None\n"
        "import layerkit\n"
        "try:\n    import layerkit.sklearn\nexcept layerkit.MissingExtraError as e: print(e)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert 'pip install "layerkit[sklearn]"' in done.stdout
    assert "scikit-learn>=1.6" in done.stdout
