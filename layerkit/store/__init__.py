"""Models to files and back: what a model is, in terms of the file format.

Saving records, beside spec and tensors, which distribution and version provided each layer type,
and a few rows with the outputs the model gives for them. Loading resolves the types, holds the
tensors against what the spec implies before it reads them, and runs those rows again: a plugin or
a library that computes other numbers here than where the file was written is noticed. Who changes
the weights on purpose can change those rows as well; a file id that is kept elsewhere, or a
signature, finds that.
"""

from typing import TYPE_CHECKING, Any

from layerkit.store.loading import load

if TYPE_CHECKING:
    from layerkit.store.savable import check_savable
    from layerkit.store.saving import save

__all__ = ["check_savable", "load", "save"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:  # who only loads does not load what saves: 2 ms
        if name == "save":
            from layerkit.store.saving import save as found
        elif name == "check_savable":
            from layerkit.store.savable import check_savable as found  # type: ignore[assignment]
        else:
            raise AttributeError(f"module 'layerkit.store' has no attribute {name!r}")
        return found
