"""Models at URLs: read as streams, replaced in one step or not at all."""

from __future__ import annotations

import errno
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import layerkit
from layerkit.codec import remote
from layerkit.codec.gather import Gather

pytest.importorskip("fsspec", reason='the extra "remote" is not installed')

SPEC = {
    "layerkit": 1,
    "input": {"shape": [4]},
    "layers": [{"type": "highway"}, {"type": "dense", "units": 3}],
}


@pytest.fixture
def model() -> layerkit.Model:
    return layerkit.build(SPEC)


@pytest.fixture
def memory() -> Iterator[dict[str, Any]]:
    """The objects of memory://, which are of the process."""
    file_system = import_module("fsspec.implementations.memory").MemoryFileSystem
    file_system.store.clear()
    yield file_system.store
    file_system.store.clear()


@dataclass
class Web:
    """A server of a folder, what it was asked and how much it sent."""

    folder: Path
    address: str = ""
    requests: list[str] = field(default_factory=list)
    sent: int = 0


class Handler(SimpleHTTPRequestHandler):
    def __init__(self, *args: Any, web: Web) -> None:
        self.web = web
        super().__init__(*args, directory=str(web.folder))

    def log_message(self, *args: Any) -> None:
        self.web.requests.append(self.command)

    def copyfile(self, source: Any, outputfile: Any) -> None:
        while part := source.read(1 << 16):
            try:
                outputfile.write(part)
            except OSError:  # the reader had enough
                return
            self.web.sent += len(part)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    pytest.importorskip("aiohttp", reason="fsspec reads http through aiohttp")
    web = Web(tmp_path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, web=web))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    web.address = f"http://127.0.0.1:{server.server_port}"
    yield web
    server.shutdown()
    server.server_close()
    thread.join()


def content(store: dict[str, Any], name: str) -> bytes:
    return bytes(store[name].getvalue())


@pytest.mark.parametrize(
    "place",
    [
        "a:b",
        "C:\\m.layerkit",
        "c:/m.layerkit",
        "C://m",
        "m.layerkit",
        "://x",
        "1://x",
        "/a://b",
        "",
    ],
)
def test_what_is_no_url_is_a_path(place: str) -> None:
    assert remote.locate(place) == place


def test_a_path_object_is_a_path_whatever_it_spells(tmp_path: Path) -> None:
    assert remote.locate(Path("memory://a/b")) == str(Path("memory://a/b"))


