"""Who provided a layer type, and what a file may import."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import (
    Array,
    Context,
    Layer,
    MalformedFileError,
    Model,
    Param,
    Plan,
    PluginAmbiguousError,
    PluginError,
    PluginLoadError,
    PluginMissingError,
    PluginNotAllowedError,
    PluginVersionError,
    Shape,
)
from layerkit.discovery.registry import LAYERS
from tests.fuzz.container import assemble, take_apart

Install = Callable[..., Path]
Register = Callable[[Any], Any]

MODULE = """
from layerkit import Layer, Param, Plan

class Thing(Layer):
    type_name = "{name}"
    config_version = {version}

    def __init__(self, *, factor: float = 2.0):
        self.factor = factor

    def plan(self, in_shape):
        return Plan(in_shape, {{"w": Param(in_shape, 3.0)}})

    def feed(self, x, ctx):
        return x * self.params["w"] * x.dtype.type(self.factor)

    def backprop(self, dy, ctx):
        return dy
{more}
"""
MIGRATE = """
    @classmethod
    def migrate(cls, config, from_version):
        return {"factor": config["factor"] * 10 ** (cls.config_version - from_version)}
"""


def module(name: str, version: int = 1, more: str = "") -> str:
    return MODULE.format(name=name, version=version, more=more)


def offered(name: str, where: str) -> str:
    return f"[layerkit.layers]\n{name} = {where}:Thing\n"


def saved(*layers: dict[str, Any]) -> io.BytesIO:
    spec = {"layerkit": 1, "input": {"shape": [2]}, "layers": list(layers)}
    stream = io.BytesIO()
    layerkit.save(layerkit.build(spec), stream)
    return stream


def read(stream: io.BytesIO, **options: Any) -> Model:
    stream.seek(0)
    return layerkit.load(stream, **options)


def types_of(stream: io.BytesIO) -> dict[str, Any]:
    stream.seek(0)
    found: dict[str, Any] = layerkit.inspect(stream).header["types"]
    return found


class Local(Layer):
    type_name = "test.local"

    def __init__(self, *, bias: float = 1.0) -> None:
        self.bias = bias

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape, {"b": Param(in_shape, self.bias)})

    def feed(self, x: Array, ctx: Context) -> Array:
        y: Array = x + self.params["b"]
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy


def test_the_providers_are_recorded(install: Install, register: Register) -> None:
    install("Acme_Parts", offered("acme.p", "acme_p"), {"acme_p": module("acme.p")}, version="3.1")
    register(Local)
    stream = saved(
        {"type": "dense", "units": 2},
        {"type": "acme.p"},
        {"type": "acme.p"},
        {"type": "test.local"},
    )
    types = types_of(stream)
    assert sorted(types) == ["acme.p", "dense", "test.local"]
    own = {"config_version": 1, "dist": "acme-parts", "version": "3.1"}
    assert {k: types["acme.p"][k] for k in own} == own
    assert types["dense"]["dist"] == "layerkit"
    assert types["dense"]["version"] == layerkit.__version__
    assert (types["test.local"]["dist"], types["test.local"]["version"]) == (None, None)
    np.testing.assert_array_equal(read(stream).predict([[1, 2]]).shape, (1, 2))


def test_a_local_class_round_trips_while_it_is_registered(register: Register) -> None:
    register(Local)
    stream = saved({"type": "test.local", "bias": 4.0})
    assert read(stream).predict([[1.0, 2.0]]).tolist() == [[5.0, 6.0]]
    LAYERS.unregister("test.local")
    with pytest.raises(PluginMissingError) as caught:
        read(stream)
    for word in ("test.local", "registered in the process", "layerkit.register", "load_tensors"):
        assert word in str(caught.value)


def test_an_installed_class_does_not_stand_in_for_a_local_one(
    install: Install, register: Register
) -> None:
    register(type("Mine", (Local,), {"type_name": "acme.v"}))
    stream = saved({"type": "acme.v"})
    LAYERS.unregister("acme.v")
    install("acme-v", offered("acme.v", "acme_v"), {"acme_v": module("acme.v")})
    with pytest.raises(PluginMissingError, match=r"acme-v 1.0 offers a type of that name"):
        read(stream)
    assert "acme_v" not in sys.modules


def test_a_local_class_does_not_stand_in_for_an_installed_one(
    install: Install, register: Register
) -> None:
    install("acme-w", offered("acme.w", "acme_w"), {"acme_w": module("acme.w")})
    stream = saved({"type": "acme.w", "factor": 5.0})
    with pytest.warns(UserWarning, match="Fake hides the layer type 'acme.w' of acme-w 1.0"):
        register(type("Fake", (Local,), {"type_name": "acme.w"}))
    assert read(stream).predict([[1.0, 1.0]]).tolist() == [[15.0, 15.0]]


def test_a_missing_distribution_is_named_with_its_pip_line(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = install("acme-g", offered("acme.g", "acme_g"), {"acme_g": module("acme.g")})
    stream = saved({"type": "acme.g"})
    _uninstall(folder, monkeypatch)
    with pytest.raises(PluginMissingError) as caught:
        read(stream)
    for word in ("acme.g", "acme-g 1.0", "python -m pip install acme-g==1.0", "inspect"):
        assert word in str(caught.value)
    (problem,) = caught.value.problems
    assert (problem.key, problem.claimed, problem.where) == (
        "acme.g", "acme-g 1.0", "spec.model.layers[0]"
    )  # fmt: skip


def _uninstall(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from layerkit.discovery import registry

    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(folder)])
    for held in vars(registry).values():
        if hasattr(held, "cache_clear"):
            held.cache_clear()


def test_all_missing_distributions_are_named_at_once(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [
        install(
            f"acme-h{i}", offered(f"acme.h{i}", f"acme_h{i}"), {f"acme_h{i}": module(f"acme.h{i}")}
        )
        for i in range(3)
    ]
    stream = saved(*({"type": f"acme.h{i}"} for i in range(3)))
    for folder in folders:
        _uninstall(folder, monkeypatch)
    with pytest.raises(PluginMissingError) as caught:
        read(stream)
    assert [p.key for p in caught.value.problems] == ["acme.h0", "acme.h1", "acme.h2"]
    assert "pip install acme-h0==1.0 acme-h1==1.0 acme-h2==1.0\n" in str(caught.value)
    assert str(caught.value).count("until then") == 1


def test_another_distribution_of_the_same_type_is_not_taken(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = install("acme-a", offered("acme.same", "acme_sa"), {"acme_sa": module("acme.same")})
    stream = saved({"type": "acme.same"})
    _uninstall(folder, monkeypatch)
    install("acme-b", offered("acme.same", "acme_sb"), {"acme_sb": module("acme.same")})
    with pytest.raises(PluginMissingError, match=r"acme-b 1.0 offers a type of that name"):
        read(stream)
    assert "acme_sb" not in sys.modules


def test_the_file_settles_which_of_two_distributions_is_meant(install: Install) -> None:
    install("acme-one", offered("acme.two", "acme_1"), {"acme_1": module("acme.two")})
    stream = saved({"type": "acme.two", "factor": 7.0})
    install("acme-two", offered("acme.two", "acme_2"), {"acme_2": module("acme.two")})
    with pytest.raises(PluginAmbiguousError):
        saved({"type": "acme.two"})
    assert read(stream).predict([[1.0, 0.0]]).tolist() == [[21.0, 0.0]]
    assert "acme_2" not in sys.modules


def test_one_distribution_that_offers_a_type_twice(install: Install) -> None:
    text = "[layerkit.layers]\nacme.tw = acme_t1:Thing\n"
    install("acme-tw", text, {"acme_t1": module("acme.tw"), "acme_t2": module("acme.tw")})
    stream = saved({"type": "acme.tw"})
    install(
        "acme-tw",
        "[layerkit.layers]\nacme.tw = acme_t1:Thing\nacme.tw = acme_t2:Thing\n",
        {},
    )
    with pytest.raises(PluginAmbiguousError):
        read(stream)


@pytest.mark.parametrize("text", ["raise RuntimeError('gone')", "raise SystemExit(2)", "Thing = 1"])
def test_an_import_that_fails_is_a_load_error(
    install: Install, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    folder = install("acme-i", offered("acme.i", "acme_i"), {"acme_i": module("acme.i")})
    stream = saved({"type": "acme.i"})
    _uninstall(folder, monkeypatch)
    sys.modules.pop("acme_i")
    install("acme-i", offered("acme.i", "acme_i"), {"acme_i": text}, version="1.1")
    with pytest.raises(PluginLoadError, match=r"acme-i 1.1"):
        read(stream)


def test_the_gravest_fault_decides_and_all_are_listed(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = install("acme-j", offered("acme.j", "acme_j"), {"acme_j": module("acme.j")})
    install("acme-k", offered("acme.k", "acme_k"), {"acme_k": module("acme.k")})
    stream = saved({"type": "acme.j"}, {"type": "acme.k"}, {"type": "dense", "units": 1})
    _uninstall(gone, monkeypatch)
    with pytest.raises(PluginError) as caught:
        read(stream, allow_plugins={"layerkit"})
    assert type(caught.value) is PluginMissingError
    assert [p.key for p in caught.value.problems] == ["acme.j", "acme.k"]
    assert "allowed" in str(caught.value)


ALLOWED: list[tuple[Any, bool]] = [
    (None, True),
    ({"acme-parts", "layerkit"}, True),
    (["acme-parts", "layerkit"], True),
    ({"Acme_Parts", "LayerKit"}, True),
    (False, False),
    (set(), False),
    ({"layerkit"}, False),
    ({"acme"}, False),
]


@pytest.mark.parametrize(("allow", "good"), ALLOWED)
def test_only_allowed_distributions_are_imported(
    install: Install, monkeypatch: pytest.MonkeyPatch, allow: Any, good: bool
) -> None:
    install("acme-parts", offered("acme.q", "acme_q"), {"acme_q": module("acme.q")})
    stream = saved({"type": "acme.q"}, {"type": "dense", "units": 1})
    LAYERS._loaded.clear()
    sys.modules.pop("acme_q")
    if good:
        assert read(stream, allow_plugins=allow).predict([[1, 2]]).shape == (1, 1)
        return
    with pytest.raises(PluginNotAllowedError) as caught:
        read(stream, allow_plugins=allow)
    assert "acme-parts 1.0" in str(caught.value)
    assert "acme_q" not in sys.modules


def test_a_bare_name_is_no_set_of_letters(install: Install) -> None:
    """``allow_plugins="acme-layers"`` must not let a distribution called "acme" through."""
    install("acme", offered("acme.r", "acme_r"), {"acme_r": module("acme.r")})
    stream = saved({"type": "acme.r"})
    with pytest.raises((PluginNotAllowedError, TypeError, ValueError)):
        read(stream, allow_plugins="acme-layers")


def test_a_local_class_needs_no_permission(register: Register) -> None:
    register(Local)
    stream = saved({"type": "test.local"})
    assert read(stream, allow_plugins=set()).predict([[1, 2]]).shape == (1, 2)


def test_permission_covers_every_part_that_the_file_names(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """
from layerkit import Activation
class Thing(Activation):
    type_name = "acme.act"
    def feed(self, z):
        return z
    def backprop(self, dy, z, y):
        return dy
