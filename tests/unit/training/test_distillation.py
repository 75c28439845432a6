"""Learning from a teacher: gradients, stages, resuming, and what is refused."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Array, Context, Layer, Model, PathError, Plan, Shape, SpecError, chain
from layerkit.discovery.engines import compiled_engine
from layerkit.errors import DeviceError
from layerkit.fields import Layers
from layerkit.specs import as_spec
from layerkit.specs.columns import before_learning
from layerkit.specs.overrides import Setting
from layerkit.testing.central_differences import slopes_of
from layerkit.training import resume
from layerkit.training.followers import SoftTargets
from layerkit.training.guided_loop import GuidedLoop
from layerkit.training.run import _session
from layerkit.training.teacher import with_teacher_id
from tests.unit.strict import Strict

rng = np.random.default_rng(3)
X = rng.standard_normal((60, 4))
LETTERS = np.array(["a", "b", "c"])[np.clip(np.round(X[:, 0] + 1), 0, 2).astype(int)]
FLAGS = np.where(X[:, 0] > 0, "no", "yes")
NUMBERS = np.stack([X[:, 0] + X[:, 1], X[:, 2] ** 2], axis=1)
DENSE = {"type": "dense", "units": 3, "activation": "tanh"}
BLOCK = {"type": "residual", "layers": [DENSE, {"type": "dense", "units": 3}]}


def spec(layers: list[Any], output: dict[str, Any] | None = None, **train: Any) -> dict[str, Any]:
    return {
        "layerkit": 1,
        "dtype": "float64",
        "input": {"shape": [4], "scale": "standardize"},
        "layers": layers,
        "output": output or {},
        "train": {"epochs": 2, "batch_size": 16, **train},
    }


def last(units: int) -> dict[str, Any]:
    return {"type": "dense", "units": units}


def save_teacher(path: Path, labels: Array, units: int, **fields: Any) -> str:
    given = spec([{**DENSE, "units": 5}, DENSE, last(units)], **fields)
    layerkit.save(layerkit.train(given, data=(X, labels)).model, path)
    return str(path)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_teacher(tmp_path_factory.mktemp("teacher") / "letters.layerkit", LETTERS, 3)


def guided(given: dict[str, Any], labels: Array, rows: Array = X) -> tuple[GuidedLoop, Model]:
    model = layerkit.build(given)
    loop = _session(model, data=(rows, labels)).loop
    assert isinstance(loop, GuidedLoop)
    return loop, model


def check_gradient(given: dict[str, Any], labels: Array, epoch: int = 0) -> GuidedLoop:
    """Compare the gradient of the first batch of an epoch with central differences."""
    loop, _ = guided(given, labels)
    order = np.arange(12)
    loop._begin(epoch, order)
    weights = rng.uniform(0.5, 1.5, 12) / 12
    loop._learn(order, weights)
    found = loop.grads.copy()
    wanted = slopes_of(lambda: loop._learn(order, weights)[1], loop.network.params)
    assert not wanted.wrong(found, 1e-6).any()
    assert np.abs(found).min() < np.abs(found).max()
    return loop


HINTS: list[dict[str, Any]] = [
    {"layer": "residual_1.dense_1", "teacher": "dense_1", "regressor": last(5), "weight": 0.7},
    {"layer": "dense_1", "teacher": "dense_2"},
]


@pytest.mark.parametrize(
    ("weight", "kernels"),
    [(0, "planned"), (0.6, "planned"), (1, "planned"), (0.6, "as written"), (0.6, "compiled")],
)
def test_gradients_of_soft_targets_and_hints(
    teacher: str, weight: float, kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kernels == "compiled" and compiled_engine().trouble():
        pytest.skip("the extra fast is not installed")
    monkeypatch.setenv("LAYERKIT_FAST", str(int(kernels == "compiled")))
    monkeypatch.setenv("LAYERKIT_EAGER", str(int(kernels == "as written")))
    given = {"model": teacher, "weight": weight, "temperature": 2.5}
    loop = check_gradient(spec([DENSE, BLOCK, last(3)], teacher=given, hints=HINTS), LETTERS)
    assert loop.network.size == loop.guide.student.size + 3 * 5 + 5  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("labels", "units", "output", "loss"),
    [
        (FLAGS, 1, {"classes": ["yes", "no"]}, "sigmoid_cross_entropy"),
        (NUMBERS, 2, {"targets": ["u", "v"], "scale": "standardize"}, "huber"),
        (np.abs(NUMBERS), 2, {"targets": ["u", "v"]}, "poisson"),
    ],
)
def test_gradients_for_other_losses(
    labels: Array, units: int, output: dict[str, Any], loss: str, tmp_path: Path
) -> None:
    path = save_teacher(tmp_path / "t.layerkit", labels, units, output=output, loss=loss)
    check_gradient(spec([DENSE, last(units)], output, loss=loss, teacher={"model": path}), labels)


def test_gradients_for_an_answer_per_step(tmp_path: Path) -> None:
    steps = X.reshape(30, 2, 4)
    labels = LETTERS.reshape(30, 2).copy()
    labels[3, 1] = ""  # padding
    layers = [DENSE, last(3)]
    given = spec(layers)
    given["input"] = {"shape": [2, 4]}
    layerkit.save(layerkit.train(given, data=(steps, labels)).model, tmp_path / "t.layerkit")
    given["train"]["teacher"] = {"model": str(tmp_path / "t.layerkit"), "weight": 0.5}
    given["train"]["hints"] = [{"layer": "dense_1", "teacher": "dense_1", "regressor": last(3)}]
    given["train"]["seed"] = 1
    loop, _ = guided(given, labels, steps)
    loop._begin(0, np.arange(12))
    weights, _ = loop._weights(np.arange(12))
    loop._learn(np.arange(12), weights)
    found = loop.grads.copy()
    wanted = slopes_of(lambda: loop._learn(np.arange(12), weights)[1], loop.network.params)
    assert not wanted.wrong(found, 1e-6).any()


def test_loss_is_the_formula_in_the_article(teacher: str) -> None:
    """(1 - w) CE(labels) + w T^2 KL(softmax(v / T), softmax(s / T)), Hinton and others 2015."""
    given = {"model": teacher, "weight": 0.3, "temperature": 3.0}
    loop, model = guided(spec([DENSE, last(3)], teacher=given, batch_size=60), LETTERS)
    loop._begin(0, np.arange(60))
    scores, loss = loop._learn(np.arange(60), np.full(60, 1 / 60))

    def softmax(z: Array) -> Array:
        found: Array = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        return found

    v = layerkit.load(teacher).scores(X)
    p, q = softmax(v / 3), softmax(scores / 3)
    of_labels = -np.log(softmax(scores)[np.arange(60), np.searchsorted(["a", "b", "c"], LETTERS)])
    expected = 0.7 * of_labels.mean() + 0.3 * 9 * (p * np.log(p / q)).sum(axis=1).mean()
    assert loss == pytest.approx(expected, rel=1e-12)
    assert model.classes == ("a", "b", "c")


def test_answers_go_by_the_names_of_classes(teacher: str, tmp_path: Path) -> None:
    loop, _ = guided(
        spec([last(3)], {"classes": ["c", "a", "b"]}, teacher={"model": teacher}), LETTERS
    )
    soft = loop.guide.soft  # type: ignore[union-attr]
    assert np.array_equal(soft._scores, layerkit.load(teacher).scores(X)[:, [2, 0, 1]])  # type: ignore[union-attr]
    loss = "sigmoid_cross_entropy"
    path = save_teacher(tmp_path / "t.layerkit", FLAGS, 1, loss=loss)  # classes no, yes
    swapped = spec([last(1)], {"classes": ["yes", "no"]}, loss=loss, teacher={"model": path})
    soft = guided(swapped, FLAGS)[0].guide.soft  # type: ignore[union-attr]
    assert np.array_equal(soft._scores, -layerkit.load(path).scores(X))  # type: ignore[union-attr]


def test_alone_leaves_what_is_above_the_hint(teacher: str) -> None:
    """FitNets' first stage; then the regressor rests, and the rest is trained as usual."""
    hint = {"layer": "dense_1", "teacher": "dense_1", "regressor": last(5), "until_epoch": 1}
    given = spec(
        [DENSE, last(3)],
        teacher={"model": teacher},
        hints=[{**hint, "alone": True}],
        optimizer={"type": "adamw", "weight_decay": 0.1},
        weight_decay=0.1,
    )
    loop, model = guided(given, LETTERS)

    def copies() -> dict[str, Array]:
        held = loop.network.params
        return model.tensors() | {"regressor": held[model.network.size :].copy()}

    before = copies()
    loop.epoch(0)
    middle = copies()
    loop.epoch(1)
    changed = [
        {name for name in old if not np.array_equal(old[name], new[name])}
        for old, new in ((before, middle), (middle, copies()))
    ]
    lower, upper = {"dense_1.W", "dense_1.b"}, {"dense_2.W", "dense_2.b"}
    assert changed == [lower | {"regressor"}, lower | upper]


