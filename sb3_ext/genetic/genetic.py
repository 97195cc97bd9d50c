"""Genetic policy search as a Stable-Baselines3 algorithm."""

from typing import Any, ClassVar

import torch as th
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, Schedule

from sb3_ext.common.algorithm import with_defaults
from sb3_ext.common.hyperparameters import Rules, make_schedule
from sb3_ext.policy_search.population import Population
from sb3_ext.policy_search.search import EpisodicSearch
from sb3_ext.policy_search.strategies.genetic import Genetic
from sb3_ext.policy_search.strategies.strategy import fewer_than


class GeneticSearch(EpisodicSearch):
    """
    Genetic policy search

    A generation of ``population_size`` policies plays; all but the best ``n_survivors`` die; each survivor has the same
    number of offspring, which are copies with Gaussian noise on every parameter; and so on. There are no gradients.
    Compare F. P. Such et al., Deep Neuroevolution, https://arxiv.org/abs/1712.06567

    A policy is judged by few episodes, so the best of a hundred is first of all a lucky one. With
    ``reevaluate_survivors`` (the default) a survivor plays again in every generation and is judged by the mean over
    *all* its episodes: luck fades, and the longer a policy lives the better it is known. Without it, the first judgment
    stays: it saves ``n_survivors / population_size`` of the steps, and is right for deterministic environments only.

    ``predict`` and :attr:`policy` are the best policy with at least ``n_proof_episodes`` episodes, so that a new record
    must be confirmed by living on before it counts; while there is none, the best of those with the most episodes.
    Policies act greedily, while training and in ``predict`` whatever its ``deterministic``.

    The environments of a ``VecEnv`` play the episodes of a generation in turn, each with a policy of its own in one
    batched forward pass. An environment with nothing left to play steps on unused until the last one is through; these
    steps count as ``num_timesteps``. A good ``n_envs`` is a tenth to a fifth of the episodes of a generation.

    Training ends with a whole generation, the first one to reach ``total_timesteps``; a generation that a callback
    ends is played again by the next ``learn``. Returns are sums of rewards, those of ``VecNormalize`` before it
    normalised them. The means of observations in ``VecNormalize`` change while training, so the episodes of a policy
    may have been played under different means.

    :param policy: policy class or its alias: ``MlpPolicy`` and ``LinearPolicy`` are those of sb3-contrib's ARS,
        ``CnnPolicy`` and ``MultiInputPolicy`` those of SB3's A2C, of which only the actor matters
    :param env: environment to learn from, or its id; ``Box`` or ``Discrete`` actions. Its episodes must end
    :param population_size: policies of a generation, at least 2
    :param n_survivors: policies that survive a generation, at least 1 and fewer than ``population_size``
    :param mutation_std: standard deviation of the mutations: a number >= 0, a schedule of the remaining progress (1 to
        0), or ``"lin_<number>"`` for a linear decay to 0
    :param n_eval_episodes: episodes of each policy in a generation, at least 1
    :param reevaluate_survivors: whether survivors play again in the next generation
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

    log_name: ClassVar[str] = "genetic"

    def __init__(
        self,
        policy: str | type[BasePolicy],
        env: GymEnv | str,
        population_size: int = 100,
        n_survivors: int = 20,
        mutation_std: float | str | Schedule = 0.1,
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
        self.n_survivors = n_survivors
        self.mutation_std = mutation_std

        if _init_setup_model:
            self._setup_model()

    def _rules(self) -> Rules:
        return {**super()._rules(), "n_survivors": fewer_than(self.population_size)}

    def _setup_model(self) -> None:
        super()._setup_model()
        self._mutation_schedule = make_schedule("mutation_std", self.mutation_std)

    def _propose(self) -> Population:
        progress = self._current_progress_remaining
        self.logger.record("genetic/mutation_std", self._mutation_schedule(progress))
        strategy = Genetic(self.population_size, self.n_survivors, self._mutation_schedule)
        return self.population.followed_by(*strategy.propose(self.population, self._new_genomes, progress))

    learn = with_defaults(EpisodicSearch.learn, tb_log_name="GeneticSearch")
