"""
Search spaces for the zoo's ``--optimize`` and for ``sb3-ext tune``.

Each algorithm has a pair. ``sample_*`` asks an Optuna trial and returns constructor arguments. It has the zoo's
signature: the trial, the number of action dimensions, the number of training environments, and remarks on the replay
buffer. ``convert_*`` rebuilds the same from ``trial.params`` alone, for ``--trial-id``, and describes action noise as
the zoo's YAML does (``noise_type``, ``noise_std``), since the size of the action space is not known to it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
from rl_zoo3.hyperparams_opt import convert_offpolicy_params, convert_onpolicy_params
from stable_baselines3.common.noise import NormalActionNoise, OrnsteinUhlenbeckActionNoise
from torch import nn

Params = dict[str, Any]
Sampler = Callable[[optuna.Trial, int, int, Params], Params]
Converter = Callable[[Params], Params]

_NOISES = {"normal": NormalActionNoise, "ornstein-uhlenbeck": OrnsteinUhlenbeckActionNoise}
_ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU, "elu": nn.ELU}
_NET_ARCHS: dict[str, list[int]] = {"linear": [], "tiny": [5], "small": [64, 64], "medium": [256, 256]}


def _sampler(convert: Converter) -> Callable[[Callable[[optuna.Trial, int], Params]], Sampler]:
    """
    Make the zoo's sampler of a function that asks a trial for raw values, given the number of training environments.

    Numbers that only follow from the raw values are noted in the trial.
    """

    def decorate(suggest: Callable[[optuna.Trial, int], Params]) -> Sampler:
        @functools.wraps(suggest)
        def sample(trial: optuna.Trial, n_actions: int, n_envs: int, additional_args: Params) -> Params:
            raw = suggest(trial, n_envs)
            hyperparams = convert(raw)
            for name, value in hyperparams.items():
                if name not in raw and isinstance(value, (int, float)):
                    trial.set_user_attr(name, value)
            if "noise_type" in hyperparams:
                noise = _NOISES[hyperparams.pop("noise_type")]
                sigma = hyperparams.pop("noise_std") * np.ones(n_actions)
                hyperparams["action_noise"] = noise(np.zeros(n_actions), sigma)
            return hyperparams

        return sample

    return decorate


def convert_ddpg_params(sampled_params: Params) -> Params:
    """Rebuild the arguments of the constructor from ``trial.params``."""
    params: Params = convert_offpolicy_params(sampled_params)
    params["critic_learning_rate"] = params["learning_rate"] * params.pop("critic_lr_ratio")
    params["policy_kwargs"] |= {name: params.pop(name) for name in ("squash", "final_init", "initial_action")}
    params["policy_kwargs"]["invert_gradients"] = params.pop("invert_gradients", False)  # older studies have none
    return params


@_sampler(convert_ddpg_params)
def sample_ddpg_params(trial: optuna.Trial, n_envs: int) -> Params:
    """
    Search space of :class:`sb3_ext.DDPG`.

    The critic's learning rate is searched as a multiple of the actor's, the number of gradient steps as a fraction of
    ``train_freq``. Settings of a ``HerReplayBuffer`` stay those of the YAML.
    """
    return {
        "one_minus_gamma": trial.suggest_float("one_minus_gamma", 1e-4, 0.05, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 1e-5, 2e-3, log=True),
        "critic_lr_ratio": trial.suggest_float("critic_lr_ratio", 0.5, 20.0, log=True),
        "batch_size_pow": trial.suggest_int("batch_size_pow", 5, 9),
        "train_freq": trial.suggest_int("train_freq", 1, 10),
        "subsample_steps": trial.suggest_int("subsample_steps", 1, 4),
        "tau": trial.suggest_float("tau", 1e-3, 0.05, log=True),
        "learning_starts": trial.suggest_int("learning_starts", 100, 10_000, log=True),
        "noise_type": trial.suggest_categorical("noise_type", list(_NOISES)),
        "noise_std": trial.suggest_float("noise_std", 0.05, 0.6),
        "net_arch": trial.suggest_categorical("net_arch", ["small", "medium", "big"]),
        "squash": trial.suggest_categorical("squash", ["tanh", "sigmoid"]),
        "final_init": trial.suggest_categorical("final_init", [None, 3e-3]),
        "initial_action": trial.suggest_categorical("initial_action", [0.0, -0.5]),
        "invert_gradients": trial.suggest_categorical("invert_gradients", [False, True]),
        "critic_loss": trial.suggest_categorical("critic_loss", ["mse", "huber"]),
        "critic_weight_decay": trial.suggest_categorical("critic_weight_decay", [0.0, 1e-4, 1e-2]),
    }


def convert_dueling_dqn_params(sampled_params: Params) -> Params:
    """Rebuild the arguments of the constructor from ``trial.params``."""
    params: Params = convert_offpolicy_params(sampled_params)
    params |= {"target_update_interval": 1} if params.pop("soft_target") else {"tau": 1.0}
    return params


@_sampler(convert_dueling_dqn_params)
def sample_dueling_dqn_params(trial: optuna.Trial, n_envs: int) -> Params:
    """
    Search space of :class:`sb3_ext.DuelingDQN`: its switches beside the settings of DQN, for vectors and images.

    The number of gradient steps is searched as a fraction of ``train_freq``, the target network as soft or hard. The
    arguments of the replay buffer stay those of the YAML.
    """
    return {
        "one_minus_gamma": trial.suggest_float("one_minus_gamma", 1e-4, 0.05, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 1e-5, 5e-3, log=True),
        "batch_size_pow": trial.suggest_int("batch_size_pow", 5, 9),
        "train_freq": trial.suggest_int("train_freq", 1, 16),
        "subsample_steps": trial.suggest_int("subsample_steps", 1, 4),
        "exploration_fraction": trial.suggest_float("exploration_fraction", 0.05, 0.5),
        "exploration_final_eps": trial.suggest_float("exploration_final_eps", 0.0, 0.2),
        "soft_target": trial.suggest_categorical("soft_target", [False, True]),
        "target_update_interval": trial.suggest_int("target_update_interval", 10, 10_000, log=True),
        "tau": trial.suggest_float("tau", 1e-3, 0.1, log=True),
        "n_steps": trial.suggest_categorical("n_steps", [1, 3, 5, 10]),
        "dueling": trial.suggest_categorical("dueling", [True, False]),
        "double_q": trial.suggest_categorical("double_q", [True, False]),
        "prioritized_replay": trial.suggest_categorical("prioritized_replay", [True, False]),
        "loss": trial.suggest_categorical("loss", ["huber", "mse"]),
        "net_arch": trial.suggest_categorical("net_arch", ["small", "medium", "big"]),
    }


def convert_reinforce_params(sampled_params: Params) -> Params:
    """Rebuild the arguments of the constructor from ``trial.params``."""
    params = dict(sampled_params)
    policy_kwargs = _network(params) | {"log_std_init": params.pop("log_std_init")}
    return {"gamma": 1 - params.pop("one_minus_gamma"), "policy_kwargs": policy_kwargs, **params}


def _network(params: Params) -> Params:
    """Take the names of layers and activation out of raw values."""
    arch, activation = params.pop("net_arch"), params.pop("activation_fn")
    return {"net_arch": list(_NET_ARCHS[arch]), "activation_fn": _ACTIVATIONS[activation]}


@_sampler(convert_reinforce_params)
def sample_reinforce_params(trial: optuna.Trial, n_envs: int) -> Params:
    """
    Search space of :class:`sb3_ext.REINFORCE`.

    Episodes per update are searched as a multiple of the number of environments, which wastes the fewest steps.
    """
    return {
        "one_minus_gamma": trial.suggest_float("one_minus_gamma", 1e-4, 0.05, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 3e-4, 3e-2, log=True),
        "n_episodes": trial.suggest_int("n_episodes", n_envs, 16 * n_envs, step=n_envs),
        "baseline": trial.suggest_categorical("baseline", ["none", "value"]),
        "normalize_advantage": trial.suggest_categorical("normalize_advantage", [True, False]),
        "ent_coef": trial.suggest_float("ent_coef", 1e-5, 0.1, log=True),
        "max_grad_norm": trial.suggest_categorical("max_grad_norm", [None, 0.5, 5.0]),
        "net_arch": trial.suggest_categorical("net_arch", list(_NET_ARCHS)),
        "activation_fn": trial.suggest_categorical("activation_fn", list(_ACTIVATIONS)),
        "log_std_init": trial.suggest_float("log_std_init", -2.0, 0.0),
    }


def convert_q_learning_params(sampled_params: Params) -> Params:
    """Rebuild the arguments of the constructor from ``trial.params``."""
    params = dict(sampled_params)
    return {"gamma": 1 - params.pop("one_minus_gamma"), **params}


@_sampler(convert_q_learning_params)
def sample_q_learning_params(trial: optuna.Trial, n_envs: int) -> Params:
    """Search space of :class:`sb3_ext.QLearning`."""
    return {
        "one_minus_gamma": trial.suggest_float("one_minus_gamma", 1e-4, 0.1, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 1.0, log=True),
        "learning_rate_decay": trial.suggest_float("learning_rate_decay", 1e-7, 1e-2, log=True),
        "exploration_initial_eps": trial.suggest_float("exploration_initial_eps", 0.0, 1.0),
        "exploration_final_eps": trial.suggest_float("exploration_final_eps", 0.0, 0.2),
        "exploration_bonus": trial.suggest_categorical("exploration_bonus", [0.0, 1.0, 10.0]),
        "update": trial.suggest_categorical("update", ["q", "sarsa", "expected_sarsa", "double_q"]),
    }


def convert_genetic_params(sampled_params: Params) -> Params:
    """Rebuild the arguments of the constructor from ``trial.params``."""
    params = dict(sampled_params)
    if params.pop("mutation_decays"):
        params["mutation_std"] = f"lin_{params['mutation_std']}"
    n_survivors = max(round(params.pop("survivor_fraction") * params["population_size"]), 1)
    return {"n_survivors": n_survivors, "policy_kwargs": _network(params), **params}


@_sampler(convert_genetic_params)
def sample_genetic_params(trial: optuna.Trial, n_envs: int) -> Params:
    """
    Search space of :class:`sb3_ext.GeneticSearch`, for ``MlpPolicy``.

    The number of survivors is searched as a share of the population.
    """
    return {
        "population_size": trial.suggest_int("population_size", 20, 200, step=20),
        "survivor_fraction": trial.suggest_float("survivor_fraction", 0.05, 0.5),
        "mutation_std": trial.suggest_float("mutation_std", 0.01, 1.0, log=True),
        "mutation_decays": trial.suggest_categorical("mutation_decays", [False, True]),
        "n_eval_episodes": trial.suggest_int("n_eval_episodes", 1, 5),
        "net_arch": trial.suggest_categorical("net_arch", list(_NET_ARCHS)),
        "activation_fn": trial.suggest_categorical("activation_fn", list(_ACTIVATIONS)),
    }


_STRATEGIES = {
    "genetic": {},
    "uniform crossover": {"crossover": "uniform"},
    "one-point crossover": {"crossover": "one_point"},
    "hill_climbing": {},
    "simulated_annealing": {},
    "cross_entropy": {},
}
_NOISES_OF = {"hill_climbing": "noise_std", "simulated_annealing": "noise_std", "cross_entropy": "extra_std"}


def convert_policy_search_params(sampled_params: Params) -> Params:
    """Rebuild the arguments of the constructor from ``trial.params``."""
    params = dict(sampled_params)
    choice, std = params.pop("strategy"), params.pop("noise_std")
    strategy = choice if choice in _NOISES_OF else "genetic"
    strategy_kwargs = {_NOISES_OF.get(strategy, "mutation_std"): std, **_STRATEGIES[choice]}
    return {"strategy": strategy, "strategy_kwargs": strategy_kwargs, "policy_kwargs": _network(params), **params}


@_sampler(convert_policy_search_params)
def sample_policy_search_params(trial: optuna.Trial, n_envs: int) -> Params:
    """
    Search space of :class:`sb3_ext.PolicySearch`, for ``MlpPolicy``: the strategies for policies of any size.

    The noise is that of mutations, neighbours or fitted variances, whatever the strategy makes of it.
    """
    return {
        "strategy": trial.suggest_categorical("strategy", list(_STRATEGIES)),
        "noise_std": trial.suggest_float("noise_std", 0.01, 1.0, log=True),
        "population_size": trial.suggest_int("population_size", 10, 100, step=10),
        "n_eval_episodes": trial.suggest_int("n_eval_episodes", 1, 5),
        "net_arch": trial.suggest_categorical("net_arch", list(_NET_ARCHS)),
        "activation_fn": trial.suggest_categorical("activation_fn", list(_ACTIVATIONS)),
    }


@_sampler(convert_onpolicy_params)
def sample_ppo_penalty_params(trial: optuna.Trial, n_envs: int) -> Params:
    """
    Search space of :class:`sb3_ext.PPOPenalty`: the zoo's of PPO, with the divergence in place of the clip range.

    The zoo's ``convert_onpolicy_params`` rebuilds the arguments. A minibatch is no larger than a rollout.
    """
    return {**_ppo(trial, n_envs), "target_kl": trial.suggest_float("target_kl", 1e-3, 0.1, log=True)}


@_sampler(convert_onpolicy_params)
def sample_ppo_fast_params(trial: optuna.Trial, n_envs: int) -> Params:
    """Search space of :class:`sb3_ext.fast.PPO`: the zoo's of PPO, but a minibatch is no larger than a rollout."""
    return {**_ppo(trial, n_envs), "clip_range": trial.suggest_categorical("clip_range", [0.1, 0.2, 0.3, 0.4])}


