"""What ``docs/tutorial_systems.md`` shows of the tutorials."""
