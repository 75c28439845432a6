"""``layerkit explain``, ``schema`` and ``plugins list``: what there is, in words and as data."""

from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest

import layerkit.errors
from layerkit.discovery import candidates
from layerkit.discovery.candidates import Group
from layerkit.discovery.registry import REGISTRIES

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
    assert "metrics or data, got 'layer'" in done.err


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
