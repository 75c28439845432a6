"""The documentation tells the truth: its code runs, its outputs are real, its links lead somewhere.

The blocks of one page run in order in one empty folder. Comments in front of a fence say what is
special about it:

``<!-- not run: REASON -->``        it does not run here (installs, the network, another data set)
``<!-- excerpt: PATH -->``          its lines stand in that file, in this order
``<!-- file: NAME -->``             it is the content of a file that the reader saves
``<!-- output -->``                 it is what the block before it prints, ``...`` being anything
``<!-- output: numbers differ -->`` the same, but every number may be another one
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    ROOT / "models" / "README.md",
    *sorted(p for p in DOCS.rglob("*.md") if "examples" not in p.parts),
]
RUN = ("python", "sh")
OTHER = ("", "json", "text", "toml")
NORMATIVE = DOCS / "reference" / "format.md"  # an exact text, not a walk-through
INSTALLS = DOCS / "tutorial" / "first-layer.md"  # test_example_distribution runs it, elsewhere
NOT_RUN = 13  # blocks marked "not run"; raise it only with a reason a reader accepts

FENCE = re.compile(r"^(?P<ticks>`{3,})(?P<info>[^`\n]*)\n(?P<body>.*?)^(?P=ticks)`*$", re.M | re.S)
COMMENT = re.compile(r"<!-- (?P<word>not run|excerpt|file|output)(?:: (?P<rest>[^>]*?))? -->\s*\Z")
LINK = re.compile(r"(?<!!)\[[^\]\n]*(?:\n[^\]\n]*)?\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    code: str
    mark: str = ""
    note: str = ""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass
class Step:
    """A block to run, and what the page says it prints."""

    block: Block
    output: Block | None = None
    files: dict[str, str] = field(default_factory=dict)


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    end = 0
    for found in FENCE.finditer(text):
        comment = COMMENT.search(text[end : found.start()])
        line = text.count("\n", 0, found.start()) + 1
        mark, note = (comment["word"], comment["rest"] or "") if comment else ("", "")
        yield Block(page, line, found["info"].strip(), found["body"], mark, note)
        end = found.end()


def steps(page: Path) -> list[Step]:
    """What to run of a page, in order."""
    found: list[Step] = []
    files: dict[str, str] = {}
    for block in blocks(page):
        if block.mark == "file":
            files[block.note] = block.code
        elif block.mark == "output":
            assert found, f"{block}: output of what?"
            found[-1].output = block
        elif block.language in RUN and block.mark not in ("not run", "excerpt"):
            found.append(Step(block, files=files))
            files = {}
    return found


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT).with_suffix(""))


DRIVER = r"""
import contextlib, io, json, os, subprocess, sys, traceback
names = {"__name__": "__main__"}
told = []
for language, code, files in json.load(sys.stdin):
    for name, text in files.items():
        with open(name, "w", encoding="utf-8") as file:
            file.write(text)
    out = io.StringIO()
    if language == "python":
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            try:
                exec(compile(code, "the page", "exec"), names)
                good = True
            except BaseException:
                traceback.print_exc()
                good = False
        told.append((good, out.getvalue()))
    else:
        done = subprocess.run(["sh", "-e", "-c", code], capture_output=True, text=True)
        good = done.returncode == 0
        told.append((good, done.stdout + ("" if good and done.stdout else done.stderr)))
    if not good:
        break
