"""The lens: what the gated layers of a model do, and what is left of it without them."""

from layerkit.lens.figures import figures
from layerkit.lens.measure import blocks_of, check_row, look, nothing_to_see
from layerkit.lens.page import html_page
from layerkit.lens.results import Block, Lens, Score

__all__ = [
    "Block",
    "Lens",
    "Score",
    "blocks_of",
    "check_row",
    "figures",
    "html_page",
    "look",
    "nothing_to_see",
]
