"""``layerkit explain``, ``schema`` and ``plugins list``: what there is, in words and as data."""

from __future__ import annotations

import inspect
import json
import re
import typing
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import numpy as np
import pytest

import layerkit.errors
from layerkit import Array, Context, Layer, Param, Plan, Shape
from layerkit.cli.explain_trace import trace
from layerkit.core.planning import plan_layers
from layerkit.discovery import candidates
from layerkit.discovery.candidates import Group
from layerkit.discovery.registry import REGISTRIES
from layerkit.specs.layers import arguments
from layerkit.studies import document, match_field
from layerkit_plugins.layers.highway import Highway

if TYPE_CHECKING:
    from tests.e2e.conftest import Cli

CODES = sorted(
    {
        kind.code
        for kind in vars(layerkit.errors).values()
        if isinstance(kind, type) and issubclass(kind, layerkit.errors.LayerkitError)
    }
)


@pytest.mark.parametrize("code", CODES)
def test_every_error_code_has_a_page(cli: Cli, code: str) -> None:
    done = cli("explain", code)
    assert done.code == 0
    assert done.out.startswith(f"{code} ")
    assert len(done.out.split()) > 8


def test_a_code_shared_by_several_classes_shows_them_all(cli: Cli) -> None:
    out = cli("explain", "lk-301").out
    for name in ("NotAModelFileError", "TruncatedFileError", "CorruptFileError"):
        assert f"LK-301 {name} (error)\n" in out
    assert "download the file again" in out.lower()


@pytest.mark.parametrize("term", ["train.epochs", "epochs"])
def test_a_field_by_its_path_or_its_last_word(cli: Cli, term: str) -> None:
    (topic,) = cli("explain", term, "--json").json["topics"]
    assert topic == {
        "name": "train.epochs",
        "kind": "field of the spec",
        "description": "Number of passes over the training rows.",
        "type": "an integer >= 1",
        "default": "10",
    }


@pytest.mark.parametrize("term", ["search.rows", "rows"])
def test_a_field_of_a_study(cli: Cli, term: str) -> None:
    (topic,) = cli("explain", term, "--json").json["topics"]
    assert topic["name"] == "search.rows"
    assert topic["kind"] == "field of a study"
    assert topic["description"].startswith("How many training rows a trial gets at most")
    assert (topic["type"], topic["default"]) == ("an integer >= 1 or null", "null")


def test_what_the_fields_of_a_study_are_is_read_from_what_reads_it(cli: Cli) -> None:
    for field in document._FIELDS:
        kinds = [t["kind"] for t in cli("explain", field, "--json").json["topics"]]
        assert "field of a study" in kinds
    (topic,) = cli("explain", "match", "--json").json["topics"]
    assert topic["settings"] == list(match_field._FIELDS)
    kinds = [t["kind"] for t in cli("explain", "data", "--json").json["topics"]]
    assert kinds == ["field of the spec", "field of a study"]
    assert "did you mean 'search.trials'" in cli("explain", "search.trails").err


def test_a_field_that_names_a_part_lists_the_parts(cli: Cli) -> None:
    out = cli("explain", "train.optimizer").out
    assert "How gradients update the weights." in out
    assert '  default   "adam"\n' in out
    assert f"  names     {', '.join(REGISTRIES['optimizers'].names())}\n" in out


@pytest.mark.parametrize("term", ["highway.gate_bias", "layers.highway.gate_bias"])
def test_a_setting_of_a_part(cli: Cli, term: str) -> None:
    (topic,) = cli("explain", term, "--json").json["topics"]
    assert topic["name"] == "highway.gate_bias"
    assert topic["kind"] == "setting of the layer type highway"
    assert topic["description"].startswith("Initial bT: usually -1 to -3")
    assert (topic["type"], topic["default"]) == ("a number", "-2.0")


def test_a_part_by_name_by_group_and_by_field(cli: Cli) -> None:
    (topic,) = cli("explain", "adam", "--json").json["topics"]
    assert topic["kind"] == "optimizer"
    assert "learning_rate=0.001" in topic["settings"]
    assert topic["provider"].startswith("layerkit ")
    for term in ("optimizers.adam", "train.optimizer.adam"):
        assert cli("explain", term, "--json").json["topics"] == [topic]
    kinds = [t["kind"] for t in cli("explain", "mse", "--json").json["topics"]]
    assert kinds == ["loss", "metric"]


