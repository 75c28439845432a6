"""A save replaces the file or leaves it alone; whatever fails, nothing is left behind."""

from __future__ import annotations

import errno
import io
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layerkit import errors
from layerkit.codec import arrays, load_tensors, write

OLD = b"the file that was there"


def save(target: object, value: float = 1.0, size: int = 3, **keys: Any) -> str:
    tensors = {f"d.W{i}": ("param", np.full(size, value, "<f4")) for i in range(4)}
    return write(
        target,  # type: ignore[arg-type]
        spec={"schema": 1, "model": {"layers": [{"type": "x", "name": "d", "config": {}}]}},
        types={"x": {"config_version": 1, "dist": None, "version": None}},
        tensors=tensors,
        **keys,
    )


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "m.layerkit"
    path.write_bytes(OLD)
    return path


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The system calls of a save, in order, with the kind of their file."""
    seen: list[str] = []

    def spy(name: str) -> None:
        really = getattr(os, name)

        def call(first: Any, *rest: Any, **keys: Any) -> Any:
            kind = ""
            if isinstance(first, int):
                kind = "folder" if stat.S_ISDIR(os.fstat(first).st_mode) else "file"
            seen.append(f"{name} {kind}".strip())
            return really(first, *rest, **keys)

        monkeypatch.setattr(os, name, call)

    for name in ("write", "fchmod", "fsync", "replace", "link", "unlink"):
        spy(name)
    return seen


def test_the_order_of_a_durable_save(target: Path, calls: list[str]) -> None:
    save(target)
    assert calls == ["fchmod file", "write file", "fsync file", "replace", "fsync folder"]


def test_without_durability_only_both_fsyncs_are_left_out(target: Path, calls: list[str]) -> None:
    save(target, durable=False)
    assert calls == ["fchmod file", "write file", "replace"]


def test_a_new_file_that_must_not_overwrite_is_linked(tmp_path: Path, calls: list[str]) -> None:
    save(tmp_path / "new", overwrite=False)
    assert calls == ["write file", "fsync file", "link", "unlink", "fsync folder"]
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    assert (tmp_path / "new").stat().st_nlink == 1


def test_overwrite_false_leaves_what_is_there(target: Path) -> None:
    with pytest.raises(FileExistsError):
        save(target, overwrite=False)
    assert target.read_bytes() == OLD
    (target.parent / "dangling").symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        save(target.parent / "dangling", overwrite=False)
    assert len([*target.parent.iterdir()]) == 2


def test_a_target_that_appears_during_the_save_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, really = tmp_path / "m", os.fsync

    def race(descriptor: int) -> None:
        target.write_bytes(OLD)
        really(descriptor)

    monkeypatch.setattr(os, "fsync", race)
    with pytest.raises(FileExistsError):
        save(target, overwrite=False)
    assert target.read_bytes() == OLD
    assert [*tmp_path.iterdir()] == [target]


FAULTS = [("write", nth) for nth in (1, 2, 5)]
FAULTS += [(name, 1) for name in ("fchmod", "fsync", "replace", "close")]


def names_in(folder: str | Path) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def failing(name: str, nth: int, error: Callable[[], BaseException]) -> Callable[..., Any]:
    really, count = getattr(os, name), [0]

    def call(*args: Any, **keys: Any) -> Any:
        count[0] += 1
        if count[0] == nth:
            if name == "close":
                really(*args)
            raise error()
        return really(*args, **keys)

    return call


@pytest.mark.parametrize(
    "error",
    [
        lambda: OSError(errno.ENOSPC, "full"),
        lambda: OSError(errno.EIO, "broken"),
        lambda: KeyboardInterrupt(),
        lambda: MemoryError(),
    ],
)
@pytest.mark.parametrize(("name", "nth"), FAULTS)
def test_a_fault_at_any_call_leaves_everything_as_it_was(
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    nth: int,
    error: Callable[[], BaseException],
) -> None:
    before = len(names_in("/proc/self/fd"))
    monkeypatch.setattr(os, name, failing(name, nth, error))
    with pytest.raises(type(error())):
        save(target, size=100_000)
    monkeypatch.undo()
    assert target.read_bytes() == OLD
    assert [*target.parent.iterdir()] == [target]
    assert len(names_in("/proc/self/fd")) == before


def test_a_fault_while_hashing_or_writing_arrays_passes_through(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, count, nth = arrays._contiguous, [0], [0]

    def interrupted(*args: Any) -> Iterator[Any]:
        count[0] += 1
        if count[0] == nth[0]:
            raise KeyboardInterrupt
        yield from really(*args)

    monkeypatch.setattr(arrays, "_contiguous", interrupted)
    for nth[0] in range(1, 9):
        count[0] = 0
        with pytest.raises(KeyboardInterrupt):
            save(target, size=100_000)
        assert target.read_bytes() == OLD
        assert [*target.parent.iterdir()] == [target]


def test_a_full_disk_found_after_the_replacement_is_still_reported(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", failing("fsync", 2, lambda: OSError(errno.EIO, "folder")))
    with pytest.raises(OSError, match="folder"):
        save(target)
    assert load_tensors(target)["d.W0"].tolist() == [1.0] * 3
    assert [*target.parent.iterdir()] == [target]


def test_an_interrupt_right_after_the_file_was_made_leaves_nothing(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = os.open

    def interrupted(*args: Any, **keys: Any) -> int:
        os.close(really(*args, **keys))
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "open", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(target)
    assert [*target.parent.iterdir()] == [target]


def test_someone_elses_temporary_is_not_deleted(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "urandom", lambda n: bytes(n))
    other = target.parent / f".m.layerkit.layerkit-{'00' * 8}.tmp"
    other.write_bytes(b"theirs")
    with pytest.raises(FileExistsError):
        save(target)
    assert other.read_bytes() == b"theirs"
    assert target.read_bytes() == OLD


def test_the_temporary_lies_beside_the_target_and_is_named_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    really = os.replace

    def spy(source: Any, destination: Any) -> None:
        seen.append(str(source))
        really(source, destination)

    monkeypatch.setattr(os, "replace", spy)
    long = "é" * 120
    for name in ("short", long):
        save(tmp_path / name)
    assert re.fullmatch(re.escape(str(tmp_path)) + r"/\.short\.layerkit-[0-9a-f]{16}\.tmp", seen[0])
    start = os.fsencode(Path(seen[1]).name).removesuffix(b".tmp")
    assert start.startswith(b"." + os.fsencode(long)[:200] + b".layerkit-")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["short", long]


def test_relative_names_are_saved_where_they_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save("m.layerkit")
    save(b"n.layerkit")
    assert names_in(tmp_path) == ["m.layerkit", "n.layerkit"]


def test_permissions_follow_the_umask_or_the_file_that_was_there(target: Path) -> None:
    for mask, new in ((0o022, 0o644), (0o077, 0o600)):
        before = os.umask(mask)
        try:
            fresh = target.parent / f"new{mask}"
            save(fresh)
            target.chmod(0o640)
            save(target)
        finally:
            os.umask(before)
        assert stat.S_IMODE(fresh.stat().st_mode) == new
        assert stat.S_IMODE(target.stat().st_mode) == 0o640


def linked(tmp_path: Path, kind: str) -> Path:
    """A link of this kind in another folder, which leads to ``m.layerkit`` in ``tmp_path``."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    link = folder / "latest"
    if kind == "chain":
        (folder / "second").symlink_to("../m.layerkit")
        link.symlink_to("second")
    elif kind == "through a folder":
        (folder / "up").symlink_to("..")
        link.symlink_to("up/m.layerkit")
    else:
        link.symlink_to(tmp_path / "m.layerkit" if kind == "absolute" else "../m.layerkit")
    return link