def _ppo(trial: optuna.Trial, n_envs: int) -> Params:
    return {
        "n_steps_pow": trial.suggest_int("n_steps_pow", 5, 12),
        "batch_size_pow": trial.suggest_int("batch_size_pow", 5, min(10, 4 + n_envs.bit_length())),
        "one_minus_gamma": trial.suggest_float("one_minus_gamma", 1e-4, 0.03, log=True),
        "one_minus_gae_lambda": trial.suggest_float("one_minus_gae_lambda", 1e-3, 0.2, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 1e-5, 2e-3, log=True),
        "n_epochs": trial.suggest_categorical("n_epochs", [1, 5, 10, 20]),
        "ent_coef": trial.suggest_float("ent_coef", 1e-8, 0.1, log=True),
        "max_grad_norm": trial.suggest_float("max_grad_norm", 0.3, 2.0),
        "net_arch": trial.suggest_categorical("net_arch", ["tiny", "small", "medium"]),
        "activation_fn": trial.suggest_categorical("activation_fn", ["tanh", "relu"]),
    }


@_sampler(convert_onpolicy_params)
def sample_a3c_params(trial: optuna.Trial, n_envs: int) -> Params:
    """
    Search space of :class:`sb3_ext.A3C`, which the zoo's ``convert_onpolicy_params`` rebuilds.

    Rollouts are shorter than in the zoo's space of A2C, as in the paper; the number of workers is the YAML's.
    """
    return {
        "n_steps_pow": trial.suggest_int("n_steps_pow", 2, 7),
        "one_minus_gamma": trial.suggest_float("one_minus_gamma", 1e-4, 0.05, log=True),
        "one_minus_gae_lambda": trial.suggest_float("one_minus_gae_lambda", 1e-4, 0.2, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
        "ent_coef": trial.suggest_float("ent_coef", 1e-8, 0.1, log=True),
        "vf_coef": trial.suggest_float("vf_coef", 0.1, 1.0),
        "max_grad_norm": trial.suggest_float("max_grad_norm", 0.3, 5.0, log=True),
        "normalize_advantage": trial.suggest_categorical("normalize_advantage", [True, False]),
        "net_arch": trial.suggest_categorical("net_arch", ["tiny", "small", "medium"]),
        "activation_fn": trial.suggest_categorical("activation_fn", ["tanh", "relu"]),
    }


def convert_crossq_params(sampled_params: Params) -> Params:
    """Rebuild the arguments of the constructor from ``trial.params``."""
    params = dict(sampled_params)
    return {
        "gamma": 1 - params.pop("one_minus_gamma"),
        "batch_size": 2 ** params.pop("batch_size_pow"),
        "policy_kwargs": {
            "net_arch": {"pi": [params.pop("actor_width")] * 2, "qf": [params.pop("critic_width")] * 2},
        },
        **params,
    }


@_sampler(convert_crossq_params)
def sample_crossq_params(trial: optuna.Trial, n_envs: int) -> Params:
    """
    Search space of sb3-contrib's ``CrossQ``, which the zoo trains but cannot search.

    It has no target networks; wide critics and the decay rates of Adam are its own (Bhatt et al., 2024,
    https://openreview.net/forum?id=PczQtTsTIX), and stay those of its policy.
    """
    return {
        "one_minus_gamma": trial.suggest_float("one_minus_gamma", 1e-4, 0.05, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 5e-3, log=True),
        "batch_size_pow": trial.suggest_int("batch_size_pow", 5, 10),
        "policy_delay": trial.suggest_int("policy_delay", 1, 5),
        "learning_starts": trial.suggest_int("learning_starts", 100, 10_000, log=True),
        "actor_width": trial.suggest_categorical("actor_width", [64, 256]),
        "critic_width": trial.suggest_categorical("critic_width", [256, 512, 1024]),
    }


SEARCH_SPACES: dict[str, tuple[Sampler, Converter]] = {
    "ddpg_ext": (sample_ddpg_params, convert_ddpg_params),
    "dueling_dqn": (sample_dueling_dqn_params, convert_dueling_dqn_params),
    "reinforce": (sample_reinforce_params, convert_reinforce_params),
    "q_learning": (sample_q_learning_params, convert_q_learning_params),
    "genetic": (sample_genetic_params, convert_genetic_params),
    "policy_search": (sample_policy_search_params, convert_policy_search_params),
    "ppo_penalty": (sample_ppo_penalty_params, convert_onpolicy_params),
    "ppo_fast": (sample_ppo_fast_params, convert_onpolicy_params),
    "a3c": (sample_a3c_params, convert_onpolicy_params),
    "crossq": (sample_crossq_params, convert_crossq_params),
}
"""All of them, by zoo key."""
