"""Where a trained model goes, so that nothing that was trained is lost.

A run owns its file and its checkpoint, NAME-checkpoint.layerkit, and touches no other run's: it is
told apart by the spec in the file and by the file's identity on the disk. A model that cannot be
saved where it belongs goes somewhere else before anything is said.
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

from layerkit.paths import CHECKPOINT

if TYPE_CHECKING:
    from layerkit import Model
    from layerkit.specs import Spec

__all__ = ["Place", "checkpoint_of", "finished_name", "same_spec"]

How = Literal["new", "replaced", "kept", "nothing"]
"""What became of a run's file: the last two, nothing was written."""

_Id = tuple[int, int, int, int]
_ENDING = f"{CHECKPOINT}.layerkit"
_FREE = ("seed", "epochs")  # of a recipe: training the same again may change them


def checkpoint_of(path: Path) -> Path:
    """Where checkpoints of a training that is to become ``path`` are saved."""
    return path.with_name(path.name.removesuffix(".layerkit") + _ENDING)


def finished_name(path: Path) -> Path:
    """Where the training of the checkpoint ``path`` ends; any other file is its own end."""
    if not path.name.endswith(_ENDING) or path.name == _ENDING:
        return path
    return path.with_name(path.name.removesuffix(_ENDING) + ".layerkit")


def same_spec(path: Path, spec: Spec) -> bool:
    """Whether ``path`` holds a model of the very spec, seed and epochs included."""
    found = _document(path)
    return found is not None and _text(found) == _text(spec.to_document())


class Place:
    """The file that one run is to become, and its checkpoint.

    Parameters
    ----------
    path
        Of the file.
    spec
        That is trained.
    replace
        Whether a model of another spec may be replaced.
    every
        Seconds between checkpoints; 0 for none.
    """

    def __init__(
        self, path: Path, spec: Spec, *, replace: bool = False, every: float = 30.0
    ) -> None:
        self.path, self.spec, self.every = path, spec, every
        self.spare = checkpoint_of(path)
        self._replace = replace
        self._own: dict[Path, _Id | None] = {}
        self._before = _identity(path)

    def own(self, path: Path) -> None:
        """Take ``path`` for this run's: it may be replaced, and removed once it is superseded."""
        self._own[path] = _identity(path)

    def disown(self, path: Path) -> None:
        """Take it back."""
        self._own.pop(path, None)

    def owns(self, path: Path) -> bool:
        """Whether ``path`` is this run's, and nobody has written it since."""
        there = _identity(path)
        return there is not None and self._own.get(path) == there

    def own_earlier(self) -> None:
        """Take what an earlier start of the same training has left."""
        for path in (self.path, self.spare):
            if same_spec(path, self.spec):
                self.own(path)

    def check(self) -> None:
        """Refuse to begin where another run's file would be lost.

        Raises
        ------
        FileExistsError
            If the file is of another spec, or there is a checkpoint of another run.
        """
        if self.path not in self._own and not self._replace:
            reason = _of_another(self.path, self.spec)
            if reason:
                hint = "-o FILE writes elsewhere, --replace replaces it"
                raise FileExistsError(errno.EEXIST, f"{reason}; {hint}", str(self.path))
        if self.every and self.spare not in self._own and os.path.lexists(self.spare):
            raise FileExistsError(errno.EEXIST, _left_over(self.spare), str(self.spare))

    def checkpoint(self, model: Model) -> None:
        """Save a checkpoint.

        Raises
        ------
        OSError, LayerkitError
            If it cannot be saved, or another run has put one there.
        """
        from layerkit import save

        if os.path.lexists(self.spare) and not self.owns(self.spare):
            raise FileExistsError(errno.EEXIST, "another run put it there", str(self.spare))
        save(model, self.spare)
        self.own(self.spare)

    def clear(self) -> None:
        """Remove this run's checkpoint."""
        if self.owns(self.spare):
            self.spare.unlink(missing_ok=True)

    def save(self, model: Model, *, interrupted: bool = False) -> tuple[Path, How]:
        """Save ``model`` and say where; a finished model of before outlives an interrupted one.

        Raises
        ------
        OSError, LayerkitError
            If it cannot be saved where it belongs; the message says where it is instead.
        """
        from layerkit import save

        target = self.path
        spared = interrupted and self._before is not None and target not in self._own
        if spared:
            if not model.history:  # it has learned nothing
                return target, "nothing"
            target = self.spare
        try:
            if self._taken(target, checkpoint=spared):
                reason = "another run has written this file meanwhile"
                raise FileExistsError(errno.EEXIST, reason, str(target))
            replaced = target.exists()
            save(model, target)
        except (OSError, MemoryError) as error:
            self._save_elsewhere(model, error)
            raise
        if spared:
            self.own(target)
        else:
            self.clear()
        return target, "replaced" if replaced else "new"

    def _taken(self, target: Path, *, checkpoint: bool) -> bool:
        if self._replace or _identity(target) is None or self.owns(target):
            return False
        if checkpoint:
            return True
        return _identity(target) != self._before and bool(_of_another(target, self.spec))

    def _save_elsewhere(self, model: Model, error: OSError | MemoryError) -> None:
        """Save where there is room, and add to ``error`` where that is."""
        from layerkit import LayerkitError, save

        told = "the model could not be saved anywhere else either"
        for path in _elsewhere(self.path):
            try:
                save(model, path, overwrite=False)
            except (OSError, MemoryError, LayerkitError):
                continue
            told = f"the trained model is in {path}"
            break
        else:
            if self.owns(self.spare):
                told += f"; its last checkpoint is {self.spare}"
        error.hint = told  # type: ignore[union-attr]  # as layerkit's own errors have it


