"""Fast updates and acting: one seam between the algorithms and everything that is clever for speed."""