@pytest.mark.parametrize("name", ["a:b", "memory:"])
def test_local_names_with_colons_are_saved_where_they_say(
    model: layerkit.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    layerkit.save(model, name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert layerkit.load(name).file_id == model.file_id


def test_a_model_goes_to_a_url_and_comes_back(
    model: layerkit.Model, memory: dict[str, Any], tmp_path: Path
) -> None:
    url = "memory://models/m.layerkit"
    file_id = layerkit.save(model, url)
    layerkit.save(model, tmp_path / "m")
    assert content(memory, "/models/m.layerkit") == (tmp_path / "m").read_bytes()
    loaded = layerkit.load(url, expected_id=file_id)
    assert (loaded.path, loaded.file_id) == (url, file_id)
    assert layerkit.inspect(url).path == url
    assert layerkit.load_tensors(url).keys() == layerkit.load_tensors(tmp_path / "m").keys()


def test_readers_of_one_object_do_not_disturb_each_other(
    model: layerkit.Model, memory: dict[str, Any]
) -> None:
    from layerkit.codec import open_document

    url = "memory://m"
    layerkit.save(model, url)
    with open_document(url) as first, open_document(url) as second:
        assert first.read().keys() == second.read().keys()


def test_a_url_of_a_local_file_is_that_file(model: layerkit.Model, tmp_path: Path) -> None:
    url = (tmp_path / "m").as_uri()
    layerkit.save(model, url)
    assert layerkit.load(tmp_path / "m").file_id == model.file_id
    assert layerkit.load(url, mmap=True).network.mapped
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize("error", [OSError(errno.EIO, "gone"), KeyboardInterrupt(), ValueError()])
@pytest.mark.parametrize("after", [0, 3])
def test_a_failure_while_writing_leaves_the_old_object(
    model: layerkit.Model,
    memory: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    after: int,
) -> None:
    url = "memory://m"
    layerkit.save(model, url)
    old = content(memory, "/m")
    model.network.params[0] += 1
    put, count = Gather.put, iter(range(100))

    def failing(gather: Any, data: Any) -> None:
        if next(count) == after:
            raise error
        put(gather, data)
        gather.flush()

    monkeypatch.setattr(Gather, "put", failing)
    with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else OSError):
        layerkit.save(model, url)
    monkeypatch.undo()
    assert {name: content(memory, name) for name in memory} == {"/m": old}
    layerkit.save(model, url)
    assert layerkit.load(url).network.params[0] == model.network.params[0]


def test_overwrite_false_leaves_what_is_there(
    model: layerkit.Model, memory: dict[str, Any]
) -> None:
    url = "memory://m"
    layerkit.save(model, url, overwrite=False)
    old = content(memory, "/m")
    model.network.params[0] += 1
    with pytest.raises(FileExistsError):
        layerkit.save(model, url, overwrite=False)
    assert content(memory, "/m") == old


def test_a_file_system_that_writes_in_place_is_refused(
    model: layerkit.Model, memory: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_COMMITS", frozenset())
    with pytest.raises(OSError, match="atomic=False"):
        layerkit.save(model, "memory://m")
    assert not memory
    layerkit.save(model, "memory://m", atomic=False)
    assert layerkit.load("memory://m").file_id == model.file_id


def test_only_local_files_are_mapped_and_read_back(
    model: layerkit.Model, memory: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="check=True"):
        layerkit.save(model, "memory://m", check=True)
    assert not memory
    layerkit.save(model, "memory://m")
    with pytest.raises(ValueError, match="mmap=True"):
        layerkit.load("memory://m", mmap=True)


def test_a_damaged_object_is_refused_with_its_url(
    model: layerkit.Model, memory: dict[str, Any]
) -> None:
    url = "memory://m"
    layerkit.save(model, url)
    memory["/m"].getbuffer()[-1] ^= 1
    with pytest.raises(layerkit.CorruptFileError) as caught:
        layerkit.load(url)
    assert caught.value.path == url


# --- http ---


def test_a_model_is_read_from_the_web_in_one_answer(web: Web) -> None:
    model = layerkit.build({**SPEC, "input": {"shape": [1000]}})
    layerkit.save(model, web.folder / "m")
    assert layerkit.load(f"{web.address}/m").file_id == model.file_id
    assert web.requests.count("GET") == 1


def test_inspecting_a_large_file_of_the_web_does_not_read_it(web: Web) -> None:
    model = layerkit.build({**SPEC, "input": {"shape": [2000]}})
    layerkit.save(model, web.folder / "m")
    assert layerkit.inspect(f"{web.address}/m").file_id == model.file_id
    assert web.sent < (web.folder / "m").stat().st_size / 2


def test_what_the_web_does_not_have_is_an_os_error(web: Web) -> None:
    with pytest.raises(FileNotFoundError, match="/none") as caught:
        layerkit.load(f"{web.address}/none")
    assert caught.value.errno == errno.ENOENT


def test_a_page_of_the_web_is_no_model(web: Web) -> None:
    (web.folder / "page").write_text("<html></html>")
    with pytest.raises(layerkit.NotAModelFileError, match="HTML"):
        layerkit.load(f"{web.address}/page")


def test_an_answer_that_breaks_off_is_truncated(model: layerkit.Model, web: Web) -> None:
    layerkit.save(model, web.folder / "m")
    whole = (web.folder / "m").read_bytes()
    (web.folder / "m").write_bytes(whole[:-1])
    with pytest.raises(layerkit.TruncatedFileError):
        layerkit.load(f"{web.address}/m")


def test_the_web_cannot_be_written(model: layerkit.Model, web: Web) -> None:
    for atomic in (True, False):
        with pytest.raises(OSError, match=web.address):
            layerkit.save(model, f"{web.address}/m", atomic=atomic)


# --- what is not there ---


def test_without_fsspec_the_extra_is_named(
    model: layerkit.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(layerkit.MissingExtraError, match=r"layerkit\[remote\]"):
        layerkit.load("memory://m")
    with pytest.raises(layerkit.MissingExtraError, match="fsspec"):
        layerkit.save(model, "memory://m")


def test_a_file_system_whose_package_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(layerkit.MissingExtraError, match=r"s3fs(.|\n)*layerkit\[remote\]"):
        layerkit.load("s3://bucket/m")


def test_an_unknown_scheme_is_an_os_error() -> None:
    with pytest.raises(OSError, match="nonesuch"):
        layerkit.load("nonesuch://m")


def test_any_error_of_a_file_system_becomes_an_os_error(
    model: layerkit.Model, memory: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    file_system = import_module("fsspec.implementations.memory").MemoryFileSystem

    def broken(*args: Any, **keys: Any) -> Any:
        raise RuntimeError("no such luck")

    monkeypatch.setattr(file_system, "_open", broken)
    with pytest.raises(OSError, match=r"memory://m: RuntimeError: no such luck"):
        layerkit.load("memory://m")
    with pytest.raises(OSError, match=r"memory://m: RuntimeError: no such luck"):
        layerkit.save(model, "memory://m")
