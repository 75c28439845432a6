"""A distribution that is not installed: ``install`` puts it into a folder, as pip would."""

from __future__ import annotations

from pathlib import Path

__all__ = ["DIST", "install"]

DIST = "acme-parts"
VERSION = "2.1.0"

MODULE = '''
from layerkit import Layer, Param, Plan


class Scale(Layer):
    """y = x * w * scale + level; version 1 of its settings called the scale "percent"."""

    type_name = "acme.scale"
    config_version = 2

    def __init__(self, *, scale: float = 1.0) -> None:
        self.scale = scale

    @classmethod
    def migrate(cls, config, from_version):
        return {"scale": config["percent"] / 100}

    def plan(self, in_shape):
        params = {"w": Param(in_shape, 1.0), "level": Param((), 0.5), "none": Param((0, 3), 0.0)}
        return Plan(in_shape, params, {"seen": Param((), 7.0)})

    def feed(self, x, ctx):
        self.params["none"]
        return x * self.params["w"] * x.dtype.type(self.scale) + self.params["level"]

    def backprop(self, dy, ctx):
        raise NotImplementedError
'''


def install(folder: Path) -> None:
    """Make ``folder`` what an installed acme-parts would add to sys.path."""
    info = folder / f"acme_parts-{VERSION}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {DIST}\nVersion: {VERSION}\n")
    (info / "entry_points.txt").write_text("[layerkit.layers]\nacme.scale = acme_parts:Scale\n")
    (folder / "acme_parts.py").write_text(MODULE)
