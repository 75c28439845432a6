"""The lens: what the gated layers of a model do, and what is left of it without them."""

from layerkit.lens.measure import Block, Lens, look

__all__ = ["Block", "Lens", "look"]
