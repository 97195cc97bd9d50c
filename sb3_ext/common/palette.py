"""Colours that tell channels and runs apart, for every kind of picture."""

PALETTE = (
    "#3b76af", "#ee854a", "#55a868", "#c44e52", "#8c72b8", "#e3b23c", "#46b1c9", "#d987b5", "#8c6d4f", "#8d99a6",
)  # fmt: skip
"""Ten colours, told apart on white also by most colour-blind readers."""


def color_of(index: int) -> str:
    """Colour of the n-th channel or run from 0, hexadecimal; after ten they repeat."""
    return PALETTE[index % len(PALETTE)]