json.dump(told, sys.__stdout__)
"""


RUNNABLE = [p for p in PAGES if p not in (NORMATIVE, INSTALLS) and steps(p)]
Told = list[tuple[bool, str]]
"""Of each block: whether it went well, and what it printed."""


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[Path, Future[Told]]]:
    """The pages that are asked for, run two at a time."""
    wanted = [getattr(item, "callspec", None) for item in request.session.items]
    pages = {spec.params.get("page") for spec in wanted if spec is not None}
    with ThreadPoolExecutor(2) as pool:
        yield {
            page: pool.submit(run_page, page, tmp_path_factory.mktemp("page"))
            for page in RUNNABLE
            if page in pages
        }
        pool.shutdown(cancel_futures=True)


def run_page(page: Path, folder: Path, python: str | Path = sys.executable) -> Told:
    """Run the blocks of ``page`` in ``folder``, by that Python, until one fails."""
    # Another Python has packages of its own: PYTHONPATH would put this source tree before them.
    dropped = ("LAYERKIT_",) if python == sys.executable else ("LAYERKIT_", "PYTHON")
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(dropped)},
        "PATH": os.pathsep.join([str(Path(python).parent), os.environ.get("PATH", "")]),
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [python, "-W", "error", "-c", DRIVER],
        input=json.dumps([(s.block.language, s.block.code, s.files) for s in steps(page)]),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: Told = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("page", RUNNABLE, ids=page_id)
def test_every_block_of_a_page_runs_and_prints_what_it_shows(
    page: Path, runs: Mapping[Path, Future[Told]]
) -> None:
    if page.name == "scikit-learn.md":
        pytest.importorskip("sklearn", reason="the extra sklearn is not installed")
    hold(page, runs[page].result())


def hold(page: Path, told: Told) -> None:
    """Assert that every block of ``page`` went well and printed what the page shows."""
    todo = steps(page)
    for step, (good, printed) in zip(todo, told, strict=False):
        assert good, f"{step.block} fails:\n{step.block.code}\n{printed}"
        if step.output is not None:
            loose = step.output.note == "numbers differ"
            assert matches(step.output.code, printed, loose=loose), (
                f"{step.output} shows\n{step.output.code}\nbut the block prints\n{printed}"
            )
    assert len(told) == len(todo)


NUMBER = r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?"


def matches(shown: str, printed: str, *, loose: bool) -> bool:
    """Whether a page's output is what was printed, white space and ``...`` aside."""
    pattern = ""
    for piece in re.split(rf"(\.\.\.|\s+|{NUMBER})", shown.strip()):
        if piece == "...":
            pattern += r".*?"
        elif piece.isspace():
            pattern += r"\s+"
        elif loose and re.fullmatch(NUMBER, piece):
            pattern += NUMBER
        elif re.fullmatch(r"-{3,}", piece):  # a rule as wide as its column
            pattern += r"-+"
        else:
            pattern += re.escape(piece)
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


@pytest.mark.parametrize(
    ("shown", "printed", "loose", "good"),
    [
        ("a b", "a\n  b\n", False, True),
        ("loss 0.5", "loss 0.4", False, False),
        ("loss 0.5", "loss 0.43", True, True),
        ("loss 0.5", "less 0.43", True, False),
        ("id sha256:...\nend", "id sha256:12\n\nend", False, True),
        ("id ...", "ok 12", False, False),
    ],
)
def test_outputs_are_told_apart(shown: str, printed: str, loose: bool, good: bool) -> None:
    assert matches(shown, printed, loose=loose) is good


def test_blocks_that_do_not_run_say_why() -> None:
    idle = [b for p in PAGES for b in blocks(p) if b.mark == "not run"]
    listing = "\n".join(f"{b}: {b.note}" for b in idle)
    print(listing)  # noqa: T201  # shown by pytest -rP
    assert all(len(b.note) > 10 for b in idle), listing
    assert len(idle) == NOT_RUN, listing


def test_excerpts_stand_in_their_files() -> None:
    excerpts = [b for p in PAGES for b in blocks(p) if b.mark == "excerpt"]
    assert excerpts
    for block in excerpts:
        lines = [line for line in block.code.splitlines() if line.strip()]
        source = iter((ROOT / block.note).read_text("utf-8").splitlines())
        for line in lines:
            assert line in source, f"{block}: not in {block.note}, or not there: {line}"


def test_every_fence_is_of_a_known_kind() -> None:
    odd = [
        f"{b}: {b.language!r}"
        for p in PAGES
        for b in blocks(p)
        if b.language not in (*RUN, *OTHER, *(["js"] if p == NORMATIVE else []))
        and not b.language.startswith("{")
    ]
    assert odd == []


def test_every_spec_on_a_page_is_a_good_one() -> None:
    from layerkit.specs import read_spec

    specs = 0
    for page in (p for p in PAGES if p != INSTALLS):  # that one trains its specs
        for block in blocks(page):
            if block.language == "json" and "wrong" not in block.note:
                tree = json.loads(block.code)
                if isinstance(tree, dict) and "layers" in tree and "layerkit" in tree:
                    read_spec(tree)
                    specs += 1
    assert specs > 2


