"""Genetic policy search as a Stable-Baselines3 algorithm."""

import inspect
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
import torch as th
from gymnasium import spaces
from sb3_contrib.ars.policies import ARSPolicy, LinearPolicy, MlpPolicy
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import ActorCriticCnnPolicy, BasePolicy, MultiInputActorCriticPolicy
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, Schedule
from stable_baselines3.common.utils import FloatSchedule

from sb3_ext.common.algorithm import CheckedAlgorithm
from sb3_ext.common.episodes import check_length
from sb3_ext.common.hyperparameters import Rules, flag, integer, is_integer, make_schedule, number, optional
from sb3_ext.common.starts import respect_starts
from sb3_ext.genetic.evaluation import PolicyBatch, Tournament
from sb3_ext.genetic.population import Population

SelfGeneticSearch = TypeVar("SelfGeneticSearch", bound="GeneticSearch")


class GeneticSearch(CheckedAlgorithm):
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
    normalised them. Its means of observations move on while training, so what a policy did under former ones also
    counts.

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

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "MlpPolicy": MlpPolicy,
        "LinearPolicy": LinearPolicy,
        "CnnPolicy": ActorCriticCnnPolicy,
        "MultiInputPolicy": MultiInputActorCriticPolicy,
    }
    policy: BasePolicy
    population: Population

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
            learning_rate=0.0,
            policy_kwargs=dict(policy_kwargs or {}),
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            device=device,
            support_multi_env=True,
            seed=seed,
            supported_action_spaces=(spaces.Box, spaces.Discrete),
        )
        self.population_size = population_size
        self.n_survivors = n_survivors
        self.mutation_std = mutation_std
        self.n_eval_episodes = n_eval_episodes
        self.reevaluate_survivors = reevaluate_survivors
        self.n_proof_episodes = n_proof_episodes
        self.target_return = target_return
        self.max_episode_steps = max_episode_steps

        if _init_setup_model:
            self._setup_model()

    @property
    def generation(self) -> int:
        """Number of generations that have played."""
        return self._n_updates

    def _rules(self) -> Rules:
        size = self.population_size
        return {
            "population_size": integer(2),
            "n_survivors": (
                lambda value: is_integer(value, 1) and value < size,
                f"an integer >= 1 and less than population_size={size}",
            ),
            "n_eval_episodes": integer(1),
            "reevaluate_survivors": flag(),
            "n_proof_episodes": integer(1),
            "target_return": optional(number()),
            "max_episode_steps": integer(1),
        }

    def _setup_model(self) -> None:
        self._check_hyperparameters()
        self._mutation_schedule = make_schedule("mutation_std", self.mutation_std)
        self.set_random_seed(self.seed)
        self.policy = self._make_policy()
        self.population = Population(_genome(self.policy)[None])

    def _make_policy(self) -> BasePolicy:
        """Build a policy with new random parameters."""
        arguments: list[Any] = [self.observation_space, self.action_space]
        if "lr_schedule" in inspect.signature(self.policy_class).parameters:
            arguments.append(FloatSchedule(0.0))
        policy = self.policy_class(*arguments, **self.policy_kwargs).to(self.device)
        respect_starts(policy, ARSPolicy)
        return policy

    def _breed(self) -> None:
        """Make the next generation, unless the present one has not played yet."""
        if len(self.population) == 1:
            others = [_genome(self._make_policy()) for _ in range(self.population_size - 1)]
            self.population = Population(th.stack([self.population.genomes[0], *others]))
        elif self.population.episodes.all():
            mutation_std = self._mutation_schedule(self._current_progress_remaining)
            self.logger.record("genetic/mutation_std", mutation_std)
            self.population = self.population.next_generation(self.population_size, self.n_survivors, mutation_std)

    def _play(self, callback: BaseCallback) -> bool:
        """Let the generation play; False if the callback ended training, then nothing is recorded."""
        assert self.env is not None and self._last_obs is not None and self._last_episode_starts is not None
        env = self.env
        if not self._last_episode_starts.all():
            self._last_obs = env.reset()  # type: ignore[assignment]
        members = np.arange(len(self.population))
        if not self.reevaluate_survivors:
            members = members[self.population.episodes.numpy() == 0]
        # Round by round, so that a long-lived policy does not play all its episodes one after the other at the end
        tournament = Tournament(np.tile(members, self.n_eval_episodes), len(self.population), env.num_envs)
        policies = PolicyBatch(self.policy, env.num_envs)
        normalizer = self._vec_normalize_env
        self._last_episode_starts = np.zeros(env.num_envs, dtype=bool)

        while not tournament.over:
            for index in tournament.started:
                policies.assign(index, self.population.genomes[tournament.players[index]])
            actions, _ = policies.predict(self._last_obs)  # type: ignore[arg-type]
            self._last_obs, rewards, dones, infos = env.step(actions)  # type: ignore[assignment]

            self.num_timesteps += env.num_envs
            callback.update_locals(locals())
            if not callback.on_step():
                return False

            # Rewards on one scale for all generations
            earned = rewards if normalizer is None else normalizer.get_original_reward()
            counted = tournament.add(earned, dones)
            self._update_info_buffer([infos[index] for index in counted], dones[counted])
            check_length(type(self).__name__, tournament.longest_running, self.max_episode_steps)
        self._last_episode_starts = dones
        if not np.isfinite(tournament.return_sums).all():
            raise RuntimeError(
                f"GeneticSearch: an episode of generation {self.generation + 1} has a return that is not finite; check "
                "the rewards of the environment."
            )
        self.population.record(th.from_numpy(tournament.return_sums), th.from_numpy(tournament.n_played))
        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    def _choose_best(self) -> bool:
        """Let :attr:`policy` be the best of the generation; tell whether it has reached the target."""
        self._n_updates += 1
        proof = self.n_proof_episodes if self.reevaluate_survivors else self.n_eval_episodes
        best = self.population.best(proof)
        # A copy, since the parameters become views of it, and are saved and changed without the other genomes
        th.nn.utils.vector_to_parameters(self.population.genomes[best].clone(), self.policy.parameters())
        best_return, n_episodes = float(self.population.fitness[best]), int(self.population.episodes[best])
        self.logger.record("genetic/generation", self.generation)
        self.logger.record("genetic/best", best_return)
        self.logger.record("genetic/best_episodes", n_episodes)
        self.logger.record("genetic/mean", float(self.population.fitness.mean()))
        return self.target_return is not None and n_episodes >= proof and best_return >= self.target_return

    def learn(
        self: SelfGeneticSearch,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int | None = 1,
        tb_log_name: str = "GeneticSearch",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> SelfGeneticSearch:
        """
        Learn; logs are written every ``log_interval`` generations, see ``BaseAlgorithm.learn``.

        ``genetic/best`` is the mean return of the best policy over its ``genetic/best_episodes`` episodes,
        ``genetic/mean`` the mean over the whole generation.

        :raises RuntimeError: if an episode is longer than ``max_episode_steps`` or its return is not finite
        """
        total_timesteps, callback = self._setup_learn(
            total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar
        )
        callback.on_training_start(locals(), globals())
        while self.num_timesteps < total_timesteps:
            callback.on_rollout_start()
            self._update_current_progress_remaining(self.num_timesteps, total_timesteps)
            self._breed()
            if not self._play(callback):
                break
            solved = self._choose_best()
            if log_interval is not None and self.generation % log_interval == 0:
                self.dump_logs()
            if solved:
                break
        callback.on_training_end()
        return self

    def dump_logs(self) -> None:
        """Write the log."""
        self._record_progress()
        self.logger.dump(step=self.num_timesteps)

    def predict(
        self,
        observation: npt.NDArray[Any] | dict[str, npt.NDArray[Any]],
        state: tuple[npt.NDArray[Any], ...] | None = None,
        episode_start: npt.NDArray[Any] | None = None,
        deterministic: bool = False,
    ) -> tuple[npt.NDArray[Any], tuple[npt.NDArray[Any], ...] | None]:
        """Greedy action of the best policy, see ``BaseAlgorithm.predict``; ``deterministic`` changes nothing."""
        return super().predict(observation, state, episode_start, deterministic=True)

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        return ["policy", "population"], []


def _genome(policy: BasePolicy) -> th.Tensor:
    return th.nn.utils.parameters_to_vector(policy.parameters()).detach()