def _elsewhere(path: Path) -> Iterator[Path]:
    """Free names in other folders, and beside ``path``."""
    folders = [path.parent]
    with suppress(RuntimeError):  # who has no home
        folders.append(Path.home())
    folders.append(Path(tempfile.gettempdir()))
    stem = path.name.removesuffix(".layerkit")
    for folder in folders:
        names = (folder / f"{stem}-{k}.layerkit" for k in range(2, 100))
        free = next((name for name in names if not os.path.lexists(name)), None)
        if free is not None:
            yield free.absolute()


def _identity(path: Path) -> _Id | None:
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


def _text(document: Any) -> str:
    return json.dumps(document, sort_keys=True)


def _of_another(path: Path, spec: Spec) -> str:
    """Why a file is not one of this spec to be replaced; empty if it is, or holds no training."""
    from layerkit import LayerkitError, inspect

    if not path.is_file() or path.stat().st_size == 0:
        return ""
    try:
        seen = inspect(path)
    except LayerkitError:
        return "it holds a model that cannot be read"
    if "history" not in seen.header and "fit" not in seen.header["spec"]:
        return ""  # weights as they began, which follow from the spec
    there, ours = _settled(seen.document), _settled(spec.to_document())
    changed = [key for key in {**there, **ours} if _text(there.get(key)) != _text(ours.get(key))]
    if not changed:
        return ""
    name = there.get("name")
    which = f"the model {name!r}" if name != spec.name else f"a {name!r} of another spec"
    return f"it holds {which} ({_some(changed)})"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more} {'differs' if len(names) == 1 else 'differ'}"


def _settled(document: dict[str, Any]) -> dict[str, Any]:
    """Its fields by path, without those that may change when the same is trained again."""
    flat = {key: value for key, value in document.items() if key not in ("layerkit", "train")}
    train = document.get("train")
    if isinstance(train, dict):
        flat |= {f"train.{key}": value for key, value in train.items() if key not in _FREE}
    return flat


def _left_over(path: Path) -> str:
    from layerkit import LayerkitError, inspect

    try:
        training = inspect(path).header.get("training")
    except (LayerkitError, OSError):
        return (
            "it is no model file, and checkpoints would replace it; move it, or train with "
            "--checkpoint 0"
        )
    epoch = "" if training is None else f" after epoch {training['epoch']:,}"
    return (
        f"it holds another training{epoch}; go on with it (layerkit resume {path}), or delete it "
        "or use --checkpoint 0 to train anew"
    )
