"""Script for a new interpreter: build models of a layer by its type, predict, and save them.

Reads ``{"specs": [...], "files": [...], "rows": [...], "seed": 0}`` from standard input; writes the
digests of the predictions as one JSON line.
"""

import hashlib
import json
import sys


def main() -> None:
    """Build, save and predict, and print the reply."""
    import numpy as np

    import layerkit

    request = json.load(sys.stdin)
    digests: list[str] = []
    reply: dict[str, object] = {"digests": digests, "error": None}
    try:
        names = ("specs", "files", "rows")
        for spec, path, rows in zip(*(request[name] for name in names), strict=True):
            model = layerkit.build(spec)
            noise = np.random.default_rng(request["seed"]).uniform(-0.5, 0.5, model.network.size)
            model.network.params[...] += noise.astype(model.network.dtype)
            layerkit.save(model, path)
            outputs = model.predict(rows)
            digests.append(hashlib.sha256(outputs.tobytes()).hexdigest())
    except (Exception, SystemExit) as error:  # noqa: BLE001  # reported to the parent
        reply["error"] = f"building and saving raised {type(error).__name__}: {error}"
    print("\n" + json.dumps(reply))  # noqa: T201  # the reply; a plugin may have printed lines before it


if __name__ == "__main__":
    main()
