"""Bad plugins beside good ones: nobody pays for a plugin that he does not use."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.plugins.conftest import Site

ROOT = Path(__file__).parents[2]
Spec = Callable[..., dict[str, Any]]

# type: code, distribution, words of the message, words of the fix line
FAILURES = {
    "acme.broken": ("LK-103", "acme-broken 1.0", "RuntimeError: luck", "uninstall acme-broken"),
    "acme.exits": ("LK-103", "acme-exits 1.0", "SystemExit: 3", "uninstall acme-exits"),
    "acme.stale": ("LK-103", "acme-stale 1.0", "acme_stale:Gone", "uninstall acme-stale"),
    "acme.gone": ("LK-103", "acme-gone 1.0", "No module named", "uninstall acme-gone"),
    "acme.twice": ("LK-104", "acme-one 1.0", "acme-two 2.0", "uninstall all but one"),
    "acme.new": ("LK-105", "acme-new 1.0", "contract version 3", "--upgrade layerkit"),
    "acme.later": ("LK-105", "acme-later 3.1", "requires layerkit>=9", "--upgrade layerkit"),
    "acme.nowhere": ("LK-101", "acme.nowhere", "unknown layer type", "installed layers"),
}
USABLE = ("acme.good", "acme.once", "acme.prints", "acme.slow")


def build(site: Site, spec: dict[str, Any], name: str) -> Any:
    path = site.folder.parent / f"{name}.json"
    path.write_text(json.dumps(spec))
    return site.run("build", path, "--dry-run", "--json")


def test_training_without_plugins_works_and_imports_none(crowd: Site) -> None:
    done = crowd.run(
        "train", ROOT / "models" / "highway-digits.json", "--quiet", "--set", "train.epochs=1"
    )
    assert done.code == 0, done.err
    assert (crowd.folder.parent / "highway-digits.layerkit").exists()
    assert not done.marks


def test_listing_shows_all_and_imports_none(crowd: Site) -> None:
    start = time.perf_counter()
    done = crowd.run("plugins", "list", "--json")
    seconds = time.perf_counter() - start
    rows = {(row["type"], row["distribution"]): row for row in done.json["plugins"]}
    listed = {name for name, _ in rows}
    assert {*FAILURES, *USABLE} - {"acme.nowhere"} <= listed
    assert rows["dense", "layerkit"]["origin"] == "first-party"
    assert rows["dense", "layerkit"]["status"] == "not checked"
    assert rows["dense", "acme-thief"]["status"] == "hidden"
    assert rows["acme.good", "acme-good"]["origin"] == str(crowd.folder)
    assert rows["acme.twice", "acme-one"]["rivals"] == ["acme-two 2.0"]
    assert not done.marks
    assert seconds < 3  # what importing the slow one alone would take


def test_listing_loads_no_numpy(crowd: Site) -> None:
    code = (
        "import sys; from layerkit.cli import run; run(['plugins', 'list']); "
        "print('loaded:', 'numpy' in sys.modules, 'layerkit.discovery.registry' in sys.modules)"
    )
    done = crowd.python(code)
    assert "acme.good" in done.out
    assert done.out.endswith("\nloaded: False False\n")


@pytest.mark.parametrize("name", FAILURES)
def test_each_failure_has_its_code_and_its_fix(crowd: Site, spec: Spec, name: str) -> None:
    code, dist, reason, fix = FAILURES[name]
    done = build(crowd, spec(name), name)
    assert (done.code, done.out) == (1, "")
    error = done.error
    assert error["code"] == code
    assert "layers[0].type" in error["message"]
    assert reason in error["message"]
    if code != "LK-101":
        assert dist in error["message"]
    assert fix in error["hint"]


@pytest.mark.parametrize("name", USABLE)
def test_the_others_can_be_used(crowd: Site, spec: Spec, name: str) -> None:
    done = build(crowd, spec(name), name)
    assert done.code == 0, done.err
    assert done.marks == {name.replace(".", "_")}
    assert name in json.dumps(done.json)


def test_what_a_plugin_prints_does_not_get_into_the_output(crowd: Site, spec: Spec) -> None:
    done = build(crowd, spec("acme.prints"), "prints")
    assert done.json
    assert "hello from acme" in done.err
    assert "hello" not in done.out


def test_layerkits_own_names_cannot_be_taken(crowd: Site, spec: Spec) -> None:
    done = build(crowd, spec("dense", units=2), "dense")
    assert (done.code, done.err) == (0, "")
    assert not done.marks
    told = crowd.run("build", crowd.folder.parent / "dense.json", "--dry-run")
    text = "warning: layer type 'dense' is layerkit's own; the one in acme-thief 1.0 is not used\n"
    assert told.err == text


def test_checking_all_goes_on_after_a_broken_one(crowd: Site) -> None:
    done = crowd.run("plugins", "check", "--all", "--group", "layers", "--only", "plan.*", "--json")
    assert done.code == 1
    assert not done.json["ok"]
    assert {"dense", "highway", "projection"} <= {part["part"] for part in done.json["parts"]}
    assert any("acme.broken" in message for message in done.json["broken"])


def test_checking_the_list_imports_each_and_stops_at_none(crowd: Site) -> None:
    done = crowd.run("plugins", "list", "--check", "--json", "--group", "layers")
    rows = {(row["type"], row["distribution"]): row for row in done.json["plugins"]}
    states = {name: row["status"] for (name, dist), row in rows.items() if dist != "acme-thief"}
    assert done.code == 1
    assert states["highway"] == states["acme.good"] == states["acme.once"] == "ok"
    assert states["acme.broken"] == states["acme.exits"] == "broken (LK-103)"
    assert states["acme.stale"] == states["acme.gone"] == "broken (LK-103)"
    assert states["acme.new"] == states["acme.later"] == "broken (LK-105)"
    assert states["acme.twice"] == "claimed twice"
    assert states["acme.slow"].startswith("slow (3.")
    assert rows["acme.prints", "acme-prints"]["printed"] == "hello from acme\nand lower down\n"
    assert rows["acme.later", "acme-later"]["hint"].endswith("--upgrade layerkit acme-later")


def test_the_table_of_a_check_says_what_to_do(site: Site) -> None:
    site.add("acme-broken", {"acme.broken": "acme_broken:Part"}, first="raise RuntimeError('luck')")
    done = site.run("plugins", "list", "--check", "--group", "layers")
    assert done.code == 1
    assert "warning: acme.broken of acme-broken 1.0: " in done.err
    assert "RuntimeError: luck (LK-103)\n  fix or uninstall acme-broken" in done.err
    assert "Traceback" not in done.err
    assert "broken (LK-103)" in done.out


def test_the_doctor_finds_everything(crowd: Site) -> None:
    done = crowd.run("plugins", "doctor", "--json")
    assert done.code == 1
    found = {
        (f["check"], f["subject"].partition(" ")[0], f["level"]) for f in done.json["findings"]
    }
    assert found == {
        ("import", "acme.broken", "problem"),
        ("import", "acme.exits", "problem"),
        ("stale entry points", "acme.stale", "problem"),
        ("stale entry points", "acme.gone", "problem"),
        ("collision", "acme.twice", "problem"),
        ("collision", "dense", "problem"),
        ("contract version", "acme.new", "problem"),
        ("contract version", "acme-later", "problem"),
        ("slow import", "acme.slow", "notice"),
        ("prints", "acme.prints", "notice"),
    }
    assert all(len(f["fix"]) > 10 for f in done.json["findings"])
    codes = {f["subject"].partition(" ")[0]: f["code"] for f in done.json["findings"]}
    assert (codes["acme.twice"], codes["acme-later"]) == ("LK-104", "LK-105")
    assert "acme_broken" in done.marks


def test_the_doctor_speaks_plainly(site: Site) -> None:
    site.add("acme-broken", {"acme.broken": "acme_broken:Part"}, first="raise RuntimeError('luck')")
    site.add("acme-prints", {"acme.prints": "acme_prints:Part"}, first="print('hello')")
    done = site.run("plugins", "doctor")
    assert done.code == 1
    assert "problem LK-103 (import): acme.broken (acme-broken 1.0)\n" in done.out
    assert "\n  fix: fix or uninstall acme-broken" in done.out
    assert "1 problem, 1 notice\n" in done.out
    assert done.err == ""
