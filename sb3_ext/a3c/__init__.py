"""A3C, asynchronous advantage actor-critic."""

from sb3_ext.a3c.a3c import A3C

__all__ = ["A3C"]
