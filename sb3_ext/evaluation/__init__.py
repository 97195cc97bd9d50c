"""Evaluation of trained agents: statistics over seeds, reference policies, tables and figures."""

from sb3_ext.evaluation.improvement import improvement_interval, probability_of_improvement
from sb3_ext.evaluation.statistics import bootstrap_interval, iqm, stratified_interval

__all__ = ["bootstrap_interval", "improvement_interval", "iqm", "probability_of_improvement", "stratified_interval"]
