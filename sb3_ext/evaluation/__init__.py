"""Evaluation of trained agents: statistics over seeds, reference policies, tables and figures."""

from sb3_ext.evaluation.statistics import bootstrap_interval, iqm

__all__ = ["bootstrap_interval", "iqm"]
