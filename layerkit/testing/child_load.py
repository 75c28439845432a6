"""Run as a script in a fresh interpreter: load models, predict, and say what came.

Imports layerkit only: the layers must be found by their entry points. Reads from standard input
``{"files": [path, ...], "rows": [[...], ...]}``, writes one JSON line.
"""

import hashlib
import json
import sys


def main() -> None:
    """Predict with every file and print the digests of the outputs."""
    import layerkit

    asked = json.load(sys.stdin)
    digests: list[str] = []
    told: dict[str, object] = {"digests": digests, "error": None}
    try:
        for path, rows in zip(asked["files"], asked["rows"], strict=True):
            outputs = layerkit.load(path).predict(rows)
            digests.append(hashlib.sha256(outputs.tobytes()).hexdigest())
    except (Exception, SystemExit) as error:  # noqa: BLE001  # told to the parent
        told["error"] = f"{type(error).__name__}: {error}"
    print("\n" + json.dumps(told))  # noqa: T201  # the answer; what a plugin printed stands before


if __name__ == "__main__":
    main()
