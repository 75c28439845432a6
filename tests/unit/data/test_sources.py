import gzip
import hashlib
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from layerkit.core.rows import Rows
from layerkit.data import fetch_files, load_data, load_idx_set, read_rows
from layerkit.discovery.registry import DATA
from layerkit.errors import DataError, DataSourceError, MissingExtraError

NAMES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
BODIES = (
    bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4]),
    bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 8]),
    bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 5, 6]),
    bytes([0, 0, 8, 1, 0, 0, 0, 1, 9]),
)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A folder with the four files, and the address on this machine that serves it."""
    pooch = pytest.importorskip("pooch")
    folder = tmp_path / "mirror"
    folder.mkdir()
    for name, body in zip(NAMES, BODIES, strict=True):
        (folder / name).write_bytes(gzip.compress(body, mtime=0))
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def digests(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in NAMES}


def test_digits_are_bundled_whole() -> None:
    file = resources.files("layerkit_plugins.data") / "digits.csv.gz"
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    assert found == "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"
    assert found in (resources.files("layerkit_plugins.data") / "ATTRIBUTION.md").read_text()


def nearest_mean(splits: dict[str, Rows]) -> float:
    """Accuracy of the nearest class mean on the test rows."""
    train, test = splits["train"], splits["test"]
    assert train.values is not None
    assert train.labels is not None
    assert test.values is not None
    classes = np.unique(train.labels)
    means = np.stack([train.values[train.labels == c].mean(axis=0) for c in classes])
    x = test.values.astype(np.float64)
    distance = (x**2).sum(1)[:, None] - 2 * x @ means.T + (means**2).sum(1)
    return float(np.mean(classes[distance.argmin(axis=1)] == test.labels))


def test_digits() -> None:
    splits = load_data("digits")
    train, test = splits["train"], splits["test"]
    assert (len(train), len(test)) == (1442, 355)
    assert test.labels is not None
    assert np.bincount(test.labels).tolist() == [35, 36, 35, 36, 36, 36, 36, 35, 34, 36]
    labels = np.concatenate([r.labels for r in (train, test) if r.labels is not None])
    counts = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.bincount(labels).tolist() == counts
    assert train.values is not None
    assert train.values.dtype == np.uint8
    assert train.values.max() == 16


def test_digits_in_the_order_of_the_file_score_what_its_source_says() -> None:
    path = resources.files("layerkit_plugins.data") / "digits.csv.gz"
    with resources.as_file(path) as file:
        whole = read_rows(file, labels="64")
    split = {"train": whole.take(slice(0, 1400)), "test": whole.take(slice(1400, None))}
    assert round(nearest_mean(split), 4) == 0.8564


def test_digits_from_a_folder(tmp_path: Path) -> None:
    raw = (resources.files("layerkit_plugins.data") / "digits.csv.gz").read_bytes()
    (tmp_path / "digits.csv.gz").write_bytes(raw)
    assert len(load_data("digits", where=tmp_path)["train"]) == 1442
    (tmp_path / "digits.csv.gz").write_bytes(gzip.compress(b"1,2,3\n" * 2000))
    with pytest.raises(DataError, match="column '64': expected a position from 0 to 2, got 64"):
        load_data("digits", where=tmp_path)
    (tmp_path / "digits.csv.gz").write_bytes(gzip.compress((b"1," * 64 + b"1\n") * 49))
    with pytest.raises(DataSourceError, match="expected 50 rows or more of 64 pixels"):
        load_data("digits", where=tmp_path)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_sources_know_the_four_files(shared: Path, name: str) -> None:
    module = sys.modules[DATA[name].__module__]
    assert digests(shared / name) == module.FILES
    assert all(mirror.endswith("/") for mirror in module.MIRRORS)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "accuracy"), [("mnist", 0.8203), ("fashion-mnist", 0.6768)])
def test_nearest_class_mean(
    shared: Path, name: str, accuracy: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAYERKIT_DATA", str(shared))
    splits = load_data(name)
    assert splits["train"].values is not None
    assert splits["train"].values.shape == (60_000, 784)
    assert len(splits["test"]) == 10_000
    assert round(nearest_mean(splits), 4) == accuracy


def test_download_fills_the_cache_once(mirror: tuple[Path, str]) -> None:
    folder, address = mirror
    splits = load_idx_set("tiny", None, files=digests(folder), mirrors=[address])
    assert splits["train"].values is not None
    assert splits["train"].values.tolist() == [[1, 2], [3, 4]]
    assert splits["test"].labels is not None
    assert splits["test"].labels.tolist() == [9]
    files = digests(folder)
    for name in NAMES:
        (folder / name).unlink()
    again = load_idx_set("tiny", None, files=files, mirrors=[address])
    assert len(again["train"]) == 2


def test_the_second_mirror_serves_what_the_first_lacks(mirror: tuple[Path, str]) -> None:
    folder, address = mirror
    found = fetch_files("tiny", digests(folder), [address + "gone/", address])
    assert sorted(p.name for p in found.iterdir()) == sorted(NAMES)


def test_a_file_with_another_digest_is_refused(mirror: tuple[Path, str]) -> None:
    folder, address = mirror
    files = digests(folder) | {NAMES[2]: "0" * 64}
    with pytest.raises(DataSourceError, match="SHA-256 is not the expected one") as caught:
        fetch_files("tiny", files, [address])
    assert NAMES[2] in str(caught.value)
    assert not (folder.parent / "cache" / "layerkit" / "tiny" / NAMES[2]).exists()


def test_a_damaged_file_in_the_cache_is_fetched_again(mirror: tuple[Path, str]) -> None:
    folder, address = mirror
    cached = fetch_files("tiny", digests(folder), [address]) / NAMES[0]
    whole = cached.read_bytes()
    cached.write_bytes(whole[:-3])
    fetch_files("tiny", digests(folder), [address])
    assert cached.read_bytes() == whole


def test_no_network_names_the_folder_options(mirror: tuple[Path, str]) -> None:
    folder, _ = mirror
    with pytest.raises(DataSourceError) as caught:
        load_idx_set("tiny", None, files=digests(folder), mirrors=["http://127.0.0.1:9/"])
    for words in ("cannot be downloaded", "127.0.0.1:9", "--data FOLDER", "LAYERKIT_DATA"):
        assert words in str(caught.value)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_without_pooch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(MissingExtraError, match=r"layerkit\[data\]") as caught:
        load_data(name)
    assert (caught.value.package, caught.value.extra) == ("pooch", "data")
    assert "LAYERKIT_DATA" in str(caught.value)


def test_folders_go_before_the_cache(
    mirror: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder, _ = mirror
    monkeypatch.setitem(sys.modules, "pooch", None)
    monkeypatch.setenv("LAYERKIT_DATA", str(tmp_path / "home"))
    home = tmp_path / "home" / "mnist"
    home.parent.mkdir()
    folder.rename(home)
    assert len(load_data("mnist")["train"]) == 2
    monkeypatch.delenv("LAYERKIT_DATA")
    assert len(load_data("mnist", where=home)["train"]) == 2
    assert len(load_data("mnist", where=home.parent)["train"]) == 2


def test_a_folder_without_the_files(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DataSourceError, match=r"it contains: notes.txt") as caught:
        load_data("mnist", where=tmp_path)
    assert NAMES[0] in str(caught.value)


def test_truncated_local_file(mirror: tuple[Path, str]) -> None:
    folder, _ = mirror
    path = folder / NAMES[0]
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DataSourceError, match="cut short"):
        load_data("mnist", where=folder)


def test_importing_the_sources_imports_no_pooch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    for name in ("mnist", "fashion-mnist", "digits"):
        module = DATA[name].__module__
        monkeypatch.delitem(sys.modules, module)
        __import__(module)
