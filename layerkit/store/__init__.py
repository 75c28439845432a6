"""Models to files and back: what a model is, in terms of the file format.

Saving records, beside spec and tensors, which distribution and version provided each layer type,
and a few rows with the outputs the model gives for them. Loading resolves the types, holds the
tensors against what the spec implies before it reads them, and runs those rows again, so that
wrong numbers never go unnoticed.
"""

from typing import TYPE_CHECKING, Any

from layerkit.store.loading import load

if TYPE_CHECKING:
    from layerkit.store.saving import save

__all__ = ["load", "save"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:  # who only loads does not load what saves: 2 ms
        if name != "save":
            raise AttributeError(f"module 'layerkit.store' has no attribute {name!r}")
        from layerkit.store.saving import save

        return save
