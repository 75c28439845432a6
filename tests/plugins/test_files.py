"""Model files and the plugins that they need: present, absent, older, newer, not allowed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import layerkit

if TYPE_CHECKING:
    from tests.plugins.conftest import Site

GOLDEN = Path(__file__).parents[1] / "golden" / "v1"
Spec = Callable[..., dict[str, Any]]
VERSION_2 = """
Part.config_version = 2
"""
MIGRATES = """
def migrate(cls, config, from_version):
    return {"scale": config["scale"] * 10}
Part.config_version = 2
Part.migrate = classmethod(migrate)
"""


@pytest.fixture
def orphan(site: Site, spec: Spec) -> Path:
    """A model file whose two plugins have been uninstalled again."""
    site.add("acme-one", {"acme.one": "acme_one:Part"}, version="1.5")
    site.add("acme-two", {"acme.two": "acme_two:Part"})
    tree = spec("acme.one", scale=2.0)
    tree["layers"].insert(1, {"type": "acme.two"})
    return made(site, tree)


def made(site: Site, tree: dict[str, Any], name: str = "net") -> Path:
    """Build a model, save it, and uninstall everything."""
    where = site.folder.parent
    (where / f"{name}.json").write_text(json.dumps(tree))
    done = site.run("build", f"{name}.json", "-o", f"{name}.layerkit")
    assert done.code == 0, done.err
    site.folder.rename(where / f"uninstalled{name}")
    site.folder.mkdir()
    return where / f"{name}.layerkit"


def test_all_missing_distributions_stand_in_one_error(site: Site, orphan: Path) -> None:
    done = site.run("verify", "--selftest", orphan, "--json")
    (told,) = done.json["files"]
    error = told["error"]
    assert (done.code, error["code"]) == (1, "LK-102")
    assert "'acme.one': the file claims it comes from acme-one 1.5" in error["message"]
    assert "'acme.two': the file claims it comes from acme-two 1.0" in error["message"]
    assert "python -m pip install acme-one==1.5 acme-two==1.0\n" in error["hint"]
    with pytest.raises(layerkit.PluginMissingError) as caught:
        layerkit.load(orphan)
    assert len(caught.value.problems) == 2
    assert "pip install acme-one==1.5 acme-two==1.0" in str(caught.value)


def test_an_orphan_can_be_inspected(site: Site, orphan: Path) -> None:
    done = site.run("inspect", orphan)
    assert (done.code, done.err) == (0, "")
    assert "acme.one" in done.out
    assert "acme-one 1.5" in done.out
    shown = site.run("inspect", orphan, "--spec")
    assert [layer["type"] for layer in shown.json["layers"]] == ["acme.one", "acme.two", "dense"]
    seen = layerkit.inspect(orphan)
    assert seen.header["types"]["acme.one"]["version"] == "1.5"
    assert seen.parameters == 3 + 3 + 8


def test_an_orphan_can_be_verified(site: Site, orphan: Path) -> None:
    done = site.run("verify", orphan)
    assert (done.code, done.err) == (0, "")
    assert done.out == f"ok  {layerkit.inspect(orphan).file_id}  {orphan}\n"
    raw = bytearray(orphan.read_bytes())
    raw[-1] ^= 1
    orphan.write_bytes(raw)
    assert site.run("verify", orphan).code == 1


def test_orphans_can_be_compared(site: Site, orphan: Path, spec: Spec) -> None:
    site.add("acme-one", {"acme.one": "acme_one:Part"}, version="1.6")
    site.add("acme-two", {"acme.two": "acme_two:Part"})
    tree = spec("acme.one", scale=3.0)
    tree["layers"].insert(1, {"type": "acme.two"})
    other = made(site, tree, "other")
    done = site.run("diff", orphan, other, "--json")
    assert done.code == 0, done.err
    change = {
        "path": "spec.model.layers.acme-one_1.config.scale",
        "before": 2.0,
        "after": 3.0,
    }
    assert change in done.json["spec"]
    assert {"path": "types.acme.one.version", "before": "1.5", "after": "1.6"} in done.json["types"]
    found = layerkit.diff(orphan, other)
    (tensor,) = [t for t in found.tensors if t.name == "acme-one_1.w"]
    assert (tensor.elements, tensor.largest) == (3, 1.0)


def test_an_orphan_can_be_saved_again_byte_for_byte(site: Site, orphan: Path) -> None:
    raw = orphan.read_bytes()
    refused = site.run("upgrade", orphan, "-o", "copy.layerkit")
    assert refused.code == 1
    assert "upgrade --as-is" in refused.err
    done = site.run("upgrade", orphan, "--as-is", "-o", "copy.layerkit")
    assert (done.code, done.err) == (0, "")
    assert "already up to date" in done.out
    assert orphan.with_name("copy.layerkit").read_bytes() == raw
    told = layerkit.upgrade(orphan, as_is=True)
    assert not told.changed
    assert orphan.read_bytes() == raw


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.layerkit")), ids=lambda path: path.stem)
def test_every_kept_file_is_saved_again_byte_for_byte(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.layerkit"
    if path.stem in (
        "major",
        "newer",
        "required",
        "schema",
    ):  # what a newer format holds would be lost
        with pytest.raises(layerkit.UnsupportedFormatError, match="needs a newer layerkit"):
            layerkit.upgrade(path, copy, as_is=True)
        assert not copy.exists()
        return
    layerkit.upgrade(path, copy, as_is=True)
    assert copy.read_bytes() == path.read_bytes()


def test_a_damaged_orphan_is_not_saved_again(orphan: Path) -> None:
    raw = bytearray(orphan.read_bytes())
    raw[-1] ^= 1
    orphan.write_bytes(raw)
    with pytest.raises(layerkit.CorruptFileError):
        layerkit.upgrade(orphan, orphan.with_name("copy.layerkit"), as_is=True)
    assert not orphan.with_name("copy.layerkit").exists()


def test_the_tensors_of_an_orphan_can_be_read(site: Site, orphan: Path) -> None:
    done = site.run("inspect", orphan, "--tensors")
    assert "acme-one_1.w" in done.out
    tensors = layerkit.load_tensors(orphan)
    np.testing.assert_array_equal(tensors["acme-one_1.w"], np.full(3, 2.0, "f4"))


def test_settings_newer_than_the_class_are_refused(site: Site, spec: Spec) -> None:
    site.add("acme-old", {"acme.old": "acme_old:Part"}, last=VERSION_2)
    model = made(site, spec("acme.old"))
    site.add("acme-old", {"acme.old": "acme_old:Part"})
    error = site.run("deploy", model, "--json").error
    assert error["code"] == "LK-105"
    assert "the file claims settings of version 2, acme-old 1.0 has version 1" in error["message"]
    assert "upgrade acme-old" in error["hint"]


def test_older_settings_are_migrated_by_the_plugin(site: Site, spec: Spec) -> None:
    site.add("acme-old", {"acme.old": "acme_old:Part"})
    model = made(site, spec("acme.old", scale=2.0))
    site.add("acme-old", {"acme.old": "acme_old:Part"}, last=MIGRATES)
    done = site.run("upgrade", model, "--json")
    assert done.code == 0, done.err
    scales = [(c["before"], c["after"]) for c in done.json["migrated"] if "scale" in c["path"]]
    assert scales == [(2.0, 20.0)]


def test_older_settings_without_a_way_are_refused(site: Site, spec: Spec) -> None:
    site.add("acme-old", {"acme.old": "acme_old:Part"})
    model = made(site, spec("acme.old"))
    site.add("acme-old", {"acme.old": "acme_old:Part"}, last=VERSION_2)
    error = site.run("deploy", model, "--json").error
    assert error["code"] == "LK-105"
    assert "cannot migrate settings of version 1" in error["message"]


def test_a_file_of_a_plugin_that_is_too_new_says_so(site: Site, spec: Spec) -> None:
    site.add("acme-new", {"acme.new": "acme_new:Part"})
    model = made(site, spec("acme.new"))
    site.add("acme-new", {"acme.new": "acme_new:Part"}, requires="layerkit>=9")
    done = site.run("deploy", model, "--json")
    assert done.error["code"] == "LK-105"
    assert "acme-new 1.0" in done.error["message"]
    assert not done.marks


def test_the_allow_list_holds_for_files_and_specs(site: Site, spec: Spec) -> None:
    site.add("acme-one", {"acme.one": "acme_one:Part"})
    tree = spec("acme.one")
    (site.folder.parent / "net.json").write_text(json.dumps(tree))
    assert site.run("build", "net.json", "-o", "net.layerkit").code == 0
    for words in (["build", "net.json", "--dry-run"], ["deploy", "net.layerkit"]):
        for allowed, listed in (("", "none"), ("acme-two, Acme_Three", "acme-three, acme-two")):
            done = site.run(*words, "--json", env={"LAYERKIT_PLUGINS": allowed})
            assert (done.code, done.error["code"]) == (1, "LK-106")
            assert "acme-one 1.0 is not among" in done.error["message"]
            assert f"LAYERKIT_PLUGINS ({listed})" in done.error["message"]
            assert "add acme-one to LAYERKIT_PLUGINS" in done.error["hint"]
            assert not done.marks
        good = site.run(*words, "--json", env={"LAYERKIT_PLUGINS": "Acme_One, acme-two"})
        assert good.code == 0, good.err


def test_the_allow_list_never_keeps_out_layerkits_own(site: Site, spec: Spec) -> None:
    (site.folder.parent / "net.json").write_text(json.dumps(spec("dense", units=2)))
    assert site.run("build", "net.json", "--dry-run", env={"LAYERKIT_PLUGINS": ""}).code == 0


def test_the_allow_list_settles_a_collision(site: Site, spec: Spec) -> None:
    site.add("acme-one", {"acme.x": "acme_one:Part"})
    site.add("acme-two", {"acme.x": "acme_two:Part"})
    (site.folder.parent / "net.json").write_text(json.dumps(spec("acme.x")))
    assert "LK-104" in site.run("build", "net.json", "--dry-run").err
    done = site.run("build", "net.json", "--dry-run", env={"LAYERKIT_PLUGINS": "acme-two"})
    assert done.code == 0, done.err
    assert done.marks == {"acme_two"}


def test_both_allow_lists_must_allow(site: Site, spec: Spec) -> None:
    site.add("acme-one", {"acme.one": "acme_one:Part"})
    (site.folder.parent / "net.json").write_text(json.dumps(spec("acme.one")))
    assert site.run("build", "net.json", "-o", "net.layerkit").code == 0
    code = "import layerkit; layerkit.load('net.layerkit', allow_plugins={})"
    cases: list[tuple[str, dict[str, str], bool]] = [
        ("None", {}, True),
        ("['acme-one', 'layerkit']", {}, True),
        ("['acme-one', 'layerkit']", {"LAYERKIT_PLUGINS": "acme-one"}, True),
        ("['acme-one', 'layerkit']", {"LAYERKIT_PLUGINS": ""}, False),
        ("['acme-two', 'layerkit']", {"LAYERKIT_PLUGINS": "acme-one"}, False),
        ("False", {}, False),
    ]
    for allow, env, good in cases:
        done = site.python(code.format(allow), env)
        assert (done.code == 0) is good, (allow, env, done.err)
        assert ("PluginNotAllowedError" in done.err) is not good
        assert bool(done.marks) is good
