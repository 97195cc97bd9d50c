"""Hyperparameters of a trial."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from rl_zoo3.hyperparams_opt import HYPERPARAMS_CONVERTER, HYPERPARAMS_SAMPLER
from studies import MakeSpec

from sb3_ext.tuning.search_space import SearchSpace
from sb3_ext.tuning.settings import as_settings
from sb3_ext.tuning.training import train
from sb3_ext.zoo import ALGORITHMS, register


class TestSearchSpaces:
    def test_what_is_not_searched_of_the_policy_stays(self, make_spec: MakeSpec) -> None:
        register()
        block = {"n_timesteps": 100, "policy": "MlpPolicy", "policy_kwargs": "dict(net_arch=[8], action_layer=1)"}
        spec = make_spec(algo="ddpg_ext", env_id="Pendulum-v1", block=block)
        arguments = SearchSpace(spec).sample(optuna.create_study().ask())
        assert arguments["policy_kwargs"]["action_layer"] == 1
        assert arguments["policy_kwargs"]["net_arch"] != [8]

    @pytest.mark.parametrize("algo", [*ALGORITHMS, "crossq"])
    def test_every_algorithm_has_one(self, algo: str) -> None:
        register()
        assert algo in HYPERPARAMS_SAMPLER
        assert algo in HYPERPARAMS_CONVERTER

    def test_crossq_trains_with_what_it_draws(self, make_spec: MakeSpec, tmp_path: Path) -> None:
        register()
        block = {"n_timesteps": 120, "policy": "MlpPolicy"}
        spec = make_spec(algo="crossq", env_id="Pendulum-v1", block=block, n_evaluations=1, eval_episodes=1)
        trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
        arguments = SearchSpace(spec).sample(trial)
        assert HYPERPARAMS_CONVERTER["crossq"](trial.params) == arguments
        model = train(spec, {**as_settings(arguments), "learning_starts": 100}, 0, range(7, 8), tmp_path).model
        assert model.batch_size == arguments["batch_size"]  # type: ignore[attr-defined]
        assert model.policy.net_arch == arguments["policy_kwargs"]["net_arch"]
        assert model.policy_delay == arguments["policy_delay"]  # type: ignore[attr-defined]