class Told(layerkit.Listener):
    """Keeps the notices."""

    def __init__(self) -> None:
        self.notices = list[str]()

    def notice(self, text: str) -> None:
        self.notices.append(text)


@pytest.mark.parametrize("epochs", [2, 3])
def test_a_hint_that_is_alone_for_good_is_told(teacher: str, epochs: int) -> None:
    hint = {"layer": "dense_1", "teacher": "dense_2", "until_epoch": 2, "alone": True}
    given = spec([DENSE, last(3)], teacher={"model": teacher}, hints=[hint], epochs=epochs)
    told = Told()
    layerkit.train(given, data=(X, LETTERS), listener=told)
    assert any("but a hint is learned in all 2 epochs" in text for text in told.notices) == (
        epochs == 2
    )
    assert not any("no record of a training" in text for text in told.notices)


def test_start_and_order_are_those_of_the_student_alone(teacher: str) -> None:
    """With nothing to follow the bits are those of no teacher, and its parts cost nothing after."""
    alone = layerkit.train(spec([DENSE, last(3)]), data=(X, LETTERS)).model
    hint = {"layer": "dense_1", "teacher": "dense_1", "regressor": last(5), "weight": 0.0}
    given = spec([DENSE, last(3)], teacher={"model": teacher, "weight": 0.0}, hints=[hint])
    model = layerkit.train(given, data=(X, LETTERS)).model
    for name, array in alone.tensors().items():
        assert np.allclose(model.tensors()[name], array, rtol=1e-12, atol=1e-15), name


