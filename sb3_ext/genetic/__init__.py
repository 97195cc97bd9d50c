"""Genetic policy search."""

from sb3_ext.genetic.genetic import GeneticSearch

__all__ = ["GeneticSearch"]
