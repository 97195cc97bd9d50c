"""The name by which checkpoints of :class:`GeneticSearch` know their population."""

from sb3_ext.policy_search.population import Population as Population
