"""Script for a new interpreter: load models and predict.

Imports layerkit only: the layers must be found by their entry points. Reads from standard input
``{"files": [path, ...], "rows": [[...], ...]}``, writes the digests of the predictions as one JSON
line.
"""

import hashlib
import json
import sys


def main() -> None:
    """Load every file, predict, and print the reply."""
    import layerkit

    request = json.load(sys.stdin)
    digests: list[str] = []
    reply: dict[str, object] = {"digests": digests, "error": None}
    try:
        for path, rows in zip(request["files"], request["rows"], strict=True):
            outputs = layerkit.load(path).predict(rows)
            digests.append(hashlib.sha256(outputs.tobytes()).hexdigest())
    except (Exception, SystemExit) as error:  # noqa: BLE001  # reported to the parent
        reply["error"] = f"loading and predicting raised {type(error).__name__}: {error}"
    print("\n" + json.dumps(reply))  # noqa: T201  # the reply; a plugin may have printed lines before it


if __name__ == "__main__":
    main()
