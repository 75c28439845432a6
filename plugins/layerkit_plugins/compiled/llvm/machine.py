"""From IR text to callable machine code, kept on disk.

The name of an object file is the SHA-256 of its IR and of everything else that the code depends on.
The folder is the user's own: running a file from it is running code, so folders and files that
somebody else may write are not used, and nothing is ever read from a model file.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import stat
import sys
from _thread import allocate_lock
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm

import layerkit

_compiling = allocate_lock()
_loaded: dict[str, dict[str, int]] = {}
_kept: list[Any] = []  # engines own the memory of the code


def addresses(ir: str, names: tuple[str, ...]) -> dict[str, int]:
    """Addresses of the functions ``names`` of a module; compiled, or read from the cache."""
    with _compiling:
        found = _loaded.get(ir)
        if found is None:
            found = _loaded[ir] = _load(ir, names)
        return found


def _load(ir: str, names: tuple[str, ...]) -> dict[str, int]:
    path = _path(ir)
    data = _read(path)
    if data is not None:
        with suppress(RuntimeError):
            return _link(data, names)
    data = _compile(ir)
    if path is not None:
        _write(path, data)
    return _link(data, names)


@cache
def _target() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple()


def _machine() -> Any:
    """A new one each time, as the engine that loads code owns and frees it."""
    return _target().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=_features(),
        opt=3,
        reloc="default",
        codemodel="jitdefault",
        jit=True,
    )


@cache
def _features() -> str:
    features: str = llvm.get_host_cpu_features().flatten()
    return features


def _compile(ir: str) -> bytes:
    machine = _machine()
    module = llvm.parse_assembly(ir)
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.slp_vectorization = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    data: bytes = machine.emit_object(module)
    return data


def _link(data: bytes, names: tuple[str, ...]) -> dict[str, int]:
    """Load an object file; RuntimeError if it is none, or lacks a function."""
    empty = llvm.parse_assembly("")
    engine = llvm.create_mcjit_compiler(empty, _machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(data))
    engine.finalize_object()
    found = {name: engine.get_function_address(name) for name in names}
    if not all(found.values()):
        raise RuntimeError("not all functions are there")
    _kept.append(engine)
    return found


def _path(ir: str) -> Path | None:
    """Where the object code of ``ir`` is kept; None where nothing can be."""
    folder = _folder()
    if folder is None:
        return None
    versions = layerkit.__version__, llvmlite.__version__, llvm.llvm_version_info, sys.platform
    parts = ir, *map(str, versions), llvm.get_host_cpu_name(), _features()
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return folder / f"{digest}.o"


def _home() -> Path:
    """The user's folder of caches."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _folder() -> Path | None:
    try:
        folder = _home() / "layerkit/kernels"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder if _private(folder.stat()) else None
    except (OSError, RuntimeError):  # a read-only home, or none
        return None


def _private(found: os.stat_result) -> bool:
    """Whether nobody else can write there."""
    if os.name != "posix":
        return True  # a user's folders are private by default
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _read(path: Path | None) -> bytes | None:
    """The object code, checked against the digest at its end; None if it cannot be used."""
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            if not _private(os.fstat(file.fileno())):
                return None
            data = file.read()
    except OSError:
        return None
    data, digest = data[:-32], data[-32:]
    return data if hashlib.sha256(data).digest() == digest else None


def _write(path: Path, data: bytes) -> None:
    """Write beside and rename; two processes may do so at once."""
    beside = path.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data + hashlib.sha256(data).digest())
        beside.replace(path)


def callable_at(address: int, result: Any, *kinds: Any) -> Any:
    """A function of C types at ``address``; it runs without the interpreter's lock."""
    return ctypes.CFUNCTYPE(result, *kinds)(address)