"""
    points = "[layerkit.activations]\nacme.act = acme_act:Thing\n"
    install("acme-act", points, {"acme_act": text})
    stream = saved({"type": "dense", "units": 1, "activation": "acme.act"})
    from layerkit.discovery.registry import ACTIVATIONS

    ACTIVATIONS._loaded.clear()
    sys.modules.pop("acme_act")
    with pytest.raises(PluginNotAllowedError, match=r"allowed distributions \(layerkit\)"):
        read(stream, allow_plugins=False)
    assert "acme_act" not in sys.modules


def rewritten(folder: Path, name: str, text: str) -> None:
    """A new release of a module that was imported already."""
    (folder / f"{name}.py").write_text(text)
    sys.modules.pop(name, None)
    LAYERS._loaded.clear()


def test_older_settings_are_migrated(install: Install) -> None:
    folder = install("acme-m", offered("acme.mi", "acme_mi"), {"acme_mi": module("acme.mi")})
    stream = saved({"type": "acme.mi", "factor": 2.0}, {"type": "acme.mi", "factor": 3.0})
    rewritten(folder, "acme_mi", module("acme.mi", 3, MIGRATE))
    model = read(stream, selftest=False)
    assert [r.config for r in model.spec.layers] == [{"factor": 200.0}, {"factor": 300.0}]
    assert model.predict([[1.0, 1.0]]).tolist() == [[540000.0, 540000.0]]


def test_older_settings_inside_containers_are_migrated(install: Install) -> None:
    folder = install("acme-m", offered("acme.mn", "acme_mn"), {"acme_mn": module("acme.mn")})
    inner = {"type": "sequence", "layers": [{"type": "acme.mn"}, {"type": "acme.mn", "factor": 3}]}
    stream = saved({"type": "residual", "layers": [inner]})
    rewritten(folder, "acme_mn", module("acme.mn", 3, MIGRATE))
    model = read(stream, selftest=False)
    (outer,) = model.spec.layers
    assert [r.config for r in outer.layers[0].layers] == [{"factor": 200.0}, {"factor": 300.0}]
    rewritten(folder, "acme_mn", module("acme.mn", 2))
    with pytest.raises(PluginVersionError, match=r"layers\[0\]\.layers\[0\]\.layers\[1\]\.config"):
        read(stream)


def test_older_settings_without_a_way_are_refused(install: Install) -> None:
    folder = install("acme-n", offered("acme.ni", "acme_ni"), {"acme_ni": module("acme.ni")})
    stream = saved({"type": "acme.ni"})
    rewritten(folder, "acme_ni", module("acme.ni", 2))
    with pytest.raises(PluginVersionError, match="cannot migrate"):
        read(stream)


def test_newer_settings_are_refused_with_what_to_upgrade(install: Install) -> None:
    text = module("acme.oi", 4)
    folder = install("acme-o", offered("acme.oi", "acme_oi"), {"acme_oi": text})
    stream = saved({"type": "acme.oi"})
    rewritten(folder, "acme_oi", module("acme.oi", 3))
    with pytest.raises(PluginVersionError) as caught:
        read(stream)
    for word in ("version 4", "version 3", "upgrade acme-o"):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        "return None",
        "return {'factor': 'text'}",
        "return {'other': 1}",
        "raise KeyError('x')",
        "config['factor'] = 1; return config.clear()",
    ],
)
def test_a_migration_that_goes_wrong_is_told(install: Install, body: str) -> None:
    folder = install("acme-s", offered("acme.si", "acme_si"), {"acme_si": module("acme.si")})
    stream = saved({"type": "acme.si"})
    more = f"\n    @classmethod\n    def migrate(cls, config, from_version):\n        {body}\n"
    rewritten(folder, "acme_si", module("acme.si", 2, more))
    with pytest.raises(layerkit.ModelFileError):
        read(stream)


def test_nothing_is_printed_or_looked_up_by_inspect(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("acme-u", offered("acme.ui", "acme_ui"), {"acme_ui": module("acme.ui")})
    stream = saved({"type": "acme.ui"})
    LAYERS._loaded.clear()
    sys.modules.pop("acme_ui")
    stream.seek(0)
    assert layerkit.inspect(stream).header["types"]["acme.ui"]["dist"] == "acme-u"
    assert "acme_ui" not in sys.modules
    assert capsys.readouterr().out == ""


ACTIVATION = """
from layerkit import Activation, Initializer

