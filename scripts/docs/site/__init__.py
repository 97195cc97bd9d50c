"""What the documentation site shows of the package itself: its public names and its environments."""
