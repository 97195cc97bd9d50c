"""Search for policies by the returns of whole episodes, as a Stable-Baselines3 algorithm."""

import copy
from typing import Any, ClassVar

import numpy as np
import torch as th
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv

from sb3_ext.common.algorithm import with_defaults
from sb3_ext.common.arrays import IntArray
from sb3_ext.common.hyperparameters import Rules, one_of
from sb3_ext.policy_search.population import Population
from sb3_ext.policy_search.search import EpisodicSearch
from sb3_ext.policy_search.strategies import STRATEGIES, make_strategy
from sb3_ext.policy_search.strategies.strategy import Strategy


class PolicySearch(EpisodicSearch):
    """
    Policy search without gradients

    A generation of policies plays whole episodes, and a strategy makes the next one from what they returned:

    - ``"genetic"``: the best survive and have mutated offspring, with crossover if wanted
    - ``"hill_climbing"``: neighbours of the best policy, with noise that adapts
    - ``"simulated_annealing"``: random walks that go downhill the less the colder it is
    - ``"cross_entropy"``: policies from a normal distribution that is fitted to the best of them
    - ``"nelder_mead"``: SciPy's simplex method, for small policies
    - ``"random"``: new policies throughout

    Their classes in ``sb3_ext.policy_search.strategies`` explain what ``strategy_kwargs`` may hold.

    A policy is judged by few episodes, so the best of a hundred is first of all a lucky one. With
    ``reevaluate_survivors`` (the default) a policy that stays plays again in every generation and is judged by the mean
    over *all* its episodes. Without it, the first judgment stays, which is right for deterministic environments only.

    ``predict`` and :attr:`policy` are the best policy with at least ``n_proof_episodes`` episodes; while there is none,
    the best of those with the most episodes. That policy and the one with the highest mean stay in the population,
    whatever the strategy, until others are better. Policies act greedily, while training and in ``predict`` whatever
    its ``deterministic``.

    The environments of a ``VecEnv`` play the episodes of a generation in turn, each with a policy of its own in one
    batched forward pass. An environment with nothing left to play steps on unused until the last one is through; these
    steps count as ``num_timesteps``. A good ``n_envs`` is a tenth to a fifth of the episodes of a generation.

    Training ends with a whole generation, the first one to reach ``total_timesteps``; a generation that a callback
    ends is played again by the next ``learn``. Returns are sums of rewards, those of ``VecNormalize`` before it
    normalised them.

    :param policy: policy class or its alias: ``MlpPolicy`` and ``LinearPolicy`` are those of sb3-contrib's ARS,
        ``CnnPolicy`` and ``MultiInputPolicy`` those of SB3's A2C, of which only the actor matters
    :param env: environment to learn from, or its id; ``Box`` or ``Discrete`` actions. Its episodes must end
    :param strategy: how generations are made, see above
    :param strategy_kwargs: arguments of the strategy
    :param population_size: policies of a generation, at least 2
    :param n_eval_episodes: episodes of each policy in a generation, at least 1
    :param reevaluate_survivors: whether policies that stay play again in the next generation
    :param n_proof_episodes: episodes that prove what a policy is worth, at least 1; of no effect without
        ``reevaluate_survivors``
    :param target_return: training ends as soon as the mean return of the best policy has reached it, over at least
        ``n_proof_episodes`` episodes; ``None`` to go on
    :param max_episode_steps: length of the longest episode allowed, at least 1; a longer one is an error, since the
        environment seems to have no end
    :param stats_window_size: number of episodes in the logged averages of ``rollout/``
    :param tensorboard_log: directory for TensorBoard, ``None`` for no log
    :param policy_kwargs: arguments of the policy
    :param verbose: 0 for no output, 1 for info messages, 2 for debug messages
    :param seed: seed of the pseudo-random generators
    :param device: device of the networks
    :param _init_setup_model: whether to build the population at once (and check the arguments)
    :raises ValueError: if an argument is out of range
    :raises AssertionError: from SB3, if the action space is not supported
    """

    log_name: ClassVar[str] = "search"
    proposer: Strategy

    def __init__(
        self,
        policy: str | type[BasePolicy],
        env: GymEnv | str,
        strategy: str = "genetic",
        strategy_kwargs: dict[str, Any] | None = None,
        population_size: int = 100,
        n_eval_episodes: int = 1,
        reevaluate_survivors: bool = True,
        n_proof_episodes: int = 10,
        target_return: float | None = None,
        max_episode_steps: int = 50_000,
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: th.device | str = "cpu",
        _init_setup_model: bool = True,
    ) -> None:
        super().__init__(
            policy,
            env,
            population_size,
            n_eval_episodes,
            reevaluate_survivors,
            n_proof_episodes,
            target_return,
            max_episode_steps,
            policy_kwargs,
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            seed=seed,
            device=device,
        )
        self.strategy = strategy
        self.strategy_kwargs = {} if strategy_kwargs is None else copy.copy(strategy_kwargs)

        if _init_setup_model:
            self._setup_model()

    def _rules(self) -> Rules:
        return {
            **super()._rules(),
            "strategy": one_of(*STRATEGIES),
            "strategy_kwargs": (lambda value: isinstance(value, dict), "a dictionary"),
        }

    def _setup_model(self) -> None:
        super()._setup_model()
        try:
            self.proposer = make_strategy(self.strategy, self.population_size, self.strategy_kwargs)
        except ValueError as error:
            given = f"strategy_kwargs={self.strategy_kwargs!r} is not valid"
            raise ValueError(f"{type(self).__name__}: {given}; {error}") from error
        most, n_parameters = self.proposer.most_parameters, self.population.genomes.shape[1]
        if most is not None and n_parameters > most:
            raise ValueError(
                f"{type(self).__name__}: strategy={self.strategy!r} is not valid for a policy with {n_parameters} "
                f"parameters; pass policy='LinearPolicy' or a smaller net_arch, for at most {most}, or another one."
            )

    def _propose(self) -> Population:
        kept, newcomers = self.proposer.propose(self.population, self._new_genomes, self._current_progress_remaining)
        for name, value in self.proposer.logged().items():
            self.logger.record(f"{self.log_name}/{name}", value)
        # Else no newcomer that a strategy moves on from, such as a step of annealing, would ever be proven
        for best in (self.population.best(self._proof), int(self.population.ranking()[0])):
            if not (kept == best).any():
                kept = th.cat([kept, th.tensor([best])])
        return self.population.followed_by(kept, newcomers)

    def _players(self) -> IntArray:
        again: IntArray = self.proposer.players(self.population)
        if self.population.episodes.any():
            again = np.append(again, self.population.best(self._proof))
        return again

    learn = with_defaults(EpisodicSearch.learn, tb_log_name="PolicySearch")

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        return ["policy", "population", "proposer"], []
