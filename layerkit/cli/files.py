"""Input and output files of commands: specs and models to read, targets to check and write."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from layerkit import paths
from layerkit.cli.failures import UsageError
from layerkit.paths import expanded, given_descriptor, open_input, path_errors

if TYPE_CHECKING:
    from layerkit import Model
    from layerkit.specs import Spec

_HEAD = 77  # bytes that distinguish a spec from a model


def load_model(name: str) -> Model:
    """Load a model from a file, or from standard input for "-"."""
    from layerkit import load

    return load(sys.stdin.buffer if name == "-" else name)


def read_source(name: str, settings: Sequence[str]) -> Spec | Model:
    """Read a spec (JSON) or a model and apply ``settings``."""
    from layerkit import load
    from layerkit.specs import read_spec, resolve
    from layerkit.specs.json_source import parse
    from layerkit.specs.ready import open_spec
    from layerkit.specs.resolve import overridden

    if name == "-" or given_descriptor(name):  # a pipe cannot be read twice
        with nullcontext(sys.stdin.buffer) if name == "-" else open_input(name) as file:
            raw = file.read()
        if _is_spec(raw):
            source = parse(raw.decode("utf-8-sig", "replace"), name="standard input")
            return resolve(overridden(source, settings) if settings else source)
        return _with_settings(load(io.BytesIO(raw)), settings)
    with open_spec(name) as file:
        is_spec = _is_spec(file.read(_HEAD)) or name.endswith(".json")
    return read_spec(name, settings=settings) if is_spec else _with_settings(load(name), settings)


def _is_spec(head: bytes) -> bool:
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")


def _with_settings(model: Model, settings: Sequence[str]) -> Model:
    """``model`` with ``settings`` applied to its recipe; nothing else of a model can change."""
    from layerkit.specs import read_spec

    if not settings:
        return model
    for setting in settings:
        if not setting.startswith("train."):
            raise UsageError(
                f"--set {setting}: only train.* can be changed in a trained model; to change its "
                "layers, start from its spec (layerkit inspect MODEL --spec)"
            )
    given = read_spec(model.spec.to_document(), settings=settings)
    model.spec = replace(model.spec, train=given.train)
    return model


def path_of(name: str) -> Path:
    """The path that an argument names; expands ``~``, which a shell leaves in ``--output=~/x``."""
    return Path(expanded(name))


def destination(output: str | None, name: str) -> Path:
    """The file for a model called ``name``, given a file, a folder or nothing; checked."""
    path = Path(f"{name}.layerkit") if output is None else path_of(output)
    if path.is_dir():
        path /= f"{name}.layerkit"
    check_model_target(path)
    return path


def check_model_target(path: Path) -> None:
    """Check, before any work, that a model can be written to ``path``.

    Raises OSError if no file can be written there or a file of another kind would be replaced, and
    UsageError for ``-``.
    """
    from layerkit.codec.atomic import destination as link_target
    from layerkit.codec.layout import MAGIC

    if str(path) == "-":
        raise UsageError("a model cannot be written to standard output; use -o FILE")
    check_folder(link_target(path))
    if path.exists() and not path.is_file():
        raise exists_error(path, "a model cannot replace a pipe or device; use -o FILE")
    if path.is_file() and path.stat().st_size and not _head(path).startswith(MAGIC):
        raise exists_error(path, "already exists and is not a model file; use -o FILE")


def check_untrained(path: Path) -> None:
    """Raise FileExistsError if initial weights would replace the trained model in ``path``."""
    from layerkit import LayerkitError, inspect

    try:
        trained = path.exists() and "history" in inspect(path).header
    except LayerkitError:  # not a model: no training is lost
        trained = False
    if trained:
        raise paths.ExistingPathError(
            f"{path} holds a trained model",
            path=str(path),
            errno=errno.EEXIST,
            hint="save elsewhere with -o FILE, or replace it by naming it with -o",
        )


def check_output(output: str | None, inputs: Sequence[str | None]) -> None:
    """Check, before any work, that a table or report can be written to ``output``.

    Raises OSError if no file can be written there or a model or a spec would be replaced, and
    UsageError for ``-`` and for one of ``inputs``.
    """
    from layerkit.codec.layout import MAGIC

    if output is None:
        return
    path = path_of(output)
    for given in map(path_of, filter(None, inputs)):
        if path.is_file() and given.is_file() and path.samefile(given):
            raise UsageError(f"cannot write to {output}: it is read by this command")
    if output == "-":
        raise UsageError("expected a file for this output, got - (standard output)")
    if path.is_file():
        head = _head(path)
        if head.startswith(MAGIC) or (_is_spec(head) and b'"layerkit"' in head):
            kind = "model" if head.startswith(MAGIC) else "spec"
            raise exists_error(path, f"this output would replace a {kind}; name another file")
    check_folder(path)


def check_spec_target(output: str, *, force: bool) -> None:
    """Check, before any work, that a spec can be written to ``output``.

    Raises FileExistsError if a file is there, unless ``force`` allows it and it is a spec; OSError
    if no file can be written there; UsageError for ``-``.
    """
    path = path_of(output)
    if output == "-":
        raise UsageError("expected a file for the spec, got - (standard output)")
    if path.is_file():
        head = _head(path)
        if not (_is_spec(head) and b'"layerkit"' in head):
            raise exists_error(path, "already exists and is not a spec; use -o FILE")
        if not force:
            raise paths.ExistingPathError(
                f"{path} is already there",
                path=str(path),
                errno=errno.EEXIST,
                hint="write elsewhere with -o FILE, or replace it with --force",
            )
    check_folder(path)


def check_folder(path: Path) -> None:
    """Raise PathError for a folder (IsADirectoryError), or if its own is missing or read-only."""
    place = expanded(str(path))
    paths.check_folder(place)
    if Path(place).is_dir():
        with path_errors(place, writing=True):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), place)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)


def same_file(path: Path, other: Path) -> bool:
    """Whether both exist and are the same file."""
    return path.exists() and other.exists() and path.samefile(other)


def exists_error(path: Path, reason: str) -> FileExistsError:
    """The error for a file at ``path`` that must not be replaced."""
    return FileExistsError(errno.EEXIST, reason, str(path))
