"""Switching networks between training and evaluation, which off-policy algorithms do twice a step."""

from torch import nn


class TrainingSwitch:
    """
    Set the ``training`` flag of all modules of some networks in one loop.

    ``nn.Module.train`` does the same with a recursion that takes longer than acting. Modules put into the networks
    later are not known here.

    :param networks: what is to be switched
    """

    def __init__(self, *networks: nn.Module) -> None:
        self.networks = networks
        self.modules = [module for network in networks for module in network.modules()]
        self.usual = all(type(module).train is nn.Module.train for module in self.modules)

    def __call__(self, mode: bool) -> None:
        """
        Switch.

        :param mode: true for training, false for evaluation
        """
        if self.usual:
            for module in self.modules:
                vars(module)["training"] = mode
        else:
            for network in self.networks:
                network.train(mode)
