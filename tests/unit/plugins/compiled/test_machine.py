"""Machine code kept on disk: whose it is, what it depends on, and what happens without it."""

from __future__ import annotations

import ctypes
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm
import pytest

import layerkit
from layerkit_plugins.compiled.llvm import machine

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes of files")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a process that has loaded nothing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(machine, "_home", lambda: tmp_path)
    monkeypatch.setattr(machine, "_loaded", {})
    return tmp_path / "layerkit/kernels"


def ir(number: int) -> str:
    return f"define i64 @k() {{\n  ret i64 {number}\n}}"


def run(number: int) -> int:
    """What the code that returns ``number`` returns."""
    address = machine.addresses(ir(number), ("k",))["k"]
    found: int = machine.callable_at(address, ctypes.c_int64)()
    return found


def again(monkeypatch: pytest.MonkeyPatch, *, compiles: bool) -> None:
    """As a new process, which may compile or not."""
    monkeypatch.setattr(machine, "_loaded", {})
    if not compiles:
        monkeypatch.setattr(machine, "_compile", lambda _: pytest.fail("compiles"))


def test_code_is_compiled_once_and_loaded_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(3) == 3
    (file,) = folder.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.suffix == ".o"
    again(monkeypatch, compiles=False)
    assert run(3) == 3


def test_other_text_is_other_code(folder: Path) -> None:
    assert (run(3), run(4)) == (3, 4)
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("what", ["layerkit", "llvmlite", "LLVM", "CPU", "features"])
def test_the_name_depends_on_versions_and_processor(
    folder: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    before = machine._path(ir(3))
    if what == "layerkit":
        monkeypatch.setattr(layerkit, "__version__", "9.9")
    elif what == "llvmlite":
        monkeypatch.setattr(llvmlite, "__version__", "9.9")
    elif what == "LLVM":
        monkeypatch.setattr(llvm, "llvm_version_info", (99, 0, 0))
    elif what == "CPU":
        monkeypatch.setattr(llvm, "get_host_cpu_name", lambda: "other")
    else:
        monkeypatch.setattr(machine, "_features", lambda: "+other")
    after = machine._path(ir(3))
    assert before is not None
    assert after is not None
    assert before.parent == after.parent == folder
    assert before != after


@pytest.mark.parametrize("damage", ["cut", "empty", "changed", "other"])
def test_a_damaged_file_is_compiled_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    run(3)
    (file,) = folder.iterdir()
    good = file.read_bytes()
    bad = {"cut": good[:-40], "empty": b"", "other": b"\x7fELF" * 50}
    bad["changed"] = good[:200] + bytes([good[200] ^ 1]) + good[201:]
    file.write_bytes(bad[damage])
    again(monkeypatch, compiles=True)
    assert run(3) == 3
    assert file.read_bytes() == good


@pytest.mark.parametrize("mode", [0o720, 0o702])
@pytest.mark.parametrize("which", ["folder", "file"])
def test_what_others_may_write_is_not_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch, which: str, mode: int
) -> None:
    run(3)
    (file,) = folder.iterdir()
    (folder if which == "folder" else file).chmod(mode)
    if which == "file":
        assert machine._read(file) is None
    else:
        assert machine._path(ir(3)) is None
    again(monkeypatch, compiles=True)
    assert run(3) == 3


def test_what_belongs_to_others_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(3)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert machine._path(ir(3)) is None
    again(monkeypatch, compiles=True)
    assert run(3) == 3


def test_a_link_in_place_of_a_file_is_replaced(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = machine._path(ir(3))
    assert path is not None
    path.symlink_to(tmp_path / "nowhere")
    assert run(3) == 3
    assert not path.is_symlink()
    again(monkeypatch, compiles=False)
    assert run(3) == 3


def test_without_a_folder_code_is_compiled_in_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.parent.write_text("no folder can be made here")
    assert machine._path(ir(3)) is None
    assert run(3) == 3


def test_threads_compile_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    compile_ = machine._compile

    def count(text: str) -> bytes:
        compiled.append(text)
        return compile_(text)

    monkeypatch.setattr(machine, "_compile", count)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(run, [5] * 32)) == [5] * 32
    assert len(compiled) == 1


def test_a_missing_function_is_an_error(folder: Path) -> None:
    with pytest.raises(RuntimeError, match="not all functions"):
        machine.addresses(ir(6), ("other",))