@pytest.mark.parametrize(
    ("term", "wanted"),
    [
        ("trayn.epochs", "did you mean 'train.epochs'"),
        ("highwy", "did you mean 'highway'"),
        ("highway.gatebias", "did you mean 'highway.gate_bias'"),
        ("highwy.gate_bia", "did you mean 'highway.gate_bias'"),
        ("LK-999", f"known codes: {', '.join(CODES)}"),
        ("layers[1].gate_bias", "write a setting of a part as PART.SETTING"),
        ("layers[1].bias_of_it", "write a setting of a part as PART.SETTING"),
    ],
)
def test_an_unknown_term_gets_the_nearest_names(cli: Cli, term: str, wanted: str) -> None:
    done = cli("explain", term)
    kind = "code" if term.startswith("LK-") else "term"
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"usage error: unknown {kind} '{term}'")
    assert wanted in done.err


def test_the_schema_accepts_the_spec_and_refuses_a_typo(cli: Cli) -> None:
    schema = cli("schema").json
    spec = json.loads(Path("pets.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    assert list(validator.iter_errors(spec)) == []
    spec["trayn"] = spec.pop("train")
    assert [e.validator for e in validator.iter_errors(spec)] == ["additionalProperties"]


def test_plugins_list_names_who_provides_what(cli: Cli) -> None:
    lines = cli("plugins", "list").out.split("\n")
    assert lines[0].split() == ["type", "group", "distribution", "version", "origin"]
    (highway,) = [line.split() for line in lines if line.startswith("highway ")]
    assert highway == ["highway", "layers", "layerkit", layerkit.__version__, "first-party"]


@pytest.mark.parametrize("group", sorted(REGISTRIES))
def test_plugins_list_takes_every_group(cli: Cli, group: str) -> None:
    found = cli("plugins", "list", "--group", group, "--json").json["plugins"]
    assert [p["type"] for p in found if p["distribution"] == "layerkit"]
    assert {p["group"] for p in found} == {group}
    assert [p["type"] for p in found] == REGISTRIES[group].names()


def test_an_unknown_group_is_a_usage_error(cli: Cli) -> None:
    assert set(typing.get_args(Group)) == set(REGISTRIES)
    done = cli("plugins", "list", "--group", "layer")
    assert done.code == 2
    assert "--group: expected layers, activations, " in done.err
    assert "importers, devices, figures, executors or searches, got 'layer'" in done.err


def test_a_claim_to_a_name_of_layerkits_own_is_marked(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = folder / "acme_nets-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-nets\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text(
        "[layerkit.layers]\nhighway = acme_is_never_imported:Highway\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    candidates.installed.cache_clear()
    try:
        done = cli("plugins", "list", "--group", "layers")
        told = cli("plugins", "list", "--json").json["plugins"]
    finally:
        monkeypatch.undo()
        candidates.installed.cache_clear()
    assert done.code == 0
    text = "warning: highway of acme-nets 2.0 is not used: layerkit's own has the name\n"
    assert done.err == text
    rows = [(p["distribution"], p["status"]) for p in told if p["type"] == "highway"]
    assert rows == [("acme-nets", "hidden"), ("layerkit", "not checked")]


# ---- the trace of a layer

LAYERS: typing.Any = REGISTRIES["layers"]
WORDS = {"n", "T", "axis", "sum", "tanh", "exp", "astype", "float32", "maximum", "max", "keepdims"}
WORDS |= {"True", "None", "concatenate", "reshape", "transpose", "windows", "where", "set", "at"}
WORDS |= {"add", "int64", "dtype", "rng", "random", "standard_normal", "sqrt", "clip", "e"}
WORDS |= {"integers", "size", "broadcast_to", "einsum", "optimize", "arange"}


def test_the_trace_of_a_layer_stands_below_its_equations(cli: Cli) -> None:
    done = cli("explain", "highway", "--trace")
    assert (done.code, done.err) == (0, "")
    lines = done.out.split("\n")
    assert lines[0].startswith('highway, n rows of 4: activation "tanh", gate_bias -1.0')
    assert max(map(len, lines)) <= 80
    feed, backprop = done.out.split("\nBackprop, given G = dL/dy")
    assert feed.index("aT = x WT + bT     T = sigma(aT)") < feed.index("t2 = x @ WT")
    assert backprop.index("dH  = gH * f'(aH)") < backprop.index("dH = gH * ")
    shown = [line.split() for line in lines]
    assert ["H", "=", "tanh(aH)", "(n,", "4)", "float32"] in shown  # the name that the author gave
    assert ["dWH", "=", "x.T", "@", "dH", "(4,", "4)", "float32", "16", "n"] in shown
    assert ["per", "row", "32"] in shown
    assert ["per", "row", "64"] in shown
    code = Path(inspect.getsourcefile(Highway) or "").read_text("utf-8").split("\n")
    place = next(line for line in lines if line.startswith("C = 1 / (1 + np.exp(aT))"))
    (number,) = (i for i, line in enumerate(code, 1) if line.startswith("        C = 1 / (1 +"))
    assert place.endswith(f"highway.py:{number}")
    assert lines.count("gC = dy * C                                (n, 4)         float32") == 1


def test_settings_and_shape_of_a_trace_can_be_chosen(cli: Cli) -> None:
    words = ("dense", "--trace", "--set", "units=7", "--set", "activation=sigmoid", "--shape", "5")
    told = cli("explain", *words, "--json").json
    assert told["settings"]["units"] == 7
    assert (told["in_shape"], told["out_shape"], told["dtype"]) == ([5], [7], "float32")
    assert told["feed"]["multiply_adds_per_row"] == 35
    assert told["backprop"]["multiply_adds_per_row"] == 70
    (product, *_) = told["feed"]["statements"]
    assert product["source"] == 'z = x @ self.params["W"]'
    assert product["operations"] == [
        {
            "name": "t1",
            "text": "x @ W",
            "shape": ["n", 7],
            "dtype": "float32",
            "multiply_adds": "35 n",
        }
    ]
    assert told["backprop"]["results"] == {"dW": "dW", "db": "db", "dx": "dx"}
    assert told["kept_bytes_per_row"] == 28  # y (n, 7) for its slope
    assert cli("explain", *words).out.startswith("dense, n rows of 5: units 7")


@pytest.mark.parametrize("name", REGISTRIES["layers"].names())
def test_every_layer_has_a_trace_that_names_all_values(cli: Cli, name: str) -> None:
    told = cli("explain", f"layers.{name}", "--trace", "--json").json
    layer = LAYERS[name](**arguments(LAYERS[name], told["settings"]))
    plan = plan_layers([(name, layer)], tuple(told["in_shape"]))[0].plan
    known = {"x", "dy", *plan.params, *plan.state}
    dotted = [re.escape(name) for name in known if "." in name]  # parameters of layers inside
    aside = re.compile("|".join(['"[^"]*"', *dotted]))
    for step in ("feed", "backprop"):
        assert told[step]["equations"]
        for statement in told[step]["statements"]:
            assert statement["source"]
            for one in statement["operations"]:
                text = aside.sub("", one["text"])
                assert set(re.findall(r"[A-Za-z_]\w*'*", text)) - WORDS <= known
                assert one["name"] not in known
                known.add(one["name"])
        assert set(told[step]["results"].values()) <= known | {"0"}  # of whole numbers dx is 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["adam", "--trace"], "--trace: expected a layer type, got 'adam'"),
        (["projecton", "--trace"], "did you mean 'projection'?"),
        (["highway", "--shape", "4"], "--set and --shape are for --trace"),
        (["highway", "--trace", "--shape", "4x4"], "--shape: expected sizes such as 8 or 3,4"),
    ],
)
def test_wrong_usage_of_a_trace(cli: Cli, words: list[str], said: str) -> None:
    done = cli("explain", *words)
    assert done.code == 2
    assert said in done.err


def test_settings_that_do_not_fit_are_refused_as_in_a_spec(cli: Cli) -> None:
    done = cli("explain", "dense", "--trace", "--set", "units=many")
    assert done.code != 0
    assert "--set units=many" in done.err
    done = cli("explain", "highway", "--trace", "--shape", "2,2")
    assert "expected rows with one axis" in done.err


def test_a_layer_without_a_trace_says_why(cli: Cli) -> None:
    class Steered(Highway):
        """Steered by the numbers of x. Source: own work."""

        type_name = "test.steered"

        def feed(self, x: Array, ctx: Context) -> Array:
            return super().feed(x if x.sum() > 0 else 1 * x, ctx)

    REGISTRIES["layers"].register(Steered)
    try:
        done = cli("explain", "test.steered", "--trace")
    finally:
        REGISTRIES["layers"].unregister("test.steered")
    assert done.code == 2
    assert "it cannot be recorded and runs as it is written; test_explain.py:" in done.err


def test_a_trace_shows_several_statements_dtypes_and_the_random_stream() -> None:
    planned = plan_layers([("a", Thinned())], (4,))[0]
    found = trace(planned, "float32")
    drawn, made, moved = found.statements["feed"]
    assert [one.text for one in drawn.operations] == ["rng.random((n, 4))", "t1 < 0.5"]
    assert [one.dtype for one in drawn.operations] == ["float64", "bool"]
    assert [one.name for one in made.operations] == ["y"]
    assert moved.source == 'self.state["mean"] = x.mean(axis=0)'
    assert found.results["feed"] == {"y": "y", "new mean": moved.operations[-1].name}
    assert found.multiply_adds == {"feed": 0, "backprop": 0}
    assert found.equations == {"": "y = x m with m drawn anew, dx = dy m. Source: own work."}


class Thinned(Layer):
    """y = x m with m drawn anew, dx = dy m. Source: own work."""

    type_name = "test.thinned"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape, state={"mean": Param(in_shape)})

    def feed(self, x: Array, ctx: Context) -> Array:
        m = ctx.rng.random(x.shape) < 0.5
        ctx.save(m)
        y = x * m
        self.state["mean"] = x.mean(axis=0)
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        (m,) = ctx.saved
        dx: Array = dy * m
        return dx


