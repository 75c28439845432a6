"""The lens: what the gated layers of a model do, and what is left of it without them."""

from layerkit.lens.measure import Block, Lens, blocks_of, look, nothing_to_see

__all__ = ["Block", "Lens", "blocks_of", "look", "nothing_to_see"]
