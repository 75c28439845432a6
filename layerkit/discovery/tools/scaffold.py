"""A new plugin: a complete distribution around one part, from the files in ``templates``."""

from __future__ import annotations

import errno
import json
import keyword
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Literal, get_args

import layerkit
from layerkit import fields
from layerkit.discovery.candidates import FIRST_PARTY

__all__ = ["Kind", "Names", "Scaffold", "names", "scaffold"]

Kind = Literal["layer", "activation", "initializer", "loss", "optimizer", "schedule", "metric"]
"""The kinds of parts that there is a template for."""

_FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "LICENSE": "LICENSE",
    ".gitignore": "gitignore",
    ".github/workflows/test.yml": "test.yml",
    "digits.json": "<<kind>>.json",
    "src/<<package>>/__init__.py": "init.py",
    "src/<<package>>/py.typed": "py.typed",
    "src/<<package>>/<<module>>.py": "<<kind>>.py",
    "tests/test_<<module>>.py": "test.py",
}
_SEGMENT = re.compile(r"[a-z]([a-z0-9_-]*[a-z0-9])?")
_HOLE = re.compile(r"<<(\w+)>>")
_LONGEST = 64  # letters of a type's name: it becomes that of folders and files
_TAKEN = {*layerkit.__all__, *fields.__all__, "Any"}  # names that the templates use


@dataclass(frozen=True)
class Names:
    """What a type's name gives: acme.spline, acme-spline, acme_spline, spline, Spline."""

    type: str
    dist: str
    package: str
    module: str
    cls: str


@dataclass(frozen=True)
class Scaffold:
    """A new distribution: its names, its folder, and its files relative to that."""

    names: Names
    folder: Path
    files: tuple[str, ...]


def names(type_name: str) -> Names:
    """The names that follow from that of the type.

    >>> names("acme.spline").package
    'acme_spline'

    Raises
    ------
    ValueError
        If the name has no prefix, or could not be that of a distribution and a module.
    """
    prefix, dot, rest = type_name.partition(".")
    if type_name != type_name.lower():
        raise ValueError(f"{type_name!r}: a type is in lower case: {type_name.lower()}")
    if not dot:
        raise ValueError(
            f"{type_name!r} has no prefix: names without one are layerkit's own. Put one before "
            f"it that is yours, such as a project or a nickname: acme.{type_name or 'spline'}"
        )
    for segment in type_name.split("."):
        if not _SEGMENT.fullmatch(segment):
            raise ValueError(
                f"{type_name!r}: each part of the name begins with a letter and is made of "
                f"lower-case letters, digits, '-' and '_': acme.spline; {segment!r} is not"
            )
    if prefix == FIRST_PARTY:
        raise ValueError(f"{type_name!r}: the prefix 'layerkit' is layerkit's own: acme.{rest}")
    if len(type_name) > _LONGEST:
        raise ValueError(f"{type_name!r:.80}: a name of at most {_LONGEST} letters is wanted")
    package, module = (re.sub(r"[.-]", "_", text) for text in (type_name, rest))
    if keyword.iskeyword(module) or package in sys.stdlib_module_names:
        raise ValueError(f"{type_name!r}: Python has a use of its own for {rest!r}; rename it")
    cls = _camel(rest)
    if cls in _TAKEN:  # acme.layer: the class would hide the contract that it inherits
        cls = _camel(prefix) + cls
    return Names(type_name, re.sub(r"[-_.]+", "-", type_name), package, module, cls)


def _camel(text: str) -> str:
    return "".join(word.capitalize() for word in re.split(r"[._-]+", text))


def scaffold(
    type_name: str, *, out: str | Path = ".", kind: Kind = "layer", author: str | None = None
) -> Scaffold:
    """Make a distribution for a new part, in a folder of its own; whole, or not at all.

    Parameters
    ----------
    type_name
        With a prefix: ``acme.spline`` gives ``acme-spline/`` and the package ``acme_spline``.
    out
        The folder to make it in.
    kind
        Of part.
    author
        Who holds the copyright; by default "the acme-spline authors".

    Raises
    ------
    ValueError
        If the name, the kind or the author cannot be used.
    FileExistsError
        If the folder is there already; nothing is written.
    OSError
        If it cannot be written.
    """
    if kind not in get_args(Kind):
        known = ", ".join(get_args(Kind))
        raise ValueError(f"there is no template for the kind {kind!r}; there is for: {known}")
    named = names(type_name)
    author = f"the {named.dist} authors" if author is None else author.strip()
    if not author or not author.isprintable():
        raise ValueError(f"author {author!r}: a line of text is wanted")
    folder = Path(out) / named.dist
    if not Path(out).is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder to make it in", str(out))
    if folder.exists() or folder.is_symlink():
        reason = "it is there already and is left as it is; --out names another folder"
        raise FileExistsError(errno.EEXIST, reason, str(folder))
    made = {
        _filled(target, holes): _filled(_template(_filled(source, holes)), holes)
        for holes in [_holes(named, kind, author)]
        for target, source in _FILES.items()
    }
    _write(folder, made)
    return Scaffold(named, folder, tuple(made))


def _holes(named: Names, kind: Kind, author: str) -> dict[str, str]:
    major, minor = layerkit.__version__.split(".")[:2]
    breaking = f"0.{int(minor) + 1}" if major == "0" else str(int(major) + 1)
    return {
        "type": named.type,
        "dist": named.dist,
        "package": named.package,
        "module": named.module,
        "class": named.cls,
        "kind": kind,
        "group": "losses" if kind == "loss" else f"{kind}s",
        "requires": f">={major}.{minor},<{breaking}",
        "author": author,
        "author_toml": json.dumps(author, ensure_ascii=False),
        "year": str(date.today().year),
    }


def _template(name: str) -> str:
    return (files("layerkit.discovery.tools") / "templates" / f"{name}.tmpl").read_text("utf-8")


def _filled(text: str, holes: dict[str, str]) -> str:
    return _HOLE.sub(lambda found: holes[found[1]], text)


def _write(folder: Path, made: dict[str, str]) -> None:
    """All files beside the folder first, then one rename."""
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, text in made.items():
            path = beside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8", newline="\n")
        beside.chmod(0o755)  # mkdtemp's is for its owner alone
        beside.rename(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
