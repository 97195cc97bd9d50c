"""Search for policies by the returns of whole episodes."""

from sb3_ext.policy_search.policy_search import PolicySearch

__all__ = ["PolicySearch"]
