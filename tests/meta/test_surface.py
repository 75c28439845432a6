"""The public surface and what may import what, held by the source itself."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import distribution, entry_points
from pathlib import Path
from typing import Any

import pytest

import layerkit

ROOT = Path(__file__).parents[2]
CORE = ROOT / "layerkit"
PLUGINS = ROOT / "plugins" / "layerkit_plugins"

PUBLIC = [
    "Activation",
    "Array",
    "Callback",
    "CallbackError",
    "Context",
    "CorruptFileError",
    "CrossValidation",
    "DataError",
    "DataSource",
    "DataSourceError",
    "DeviceError",
    "Diagnosis",
    "Dimension",
    "EvaluationReport",
    "ExecutorSource",
    "ExportError",
    "Exporter",
    "Finding",
    "History",
    "Importer",
    "Initializer",
    "Layer",
    "LayerkitError",
    "LimitExceededError",
    "Limits",
    "Listener",
    "Loss",
    "MalformedFileError",
    "Matched",
    "Metric",
    "MissingExtraError",
    "Model",
    "ModelFileError",
    "NotAModelFileError",
    "Optimizer",
    "Param",
    "Part",
    "PathError",
    "Plan",
    "PlannedLayer",
    "PluginAmbiguousError",
    "PluginError",
    "PluginLoadError",
    "PluginMissingError",
    "PluginNotAllowedError",
    "PluginVersionError",
    "Reader",
    "Renderer",
    "Rows",
    "Run",
    "Schedule",
    "Search",
    "SelfTestError",
    "Shape",
    "ShapeError",
    "Spec",
    "SpecError",
    "Study",
    "StudyError",
    "TensorMismatchError",
    "Training",
    "TrainingDivergedError",
    "Trial",
    "TruncatedFileError",
    "UnknownTypeError",
    "UnsupportedFormatError",
    "Weights",
    "WeightsError",
    "Whole",
    "activation",
    "build",
    "chain",
    "compare",
    "compare_across",
    "cross_validate",
    "diagnose",
    "diff",
    "evaluate",
    "export",
    "import_weights",
    "initializer",
    "inspect",
    "load",
    "load_data",
    "load_tensors",
    "match_widths",
    "merged_takes",
    "moves_of",
    "optimizer",
    "read_rows",
    "register",
    "report",
    "resume",
    "save",
    "schedule",
    "side_by_side",
    "spec_init",
    "study",
    "takes_of",
    "train",
    "train_seeds",
    "upgrade",
]


def sources(*folders: Path) -> list[Path]:
    return sorted(p for folder in folders for p in folder.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Full names of all modules that a file imports, at the top or inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return found


def top_imports(path: Path) -> set[str]:
    """Only those that run when the module is imported."""
    found: set[str] = set()
    waiting: list[ast.stmt] = list(ast.parse(path.read_text()).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting += node.orelse
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            waiting += [n for n in ast.iter_child_nodes(node) if isinstance(n, ast.stmt)]
    return found


def users(package: str, *folders: Path) -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for path in sources(*folders)
        if any(name.split(".")[0] == package for name in imports(path))
    }


def test_public_names() -> None:
    assert layerkit.__all__ == PUBLIC


def test_every_public_name_is_there() -> None:
    for name in layerkit.__all__:
        assert getattr(layerkit, name) is not None
    assert set(layerkit.__all__) <= set(dir(layerkit))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = getattr(layerkit, "nonsense")  # noqa: B009  # mypy knows that it is not there


def test_public_names_of_the_kit() -> None:
    kit = import_module("layerkit.testing")
    assert kit.__all__ == [
        "Check",
        "ConformanceError",
        "Outcome",
        "Report",
        "check_layer",
        "check_part",
        "checks",
        "rules_for",
    ]
    assert {name for name in kit.__all__ if not getattr(kit, name).__doc__} == set()


def test_the_kit_is_loaded_by_whoever_asks_for_it_and_needs_no_pytest() -> None:
    assert not {m for m in modules_after("import layerkit, layerkit.specs") if "testing" in m}
    loaded = modules_after("from layerkit.testing import check_part")
    assert not loaded & {"pytest", "_pytest", "hypothesis", "typer", "rich"}


def test_type_checkers_and_run_time_see_the_same_names() -> None:
    tree = ast.parse((CORE / "__init__.pyi").read_text())
    stub = {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("layerkit")
        for alias in node.names
    }
    assert stub == set(layerkit.__all__) == set(PUBLIC)


def test_the_version_is_that_of_the_distribution() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert layerkit.__version__ == project["version"]


def modules_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(' '.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split("\n")[-2].split())


def test_import_layerkit_is_light() -> None:
    loaded = modules_after("import layerkit")
    assert {m for m in loaded if m.startswith("layerkit")} == {"layerkit"}
    assert not loaded & {"numpy", "pydantic", "msgpack", "typer", "importlib.metadata"}


def test_help_is_light() -> None:
    code = (
        "import sys; from layerkit.cli import main; sys.argv = ['layerkit', '--help']\n"
        "try:\n    main()\nexcept SystemExit: pass\nprint()"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nprint(' '.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split("\n")[-2].split())
    assert not loaded & {"numpy", "pydantic", "msgpack"}


def test_predicting_loads_no_command_line() -> None:
    code = (
        "import layerkit; layerkit.build({'layerkit': 1, 'input': {'shape': [1]}, 'layers': "
        "[{'type': 'dense', 'units': 1}]}).predict([[1.0]])"
    )
    assert not modules_after(code) & {"typer", "rich", "matplotlib", "click"}


@pytest.mark.parametrize(
    ("package", "homes"),
    [
        ("pydantic", ("layerkit/specs/",)),
        ("msgpack", ("layerkit/codec/",)),
        ("typer", ("layerkit/cli/",)),
        ("click", ("layerkit/cli/",)),
        ("rich", ("layerkit/cli/",)),
        ("sklearn", ("layerkit/sklearn/",)),
        ("layerkit_plugins", ()),
    ],
)
def test_who_uses_what(package: str, homes: tuple[str, ...]) -> None:
    found = users(package, CORE)
    assert not {path for path in found if not path.startswith(homes or ("/",))}


KERNELS = PLUGINS / "compiled"
ENGINES = PLUGINS / "engines"
DEVICES = PLUGINS / "devices"
COMPILER = KERNELS / "llvm" / "machine.py"
MORE = {
    COMPILER: {"llvmlite"},
    KERNELS / "llvm" / "products.py": {"scipy"},  # SciPy has a BLAS too
    PLUGINS / "callbacks" / "tensorboard.py": {"tensorboardX"},
    PLUGINS / "executors" / "dask.py": {"dask", "distributed"},
    PLUGINS / "exporters" / "onnx.py": {"onnx", "onnxruntime"},
    PLUGINS / "exporters" / "tensors.py": {"safetensors"},
    PLUGINS / "figures" / "plot.py": {"matplotlib"},
    PLUGINS / "importers" / "keras.py": {"h5py"},
    PLUGINS / "importers" / "safetensors.py": {"safetensors"},
    PLUGINS / "optimizers" / "data_parallel.py": {"mpi4py"},
    PLUGINS / "readers" / "parquet.py": {"polars", "pyarrow"},
    PLUGINS / "searches" / "optuna.py": {"optuna"},
}
HEAVY = {
    *("matplotlib", "pooch", "rich", "threadpoolctl", "torch", "onnx", "llvmlite"),
    *("h5py", "narwhals", "onnxruntime", "pandas", "polars", "pyarrow", "safetensors", "sklearn"),
    *("tensorboardX", "cupy", "array_api_strict", "dask", "distributed", "mpi4py", "optuna"),
}


@pytest.mark.parametrize("path", sources(CORE, PLUGINS), ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_and_optional_packages_are_imported_inside_functions(path: Path) -> None:
    heavy = {name for name in top_imports(path) if name.split(".")[0] in HEAVY}
    if path == COMPILER:  # which is imported inside functions, see below
        heavy -= {"llvmlite", "llvmlite.binding"}
    if path.is_relative_to(CORE / "sklearn"):  # which nothing else imports
        heavy = {name for name in heavy if name.split(".")[0] != "sklearn"}
    assert not heavy
    kernels = {name for name in top_imports(path) if name.startswith("layerkit_plugins.compiled.")}
    assert not kernels or path.is_relative_to(KERNELS)
    assert "importlib.metadata" not in top_imports(path)


def test_one_file_uses_the_compiler() -> None:
    assert users("llvmlite", CORE, PLUGINS) == {COMPILER.relative_to(ROOT).as_posix()}
    assert not modules_after("import layerkit_plugins.engines.compiled") & {"llvmlite"}


ALLOWED_BEYOND = {"numpy", "layerkit", "layerkit_plugins"} | set(sys.stdlib_module_names)


@pytest.mark.parametrize("path", sources(PLUGINS), ids=lambda p: str(p.relative_to(PLUGINS)))
def test_plug_ins_use_the_public_door(path: Path) -> None:
    """Only `layerkit`, its fields, figures, windows and data helpers; never another plugin.

    Engines read networks and recordings, exporters recordings, so they go through the house as far
    as those live.
    """
    own = ".".join(("layerkit_plugins", *path.relative_to(PLUGINS).with_suffix("").parts))
    engine = any(map(path.is_relative_to, (ENGINES, KERNELS, DEVICES)))
    recorded = ("layerkit.recording.",) if path.parent == PLUGINS / "exporters" else ()
    floors = (
        ("layerkit.core.", "layerkit.recording.", "layerkit.execution.") if engine else recorded
    )
    for name in imports(path):
        assert name.split(".")[0] in ALLOWED_BEYOND | MORE.get(path, set())
        kernels = engine and name.startswith("layerkit_plugins.compiled.")
        assert not name.startswith("layerkit_plugins") or name == own or kernels
        doors = {"layerkit.fields", "layerkit.data", "layerkit.figures", "layerkit.windows"}
        assert name in doors or name.startswith(floors) or not name.startswith("layerkit.")


def declared() -> dict[str, dict[str, str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found: dict[str, dict[str, str]] = project["entry-points"]
    return found


def test_entry_points_are_those_of_pyproject() -> None:
    installed: dict[str, dict[str, str]] = {}
    for ep in distribution("layerkit").entry_points:
        if ep.group.startswith("layerkit."):
            installed.setdefault(ep.group, {})[ep.name] = ep.value
    assert installed == declared(), (
        "entry points are read when a distribution is installed; run:\n"
        "    .venv/bin/python -m pip install --no-deps --editable ."
    )


@pytest.mark.parametrize("group", sorted(declared()))
def test_every_entry_point_gives_a_part_of_its_name(group: str) -> None:
    from layerkit.discovery.registry import REGISTRIES

    registry = REGISTRIES[group.removeprefix("layerkit.")]
    for name in declared()[group]:
        (ep,) = entry_points(group=group, name=name)
        part = ep.load()
        assert part.type_name == name
        assert issubclass(part, registry.base)
        assert not inspect.isabstract(part)
        assert re.fullmatch(r"[a-z0-9]([a-z0-9._-]{0,126}[a-z0-9])?", name)


def test_every_plug_in_file_is_entered() -> None:
    entered = {
        value.partition(":")[0]
        for group in declared().values()
        for value in group.values()
        if value.startswith("layerkit_plugins")
    }
    files = {
        ".".join(("layerkit_plugins", *p.relative_to(PLUGINS).with_suffix("").parts))
        for p in sources(PLUGINS)
        if p.name != "__init__.py" and not p.is_relative_to(KERNELS)
    }
    assert files == entered


# ---- docstrings


Definition = ast.Module | ast.FunctionDef | ast.ClassDef


def definitions(path: Path) -> Iterator[tuple[str, Definition, str]]:
    """(name, node, docstring of its class): the module and all that is public in it."""
    tree = ast.parse(path.read_text())
    yield "the module", tree, ""
    waiting: list[tuple[str, ast.Module | ast.ClassDef]] = [("", tree)]
    while waiting:
        prefix, owner = waiting.pop()
        for node in ast.iter_child_nodes(owner):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name[0] != "_":
                of_class = ast.get_docstring(owner) if isinstance(owner, ast.ClassDef) else ""
                yield f"{prefix}{node.name}", node, of_class or ""
                if isinstance(node, ast.ClassDef):
                    waiting.append((f"{prefix}{node.name}.", node))


def needs_none(node: Definition) -> bool:
    return isinstance(node, ast.FunctionDef) and any(
        "overload" in ast.unparse(d) or ".setter" in ast.unparse(d) for d in node.decorator_list
    )


every_file = pytest.mark.parametrize(
    "path", sources(CORE, PLUGINS), ids=lambda p: p.relative_to(ROOT).as_posix()
)


@every_file
def test_everything_public_has_a_docstring(path: Path) -> None:
    bare = [
        name
        for name, node, _ in definitions(path)
        if not needs_none(node) and not ast.get_docstring(node)
    ]
    assert bare == []


def raised(node: ast.FunctionDef) -> set[str]:
    """Names of the classes that the function itself raises (helpers not followed)."""
    found: set[str] = set()
    waiting: list[ast.AST] = list(node.body)
    while waiting:
        one = waiting.pop()
        if isinstance(one, (ast.FunctionDef, ast.ClassDef, ast.Lambda)):
            continue
        if isinstance(one, ast.Raise) and isinstance(one.exc, ast.Call):
            called = one.exc.func
            name = called.id if isinstance(called, ast.Name) else ""
            if name[:1].isupper():
                found.add(name)
        waiting += ast.iter_child_nodes(one)
    return found - {"AssertionError", "NotImplementedError", "KeyboardInterrupt"}


@every_file
def test_what_raises_says_so(path: Path) -> None:
    """In a Raises section of its own or of its class, or by naming the error in the sentence."""
    silent: dict[str, set[str]] = {}
    for name, node, of_class in definitions(path):
        text = ast.get_docstring(node) or ""
        if isinstance(node, ast.FunctionDef) and "Raises\n------" not in text + of_class:
            untold = {error for error in raised(node) if error not in text}
            silent |= {name: untold} if untold else {}
    assert silent == {}


@pytest.mark.parametrize(
    "module",
    [
        "layerkit.errors",
        "layerkit.fields",
        "layerkit.testing",
        "layerkit.codec",
        "layerkit.data",
        "layerkit.training",
        "layerkit.windows",
    ],
)
def test_literal_alls_are_true(module: str) -> None:
    found = import_module(module)
    assert len(set(found.__all__)) == len(found.__all__)
    for name in found.__all__:
        assert hasattr(found, name)


def test_errors_are_drawn_in_their_tree_and_have_codes() -> None:
    errors = import_module("layerkit.errors")
    drawn = dict(re.findall(r"(\w+Error)\b[^\n]*?(LK-\d{3})", errors.__doc__ or ""))
    classes: dict[str, Any] = {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.LayerkitError)
    }
    for name, value in classes.items():
        assert re.fullmatch(r"LK-\d{3}", value.code)
        if name != "LayerkitError":
            assert drawn[name] == value.code
        assert value.__doc__
    assert set(classes) <= set(errors.__all__)
    for name in classes:
        assert hasattr(layerkit, name)


# ---- tracked files


def tracked() -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


# Spelled in pieces, so that this file does not find itself.
MACHINE = [
    "/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/", "/Us" + "ers/", "C:" + "\\Users", "/t" + "mp/",
    "pypi" + "-more", "/opt/" + "pypi", "artifact" + "ory",
    "extra-" + "index-url", "--index" + "-url", "trusted-" + "host",
]  # fmt: skip


def test_no_path_or_registry_of_a_machine_is_in_a_tracked_file() -> None:
    wrong = []
    for path in tracked():
        try:
            text = path.read_bytes().decode()
        except UnicodeDecodeError:
            continue
        wrong += [
            f"{path.relative_to(ROOT)}: {word}"
            for word in MACHINE
            if re.search(rf"(?<![\w.<>~*-]){re.escape(word)}", text)
        ]
    assert not wrong
