"""Building blocks shared by the algorithms of sb3_ext."""
