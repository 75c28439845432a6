"""Names to classes: metadata first, one import a name, a broken plugin hurts only itself."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import layerkit
from layerkit import (
    Activation,
    Array,
    Context,
    Layer,
    Plan,
    PluginAmbiguousError,
    PluginError,
    PluginLoadError,
    PluginVersionError,
    Shape,
    SpecError,
    UnknownTypeError,
    WeightsError,
)
from layerkit.discovery import registry
from layerkit.discovery.registry import ACTIVATIONS, LAYERS, REGISTRIES, split_config
from layerkit.display import nearest

Install = Callable[..., Path]
Register = Callable[[Any], Any]

GOOD = """
from layerkit import Layer, Plan

class Thing(Layer):
    type_name = "{name}"
    def plan(self, in_shape):
        return Plan(in_shape)
    def feed(self, x, ctx):
        return x
    def backprop(self, dy, ctx):
        return dy
"""


def layers(*lines: str) -> str:
    return "[layerkit.layers]\n" + "\n".join(lines) + "\n"


def test_names_are_sorted_and_import_nothing() -> None:
    code = (
        "import sys; from layerkit.discovery.registry import LAYERS; names = LAYERS.names(); "
        "assert names == sorted(names) and 'dense' in names; "
        "assert not [m for m in sys.modules if m.startswith('layerkit_plugins')]; "
        "LAYERS['dense']; print(sorted(m for m in sys.modules if 'layers.' in m))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['layerkit_plugins.layers.dense']"


def test_every_kind_has_a_registry() -> None:
    kinds = [
        "layers", "activations", "initializers", "losses", "optimizers", "schedules", "metrics",
        "callbacks", "engines", "data", "readers", "exporters", "importers", "devices",
        "figures", "executors", "searches",
    ]  # fmt: skip
    assert list(REGISTRIES) == kinds
    assert {r.group for r in REGISTRIES.values()} == {f"layerkit.{k}" for k in kinds}


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UnknownTypeError) as caught:
        LAYERS["projecton"]
    assert "unknown layer type 'projecton'; did you mean 'projection'?" in str(caught.value)
    assert "dense" in (caught.value.hint or "")
    (problem,) = caught.value.problems
    assert problem.key == "projecton"
    assert isinstance(caught.value, LookupError)


def test_a_name_like_no_other_gets_no_suggestion() -> None:
    with pytest.raises(UnknownTypeError) as caught:
        LAYERS["qqqqqqqqqqqq"]
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "\x1b[31m", "a" * 10_000, "dense\n"])
def test_odd_names_are_shown_safely(name: str) -> None:
    with pytest.raises(UnknownTypeError) as caught:
        LAYERS[name]
    text = str(caught.value)
    assert "\x1b" not in text
    assert len(text) < 500


def test_nearest_words() -> None:
    assert nearest("Tanh", ["tanh", "relu"]) == "; did you mean 'tanh'?"
    assert nearest("zzz", ["tanh"]) == ""
    assert nearest("ab", []) == ""


def test_contains_is_for_names() -> None:
    assert "dense" in LAYERS
    assert "danse" not in LAYERS
    assert 3 not in LAYERS
    assert [] not in LAYERS


def test_create_by_name_and_by_settings() -> None:
    assert LAYERS.create({"type": "dense", "units": 3}).config["units"] == 3
    assert ACTIVATIONS.create("tanh").type_name == "tanh"
    given = {"type": "dense", "units": 3}
    LAYERS.create(given)
    assert given == {"type": "dense", "units": 3}


def test_refused_settings_are_a_spec_error() -> None:
    with pytest.raises(SpecError, match="layer type 'dense' does not accept its settings"):
        LAYERS.create("dense")
    with pytest.raises(SpecError, match="'tanh' does not accept"):
        ACTIVATIONS.create({"type": "tanh", "slope": 1})


def test_split_config() -> None:
    assert split_config("x") == ("x", {})
    assert split_config({"type": "x", "a": 1}) == ("x", {"a": 1})
    assert split_config({"a": 1}) == ("", {"a": 1})


def test_equal_configurations_share_one_object() -> None:
    one = layerkit.activation({"type": "leaky_relu", "slope": 0.2})
    assert layerkit.activation({"slope": 0.2, "type": "leaky_relu"}) is one
    assert layerkit.activation({"type": "leaky_relu", "slope": 0.3}) is not one
    assert layerkit.activation("tanh") is layerkit.activation("tanh")
    assert layerkit.initializer("ones") is layerkit.initializer("ones")
    assert layerkit.schedule("constant") is layerkit.schedule("constant")


class Local(Layer):
    type_name = "test.local"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        return x

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy


def test_registered_in_process(register: Register) -> None:
    assert register(Local) is Local
    assert LAYERS["test.local"] is Local
    assert "test.local" in LAYERS.names()
    candidate = LAYERS.origin(Local)
    assert (candidate.dist, candidate.version, str(candidate)) == (
        None,
        None,
        "registered in this process",
    )
    LAYERS.unregister("test.local")
    assert "test.local" not in LAYERS


def test_registering_again_replaces(register: Register) -> None:
    register(Local)
    other = register(type("Other", (Local,), {}))
    assert LAYERS["test.local"] is other


def test_registering_an_activation_again_is_seen_at_once(register: Register) -> None:
    def make(value: float) -> Any:
        def feed(self: Any, z: Array) -> Array:
            return value + 0 * z

        def backprop(self: Any, dy: Array, z: Array, y: Array) -> Array:
            return 0 * dy

        body = {"type_name": "test.flat", "feed": feed, "backprop": backprop}
        return type("Flat", (Activation,), body)

    register(make(1.0))
    first = layerkit.activation("test.flat")
    register(make(2.0))
    assert layerkit.activation("test.flat") is not first


def test_a_local_class_goes_before_an_installed_one(register: Register) -> None:
    with pytest.warns(UserWarning, match="Shadow hides the layer type 'dense' of layerkit 0"):
        shadow = register(type("Shadow", (Local,), {"type_name": "dense"}))
    assert LAYERS["dense"] is shadow
    LAYERS.unregister("dense")
    assert LAYERS["dense"].__module__ == "layerkit_plugins.layers.dense"


def test_only_parts_can_be_registered(register: Register) -> None:
    for odd in (int, type("Named", (), {"type_name": "test.named"})):
        with pytest.raises(TypeError):
            register(odd)


@pytest.mark.parametrize("name", ["MyLayer", "a b", "a/b", "", "-a", "a-", "a\n"])
def test_a_name_that_no_file_can_hold_is_refused_at_once(register: Register, name: str) -> None:
    with pytest.raises((ValueError, TypeError), match="name"):
        register(type("Odd", (Local,), {"type_name": name}))


def test_a_class_without_a_name_is_refused(register: Register) -> None:
    body = {k: v for k, v in vars(Local).items() if k in ("plan", "feed", "backprop")}
    with pytest.raises(TypeError, match="type_name"):
        register(type("Nameless", (Layer,), body))


def test_an_installed_plug_in_is_found(install: Install) -> None:
    install("acme-parts", layers("acme.thing = acme_a:Thing"), {"acme_a": _good("acme.thing")})
    cls = LAYERS["acme.thing"]
    assert cls.__module__ == "acme_a"
    candidate = LAYERS.origin(cls)
    assert (candidate.dist, candidate.version) == ("acme-parts", "1.0")
    assert str(candidate) == "acme-parts 1.0"
    assert LAYERS["dense"].type_name == "dense"


def _good(name: str) -> str:
    return GOOD.format(name=name)


def test_distribution_names_are_normalised(install: Install) -> None:
    install("Acme_Parts.Extra", layers("acme.n = acme_n:Thing"), {"acme_n": _good("acme.n")})
    assert LAYERS.choose("acme.n").dist == "acme-parts-extra"


BROKEN = {
    "raises": "raise RuntimeError('no such luck')",
    "exits": "raise SystemExit(3)",
    "is no layer": "Thing = int",
    "is no class": "Thing = 5",
    "lacks the class": "Other = 1",
    "has another name": GOOD.format(name="acme.other"),
    "is abstract of another kind": "from layerkit import Activation\nclass Thing(Activation): "
    "type_name = 'acme.broken'",
    "needs what is not there": "import no_such_module_anywhere",
    "is no Python": "def (",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_broken_plug_in_hurts_only_itself(install: Install, text: str) -> None:
    install("acme-broken", layers("acme.broken = acme_broken:Thing"), {"acme_broken": text})
    assert "acme.broken" in LAYERS.names()
    with pytest.raises(PluginLoadError) as caught:
        LAYERS["acme.broken"]
    message = str(caught.value)
    for word in ("acme.broken", "acme-broken 1.0", "acme_broken:Thing"):
        assert word in message
    assert caught.value.problems[0].installed == ("acme-broken 1.0",)
    assert LAYERS["dense"].type_name == "dense"


def test_the_cause_is_chained(install: Install) -> None:
    install("acme-c", layers("acme.c = acme_c:Thing"), {"acme_c": "raise RuntimeError('luck')"})
    with pytest.raises(PluginLoadError, match="RuntimeError: luck") as caught:
        LAYERS["acme.c"]
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_keyboard_interrupt_passes_through(install: Install) -> None:
    install("acme-k", layers("acme.k = acme_k:Thing"), {"acme_k": "raise KeyboardInterrupt"})
    with pytest.raises(KeyboardInterrupt):
        LAYERS["acme.k"]


def test_listing_does_not_import_a_broken_plug_in(install: Install) -> None:
    install("acme-l", layers("acme.l = acme_l:Thing"), {"acme_l": "raise RuntimeError"})
    assert "acme.l" in LAYERS.names()
    assert LAYERS.choose("acme.l").value == "acme_l:Thing"
    assert "acme_l" not in sys.modules
    with pytest.raises(UnknownTypeError):
        LAYERS["acme.q"]
    assert "acme_l" not in sys.modules


def test_a_broken_plug_in_is_tried_again(install: Install) -> None:
    text = "import builtins\nif not hasattr(builtins, 'acme_ready'): raise RuntimeError\n"
    install("acme-t", layers("acme.t = acme_t:Thing"), {"acme_t": text + _good("acme.t")})
    with pytest.raises(PluginLoadError):
        LAYERS["acme.t"]
    import builtins

    builtins.acme_ready = True  # type: ignore[attr-defined]
    try:
        assert LAYERS["acme.t"].type_name == "acme.t"
    finally:
        del builtins.acme_ready  # type: ignore[attr-defined]


def test_two_distributions_of_one_type(install: Install) -> None:
    install("acme-one", layers("acme.x = acme_x1:Thing"), {"acme_x1": _good("acme.x")})
    install(
        "acme-two",
        layers("acme.x = acme_x2:Thing", "acme.y = acme_y:Thing"),
        {"acme_x2": _good("acme.x"), "acme_y": _good("acme.y")},
        version="2.0",
    )
    with pytest.raises(PluginAmbiguousError) as caught:
        LAYERS["acme.x"]
    assert "acme-one 1.0 and by acme-two 2.0" in str(caught.value)
    assert caught.value.problems[0].installed == ("acme-one 1.0", "acme-two 2.0")
    assert not {"acme_x1", "acme_x2"} & set(sys.modules)
    assert LAYERS["acme.y"].type_name == "acme.y"


def test_a_local_class_settles_an_ambiguity(install: Install, register: Register) -> None:
    for n in ("1", "2"):
        install(f"acme-z{n}", layers("acme.z = acme_zz:Thing"), {"acme_zz": _good("acme.z")})
    with pytest.warns(UserWarning, match="of acme-z1 1.0 and acme-z2 1.0 in this process"):
        mine = register(type("Mine", (Local,), {"type_name": "acme.z"}))
    assert LAYERS["acme.z"] is mine


def test_the_first_of_two_copies_of_a_distribution_counts(install: Install) -> None:
    install("acme-d", layers("acme.d = acme_d:Thing"), {"acme_d": _good("acme.d")}, version="1")
    install("acme-d", layers("acme.d = acme_d:Thing"), {"acme_d": _good("acme.d")}, version="2")
    assert LAYERS.choose("acme.d").version == "2"


@pytest.mark.parametrize(
    "lines",
    ["a line without an equals sign", "= nothing", "x = ", "[layerkit.layers\nx = y", "\x00"],
)
def test_entry_points_that_cannot_be_parsed_hurt_only_their_distribution(
    install: Install, lines: str
) -> None:
    install("acme-bad", layers(lines))
    assert LAYERS["dense"].type_name == "dense"
    assert "dense" in LAYERS.names()


def test_a_distribution_without_metadata_hurts_nobody(install: Install) -> None:
    install("acme-m", layers("acme.m = acme_m:Thing"), {"acme_m": _good("acme.m")}, metadata="")
    assert LAYERS["dense"].type_name == "dense"
    assert "dense" in LAYERS.names()


def test_extras_of_an_entry_point_are_no_part_of_its_name(install: Install) -> None:
    install("acme-e", layers("acme.e = acme_e:Thing [fast]"), {"acme_e": _good("acme.e")})
    assert LAYERS["acme.e"].type_name == "acme.e"


def test_nested_attributes(install: Install) -> None:
    text = _good("acme.in") + "\nclass Box:\n    Inside = Thing\n"
    install("acme-in", layers("acme.in = acme_in:Box.Inside"), {"acme_in": text})
    assert LAYERS["acme.in"].__name__ == "Thing"


def test_migrated_settings() -> None:
    class New(Local):
        type_name = "test.new"
        config_version = 3

        @classmethod
        def migrate(cls, config: dict[str, Any], from_version: int) -> dict[str, Any]:
            return {**config, "from": from_version}

    given = {"a": 1}
    assert LAYERS.migrated(New, given, 3) is given
    assert LAYERS.migrated(New, given, 2) == {"a": 1, "from": 2}
    assert given == {"a": 1}
    nested: dict[str, Any] = {"a": 1, "parts": [{"b": 2}]}
    LAYERS.migrated(New, nested, 2)["parts"][0].clear()
    assert nested == {"a": 1, "parts": [{"b": 2}]}
    with pytest.raises(PluginVersionError, match="too old here"):
        LAYERS.migrated(New, given, 4)
    with pytest.raises(PluginVersionError, match="cannot migrate") as caught:
        LAYERS.migrated(type("Old", (Local,), {"config_version": 2}), given, 1, where="spec.x")
    assert caught.value.__cause__ is not None
    assert caught.value.problems[0].where == "spec.x"


def test_names_of_kinds_for_messages() -> None:
    assert [r.singular for r in REGISTRIES.values()] == [
        "layer type", "activation", "initializer", "loss", "optimizer", "schedule", "metric",
        "callback", "engine", "data set", "file format", "export form",
        "kind of weights", "device", "form of figures", "executor", "search",
    ]  # fmt: skip


def test_the_registry_forgets_nothing_between_tests() -> None:
    assert all(not r._local for r in registry.REGISTRIES.values())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise KeyError('boom')", "raised KeyError: 'boom'"),
        ("raise SystemExit(4)", "raised SystemExit: 4"),
        ("return None", "returned None, not the new settings"),
    ],
)
def test_a_migration_that_fails_is_told_as_the_plugins(body: str, words: str) -> None:
    names: dict[str, Any] = {}
    exec(f"def migrate(cls, config, from_version):\n    {body}", names)  # noqa: S102  # our text
    dense = LAYERS["dense"]
    part = type("Old", (dense,), {"config_version": 2, "migrate": classmethod(names["migrate"])})
    with pytest.raises(PluginVersionError, match=re.escape(words)) as told:
        LAYERS.migrated(part, {}, 1, where="m.layerkit")
    assert "Old.migrate" in str(told.value)
    assert told.value.hint


@pytest.mark.parametrize("body", ["raise OSError('no library')", "class Form: pass"])
def test_a_part_that_cannot_be_used_spoils_no_search(
    body: str, install: Any, tmp_path: Path
) -> None:
    points = "[layerkit.exporters]\n'acme.form' = acme_forms:Form\n"
    points += "[layerkit.importers]\n'acme.form' = acme_forms:Form\n"
    install("acme-forms", points.replace("'", ""), {"acme_forms": body})
    for kind in ("exporters", "importers"):
        assert "acme.form" in REGISTRIES[kind].names()
        assert "acme.form" not in REGISTRIES[kind].usable()
        with pytest.raises(PluginError):
            REGISTRIES[kind]["acme.form"]
    model = layerkit.build("highway-digits", settings=["input.scale=null"])
    assert layerkit.export(model, tmp_path / "net.npz").form == "npz"
    again = layerkit.import_weights(tmp_path / "net.npz", spec=model.spec).model
    assert again.network.params.tobytes() == model.network.params.tobytes()
    with pytest.raises(WeightsError, match="an object that an importer takes, got object"):
        layerkit.import_weights(object(), spec=model.spec)
