"""What distributions declare: read from their folders, as importlib.metadata would say it."""

from __future__ import annotations

import sys
import zipfile
from importlib.machinery import PathFinder
from importlib.metadata import MetadataPathFinder
from pathlib import Path
from typing import Any

import pytest

from layerkit.discovery import metadata as entrypoints
from layerkit.discovery.metadata import EntryPoint, entry_points, read_folders, read_importlib

PREFIX = "layerkit."
LAYER = "[layerkit.layers]\nacme.one = acme.one:One\n"


@pytest.fixture(autouse=True)
def standard_finders(monkeypatch: pytest.MonkeyPatch) -> None:
    """The backport importlib_metadata, which Dask imports, puts its finder in place of Python's."""
    finders = [f for f in sys.meta_path if type(f).__module__ != "importlib_metadata"]
    monkeypatch.setattr(sys, "meta_path", finders)
    found = staticmethod(MetadataPathFinder.find_distributions)
    monkeypatch.setattr(PathFinder, "find_distributions", found, raising=False)


def install(
    site: Path, folder: str, text: str | None = LAYER, metadata: str | None = "Name: {}\nVersion: 2"
) -> Path:
    """The metadata folder of a distribution that is named as its folder says."""
    info = site / folder
    info.mkdir(parents=True)
    if text is not None:
        (info / "entry_points.txt").write_bytes(text.encode())
    if metadata is not None:
        name = folder.partition("-")[0]
        file = "PKG-INFO" if folder.lower().endswith("egg-info") else "METADATA"
        (info / file).write_text(metadata.format(name))
    return site


