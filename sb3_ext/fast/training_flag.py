"""Switching networks between training and evaluation, which off-policy algorithms do twice a step."""

from collections.abc import Sequence

from torch import nn

from sb3_ext.fast.structure import Structure


class TrainingSwitch:
    """
    Set the ``training`` flag of all modules of some networks in one loop.

    ``nn.Module.train`` does the same with a recursion that takes longer than acting.
    """

    def __init__(self) -> None:
        self._structure = Structure()
        self._usual = True

    def __call__(self, networks: Sequence[nn.Module], mode: bool) -> None:
        """Switch networks to training if the mode is true, else to evaluation."""
        if not self._structure.fits(networks):
            self._structure = Structure(networks)
            self._usual = all(type(module).train is nn.Module.train for module in self._structure.modules)
        if self._usual:
            for module in self._structure.modules:
                vars(module)["training"] = mode
        else:
            for network in networks:
                network.train(mode)
