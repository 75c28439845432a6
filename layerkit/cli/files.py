"""What an argument names, a spec or a model, and where a result goes."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from layerkit import paths
from layerkit.cli import failures
from layerkit.paths import expanded, given_descriptor, open_input, path_errors

if TYPE_CHECKING:
    from layerkit import Model
    from layerkit.specs import Spec

__all__ = [
    "check_folder",
    "check_model_target",
    "destination",
    "keep_inputs",
    "keep_others",
    "keep_trained",
    "load_model",
    "path_of",
    "read_source",
]

_HEAD = 77  # bytes that tell a spec from a model


def load_model(name: str) -> Model:
    """The model in a file, or on standard input for "-".

    Raises
    ------
    ModelFileError, OSError
        If it cannot be loaded.
    """
    from layerkit import load

    return load(sys.stdin.buffer if name == "-" else name)


def read_source(name: str, settings: Sequence[str]) -> Spec | Model:
    """The spec (JSON) or the model that ``name`` holds, with ``settings`` applied.

    Raises
    ------
    LayerkitError, OSError
        If it cannot be read or is wrong.
    """
    from layerkit import load
    from layerkit.specs import read_spec
    from layerkit.specs.ready import open_spec

    if name == "-":
        raw = sys.stdin.buffer.read()
        return _spec_text(raw, settings) if _is_spec(raw) else _changed(_from(raw), settings)
    if given_descriptor(name):  # what has been read of a pipe cannot be read again
        with open_input(name) as file:
            raw = file.read()
        return _spec_text(raw, settings) if _is_spec(raw) else _changed(_from(raw), settings)
    with open_spec(name) as file:
        is_spec = _is_spec(file.read(_HEAD)) or name.endswith(".json")
    return read_spec(name, settings=settings) if is_spec else _changed(load(name), settings)


def _from(raw: bytes) -> Model:
    from layerkit import load

    return load(io.BytesIO(raw))


def _is_spec(head: bytes) -> bool:
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")


def _spec_text(raw: bytes, settings: Sequence[str]) -> Spec:
    from layerkit.specs import resolve
    from layerkit.specs.json_source import parse
    from layerkit.specs.resolve import overridden

    source = parse(raw.decode("utf-8-sig", "replace"), name="standard input")
    return resolve(overridden(source, settings) if settings else source)


def _changed(model: Model, settings: Sequence[str]) -> Model:
    """``model`` with another recipe: its layers and its data contract are what they are."""
    from layerkit.specs import read_spec

    if not settings:
        return model
    for setting in settings:
        if not setting.startswith("train."):
            raise failures.Misuse(
                f"--set {setting}: of a trained model only train.* can change; to change its "
                "layers start from a spec (layerkit inspect MODEL --spec)"
            )
    given = read_spec(model.spec.to_document(), settings=settings)
    model.spec = replace(model.spec, train=given.train)
    return model


def path_of(name: str) -> Path:
    """The path that an argument names; ``~`` is the home folder also behind ``--output=``."""
    return Path(expanded(name))


def destination(wanted: str | None, name: str) -> Path:
    """Where a model called ``name`` goes: a file, or into a folder; checked before any work.

    Raises
    ------
    OSError
        If no file can be written there.
    """
    path = Path(f"{name}.layerkit") if wanted is None else path_of(wanted)
    if path.is_dir():
        path /= f"{name}.layerkit"
    check_model_target(path)
    return path


def check_model_target(path: Path) -> None:
    """Refuse to put a model where no file can be written, or where another kind of file is.

    Raises
    ------
    OSError
        If so.
    Misuse
        If it is ``-``.
    """
    from layerkit.codec.atomic import destination as behind
    from layerkit.codec.layout import MAGIC

    if str(path) == "-":
        raise failures.Misuse("a model goes into a file, not to standard output: -o FILE names one")
    check_folder(behind(path))
    if path.exists() and not path.is_file():
        reason = "it is a pipe or device, which a model cannot replace; -o names a file"
        raise FileExistsError(errno.EEXIST, reason, str(path))
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                reason = "it is there already and is no model file; -o names another"
                raise FileExistsError(errno.EEXIST, reason, str(path))


def keep_inputs(outputs: Sequence[str | None], inputs: Sequence[str | None]) -> None:
    """Refuse to write over what is read.

    Raises
    ------
    Misuse
        If an output is the same file as an input.
    """
    for output in outputs:
        for given in inputs:
            if output and given and _same(path_of(output), path_of(given)):
                raise failures.Misuse(f"{output} is read by this command, so it cannot be written")


def keep_others(outputs: Sequence[str | None]) -> None:
    """Refuse to put a table or a report where a model or a spec is.

    Raises
    ------
    FileExistsError
        If an output is such a file.
    Misuse
        If it is ``-``.
    """
    from layerkit.codec.layout import MAGIC

    for output in outputs:
        if output == "-":
            raise failures.Misuse("this output goes into a file, not to standard output: name one")
        if output and path_of(output).is_file():
            with path_of(output).open("rb") as file:
                head = file.read(4096)
            if head.startswith(MAGIC) or (_is_spec(head) and b'"layerkit"' in head):
                kind = "model" if head.startswith(MAGIC) else "spec"
                reason = f"it is a {kind}, which this output would replace; name another file"
                raise FileExistsError(errno.EEXIST, reason, output)


def _same(one: Path, two: Path) -> bool:
    return one.is_file() and two.is_file() and one.samefile(two)


def keep_trained(path: Path) -> None:
    """Refuse to put initial weights where trained ones are, unless the user named the file.

    Raises
    ------
    FileExistsError
        If ``path`` holds a trained model.
    """
    from layerkit import LayerkitError, inspect

    try:
        trained = path.exists() and "history" in inspect(path).header
    except LayerkitError:  # no model, so none is lost
        trained = False
    if trained:
        reason = "it holds a trained model; -o FILE writes elsewhere, or replaces it"
        raise FileExistsError(errno.EEXIST, reason, str(path))


def check_folder(path: Path) -> None:
    """Refuse a file whose folder is not there or cannot be written into, or that is a folder.

    Raises
    ------
    PathError
        If so.
    """
    place = expanded(str(path))
    paths.check_folder(place)
    if Path(place).is_dir():
        with path_errors(place, writing=True):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), place)