def slugs(page: Path) -> set[str]:
    """Anchors of the headings of a page, and the ones set by hand."""
    text = FENCE.sub("", page.read_text("utf-8"))
    found = set(re.findall(r"^\(([\w-]+)\)=$", text, re.M))
    for heading in re.findall(r"^#+ (.+)$", text, re.M):
        words = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(words.replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_inside_the_project_lead_somewhere(page: Path) -> None:
    if page == NORMATIVE:
        pytest.skip("an exact text whose patterns look like links; it has none")
    text = FENCE.sub("", page.read_text("utf-8"))
    targets = [m["target"] for m in LINK.finditer(text)]
    targets += re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", text)
    dead = []
    for target in targets:
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists():
            dead.append(target)
        elif anchor and path.suffix == ".md":
            generated = "<!-- generated:" in path.read_text("utf-8")
            if anchor not in slugs(path) and not generated:
                dead.append(target)
    assert dead == []


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generated", DOCS / "_ext" / "generated.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def expanded(name: str) -> str:
    text: str = generator().expand((DOCS / "reference" / f"{name}.md").read_text("utf-8"))
    assert "<!-- generated:" not in text
    return text


def test_the_command_reference_has_every_command_and_option() -> None:
    from typer.main import get_command

    from layerkit.cli.app import app

    text = expanded("cli")
    root = get_command(app)
    context = root.make_context("layerkit", ["explain"], resilient_parsing=True)
    commands = getattr(root, "commands", {})
    assert {"build", "train", "eval", "infer", "compare", "inspect", "verify"} <= commands.keys()
    for name, command in commands.items():
        section = text.partition(f"## `layerkit {name}`\n")[2].partition("\n## ")[0]
        assert section, name
        shown = re.findall(r"^  (?:-\w, )?(--[\w-]+)", command.get_help(context), re.M)
        assert [o for o in shown if o != "--help" and o not in section] == [], name
    assert "## `layerkit plugins list`" in text


def test_the_spec_reference_has_every_field_and_part() -> None:
    from layerkit.discovery.registry import REGISTRIES
    from layerkit.specs.sections import SECTIONS

    fields = expanded("spec")
    for section in SECTIONS.values():
        assert all(f"| `{name}` |" in fields for name in section.model_fields)
    listed = expanded("parts") + expanded("data")
    for registry in REGISTRIES.values():
        headings = " ".join(re.findall(r"^### (.+)$", listed, re.M))
        assert all(f"`{name}`" in headings for name in registry.names())


def test_the_pages_on_studies_have_every_field() -> None:
    from layerkit.studies.sections import STUDY_SECTIONS

    for page, section in (("study", "search"), ("match", "match")):
        text = generator().expand((DOCS / "how-to" / f"{page}.md").read_text("utf-8"))
        assert "<!-- generated:" not in text
        assert all(f"| `{name}` |" in text for name in STUDY_SECTIONS[section].model_fields)


def test_the_error_reference_has_every_class() -> None:
    from layerkit import errors

    text = expanded("errors")
    for name in errors.__all__:
        kind = getattr(errors, name)
        if isinstance(kind, type) and issubclass(kind, errors.LayerkitError):
            assert f"`{name}`" in text
            assert f"## {kind.code}" in text


def test_the_api_reference_has_every_public_name() -> None:
    import layerkit

    text = (DOCS / "reference" / "api.md").read_text("utf-8")
    assert [n for n in layerkit.__all__ if f"layerkit.{n}\n" not in text] == []


def test_the_site_builds_without_a_warning_and_needs_no_network(tmp_path: Path) -> None:
    needed = ("sphinx", "furo", "myst_parser", "latex2mathml")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"the docs extra is not installed: {', '.join(missing)}")
    sphinx = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    done = subprocess.run(
        [*sphinx, "-d", str(tmp_path / "trees"), str(DOCS), str(tmp_path / "site")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    fetched = re.compile(
        r"""<script[^>]+src=["']https?:|<link[^>]+stylesheet[^>]+https?:|url\(["']?https?:|@import"""
    )
    for file in [*(tmp_path / "site").rglob("*.html"), *(tmp_path / "site").rglob("*.css")]:
        text = file.read_text("utf-8")
        assert not fetched.search(text), file.name
