"""Script for a new interpreter: import one part, make it, and watch the side effects.

Reads ``{"module": ..., "name": ..., "kind": ...}`` from standard input; writes one JSON line with
the seconds, the modules, the printed text, the files and connections that the part's own code
opened, and the random state and settings that changed.
"""

import contextlib
import io
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

# Events of sys.audit that mean a file, a process or the network.
WATCHED = (
    *("open", "os.listdir", "os.scandir", "os.mkdir", "os.remove", "os.rename", "os.rmdir"),
    *("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "subprocess.Popen"),
    *("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname"),
    *("urllib.Request", "shutil.copyfile", "shutil.move", "sqlite3.connect", "tempfile.mkstemp"),
    *("tempfile.mkdtemp", "glob.glob", "os.chdir", "os.truncate", "os.link", "os.symlink"),
)


def home_of(module: str) -> tuple[str, ...]:
    """The folders of the top-level package of ``module``, or the file of a single module."""
    import importlib.util

    spec = importlib.util.find_spec(module.partition(".")[0])
    if spec is None:
        return ()
    if spec.submodule_search_locations:
        return tuple(str(Path(place).resolve()) for place in spec.submodule_search_locations)
    return (str(Path(spec.origin).resolve()),) if spec.origin else ()


def watch_files(homes: tuple[str, ...], phase: list[str], touched: list[str]) -> None:
    """List in ``touched`` what code in ``homes`` opens from now on, while ``phase`` has a name.

    What ``layerkit.register`` looks up among the installed parts is not the part's own.
    """
    import layerkit

    registry = str(Path(layerkit.__file__).parent / "discovery")

    def watch(event: str, args: tuple[object, ...]) -> None:
        if event not in WATCHED or not phase[0]:
            return
        frame = sys._getframe(1)
        while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
            file = frame.f_code.co_filename
            if file.startswith(registry):
                return
            if file.startswith(homes):
                what = f"{event} {args[:1]!r}"[:120]
                touched.append(f"{phase[0]}: {what} ({Path(file).name}, line {frame.f_lineno})")
                return
            if frame.f_back is None:  # what the import system reads is source and byte code
                return
            frame = frame.f_back

    if homes:
        sys.addaudithook(watch)


def settings_now() -> dict[str, str]:
    """Settings that an import must not change."""
    import numpy as np

    return {
        "np.seterr": repr(np.geterr()),
        "np.set_printoptions": repr(np.get_printoptions()),
        "os.environ": repr(sorted(os.environ.items())),
        "the current folder": os.getcwd(),  # noqa: PTH109  # as text
        "sys.setrecursionlimit": repr(sys.getrecursionlimit()),
    }


def main() -> None:
    """Import and make the part, and print the reply."""
    import numpy as np

    import layerkit
    import layerkit.fields
    from layerkit.specs.layers import arguments

    for name in layerkit.__all__:  # loaded now, so that they do not count as the part's
        if name[:1].isupper() or name in ("activation", "initializer", "matmul", "matmul_both"):
            getattr(layerkit, name)

    request = json.load(sys.stdin)
    touched: list[str] = []
    phase = ["import"]
    watch_files(home_of(request["module"]), phase, touched)

    reply: dict[str, object] = {"error": None}
    random.seed()  # a new state, so that seed(0) shows
    np.random.seed()  # noqa: NPY002
    before = random.getstate(), np.random.get_state(legacy=False)  # noqa: NPY002
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "3"  # not what a part would choose
    settings = settings_now()
    here = set(sys.modules)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            start = time.perf_counter()
            __import__(request["module"])
            reply["seconds"] = time.perf_counter() - start
            reply["modules"] = sorted(set(sys.modules) - here)
            reply["printed"] = printed.getvalue()
            after = random.getstate(), np.random.get_state(legacy=False)  # noqa: NPY002
            reply["random"] = repr(before) != repr(after)
            then = settings_now()
            reply["settings"] = [name for name in settings if then[name] != settings[name]]
            part: Any = sys.modules[request["module"]]
            for step in request["name"].split("."):
                part = getattr(part, step)
            phase[0] = "making it"
            for config, shape in part.examples():
                made = part(**arguments(part, config))
                if request["kind"] == "layers":
                    made.plan(tuple(shape))
        except (Exception, SystemExit) as error:  # noqa: BLE001  # reported to the parent
            reply["error"] = f"{phase[0]} raised {type(error).__name__}: {error}"
    phase[0] = ""
    reply["touched"] = touched
    print("\n" + json.dumps(reply))  # noqa: T201  # the reply


if __name__ == "__main__":
    main()
