"""What ``docs/tutorial_systems.md`` shows of the tutorials; ``scripts/tutorial_systems.py`` writes that page."""
