"""The model file of a run and its checkpoint, kept so that nothing trained is lost.

A run owns its file and its checkpoint, NAME-checkpoint.layerkit, and touches no other run's. It
knows its files by the spec in them and by their identity on the disk. A model that cannot be saved
in its own file is saved elsewhere before the error is reported.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from layerkit.cli.files import exists_error
from layerkit.display import few
from layerkit.paths import CHECKPOINT, ExistingPathError
from layerkit.specs.columns import before_learning

if TYPE_CHECKING:
    from layerkit import Model
    from layerkit.specs import Spec

SaveResult = Literal["new", "replaced", "kept", "nothing"]
"""What happened to the file of a run; "kept" and "nothing": it was not written."""

_FileIdentity = tuple[int, int, int, int]
_ENDING = f"{CHECKPOINT}.layerkit"
_MAY_CHANGE = ("seed", "epochs")  # of a recipe, when the same training is repeated


def finished_path(path: Path) -> Path:
    """The file that a training resumed from ``path``, perhaps a checkpoint, ends in."""
    if not path.name.endswith(_ENDING) or path.name == _ENDING:
        return path
    return path.with_name(path.name.removesuffix(_ENDING) + ".layerkit")


class RunFile:
    """The file that one run is saved in, and its checkpoint.

    ``every`` is the number of seconds between checkpoints, 0 for none. ``replace`` allows replacing
    a model of another spec.
    """

    def __init__(
        self, path: Path, spec: Spec, *, replace: bool = False, every: float = 30.0
    ) -> None:
        self.path, self.spec, self.every = path, spec, every
        self.checkpoint = path.with_name(path.name.removesuffix(".layerkit") + _ENDING)
        self._replace = replace
        self._owned: dict[Path, _FileIdentity | None] = {}
        self._before = _identity(path)

    def own(self, path: Path) -> None:
        """Make ``path`` this run's: it may be replaced, and removed once it is superseded."""
        self._owned[path] = _identity(path)

    def disown(self, path: Path) -> None:
        """Undo ``own``."""
        self._owned.pop(path, None)

    def owns(self, path: Path) -> bool:
        """Whether ``path`` is this run's and nobody has written it since."""
        identity = _identity(path)
        return identity is not None and self._owned.get(path) == identity

    def own_earlier(self) -> None:
        """Own what an earlier start of the same training, seed and epochs included, has left."""
        ours = self.spec.to_document()
        for path in (self.path, self.checkpoint):
            theirs = _document(path)
            if theirs is not None and _json(before_learning(theirs, ours)) == _json(ours):
                self.own(path)

    def check(self) -> None:
        """Check that neither a model of another spec nor another run's checkpoint is there.

        Raises ExistingPathError, a FileExistsError, for the model and FileExistsError for the
        checkpoint.
        """
        if self.path not in self._owned and not self._replace:
            reason = _of_another_spec(self.path, self.spec)
            if reason:
                raise ExistingPathError(
                    f"{self.path} {reason}",
                    path=str(self.path),
                    errno=errno.EEXIST,
                    hint="save elsewhere with -o FILE, or replace it with --replace",
                )
        unowned = self.checkpoint not in self._owned and os.path.lexists(self.checkpoint)
        if self.every and unowned:
            raise exists_error(self.checkpoint, _of_another_run(self.checkpoint))

    def save_checkpoint(self, model: Model) -> None:
        """Save a checkpoint; raises OSError if another run has put one there."""
        from layerkit import save

        if os.path.lexists(self.checkpoint) and not self.owns(self.checkpoint):
            raise exists_error(self.checkpoint, "another run has written this checkpoint")
        save(model, self.checkpoint)
        self.own(self.checkpoint)

    def remove_checkpoint(self) -> None:
        """Remove this run's checkpoint, if there is one."""
        if self.owns(self.checkpoint):
            self.checkpoint.unlink(missing_ok=True)

    def save(self, model: Model, *, interrupted: bool = False) -> tuple[Path, SaveResult]:
        """Save ``model`` and return where; an interrupted run replaces no earlier finished model.

        An OSError for a model that cannot be saved there says where it is instead.
        """
        from layerkit import save

        target = self.path
        spared = interrupted and self._before is not None and target not in self._owned
        if spared:
            if not model.history:  # no epoch is done
                return target, "nothing"
            target = self.checkpoint
        try:
            if self._is_another_runs(target, checkpoint=spared):
                raise exists_error(target, "another run has written this file meanwhile")
            replaced = target.exists()
            save(model, target)
        except (OSError, MemoryError) as error:
            self._save_elsewhere(model, error)
            raise
        if spared:
            self.own(target)
        else:
            self.remove_checkpoint()
        return target, "replaced" if replaced else "new"

    def _is_another_runs(self, target: Path, *, checkpoint: bool) -> bool:
        identity = _identity(target)
        if self._replace or identity is None or self.owns(target):
            return False
        return checkpoint or (
            identity != self._before and bool(_of_another_spec(target, self.spec))
        )

    def _save_elsewhere(self, model: Model, error: OSError | MemoryError) -> None:
        """Save where there is room, and say where in ``error.hint``."""
        from layerkit import LayerkitError, save

        hint = "the model could not be saved anywhere else either"
        if self.owns(self.checkpoint):
            hint += f"; its last checkpoint is {self.checkpoint}"
        for path in _free_paths(self.path):
            with suppress(OSError, MemoryError, LayerkitError):
                save(model, path, overwrite=False)
                hint = f"the trained model is in {path}"
                break
        error.hint = hint  # type: ignore[union-attr]  # as layerkit's own errors have it