class Thing(Activation):
    type_name = "{name}"
    config_version = {version}

    def feed(self, z):
        return 3 * z

    def backprop(self, dy, z, y):
        return 3 * dy
"""
SCALED = {"type": "dense", "units": 2, "activation": "acme.triple"}


def activation_of(install: Install, dist: str, *, version: int = 1) -> Path:
    source = ACTIVATION.format(name="acme.triple", version=version)
    module_name = dist.replace("-", "_")
    points = f"[layerkit.activations]\nacme.triple = {module_name}:Thing\n"
    return install(dist, points, {module_name: source}, version="2.0")


def forget(folder: Path) -> None:
    """Uninstall what ``install`` pretended."""
    sys.path.remove(str(folder))
    sys.modules.pop("acme_acts", None)
    layerkit.discovery.registry.ACTIVATIONS._loaded.clear()
    for held in vars(layerkit.discovery.registry).values():
        if hasattr(held, "cache_clear"):
            held.cache_clear()


def test_the_providers_of_other_parts_are_recorded_but_layerkits_own(install: Install) -> None:
    activation_of(install, "acme-acts")
    stream = saved(SCALED, {"type": "dense", "units": 2, "activation": "tanh"})
    assert types_of(stream).keys() == {"dense", "activations/acme.triple"}
    record = types_of(stream)["activations/acme.triple"]
    own = {"config_version": 1, "dist": "acme-acts", "version": "2.0"}
    assert record == {**own, "entry_point": "acme.triple"}
    assert read(stream).predict([[1.0, 2.0]]).shape == (1, 2)
    first = stream.getvalue()
    again = io.BytesIO()
    layerkit.save(read(stream), again)
    assert again.getvalue() == first


def test_an_activation_of_another_distribution_is_not_taken(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = activation_of(install, "acme-acts")
    stream = saved(SCALED)
    refusal = r"activation 'acme\.triple' of acme-acts 2.* distributions \(b-acts, layerkit\)"
    with pytest.raises(PluginNotAllowedError, match=refusal):
        read(stream, allow_plugins=["layerkit", "B_acts"])
    activation_of(install, "other-acts")
    with pytest.raises(PluginAmbiguousError, match=r"acme-acts 2\.0.*other-acts 2\.0"):
        read(stream)
    forget(folder)
    with pytest.raises(PluginMissingError, match=r"the file claims it comes from acme-acts 2"):
        read(stream)


def test_an_activation_of_other_settings_is_told(install: Install) -> None:
    folder = activation_of(install, "acme-acts", version=2)
    stream = saved(SCALED)
    forget(folder)
    activation_of(install, "acme-acts", version=1)
    with pytest.raises(PluginVersionError, match="settings of version 2"):
        read(stream)


@pytest.mark.parametrize("group", ["losses", "optimizers", "metrics", "data", "callbacks"])
def test_a_part_that_predicting_does_not_need_may_be_missing(group: str) -> None:
    header, payloads = take_apart(saved({"type": "dense", "units": 2}).getvalue()).copy()
    record = {"config_version": 1, "dist": "acme", "version": "1.0", "entry_point": "x"}
    header["types"][f"{group}/x"] = record
    assert read(io.BytesIO(assemble(header, payloads))).predict([[1.0, 2.0]]).shape == (1, 2)


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("layers/x", {}),
        ("x/y/x", {}),
        ("/x", {}),
        ("losses/", {}),
        ("losses/X", {"entry_point": "X"}),
        ("losses/x", {"entry_point": "losses/x"}),
        ("losses/x", {"dist": "layerkit"}),
        ("losses/x", {"version": None}),
    ],
)
def test_records_of_other_parts_have_one_form(key: str, change: dict[str, Any]) -> None:
    header, payloads = take_apart(saved({"type": "dense", "units": 2}).getvalue()).copy()
    record = {"config_version": 1, "dist": "acme", "version": "1.0", "entry_point": "x"}
    header["types"][key] = {**record, **change}
    with pytest.raises(MalformedFileError, match=r"rule 3\.6"):
        read(io.BytesIO(assemble(header, payloads)))