def test_model_holds_no_regressor_and_predicts_without_the_teacher(
    teacher: str, tmp_path: Path
) -> None:
    path = tmp_path / "teacher.layerkit"
    path.write_bytes(Path(teacher).read_bytes())
    given = spec([DENSE, BLOCK, last(3)], teacher={"model": str(path)}, hints=HINTS)
    model = layerkit.train(given, data=(X, LETTERS)).model
    buffer = io.BytesIO()
    layerkit.save(model, buffer)
    path.unlink()
    loaded = layerkit.load(buffer.getvalue())
    assert np.array_equal(loaded.predict(X), model.predict(X))
    assert (
        loaded.network.tensors().keys()
        == layerkit.build(spec([DENSE, BLOCK, last(3)])).tensors().keys()
    )
    held = loaded.spec.train["teacher"]  # type: ignore[index]
    assert held["file_id"] == layerkit.inspect(teacher).file_id
    with pytest.raises(PathError, match=r"teacher.layerkit") as raised:
        resume(loaded, data=(X, LETTERS), epochs=3)
    assert "train.teacher.model" in (raised.value.hint or "")


def test_resumed_training_has_the_bits_of_one(teacher: str) -> None:
    """Through a checkpoint in each epoch: in the stage of hints, after it, with kept weights."""
    hints = [{**HINTS[0], "until_epoch": 2, "alone": True}, {**HINTS[1], "until_epoch": 3}]
    given = spec(
        [DENSE, BLOCK, last(3)],
        teacher={"model": teacher},
        hints=hints,
        epochs=4,
        validation=0.2,
        early_stopping={"patience": 50},
        clip_norm=0.5,
    )
    files: list[bytes] = []

    def keep(model: Model) -> None:
        buffer = io.BytesIO()
        layerkit.save(model, buffer)
        files.append(buffer.getvalue())

    whole = layerkit.train(given, data=(X, LETTERS), checkpoint=keep, every=0.0).model
    final = io.BytesIO()
    layerkit.save(whole, final)
    assert len(files) == 4
    for held in files[:3]:
        resumed = resume(layerkit.load(held), data=(X, LETTERS)).model
        buffer = io.BytesIO()
        layerkit.save(resumed, buffer)
        assert buffer.getvalue() == final.getvalue()


