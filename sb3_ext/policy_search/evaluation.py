"""Many policies playing at once: one batched forward pass, and who plays in which environment."""

import copy
from collections import deque

import numpy as np
import numpy.typing as npt
import torch as th
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import PyTorchObs

from sb3_ext.common.arrays import BoolArray, IntArray


class PolicyBatch(BasePolicy):
    """
    Copies of one policy, each to act greedily with parameters of its own on its own observation of a batch.

    All forward passes are one, mapped over the parameters: for 100 policies it costs as much as ten single ones.
    """

    def __init__(self, policy: BasePolicy, size: int) -> None:
        super().__init__(policy.observation_space, policy.action_space, squash_output=policy.squash_output)
        self.policy = copy.deepcopy(policy).requires_grad_(False)
        genome = th.nn.utils.parameters_to_vector(self.parameters())
        self._genomes = genome.repeat(size, 1)
        pieces = th.split(self._genomes, [parameter.numel() for parameter in self.parameters()], dim=1)
        self._parameters_by_name = {
            name: piece.view(size, *parameter.shape)
            for (name, parameter), piece in zip(self.named_parameters(), pieces, strict=True)
        }

    def assign(self, index: int, genome: th.Tensor) -> None:
        """Replace the parameters of one policy of the batch, shape (n_parameters,)."""
        self._genomes[index] = genome
        if len(self._genomes) == 1:
            th.nn.utils.vector_to_parameters(genome, self.parameters())

    def forward(self, observation: PyTorchObs) -> th.Tensor:
        """Act with the parameters that ``functional_call`` puts in."""
        return self.policy._predict(observation, deterministic=True)

    def _predict(self, observation: PyTorchObs, deterministic: bool = True) -> th.Tensor:
        if len(self._genomes) == 1:
            return self(observation)  # type: ignore[no-any-return]
        single: PyTorchObs
        if isinstance(observation, dict):
            single = {key: value.unsqueeze(1) for key, value in observation.items()}
        else:
            single = observation.unsqueeze(1)
        actions: th.Tensor = th.func.vmap(self._call)(self._parameters_by_name, single)
        return actions.squeeze(1)

    def _call(self, parameters: dict[str, th.Tensor], observation: PyTorchObs) -> th.Tensor:
        return th.func.functional_call(self, parameters, (observation,))  # type: ignore[no-any-return]


class Tournament:
    """
    Hands the episodes to be played to the environments, in turn, and adds up their rewards.

    ``episodes`` names the members that are to play, one entry for each; each environment is at the start of an episode.
    """

    def __init__(self, episodes: IntArray, n_members: int, n_envs: int) -> None:
        self.return_sums = np.zeros(n_members)
        self.n_played = np.zeros(n_members, dtype=np.int64)
        #: The member that plays in each environment, -1 where nothing is left to play, shape (n_envs,)
        self.players: IntArray = np.full(n_envs, -1)
        self.lengths = np.zeros(n_envs, dtype=np.int64)
        self._returns = np.zeros(n_envs)
        self._waiting = deque(episodes.tolist())
        self.started = self._begin(np.arange(n_envs))

    @property
    def over(self) -> bool:
        """Whether every episode has ended."""
        return not (self.players >= 0).any()

    @property
    def longest_running(self) -> int:
        """Steps so far of the longest episode that counts and has not ended."""
        return int(self.lengths[self.players >= 0].max(initial=0))

    def add(self, rewards: npt.NDArray[np.floating], dones: BoolArray) -> IntArray:
        """Count one step; return where an episode that counts ended. :attr:`started` says who goes on."""
        self._returns += rewards
        self.lengths += 1
        ended = np.flatnonzero(dones)
        counted: IntArray = ended[self.players[ended] >= 0]
        np.add.at(self.return_sums, self.players[counted], self._returns[counted])
        np.add.at(self.n_played, self.players[counted], 1)
        self.started = self._begin(ended)
        return counted

    def _begin(self, ready: IntArray) -> IntArray:
        """Let the next ones play; return the environments in which somebody does."""
        self._returns[ready] = 0
        self.lengths[ready] = 0
        for index in ready:
            self.players[index] = self._waiting.popleft() if self._waiting else -1
        started: IntArray = ready[self.players[ready] >= 0]
        return started