@pytest.mark.parametrize("kind", ["relative", "absolute", "chain", "through a folder"])
@pytest.mark.parametrize("there", [True, False])
def test_what_a_link_leads_to_is_replaced_in_its_folder(
    target: Path, tmp_path: Path, kind: str, there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = linked(tmp_path, kind)
    target.chmod(0o640)
    if not there:
        target.unlink()
    before, really, folders = names_in(link.parent), os.open, []

    def spy(path: Any, *args: Any, **keys: Any) -> int:
        folders.append(Path(path).parent if str(path).endswith(".tmp") else None)
        return really(path, *args, **keys)

    monkeypatch.setattr(os, "open", spy)
    save(link)
    assert [folder for folder in folders if folder] == [tmp_path]
    assert link.is_symlink()
    assert names_in(link.parent) == before
    assert load_tensors(target)["d.W0"].tolist() == [1.0] * 3
    if there:
        assert stat.S_IMODE(target.stat().st_mode) == 0o640


@pytest.mark.parametrize("kind", ["relative", "chain"])
def test_a_link_is_replaced_itself_on_request(target: Path, tmp_path: Path, kind: str) -> None:
    link = linked(tmp_path, kind)
    before = os.umask(0o022)
    try:
        save(link, follow_symlinks=False)
    finally:
        os.umask(before)
    assert not link.is_symlink()
    assert stat.S_IMODE(link.stat().st_mode) == 0o644
    assert target.read_bytes() == OLD


@pytest.mark.parametrize("follow", [True, False])
def test_a_link_to_a_device_stays(tmp_path: Path, follow: bool) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name, leads in (("null", "/dev/null"), ("pipe", "fifo"), ("twice", "pipe")):
        (tmp_path / name).symlink_to(leads)
        with pytest.raises(OSError, match="only a regular file"):
            save(tmp_path / name, follow_symlinks=follow)
        assert (tmp_path / name).readlink() == Path(leads)


def test_a_link_into_no_folder_or_to_a_folder_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("gone/m")
    with pytest.raises(FileNotFoundError, match="gone"):
        save(tmp_path / "dangling")
    (tmp_path / "folder").symlink_to(".")
    with pytest.raises(IsADirectoryError):
        save(tmp_path / "folder")
    assert names_in(tmp_path) == ["dangling", "folder"]


def test_a_loop_of_links_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for name in ("a", "a/m"):
        with pytest.raises(OSError, match="a"):
            save(tmp_path / name)
    assert names_in(tmp_path) == ["a", "b"]
    save(tmp_path / "a", follow_symlinks=False)
    assert not (tmp_path / "a").is_symlink()


def test_a_target_that_is_no_file_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    for name in ("fifo", "folder", "none/m", "fifo/m"):
        with pytest.raises(OSError, match=r".+"):
            save(tmp_path / name)
    with pytest.raises(IsADirectoryError):
        save(tmp_path / "folder")
    assert names_in(tmp_path) == ["fifo", "folder"]
    assert names_in(tmp_path / "folder") == []


def test_check_reads_the_file_back_before_it_replaces_the_target(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(target, check=True)
    good = target.read_bytes()
    really = os.write

    def lying(descriptor: int, data: Any) -> int:
        damaged = bytearray(data)
        damaged[-1] ^= 1
        return really(descriptor, damaged)

    monkeypatch.setattr(os, "write", lying)
    with pytest.raises(errors.CorruptFileError):
        save(target, 2.0, check=True)
    assert target.read_bytes() == good
    assert [*target.parent.iterdir()] == [target]


@pytest.mark.parametrize("size", [3, 1_000_000])
def test_saving_onto_the_file_a_model_is_mapped_from(target: Path, size: int) -> None:
    save(target, 1.0, size)
    mapped = load_tensors(target, mmap=True)
    save(target, 2.0, size)
    assert set(mapped["d.W3"].tolist()) == {1.0}
    assert set(load_tensors(target)["d.W3"].tolist()) == {2.0}


def test_a_pipe_can_be_written_and_read() -> None:
    source, sink = os.pipe()
    with os.fdopen(source, "rb") as reading:
        with os.fdopen(sink, "wb") as writing:
            save(writing)
        assert load_tensors(reading)["d.W0"].tolist() == [1.0] * 3


def test_a_stream_gets_the_same_bytes_as_a_file(target: Path) -> None:
    stream = io.BytesIO()
    assert save(stream) == save(target)
    assert stream.getvalue() == target.read_bytes()
