"""How many threads a training should use."""

import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import nn

from sb3_ext.common.cores import usable_cores

LARGE_UPDATE = 50_000_000
"""
Parameters times transitions of a minibatch from which a second thread pays: 1.7 times the updates of DDPG at 69 million
(256-256, batch 256), 1.15 at 17 million, none of DuelingDQN at 34 million, and a loss of 15 % at 1 million (64-64).
Timed by hand on two cores, medians of five turns.
"""


def choose_threads(model: BaseAlgorithm) -> int:
    """
    Choose the number of PyTorch's threads for a training on a CPU.

    Sharing the work of a small network among threads takes longer than the work.

    :param model: the model to train
    :return: 1 for small updates, else as many as there are cores for this process, for convolutions too; PyTorch's
        present number if the model is on another device
    """
    if model.device.type != "cpu":
        return th.get_num_threads()
    images = any(isinstance(module, nn.Conv2d) for module in model.policy.modules())
    parameters = sum(parameter.numel() for parameter in model.policy.parameters())
    large = images or parameters * getattr(model, "batch_size", 1) >= LARGE_UPDATE
    return usable_cores() if large else 1
