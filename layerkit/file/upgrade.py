"""Rewriting an old model file in the form that this version of layerkit writes."""

from __future__ import annotations

import os
from dataclasses import dataclass

from layerkit.codec import open_document, write
from layerkit.errors import UnsupportedFormatError
from layerkit.file.diff import Change, changes
from layerkit.file.inspection import inspect
from layerkit.file.load import load
from layerkit.file.save import save

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Upgrade:
    """The result of rewriting a file: its id before and after, and the migrated settings."""

    before: str
    after: str
    migrated: list[Change]

    @property
    def changed(self) -> bool:
        """Whether the bytes changed."""
        return self.before != self.after


def upgrade(source: PathLike, target: PathLike | None = None, *, as_is: bool = False) -> Upgrade:
    """Load a model file and write it in the form of this version of layerkit.

    Migrates settings of older layer versions and updates the recorded versions. The self-test is
    run before anything is written.

    Parameters
    ----------
    source
        A model file.
    target
        Where to write; default: replace ``source``, in one step.
    as_is
        Copy the content: every tensor is verified, nothing is migrated or run. Needs no plugin and
        loses nothing.

    Raises
    ------
    ModelFileError, OSError
        If the file cannot be loaded or written; nothing is changed then.
    """
    if as_is:
        return _rewritten(source, source if target is None else target)
    old = inspect(source)
    model = load(source, expected_id=old.file_id)
    file_id = save(model, source if target is None else target, check=True)
    new = inspect(source if target is None else target)
    return Upgrade(old.file_id, file_id, list(changes(old.document, new.document, "spec.model")))


def _rewritten(source: PathLike, target: PathLike) -> Upgrade:
    with open_document(source) as document:
        if document.unknown_fields:
            raise UnsupportedFormatError(
                "the file needs a newer layerkit: this one would lose its fields "
                + ", ".join(document.unknown_fields),
                needs=document.unknown_fields,
                path=document.path,
            )
        header, records = document.header, document.tensors
        arrays = document.read(records)
    sections = ("metrics", "training", "selftest")
    file_id = write(
        target,
        spec=header["spec"],
        types=header["types"],
        tensors={name: (record.role, arrays[name]) for name, record in records.items()},
        aliases=header["aliases"],
        metadata=header["metadata"],
        history={name: record["unit"] for name, record in header.get("history", {}).items()},
        producer=header["producer"],
        features=header["features"],
        digests={name: record.sha256 for name, record in records.items()},
        check=True,
        **{name: header[name] for name in sections if name in header},
    )
    return Upgrade(document.file_id, file_id, [])
