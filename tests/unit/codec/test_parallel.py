"""Work on several threads: results and failures come as if there were one."""

from __future__ import annotations

import io
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layerkit import errors, threads
from layerkit.codec import open_document, parallel, source, tensor_digests, write
from layerkit.codec.parallel import each

LARGE = parallel._WORTH


@pytest.fixture
def four(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that four processors are there and that everything is worth threads."""
    monkeypatch.setattr(threads, "thread_count", lambda: 4)
    monkeypatch.setattr(parallel, "_WORTH", 1)


@pytest.mark.usefixtures("four")
def test_results_come_in_the_order_of_the_items() -> None:
    used = set()

    def task(item: int) -> int:
        time.sleep(0.01 * (item % 3))
        used.add(threading.get_ident())
        return item * item

    assert each(task, range(20), LARGE) == [n * n for n in range(20)]
    assert len(used) == 4


def test_little_work_is_done_by_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "thread_count", lambda: 4)
    assert set(each(lambda _: threading.get_ident(), range(9), LARGE - 1)) == {
        threading.get_ident()
    }


@pytest.mark.usefixtures("four")
def test_of_several_failures_the_first_item_decides() -> None:
    def task(item: int) -> None:
        if item == 3:
            time.sleep(0.05)
            raise ValueError("third")
        if item == 4:
            raise ValueError("fourth")

    for _ in range(20):
        with pytest.raises(ValueError, match="third"):
            each(task, range(9), LARGE)


@pytest.mark.usefixtures("four")
def test_after_a_failure_nothing_more_is_begun() -> None:
    begun = []

    def task(item: int) -> None:
        begun.append(item)
        time.sleep(0.01)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        each(task, range(100), LARGE)
    assert len(begun) <= 4


@pytest.mark.usefixtures("four")
def test_an_interrupt_passes_through_and_ends_the_work() -> None:
    done = []
    helped = threading.Event()

    def task(item: int) -> None:
        if threading.current_thread() is threading.main_thread():
            assert helped.wait(10)
            raise KeyboardInterrupt
        helped.set()
        time.sleep(0.01)
        done.append(item)

    with pytest.raises(KeyboardInterrupt):
        each(task, range(1000), LARGE)
    count = len(done)
    assert count < 10
    time.sleep(0.05)
    assert len(done) == count


@pytest.mark.usefixtures("four")
def test_without_more_threads_the_caller_does_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr(threads, "_helpers", [])
    assert each(lambda item: -item, range(5), LARGE) == [0, -1, -2, -3, -4]


def several(count: int = 9) -> dict[str, tuple[str, Any]]:
    stream = np.random.default_rng(0)
    return {f"d.W{i}": ("param", stream.standard_normal((50, 40))) for i in range(count)}


def save(target: Any, tensors: dict[str, tuple[str, Any]], **keys: Any) -> str:
    return write(
        target,
        spec={"schema": 1, "model": {"layers": [{"type": "x", "name": "d", "config": {}}]}},
        types={"x": {"config_version": 1, "dist": None, "version": None}},
        tensors=tensors,
        **keys,
    )


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize("mmap", [True, False])
@pytest.mark.parametrize("way", ["read", "verify"])
def test_the_first_corrupt_tensor_is_named(tmp_path: Path, mmap: bool, way: str) -> None:
    tensors = several()
    save(tmp_path / "m", tensors)
    with open_document(tmp_path / "m", mmap=mmap) as document:
        loaded = document.read()
        document.verify()
    assert all(np.array_equal(loaded[name], array) for name, (_, array) in tensors.items())
    raw = bytearray((tmp_path / "m").read_bytes())
    for name in ("d.W7", "d.W4", "d.W8"):
        raw[raw.index(tensors[name][1].tobytes()) + 5] ^= 1
    (tmp_path / "m").write_bytes(raw)
    for _ in range(10):
        with (
            open_document(tmp_path / "m", mmap=mmap) as document,
            pytest.raises(errors.CorruptFileError) as caught,
        ):
            getattr(document, way)()
        assert caught.value.tensor == "d.W4"
        assert caught.value.path == str(tmp_path / "m")


@pytest.mark.usefixtures("four")
def test_a_stream_is_read_by_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    target = io.BytesIO()
    save(target, several())
    monkeypatch.setattr(threading.Thread, "start", lambda self: pytest.fail("a thread"))
    for way in ("read", "verify"):
        target.seek(0)
        with open_document(target) as document:
            getattr(document, way)()


@pytest.mark.usefixtures("four")
def test_digests_may_be_taken_before_and_give_the_same_file() -> None:
    tensors = several()
    plain, given = io.BytesIO(), io.BytesIO()
    save(plain, tensors)
    digests = tensor_digests(dict(list(tensors.items())[:5]))
    save(given, tensors, digests=digests)
    assert plain.getvalue() == given.getvalue()
    wrong = io.BytesIO()
    save(wrong, tensors, digests={"d.W3": bytes(32)})
    with open_document(io.BytesIO(wrong.getvalue())) as document:
        assert document.tensors["d.W3"].sha256 == bytes(32)


@pytest.mark.usefixtures("four")
def test_where_a_file_has_one_position_threads_take_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "_read_at", source._seek_and_read)
    monkeypatch.setattr(source, "STEP", 100)
    tensors = several(40)
    save(tmp_path / "m", tensors)
    with open_document(tmp_path / "m") as document:
        loaded = document.read()
    assert all(np.array_equal(loaded[name], array) for name, (_, array) in tensors.items())


def test_no_more_than_eight_threads_are_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "thread_count", lambda: 64)

    def task(_: int) -> int:
        time.sleep(0.02)
        return threading.get_ident()

    assert len(set(each(task, range(64), LARGE))) == 8


def test_hashing_on_many_processors_takes_less_than_32_mib(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "thread_count", lambda: 64)
    turned = np.zeros((1000, 300), ">f8").T
    tracemalloc.start()
    try:
        tensor_digests({f"d.W{i}": ("param", turned) for i in range(64)})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 3 << 20 < peak < 16 << 20  # several threads were at it, but not 64


def test_an_array_that_cannot_be_saved_has_no_digest() -> None:
    with pytest.raises(errors.MalformedFileError, match=r"'d\.W'"):
        tensor_digests({"d.W": ("param", np.zeros(3, "O"))})
