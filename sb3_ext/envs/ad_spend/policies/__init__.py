"""Reference policies, with the `predict` of SB3."""