def both(path: list[Path], monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    """What the folders declare, read in both ways."""
    monkeypatch.setattr(sys, "path", [str(p) for p in path])
    found = read_folders(sys.path, PREFIX)
    assert found == read_importlib(PREFIX)
    assert entry_points(PREFIX) == found
    return found


def test_this_environment() -> None:
    found = entry_points(PREFIX)
    assert found == read_importlib(PREFIX)
    assert EntryPoint(
        "layerkit.layers", "dense", "layerkit_plugins.layers.dense:Dense", "layerkit", "0.1.0"
    ) in [ep._replace(version="0.1.0") for ep in found]
    assert {ep.group for ep in found} >= {"layerkit.layers", "layerkit.metrics", "layerkit.data"}


def test_one_distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = install(tmp_path, "Acme_Parts-2.dist-info")
    found = both([site], monkeypatch)
    assert found == [EntryPoint("layerkit.layers", "acme.one", "acme.one:One", "acme-parts", "2")]


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "[console_scripts]\nlayerkit.x = a:b\n",
        "[layerkit.layers]\n",
        "[layerkitten.layers]\na = b:c\n",
        "# [layerkit.layers]\na = b:c\n",
        "a = b:c\n",
    ],
)
def test_nothing_declared(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert both([install(tmp_path, "acme-2.dist-info", text)], monkeypatch) == []


@pytest.mark.parametrize(
    ("line", "target"),
    [
        ("a=b:c", "b:c"),
        ("  a  =  b.c : d.e  ", "b.c:d.e"),
        ("a = b:c [extra, more]", "b:c"),
        ("a = b", "b:None"),
        ("a = b:c\r", "b:c"),
    ],
)
def test_spellings(line: str, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"# first\n\n[other]\nx = y:z\n[layerkit.layers]\n{line}\n[more]\nv = w\n"
    (found,) = both([install(tmp_path, "acme-2.dist-info", text)], monkeypatch)
    assert (found.name, found.target) == ("a", target)


@pytest.mark.parametrize("line", ["nonsense", "a = not a target!", "a = :x", "a ="])
def test_what_cannot_be_parsed_hurts_nobody_else(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "acme-2.dist-info", LAYER + line)
    install(tmp_path, "other-1.dist-info")
    assert [ep.dist for ep in both([tmp_path], monkeypatch)] == ["other"]


def test_bytes_that_are_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "acme-2.dist-info", None)
    (tmp_path / "acme-2.dist-info" / "entry_points.txt").write_bytes(LAYER.encode() + b"\xff\xfe")
    install(tmp_path, "other-1.dist-info")
    assert [ep.dist for ep in both([tmp_path], monkeypatch)] == ["other"]


def test_the_first_on_the_path_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = install(tmp_path / "one", "a_cme-1.dist-info", LAYER, "Name: A.cme\nVersion: 1")
    two = install(tmp_path / "two", "a_cme-2.dist-info")
    assert [ep.version for ep in both([one, two], monkeypatch)] == ["1"]
    assert [ep.version for ep in both([two, one], monkeypatch)] == ["2"]


def test_one_that_declares_nothing_hides_a_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = install(tmp_path / "one", "acme-1.dist-info", None)
    two = install(tmp_path / "two", "acme-2.dist-info")
    assert both([one, two], monkeypatch) == []
    assert len(both([two, one], monkeypatch)) == 1


def test_headers_as_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "Metadata-Version: 2.1\r\nNAME:  Spline Parts\r\nversion:1.5\r\n\r\nName: no\r\n"
    install(tmp_path, "x-1.dist-info", LAYER, text)
    (found,) = both([tmp_path], monkeypatch)
    assert (found.dist, found.version) == ("spline parts", "1.5")


def test_metadata_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder's own name stands in; importlib.metadata knows no name then."""
    monkeypatch.setattr(sys, "path", [str(install(tmp_path, "a_b-1.dist-info", LAYER, None))])
    (found,) = entry_points(PREFIX)
    assert (found.dist, found.version) == ("a-b", None)


@pytest.mark.parametrize("folder", ["acme.egg-info", "acme-2.egg-info", "ACME-2.DIST-INFO"])
def test_older_folders(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, folder, LAYER, "Name: acme\nVersion: 2")
    assert [ep.dist for ep in both([tmp_path], monkeypatch)] == ["acme"]


def test_an_egg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    egg = install(tmp_path / "acme-2.egg", "EGG-INFO", LAYER, "Name: acme\nVersion: 2")
    assert [ep.dist for ep in both([egg], monkeypatch)] == ["acme"]


def test_odd_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "acme-2.dist-info")
    (tmp_path / "x.dist-info").write_text("no folder")
    (tmp_path / "y-1.dist-info" / "entry_points.txt").mkdir(parents=True)
    (tmp_path / "y-1.dist-info" / "METADATA").write_text("Name: y\nVersion: 1")
    assert len(both([tmp_path / "nowhere", tmp_path], monkeypatch)) == 1
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [""])
    assert [ep.dist for ep in entry_points(PREFIX)] == ["acme"]


def test_a_zip_file_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "site.zip"
    with zipfile.ZipFile(archive, "w") as z:
        z.writestr("acme-2.dist-info/entry_points.txt", LAYER)
        z.writestr("acme-2.dist-info/METADATA", "Name: acme\nVersion: 2\n")
    monkeypatch.setattr(sys, "path", [str(archive)])
    assert read_folders(sys.path, PREFIX) is None
    assert [ep.dist for ep in entry_points(PREFIX)] == ["acme"]


def test_another_finder_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever brings distributions from elsewhere is heard."""
    site = install(tmp_path, "acme-2.dist-info")

    class Elsewhere(PathFinder):
        @classmethod
        def find_distributions(cls, context: Any = None) -> Any:
            return PathFinder.find_distributions(type(context)(path=[str(site)]))

    monkeypatch.setattr(sys, "path", [])
    assert entry_points(PREFIX) == []
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Elsewhere])
    assert [ep.dist for ep in entry_points(PREFIX)] == ["acme"]


def test_a_finder_that_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        name, version = "acme", "1"

        def read_text(self, _: str) -> str:
            raise RuntimeError

    assert entrypoints._of_distribution(Broken(), PREFIX) == []  # type: ignore[arg-type]