@pytest.mark.parametrize(
    ("compute", "text"),
    [
        (lambda x: -x, "-x"),
        (lambda x: x**3.0, "x ** 3"),
        (lambda x: np.square(x), "square(x)"),
        (lambda x: np.where(x > 0, x, 0.25 * x), "where(t1, x, t2)"),
        (lambda x: np.maximum(x, 0), "maximum(x, 0)"),
        (lambda x: x[:, ::-1], "x[:, ::-1]"),
        (lambda x: x[:, [1, 0, 3, 2]], "x[:, [1, 0, 3, 2]]"),
        (lambda x: x - x.max(axis=1, keepdims=True), "x - t1"),
        (lambda x: np.cumsum(x, axis=1), "cumsum(x, axis=1)"),
        (lambda x: (x > 0).astype(x.dtype), "t1.astype(float32)"),
        (lambda x: x * np.arange(4, dtype=x.dtype), "x * [0.0, 1.0, 2.0, 3.0]"),
        (lambda x: x / len(x), "x / n"),
        (lambda x: x.reshape(len(x), 2, 2)[:, 0].repeat(2, axis=1), "repeat(t2, 2, axis=1)"),
    ],
)
def test_operations_read_like_numpy(compute: typing.Any, text: str) -> None:
    class Computing(Thinned):
        def feed(self, x: Array, ctx: Context) -> Array:
            return compute(x)  # type: ignore[no-any-return]

        def backprop(self, dy: Array, ctx: Context) -> Array:
            return dy

    found = trace(plan_layers([("a", Computing())], (4,))[0], "float32")
    operations = [one for statement in found.statements["feed"] for one in statement.operations]
    assert operations[-1].text == text
    assert found.results["feed"]["y"] == operations[-1].name == "y"


def test_prose_is_wrapped_anew_and_equations_stay(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that only the width of the source had broken does not stay a short one."""
    monkeypatch.setenv("COLUMNS", "80")
    out = cli("explain", "gru").out
    assert "o,).\n  W, U and b have one block of o columns for each of r, z and k, in" in out
    assert "\n      dm = dk * r                            (n, o)\n      dr = dm" in out
    assert "\n  units\n      Width o of the state.\n  activation\n" in out
    assert "but for decay,\n  their factor, which is" in cli("explain", "plateau").out
