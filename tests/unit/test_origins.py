"""The origin of parts of every group: in the file, when it is loaded, and when it is trained on."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest

import layerkit
from layerkit import (
    Model,
    PluginAmbiguousError,
    PluginError,
    PluginLoadError,
    PluginMissingError,
    PluginNotAllowedError,
    PluginVersionError,
    SpecError,
)
from layerkit.cli.app import run
from layerkit.discovery import registry
from layerkit.fields import PartOf
from layerkit.specs import LayerRecord
from layerkit.specs.jsonschema import json_schema

Install = Callable[..., Path]

VERIFIER = Path(__file__).parents[3] / "shared" / "format" / "lkverify.py"

SOURCE = '''
import math
import numpy as np
import layerkit
from layerkit import Plan, Param, Rows
from layerkit.fields import ActivationName, InitializerName

class Part:
    """Settings of version {version} of all parts."""
    config_version = {version}

    def __init__(self, *, {setting}: float = 2.0):
        self.{setting} = {setting}

    @classmethod
    def migrate(cls, config, from_version):
        assert from_version == 1, from_version
        return {{"{setting}": config.pop("amount") * 10}}

class Soft(Part, layerkit.Activation):
    type_name = "acme.soft"
    def feed(self, z):
        return z * z.dtype.type(self.{setting})
    def backprop(self, dy, z, y):
        return dy * z.dtype.type(self.{setting})

class Start(Part, layerkit.Initializer):
    type_name = "acme.start"
    def make(self, shape, fans, rng):
        return np.full(shape, self.{setting})

class Miss(Part, layerkit.Loss):
    type_name = "acme.miss"
    target = "real"
    link = "identity"
    def feed(self, scores, targets, ctx):
        r = scores - targets.reshape(scores.shape).astype(scores.dtype)
        ctx.save(r)
        return (r * r).mean(axis=1)
    def backprop(self, weights, ctx):
        r, = ctx.saved
        return r * (2 * weights / r.shape[1]).astype(r.dtype)[:, None]

class Step(Part, layerkit.Optimizer):
    type_name = "acme.step"
    @property
    def learning_rate(self):
        return 0.0001
    def rule(self, p, g, slots, scratch):
        p -= np.multiply(g, self.rate, scratch)

class Slow(Part, layerkit.Schedule):
    type_name = "acme.slow"
    def factor(self, epoch, epochs):
        return 1.0

class Far(Part, layerkit.Metric):
    type_name = "acme.far"
    target = ("real",)
    higher_is_better = False
    def value(self, predictions, targets, weights=None):
        return float(np.abs(predictions - targets.reshape(predictions.shape)).mean())

class Quiet(Part, layerkit.Callback):
    type_name = "acme.quiet"

class Lines(Part, layerkit.DataSource):
    type_name = "acme.lines"
    def load(self, where):
        x = np.linspace(-1.0, 1.0, 40).reshape(20, 2)
        return {{"train": Rows(x, None, x.sum(axis=1), "acme")}}

class Mix(layerkit.Layer):
    """y = b + the sum of the activations of x."""
    type_name = "acme.mix"
    def __init__(self, *, acts: list[ActivationName], more: dict[str, ActivationName] | None = None,
                 start: InitializerName = "zeros"):
        self.acts = acts
        self.more = more
        self.start = start
    def plan(self, in_shape):
        return Plan(in_shape, {{"b": Param(in_shape, self.start)}})
    def feed(self, x, ctx):
        made = [layerkit.activation(one) for one in (*self.acts, *(self.more or {{}}).values())]
        y = self.params["b"] + sum(one.feed(x) for one in made)
        ctx.save(x)
        return y
    def backprop(self, dy, ctx):
        x, = ctx.saved
        made = [layerkit.activation(one) for one in (*self.acts, *(self.more or {{}}).values())]
        self.grads["b"] = dy.sum(axis=0)
        return sum(one.backprop(dy, x, one.feed(x)) for one in made)
'''
PARTS = {
    "activations": ("acme.soft", "Soft"),
    "initializers": ("acme.start", "Start"),
    "losses": ("acme.miss", "Miss"),
    "optimizers": ("acme.step", "Step"),
    "schedules": ("acme.slow", "Slow"),
    "metrics": ("acme.far", "Far"),
    "callbacks": ("acme.quiet", "Quiet"),
    "data": ("acme.lines", "Lines"),
}
TRAINED = {
    "loss": "losses",
    "optimizer": "optimizers",
    "schedule": "schedules",
    "metrics": "metrics",
    "callbacks": "callbacks",
    "data": "data",
}


@pytest.fixture
def site(install: Install) -> Iterator[Site]:
    made = Site(install)
    yield made
    made.remove_all()


class Site:
    """Distributions that come and go; the parts of each group in one of their own."""

    def __init__(self, install: Install) -> None:
        self._install = install
        self._folders: dict[str, Path] = {}

    def add(self, group: str, *, dist: str = "", version: int = 1) -> None:
        """Install the part of ``group``, with settings of ``version``: "amount", then "size"."""
        dist = dist or f"acme-{group}"
        module = dist.replace("-", "_")
        name, cls = PARTS.get(group, ("acme.mix", "Mix"))
        points = f"[layerkit.{group}]\n{name} = {module}:{cls}\n"
        source = SOURCE.format(version=version, setting="amount" if version == 1 else "size")
        self._folders[dist] = self._install(dist, points, {module: source}, version=f"{version}.0")

    def remove(self, group: str, *, dist: str = "") -> None:
        dist = dist or f"acme-{group}"
        sys.path.remove(str(self._folders.pop(dist)))
        sys.modules.pop(dist.replace("-", "_"), None)
        for one in registry.REGISTRIES.values():
            for candidate in [c for c in one._loaded if c.dist == dist]:
                del one._loaded[candidate]
        for held in vars(registry).values():
            if hasattr(held, "cache_clear"):
                held.cache_clear()

    def remove_all(self) -> None:
        for dist in list(self._folders):
            self.remove("", dist=dist)


def trained(site: Site) -> bytes:
    """A model file whose spec names a part of every group, trained for one epoch."""
    for group in ("layers", *PARTS):
        site.add(group)
    part = {group: {"type": name, "amount": 0.5} for group, (name, _) in PARTS.items()}
    mix = {
        "type": "acme.mix",
        "acts": ["tanh", part["activations"], "leaky_relu"],
        "more": {"a": part["activations"]},
        "start": part["initializers"],
    }
    spec = {
        "layerkit": 1,
        "input": {"shape": [2]},
        "layers": [
            {"type": "dense", "units": 2, "activation": part["activations"]},
            {"type": "residual", "layers": [{"type": "sequence", "layers": [mix]}]},
            {"type": "dense", "units": 1},
        ],
        "output": {"targets": ["y"]},
        "train": {
            "epochs": 2,
            "batch_size": 10,
            "loss": part["losses"],
            "optimizer": part["optimizers"],
            "schedule": part["schedules"],
            "metrics": ["mae", part["metrics"]],
            "callbacks": [part["callbacks"]],
            "data": part["data"],
        },
    }
    stream = io.BytesIO()
    layerkit.save(layerkit.train(spec).model, stream)
    return stream.getvalue()


def mix_of(model: Model) -> LayerRecord:
    """The layer inside the containers."""
    return model.spec.layers[1].layers[0].layers[0]


def saved(model: Model) -> bytes:
    stream = io.BytesIO()
    layerkit.save(model, stream)
    return stream.getvalue()


def types_of(content: bytes) -> dict[str, Any]:
    found: dict[str, Any] = layerkit.inspect(content).header["types"]
    return found


def test_the_file_names_the_origin_of_every_part(site: Site) -> None:
    content = trained(site)
    types = types_of(content)
    theirs = {f"{group}/{name}" for group, (name, _) in PARTS.items()}
    assert types.keys() == {"dense", "residual", "sequence", "acme.mix", *theirs}
    for group, (name, _) in PARTS.items():
        assert types[f"{group}/{name}"] == {
            "config_version": 1,
            "dist": f"acme-{group}",
            "entry_point": name,
            "version": "1.0",
        }
    model = layerkit.load(content)
    assert saved(model) == content
    assert mix_of(model).config["acts"] == [
        "tanh",
        {"type": "acme.soft", "amount": 0.5},
        {"type": "leaky_relu", "slope": 0.01},
    ]


def test_the_verifier_of_the_format_takes_the_file(site: Site, tmp_path: Path) -> None:
    if not VERIFIER.is_file():
        pytest.skip("the verifier of the format is not beside this checkout")
    path = tmp_path / "m.layerkit"
    path.write_bytes(trained(site))
    done = subprocess.run([sys.executable, "-B", str(VERIFIER), str(path)], capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_inspect_lists_the_origins(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.layerkit"
    path.write_bytes(trained(site))
    assert run(["inspect", str(path)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    for group, (name, _) in PARTS.items():
        assert [name, group, f"acme-{group}", "1.0"] in lines


@pytest.mark.parametrize("group", [g for g in PARTS if g != "activations"])
def test_what_only_training_needs_stops_no_prediction(site: Site, group: str) -> None:
    content = trained(site)
    expected = layerkit.load(content).predict([[0.5, 1.0]])
    site.remove(group)
    model = layerkit.load(content)
    np.testing.assert_array_equal(model.predict([[0.5, 1.0]]), expected)
    assert saved(model) == content  # nothing of the part that is not here is lost


@pytest.mark.parametrize("group", [*TRAINED.values()])
def test_what_training_needs_is_asked_for(site: Site, group: str) -> None:
    content = trained(site)
    site.remove(group)
    model = layerkit.load(content)
    for act in (partial(layerkit.resume, epochs=3), layerkit.train):
        with pytest.raises(PluginMissingError) as caught:
            act(model)
        for word in (PARTS[group][0], f"acme-{group} 1.0", f"pip install acme-{group}==1.0"):
            assert word in str(caught.value)
        (problem,) = caught.value.problems
        assert problem.where.startswith("train.")
    site.add(group)
    assert layerkit.resume(model, epochs=3).epochs == 3


def test_all_that_training_misses_is_named_at_once(site: Site) -> None:
    content = trained(site)
    site.remove("optimizers")
    site.remove("metrics")
    with pytest.raises(PluginMissingError, match=r"acme-metrics==1\.0 acme-optimizers==1\.0\n"):
        layerkit.resume(layerkit.load(content), epochs=3)


def test_other_data_do_without_the_source(site: Site) -> None:
    content = trained(site)
    site.remove("data")
    x = np.linspace(-1.0, 1.0, 40).reshape(20, 2)
    layerkit.train(layerkit.load(content), data=(x, x.sum(axis=1)))


def test_a_start_is_asked_for_where_a_model_is_built(site: Site) -> None:
    spec = layerkit.load(trained(site)).spec
    site.remove("initializers")
    with pytest.raises(PluginError, match=r"acme\.start"):
        layerkit.build(spec.to_document())
    site.add("initializers")
    content = saved(layerkit.build(spec))
    site.remove("initializers")
    with pytest.raises(
        PluginMissingError,
        match=r"(?s)layers\[1\]\.layers\[0\]\.layers\[0\]\.config\.start.*pip install acme-init",
    ):
        layerkit.build(layerkit.load(content).spec)


@pytest.mark.parametrize("group", [*PARTS])
def test_settings_of_every_part_are_migrated(site: Site, group: str) -> None:
    content = trained(site)
    site.remove(group)
    site.add(group, version=2)
    model = layerkit.load(content, selftest=False)
    name = PARTS[group][0]
    new = {"type": name, "size": 5.0}
    layers, recipe, mix = model.spec.layers, model.spec.train, mix_of(model)
    assert recipe is not None
    places = {
        "activations": (
            layers[0].config["activation"],
            mix.config["acts"][1],
            mix.config["more"]["a"],
        ),
        "initializers": (mix.config["start"],),
        "metrics": (recipe["metrics"][1],),
        "callbacks": (recipe["callbacks"][0],),
        **{g: (recipe[key],) for key, g in TRAINED.items() if g not in ("metrics", "callbacks")},
    }
    assert all(found == new for found in places[group]), places[group]
    again = saved(model)
    assert types_of(again)[f"{group}/{name}"]["config_version"] == 2
    assert layerkit.load(again, selftest=False).spec.train == recipe
    if group == "optimizers":
        assert layerkit.inspect(again).header["training"]["optimizer"]["config"] == {"size": 5.0}
    assert layerkit.resume(model, epochs=3).epochs == 3


@pytest.mark.parametrize("group", [*PARTS])
def test_newer_settings_are_refused_where_they_are_needed(site: Site, group: str) -> None:
    site.add(group, version=2)
    content = trained_with(site, group)
    site.remove(group)
    site.add(group, version=1)
    message = rf"version 2, acme-{group} 1\.0 has version 1"
    if group == "activations":
        with pytest.raises(PluginVersionError, match=message) as caught:
            layerkit.load(content)
    else:
        model = layerkit.load(content)
        assert saved(model) == content
        with pytest.raises(PluginVersionError, match=message) as caught:
            train_anew(model)
    assert f"upgrade acme-{group}" in str(caught.value)


def train_anew(model: Model) -> None:
    """Whatever needs all parts of a model that predicts."""
    assert model.predict([[0.5, 1.0]]).shape == (1, 1)
    layerkit.build(model.spec)
    layerkit.resume(model, epochs=3)


def trained_with(site: Site, group: str, given: list[dict[str, Any]] | None = None) -> bytes:
    """A model file with the part of ``group`` alone, of version 2; or with ``given`` parts."""
    part = {"type": PARTS[group][0], "size": 0.5}
    train: dict[str, Any] = {"epochs": 1, "data": "acme.rows"}
    settings: dict[str, Any] = {}
    key = next((key for key, one in TRAINED.items() if one == group), None)
    if key is None:
        settings["activation" if group == "activations" else "initializer"] = part
    else:
        train[key] = (given or [part]) if key in ("metrics", "callbacks") else part
    spec = {
        "layerkit": 1,
        "input": {"shape": [2]},
        "layers": [{"type": "dense", "units": 1, **settings}],
        "output": {"targets": ["y"]},
        "train": train,
    }
    x = np.linspace(-1.0, 1.0, 40).reshape(20, 2)
    data = None if key == "data" else (x, x.sum(axis=1))
    return saved(layerkit.train(spec, data=data).model)


@pytest.mark.parametrize("group", [*PARTS])
def test_parts_that_are_not_allowed_are_not_imported(site: Site, group: str) -> None:
    content = trained(site)
    allowed = {"layerkit", "acme-layers", *(f"acme-{one}" for one in PARTS if one != group)}
    module = f"acme_{group}"
    for one in registry.REGISTRIES.values():
        one._loaded.clear()
    sys.modules.pop(module)
    with pytest.raises(PluginNotAllowedError, match=rf"acme-{group} .*not among the allowed"):
        train_anew(layerkit.load(content, allow_plugins=allowed))
    assert module not in sys.modules


def test_the_file_says_which_of_two_distributions_is_meant(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = trained(site)
    site.add("activations", dist="other-acts")
    with pytest.raises(PluginAmbiguousError) as caught:
        layerkit.load(content)
    for word in ("comes from acme-activations 1.0", "other-acts 1.0 too", "LAYERKIT_PLUGINS"):
        assert word in str(caught.value)
    names = ",".join(["acme-layers", *(f"acme-{group}" for group in PARTS)])
    monkeypatch.setenv("LAYERKIT_PLUGINS", names)
    assert saved(layerkit.load(content)) == content
    monkeypatch.setenv("LAYERKIT_PLUGINS", names.replace("acme-activations", "other-acts"))
    with pytest.raises(PluginNotAllowedError, match="acme-activations"):
        layerkit.load(content)
    monkeypatch.delenv("LAYERKIT_PLUGINS")
    site.remove("activations")
    with pytest.raises(PluginMissingError, match=r"acme-activations 1\.0.*other-acts 1\.0 offers"):
        layerkit.load(content)


def test_a_migration_that_fails_stops_no_prediction(site: Site) -> None:
    content = trained(site)
    site.remove("optimizers")
    site.add("optimizers", version=3)  # its migrate refuses version 1 of version 3
    source = Path(sys.path[0]) / "acme_optimizers.py"
    source.write_text(source.read_text().replace("from_version == 1", "from_version == 2"))
    sys.modules.pop("acme_optimizers", None)
    model = layerkit.load(content)
    assert saved(model) == content
    with pytest.raises(PluginVersionError, match="cannot migrate settings of version 1"):
        layerkit.resume(model, epochs=3)


def test_a_part_has_one_version_in_a_file(site: Site) -> None:
    """Of two places, the second of which cannot be migrated, the first must not be either."""
    site.add("metrics")
    metrics = [{"type": "acme.far", "amount": 1.0}, {"type": "acme.far", "amount": 2.0}]
    content = trained_with(site, "metrics", metrics)
    for refused in (1.0, 2.0):
        site.remove("metrics")
        site.add("metrics", version=2)
        source = Path(sys.path[0]) / "acme_metrics.py"
        check = f"assert config['amount'] != {refused}"
        source.write_text(source.read_text().replace("assert from_version == 1", check))
        sys.modules.pop("acme_metrics", None)
        if refused == 1.0:
            assert saved(layerkit.load(content)) == content
        else:
            with pytest.raises(PluginVersionError, match=r"metrics\[1\].*cannot migrate"):
                layerkit.load(content)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"acts": ["tanhh"]}, r"layers\[0\]\.acts\[0\]: unknown activation 'tanhh'"),
    ({"acts": ["tanh", {"type": "leaky_relu", "slope": "x"}]}, r"acts\[1\]\.slope: expected a num"),
    ({"acts": ["tanh", {"type": "leaky_relu", "slop": 1}]}, r"acts\[1\]\.slop: unknown field"),
    ({"acts": ["tanh", 3]}, r"acts\[1\]: expected the name of an activation"),
    ({"acts": "tanh"}, r"acts: expected a list"),
    ({"acts": [], "more": {"k": "tanhh"}}, r"more\.k: unknown activation"),
    ({"acts": [], "more": ["tanh"]}, r"more: expected"),
]


@pytest.mark.parametrize(("settings", "message"), WRONG)
def test_parts_in_lists_are_validated(site: Site, settings: dict[str, Any], message: str) -> None:
    site.add("layers")
    spec = {
        "layerkit": 1,
        "input": {"shape": [2]},
        "layers": [{"type": "acme.mix", **settings}],
    }
    with pytest.raises((SpecError, PluginError), match=message):
        layerkit.build(spec)


def test_a_setting_cannot_name_a_layer(register: Any) -> None:
    """A file could not say where such a layer is from: what is inside a layer is in ``layers``."""

    def make(self: Any, *, inner: Annotated[str, PartOf("layers")]) -> None:
        self.inner = inner

    base = registry.LAYERS["highway"]
    register(type("Holder", (base,), {"type_name": "test.holder", "__init__": make}))
    layers = [{"type": "test.holder", "inner": "dense"}]
    with pytest.raises(PluginLoadError, match=r"layers\[0\]\.inner: .*`layers: Layers`"):
        layerkit.build({"layerkit": 1, "input": {"shape": [2]}, "layers": layers})


def test_the_schema_knows_parts_in_lists(site: Site) -> None:
    site.add("layers")
    layers = json_schema()["$defs"]["layer"]["oneOf"]
    flat = [one["oneOf"][0]["properties"] for one in layers]
    held = next(one for one in flat if one["type"] == {"const": "acme.mix"})
    reference = {"$ref": "#/$defs/activations-part"}
    assert held["acts"] == {"type": "array", "items": reference}
    assert held["more"]["anyOf"] == [
        {"type": "object", "additionalProperties": reference},
        {"type": "null"},
    ]


def test_the_kit_takes_parts_in_lists(site: Site) -> None:
    site.add("layers")
    from layerkit.testing import check_part

    part = registry.LAYERS["acme.mix"]
    part.examples = classmethod(  # type: ignore[method-assign,assignment]
        lambda cls: [({"acts": ["tanh", {"type": "leaky_relu", "slope": 0.2}]}, (3,))]
    )
    report = check_part(
        part, only=["settings.constructor", "settings.annotations", "settings.round_trip"]
    )
    wrong = [one for one in report.outcomes if one.status == "failed"]
    assert not wrong, wrong