@pytest.mark.parametrize("mmap", [False, True])
def test_a_model_that_has_predicted_learns_and_predicts_on(
    teacher: str, tmp_path: Path, mmap: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its parameters move: compiled forms that were made before must not be used again."""
    if compiled_engine().trouble():
        pytest.skip("the extra fast is not installed")
    monkeypatch.setenv("LAYERKIT_FAST", "1")
    given = spec([DENSE, BLOCK, last(3)], teacher={"model": teacher}, hints=HINTS)
    given["dtype"] = "float32"
    layerkit.save(layerkit.train(given, data=(X, LETTERS)).model, tmp_path / "m.layerkit")
    model = layerkit.load(tmp_path / "m.layerkit", mmap=mmap)
    before = model.predict(X), model.predict(X[:1]), model.predict(X[:1])
    layerkit.train(model, data=(X, LETTERS))
    layerkit.save(model, tmp_path / "on.layerkit")
    again = layerkit.load(tmp_path / "on.layerkit")
    assert np.array_equal(model.predict(X), again.predict(X))
    assert np.array_equal(model.predict(X[:1]), again.predict(X[:1]))
    assert not np.allclose(model.predict(X), before[0])


def test_another_teacher_is_refused_when_resumed(teacher: str, tmp_path: Path) -> None:
    path = tmp_path / "teacher.layerkit"
    path.write_bytes(Path(teacher).read_bytes())
    model = layerkit.train(spec([last(3)], teacher={"model": str(path)}), data=(X, LETTERS)).model
    save_teacher(path, LETTERS, 3, seed=7)
    with pytest.raises(SpecError, match="this is another teacher") as raised:
        resume(model, data=(X, LETTERS), epochs=3)
    assert raised.value.location == "train.teacher.file_id"
    assert "set train.teacher.file_id to null" in (raised.value.hint or "")
    layerkit.train(
        model.spec.to_document(), settings=["train.teacher.file_id=null"], data=(X, LETTERS)
    )


def test_values_of_layers_may_lie_in_a_file(teacher: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = spec([DENSE, BLOCK, last(3)], teacher={"model": teacher}, hints=HINTS)
    found = []
    for limit in (1 << 28, 100):
        monkeypatch.setattr("layerkit.training.teacher._IN_MEMORY", limit)
        monkeypatch.setattr("layerkit.training.teacher._BLOCK", 7)
        found.append(layerkit.train(given, data=(X, LETTERS)).model.tensors())
    for name, array in found[0].items():
        assert np.array_equal(found[1][name], array)


REFUSED = [
    ({"layer": "dense_9", "teacher": "dense_1"}, "hints[0].layer", "no layer 'dense_9'"),
    ({"layer": "dense_1", "teacher": "dence_1"}, "hints[0].teacher", "did you mean 'dense_1'"),
    ({"layer": "dense_1", "teacher": "dense_1"}, "hints[0].layer", r"gives \[3\].* \[5\]"),
    (
        {"layer": "dense_1", "teacher": "dense_1", "regressor": last(4)},
        "hints[0].regressor",
        r"the regressor gives \[4\]",
    ),
    (
        {"layer": "dense_1", "teacher": "dense_1", "regressor": {"type": "maxpool", "kernel": 2}},
        "hints[0].regressor",
        r"does not fit after 'dense_1' \(output shape \[3\]\)",
    ),
    (
        {"layer": "dense_1", "teacher": "dense_1", "regressor": "batchnorm"},
        "hints[0].regressor",
        "keeps state",
    ),
]


@pytest.mark.parametrize(("hint", "location", "reason"), REFUSED, ids=range(len(REFUSED)))
def test_hints_that_do_not_fit(
    teacher: str, hint: dict[str, Any], location: str, reason: str
) -> None:
    given = spec([DENSE, last(3)], teacher={"model": teacher}, hints=[hint])
    with pytest.raises(SpecError, match=reason) as raised:
        layerkit.train(given, data=(X, LETTERS))
    assert raised.value.location == f"train.{location}"
    if "gives" in reason:
        assert raised.value.hint == "set train.hints[0].regressor to a layer that gives [5]"
        given["train"]["hints"][0]["regressor"] = last(5)
        layerkit.train(given, data=(X, LETTERS))
    elif "no layer" in reason:
        assert raised.value.hint == "layers of the model: dense_1, dense_2"


def test_a_hint_that_an_override_gives_is_told_with_it(teacher: str, tmp_path: Path) -> None:
    path = tmp_path / "student.json"
    path.write_text(json.dumps(spec([DENSE, last(3)], teacher={"model": teacher})))
    text = 'train.hints=[{"layer": "dense_1", "teacher": "dence_1"}]'
    with pytest.raises(SpecError, match=r"train.hints.*no layer 'dence_1'") as raised:
        layerkit.train(path, data=(X, LETTERS), settings=[Setting(text, f"--set {text}")])
    assert raised.value.setting == f"--set {text}"
    assert (raised.value.line, raised.value.path) == (None, None)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (["train.teacher.temperature=1e300"], "a number >= 0.01 and <= 100, got 1e.300"),
        (["train.teacher.temperature=1e-300"], "a number >= 0.01 and <= 100, got 1e-300"),
        (["train.teacher.temperature=1e309"], "a number >= 0.01 and <= 100, got inf"),
        (["train.teacher.temperature=NaN"], "NaN is not JSON: expected a finite number"),
        (["train.hints.0.weight=1e300"], "a number >= 0 and <= 1e.06, got 1e.300"),
        (["train.hints.0.weight=-1"], "a number >= 0 and <= 1e.06, got -1"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_numbers_beyond_all_sense_are_refused(settings: list[str], expected: str) -> None:
    hint = {"layer": "dense_1", "teacher": "dense_2"}
    given = spec([DENSE, last(3)], teacher={"model": "t.layerkit"}, hints=[hint])
    with pytest.raises(SpecError, match=expected):
        as_spec(given, settings)


@pytest.mark.parametrize("temperature", [0.01, 100])
@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "sigmoid_cross_entropy"])
def test_the_ends_of_the_temperature_are_sound(temperature: float, loss: str) -> None:
    """Gradients in float32 are those in float64, at scores as large as a net may have."""
    scores = rng.normal(0, 20, (2, 8, 3))
    found = []
    for dtype in (np.float64, np.float32):
        v, s = scores.astype(dtype)
        link: Any = loss.partition("_")[0]
        soft = SoftTargets(v, link, 1.0, temperature)
        soft.begin(np.arange(8), np.full(8, 1 / 8, dtype))
        dy = soft.follow(s)
        assert np.isfinite(dy).all()
        found.append((soft.lost, dy))
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-3)
    assert np.abs(found[1][1] - found[0][1]).max() < 1e-4 * np.abs(found[0][1]).max()


def test_a_teacher_that_was_never_trained_is_told(tmp_path: Path) -> None:
    given = spec([last(3)], {"classes": ["a", "b", "c"]})
    del given["input"]["scale"]
    layerkit.save(layerkit.build(given), tmp_path / "t.layerkit")
    given["train"]["teacher"] = {"model": str(tmp_path / "t.layerkit")}
    told = Told()
    layerkit.train(given, data=(X, LETTERS), listener=told)
    assert sum("holds no record of a training" in text for text in told.notices) == 1


class Twice(Layer):
    """Feeds what it holds twice."""

    type_name = "test.twice"

    def __init__(self, *, layers: Layers) -> None:
        self.layers = layers

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape, parts=chain(self.layers, in_shape))

    def feed(self, x: Array, ctx: Context) -> Array:
        return self.parts.feed(self.parts.feed(x, ctx.part("1")), ctx.part("2"))

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return self.parts.backprop(self.parts.backprop(dy, ctx.part("2")), ctx.part("1"))


def test_a_layer_that_is_fed_twice_cannot_follow(
    teacher: str, register: Callable[[Any], Any]
) -> None:
    register(Twice)
    twice = {"type": "test.twice", "layers": [{**DENSE, "name": "inner"}]}
    hint = {"layer": "twice_1.inner", "teacher": "dense_2"}
    layers = [DENSE, {**twice, "name": "twice_1"}, last(3)]
    with pytest.raises(SpecError, match="fed more than once in a pass cannot follow a hint"):
        layerkit.train(spec(layers, teacher={"model": teacher}, hints=[hint]), data=(X, LETTERS))


def test_only_the_cpu_trains_beside_a_teacher(teacher: str, register: Callable[[Any], Any]) -> None:
    register(Strict)
    given = spec([DENSE, last(3)], teacher={"model": teacher})
    with pytest.raises(DeviceError, match="cannot run on the device 'strict'") as raised:
        layerkit.train(given, data=(X, LETTERS), device="strict")
    assert raised.value.hint == "train this model on the CPU"
    layerkit.train(given, data=(X, LETTERS))


def test_a_spec_is_the_same_whatever_teacher_it_met(teacher: str) -> None:
    """Runs of one spec have keys of the teacher's file, and a repeated command knows its model."""
    given = as_spec(spec([last(3)], teacher={"model": teacher}))
    model = layerkit.train(given, data=(X, LETTERS)).model
    ours, theirs = given.to_document(), model.spec.to_document()
    assert theirs != ours
    assert before_learning(theirs, ours) == ours
    assert with_teacher_id(given).to_document() == theirs
    assert "teacher" not in as_spec(spec([last(3)])).to_document()["train"]


def test_teachers_that_do_not_fit(teacher: str, tmp_path: Path) -> None:
    given = {"model": teacher}
    with pytest.raises(SpecError, match="the same classes: a, b, d, got a, b, c") as raised:
        layerkit.train(
            spec([last(3)], {"classes": ["a", "b", "d"]}, teacher=given),
            data=(X, np.where(LETTERS == "c", "d", LETTERS)),
        )
    assert raised.value.location == "train.teacher.model"
    with pytest.raises(SpecError, match=r"answers with identity of \[2\], got softmax of \[3\]"):
        layerkit.train(spec([last(2)], {"targets": ["u", "v"]}, teacher=given), data=(X, NUMBERS))
    wide = spec([last(3)], teacher=given)
    wide["input"]["shape"] = [5]
    with pytest.raises(SpecError, match="the teacher cannot take the training rows"):
        layerkit.train(wide, data=(np.hstack([X, X[:, :1]]), LETTERS))
    with pytest.raises(PathError) as missing:
        layerkit.train(spec([last(3)], teacher={"model": "no.layerkit"}), data=(X, LETTERS))
    assert "train.teacher.model" in (missing.value.hint or "")
