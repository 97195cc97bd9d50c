"""What writes the pages of `docs/` from the raw results."""