def _free_paths(path: Path) -> Iterator[Path]:
    """Unused names beside ``path``, in the home folder and in that for temporary files."""
    folders = [path.parent]
    with suppress(RuntimeError):  # there may be no home folder
        folders.append(Path.home())
    folders.append(Path(tempfile.gettempdir()))
    stem = path.name.removesuffix(".layerkit")
    for folder in folders:
        names = (folder / f"{stem}-{k}.layerkit" for k in range(2, 100))
        free = next((name for name in names if not os.path.lexists(name)), None)
        if free is not None:
            yield free.absolute()


def _identity(path: Path) -> _FileIdentity | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def _document(path: Path) -> dict[str, Any] | None:
    from layerkit import LayerkitError, inspect

    try:
        return inspect(path).document
    except (LayerkitError, OSError):
        return None


def _json(document: Any) -> str:
    return json.dumps(document, sort_keys=True)


def _of_another_spec(path: Path, spec: Spec) -> str:
    """Why the model in ``path`` must be kept; "" if ``spec`` may replace it."""
    from layerkit import LayerkitError, inspect

    if not path.is_file() or path.stat().st_size == 0:
        return ""
    try:
        seen = inspect(path)
    except LayerkitError:
        return "holds a model that cannot be read"
    if "history" not in seen.header and "fit" not in seen.header["spec"]:
        return ""  # initial weights, which follow from the spec
    document = spec.to_document()
    theirs, ours = _flat(before_learning(seen.document, document)), _flat(document)
    changed = [k for k in {**theirs, **ours} if _json(theirs.get(k)) != _json(ours.get(k))]
    if not changed:
        return ""
    return f"holds a model of another spec ({theirs.get('name')!r}; different: {few(changed, 3)})"


def _flat(document: dict[str, Any]) -> dict[str, Any]:
    """Fields by path, without those that may change when the same training is repeated."""
    flat = {key: value for key, value in document.items() if key not in ("layerkit", "train")}
    train = document.get("train")
    if isinstance(train, dict):
        flat |= {f"train.{key}": value for key, value in train.items() if key not in _MAY_CHANGE}
    return flat


def _of_another_run(path: Path) -> str:
    """Why the checkpoint in ``path`` must be kept, and what to do."""
    from layerkit import LayerkitError, inspect

    try:
        training = inspect(path).header.get("training")
    except (LayerkitError, OSError):
        return (
            "is not a model file, but checkpoints would replace it; move it, or train with "
            "--checkpoint 0"
        )
    epoch = "" if training is None else f", stopped after epoch {training['epoch']:,}"
    return (
        f"holds another training{epoch}; continue it (layerkit resume {path}), or delete it or "
        "use --checkpoint 0 to start over"
    )
