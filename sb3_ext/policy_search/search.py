"""The loop that all searches over policies share: propose policies, let them play whole episodes, choose the best."""

import abc
import inspect
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
import torch as th
from gymnasium import spaces
from sb3_contrib.ars.policies import ARSPolicy, LinearPolicy, MlpPolicy
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import ActorCriticCnnPolicy, BasePolicy, MultiInputActorCriticPolicy
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback
from stable_baselines3.common.utils import FloatSchedule

from sb3_ext.common.algorithm import CheckedAlgorithm
from sb3_ext.common.arrays import IntArray
from sb3_ext.common.episodes import check_length
from sb3_ext.common.hyperparameters import Rules, flag, integer, number, optional
from sb3_ext.common.starts import respect_starts
from sb3_ext.policy_search.evaluation import PolicyBatch, Tournament
from sb3_ext.policy_search.population import Population

SelfEpisodicSearch = TypeVar("SelfEpisodicSearch", bound="EpisodicSearch")


class EpisodicSearch(CheckedAlgorithm, abc.ABC):
    """
    Search for the parameters of a policy by what whole episodes return, without gradients

    Base of the searches, which say with :meth:`_propose` how a generation follows from the one before. Their docstrings
    explain the parameters.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "MlpPolicy": MlpPolicy,
        "LinearPolicy": LinearPolicy,
        "CnnPolicy": ActorCriticCnnPolicy,
        "MultiInputPolicy": MultiInputActorCriticPolicy,
    }
    policy: BasePolicy
    population: Population

    log_name: ClassVar[str]
    """What names in the log begin with."""

    def __init__(
        self,
        policy: str | type[BasePolicy],
        env: GymEnv | str,
        population_size: int,
        n_eval_episodes: int,
        reevaluate_survivors: bool,
        n_proof_episodes: int,
        target_return: float | None,
        max_episode_steps: int,
        policy_kwargs: dict[str, Any] | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            policy,
            env,
            learning_rate=0.0,
            policy_kwargs=dict(policy_kwargs or {}),
            support_multi_env=True,
            supported_action_spaces=(spaces.Box, spaces.Discrete),
            **kwargs,
        )
        self.population_size = population_size
        self.n_eval_episodes = n_eval_episodes
        self.reevaluate_survivors = reevaluate_survivors
        self.n_proof_episodes = n_proof_episodes
        self.target_return = target_return
        self.max_episode_steps = max_episode_steps

    @property
    def generation(self) -> int:
        """Number of generations that have played."""
        return self._n_updates

    def _rules(self) -> Rules:
        return {
            "population_size": integer(2),
            "n_eval_episodes": integer(1),
            "reevaluate_survivors": flag(),
            "n_proof_episodes": integer(1),
            "target_return": optional(number()),
            "max_episode_steps": integer(1),
        }

    def _setup_model(self) -> None:
        self._check_hyperparameters()
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

    @abc.abstractmethod
    def _propose(self) -> Population:
        """Make the generation that follows from the present one."""

    def _players(self) -> IntArray:
        """Numbers of the members that play again although they have played before."""
        return np.arange(len(self.population))

    def _new_genomes(self, count: int) -> th.Tensor:
        """Draw the parameters of new policies as their networks are initialized, shape (count, n_parameters)."""
        return th.stack([_genome(self._make_policy()) for _ in range(count)])

    def _breed(self) -> None:
        """Make the next generation, unless the present one has not played yet."""
        if len(self.population) == 1:
            others = self._new_genomes(self.population_size - 1)
            self.population = Population(th.cat([self.population.genomes, others]))
        elif self.population.episodes.all():
            self.population = self._propose()

    def _play(self, callback: BaseCallback) -> bool:
        """Let the generation play; False if the callback ended training, then nothing is recorded."""
        assert self.env is not None and self._last_obs is not None and self._last_episode_starts is not None
        env = self.env
        if not self._last_episode_starts.all():
            self._last_obs = env.reset()  # type: ignore[assignment]
        plays = self.population.episodes.numpy() == 0
        if self.reevaluate_survivors:
            plays[self._players()] = True
        members = np.flatnonzero(plays)
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
                f"{type(self).__name__}: an episode of generation {self.generation + 1} has a return that is not "
                "finite; check the rewards of the environment."
            )
        self.population.record(th.from_numpy(tournament.return_sums), th.from_numpy(tournament.n_played))
        self._episode_num += int(tournament.n_played.sum())
        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    @property
    def _proof(self) -> int:
        """Episodes that a policy must have played to be believed."""
        return self.n_proof_episodes if self.reevaluate_survivors else self.n_eval_episodes

    def _choose_best(self) -> bool:
        """Let :attr:`policy` be the best of the generation; tell whether it has reached the target."""
        self._n_updates += 1
        best = self.population.best(self._proof)
        # A copy, since the parameters become views of it, and are saved and changed without the other genomes
        th.nn.utils.vector_to_parameters(self.population.genomes[best].clone(), self.policy.parameters())
        best_return, n_episodes = float(self.population.fitness[best]), int(self.population.episodes[best])
        self.logger.record(f"{self.log_name}/generation", self.generation)
        self.logger.record(f"{self.log_name}/best", best_return)
        self.logger.record(f"{self.log_name}/best_episodes", n_episodes)
        self.logger.record(f"{self.log_name}/mean", float(self.population.fitness.mean()))
        return self.target_return is not None and n_episodes >= self._proof and best_return >= self.target_return

    def learn(
        self: SelfEpisodicSearch,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int | None = 1,
        tb_log_name: str = "EpisodicSearch",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> SelfEpisodicSearch:
        """
        Learn; logs are written every ``log_interval`` generations, see ``BaseAlgorithm.learn``.

        ``best``, after the search's own prefix, is the mean return of the best policy over its ``best_episodes``
        episodes, ``mean`` the mean over the whole generation; ``time/episodes`` counts the episodes of all policies.

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
        self.logger.record("time/episodes", self._episode_num, exclude="tensorboard")
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
