"""What users change after the construction is followed as SB3 follows it."""

import copy
import functools
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import pytest
import torch as th
from algorithm_battery import assert_equal_predictions, save_and_load, train_seeded
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3 import DDPG as PLAIN_DDPG
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.utils import set_random_seed
from torch import nn

from sb3_ext import DDPG, REINFORCE, DuelingDQN, PPOPenalty

Change = Callable[[Any], object]

SETTINGS: dict[str, Any] = {
    "learning_rate": 1e-2,
    "buffer_size": 100,
    "batch_size": 16,
    "learning_starts": 60,
    "seed": 0,
    "device": "cpu",
    "policy_kwargs": {"net_arch": [8, 8]},
}


def dqn(algorithm: Any = DuelingDQN, **kwargs: Any) -> Any:
    plain = {"dueling": False, "double_q": False} if algorithm is DuelingDQN else {}
    target = {"target_update_interval": 5, "tau": 0.5}
    settings = {**copy.deepcopy(SETTINGS), **plain, **target, **kwargs}  # SB3 writes into policy_kwargs
    return algorithm("MlpPolicy", gym.make("CartPole-v1"), **settings)


def ddpg(algorithm: Any = DDPG, **kwargs: Any) -> Any:
    return algorithm("MlpPolicy", gym.make("Pendulum-v1"), **{**copy.deepcopy(SETTINGS), **kwargs})


def reinforce(algorithm: Any = REINFORCE) -> Any:
    """With a learned value, an episode an update and no normalisation it is A2C that waits for the end of episodes."""
    settings = {"gamma": 0.9, "max_grad_norm": 0.5, **{name: SETTINGS[name] for name in ("seed", "device")}}
    if algorithm is REINFORCE:
        settings |= {"baseline": "value", "n_episodes": 1, "normalize_advantage": False}
    else:
        settings |= {"n_steps": 16, "use_rms_prop": False}
    env = make_vec_env("Pendulum-v1", env_kwargs={"max_episode_steps": 16})
    return algorithm("MlpPolicy", env, 1e-2, policy_kwargs={"net_arch": [8, 8]}, **settings)


def ppo_penalty(algorithm: Any = PPOPenalty) -> Any:
    """Hardly penalised, it is PPO that hardly clips."""
    settings = {"n_steps": 16, "batch_size": 8, "n_epochs": 2, "seed": 0, "device": "cpu"}
    if algorithm is PPOPenalty:
        settings |= {"initial_beta": 1e-6, "target_kl": 1e6}
    else:
        settings |= {"clip_range": 1e6}
    return algorithm("MlpPolicy", gym.make("CartPole-v1"), 1e-2, policy_kwargs={"net_arch": [8, 8]}, **settings)


PAIRS = pytest.mark.parametrize(
    ("make", "theirs"),
    [(dqn, DQN), (ddpg, PLAIN_DDPG), (reinforce, A2C), (ppo_penalty, PPO)],
    ids=["DuelingDQN", "DDPG", "REINFORCE", "PPOPenalty"],
)
MAKERS = pytest.mark.parametrize("make", [dqn, ddpg], ids=["DuelingDQN", "DDPG"])


def owners(model: Any) -> list[Any]:
    """What has an optimizer."""
    return [model.actor, model.critic] if hasattr(model, "actor") else [model.policy]


def stacks(model: Any, suffix: str = "") -> list[Any]:
    """The layers of the networks that learn, or of their targets, in the order of ``owners``."""
    if hasattr(model, "q_net"):
        return [getattr(model, f"q_net{suffix}").q_net]
    if not hasattr(model, "actor"):
        return [] if suffix else [model.policy.mlp_extractor.policy_net]
    critic = getattr(model, f"critic{suffix}")
    return [getattr(model, f"actor{suffix}").mu, critic.q_net if isinstance(model, DDPG) else critic.qf0]


def weights(model: Any) -> list[th.Tensor]:
    networks = [stack for suffix in ("", "_target") for stack in stacks(model, suffix)]
    if isinstance(model, OnPolicyAlgorithm):
        networks = [model.policy]
    return [parameter.detach().clone() for network in networks for parameter in network.parameters()]


def filled(model: Any, like: Any = None) -> Any:
    """Random play in the replay buffer, all targets unlike their networks; weights and buffer those of another."""
    if isinstance(model, OnPolicyAlgorithm):
        return model
    if like is None:
        model.learn(60)
        for stack in stacks(model, "_target"):
            nn.init.normal_(stack[0].weight)
    else:
        model.replay_buffer = like.replay_buffer
        for suffix in ("", "_target"):
            for mine, others in zip(stacks(model, suffix), stacks(like, suffix), strict=True):
                mine.load_state_dict(others.state_dict())
    model.set_logger(configure(None, []))
    return model


def train(model: Any, seed: int, n_updates: int = 3) -> None:
    if isinstance(model, OnPolicyAlgorithm):
        set_random_seed(seed)
        model.learn(16, reset_num_timesteps=False)
        return
    train_seeded(model, seed, n_updates, 16)
    if hasattr(model, "q_net"):
        for _ in range(5):
            model._on_step()


def freeze(model: Any, frozen: bool = True) -> None:
    for stack in stacks(model):
        stack[0].requires_grad_(not frozen)


def freeze_the_actor(model: Any) -> None:
    if hasattr(model, "actor"):
        model.actor.requires_grad_(False)


def replace_optimizers(model: Any, make: Any) -> None:
    for owner, stack in zip(owners(model), stacks(model), strict=True):
        owner.optimizer = make((owner if isinstance(model, OnPolicyAlgorithm) else stack).parameters())


def replace_last_layers(model: Any) -> None:
    th.manual_seed(5)
    for stack in stacks(model):
        last = max(number for number, layer in enumerate(stack) if isinstance(layer, nn.Linear))
        stack[last] = nn.Linear(stack[last].in_features, stack[last].out_features)


def add_last_layers_to_optimizers(model: Any) -> None:
    replace_last_layers(model)
    for owner, stack in zip(owners(model), stacks(model), strict=True):
        known = {id(p) for group in owner.optimizer.param_groups for p in group["params"]}
        owner.optimizer.add_param_group({"params": [p for p in stack.parameters() if id(p) not in known]})


def set_betas(model: Any) -> None:
    for owner in owners(model):
        owner.optimizer.param_groups[0]["betas"] = (0.5, 0.5)


def set_attributes(model: Any, **values: Any) -> None:
    for name, value in values.items():
        assert hasattr(model, name)
        setattr(model, name, value)


def set_settings(model: Any) -> None:
    on_policy = isinstance(model, OnPolicyAlgorithm)
    names = {"vf_coef": 0.1, "ent_coef": 0.2, "max_grad_norm": 1e-3} if on_policy else {"gamma": 0.5, "tau": 0.9}
    set_attributes(model, **names)


def compile_the_policy(model: Any) -> None:
    model.policy = th.compile(model.policy, backend="eager")


def both(*changes: Change) -> Change:
    return lambda model: [change(model) for change in changes]


ADAM, SGD = functools.partial(th.optim.Adam, lr=1e-2), functools.partial(th.optim.SGD, lr=1e-2)
CHANGES: dict[str, list[Change]] = {
    "frozen layers": [freeze],
    "layers frozen for a while": [freeze, functools.partial(freeze, frozen=False)],
    "a frozen network": [freeze_the_actor],
    "another Adam": [functools.partial(replace_optimizers, make=ADAM)],
    "a fused Adam": [functools.partial(replace_optimizers, make=functools.partial(ADAM, fused=True))],
    "another kind of optimizer": [functools.partial(replace_optimizers, make=SGD)],
    "SGD, then layers frozen": [functools.partial(replace_optimizers, make=SGD), freeze],
    "last layers that nothing trains": [replace_last_layers],
    "last layers and optimizer": [both(replace_last_layers, functools.partial(replace_optimizers, make=ADAM))],
    "last layers added to the optimizer": [add_last_layers_to_optimizers],
    "settings of the optimizer": [set_betas],
    "schedule": [functools.partial(set_attributes, lr_schedule=lambda progress: 1e-3)],
    "settings": [set_settings],
    "compiled policy": [compile_the_policy],
    "compiled policy, frozen layers": [compile_the_policy, freeze],
    "compiled policy, another optimizer": [both(compile_the_policy, functools.partial(replace_optimizers, make=ADAM))],
}


@pytest.fixture(autouse=True)
def no_graphs_left() -> Iterator[None]:
    yield
    th.compiler.reset()


@PAIRS
@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES.keys())
def test_it_trains_as_sb3_does(make: Any, theirs: Any, changes: list[Change]) -> None:
    reference = filled(make(theirs))
    model = filled(make(), like=reference)
    for seed, change in enumerate([lambda model: None, *changes]):
        found = []
        for one in (reference, model):
            change(one)
            train(one, seed)
            found.append(weights(one))
        for expected, value in zip(*found, strict=True):
            th.testing.assert_close(value, expected, rtol=1e-3, atol=1e-5)
    if not isinstance(model, OnPolicyAlgorithm):
        assert_equal_predictions(model, copy.deepcopy(model))


@pytest.mark.slow  # four graphs
def test_a_compiled_update_is_compiled_anew() -> None:
    """Layers frozen for a while have fewer steps behind them than the others."""
    fused = functools.partial(replace_optimizers, make=functools.partial(ADAM, fused=True))
    changes: list[Change] = [freeze, functools.partial(freeze, frozen=False), both(replace_last_layers, fused)]
    eager = filled(ddpg())
    model = filled(ddpg(compile=True), like=eager)
    for seed, change in enumerate(changes):
        for one in (eager, model):
            change(one)
            train(one, seed)
        assert model._run_update.compiles
        for expected, value in zip(weights(eager), weights(model), strict=True):
            th.testing.assert_close(value, expected, rtol=1e-3, atol=1e-5)
    replace_optimizers(model, SGD)
    with pytest.warns(UserWarning, match=r"compile=True: the update cannot be compiled \(it needs .* not SGD"):
        train(model, 5)


def test_the_gradient_of_ddpg_is_clipped_as_it_is_set() -> None:
    model = filled(ddpg(policy_kwargs={"net_arch": [8], "optimizer_class": th.optim.SGD}))
    before = weights(model)[:4]
    model.max_grad_norm = 1e-3
    model.train(1, 16)
    moved = [(new - old).norm() for new, old in zip(weights(model), before, strict=False)]
    assert th.stack(moved).norm().item() == pytest.approx(1e-2 * 1e-3, rel=1e-2)


@MAKERS
def test_training_acts_through_new_layers(make: Any) -> None:
    model = make(learning_starts=0, exploration_final_eps=0.0) if make is dqn else make(learning_starts=0)
    model.learn(20)
    for stack in stacks(model):
        stack[1] = nn.Sequential(nn.ELU(), nn.Dropout(0.5))
    model.learn(20)
    model.exploration_rate = 0.0
    modules = [module for owner in owners(model) for module in owner.modules() if isinstance(module, nn.Dropout)]
    for mode in (True, False):
        model.policy.set_training_mode(mode)
        assert modules and all(module.training == mode for module in modules)
    actions, _ = model._sample_action(0)
    expected, _ = model.predict(model._last_obs, deterministic=True)
    th.testing.assert_close(th.as_tensor(actions), th.as_tensor(expected))


@MAKERS
def test_a_callback_may_change_layers_in_the_middle_of_a_run(make: Any) -> None:
    """As for gradual unfreezing."""

    def at_step(local_variables: dict[str, Any], _: dict[str, Any]) -> bool:
        model = local_variables["self"]
        if model.num_timesteps == 80:
            freeze(model, frozen=False)
        seen.append([stack[0].weight.clone() for stack in stacks(model)])
        return True

    seen: list[list[th.Tensor]] = []
    model = make(train_freq=1)
    freeze(model)
    model.learn(100, callback=at_step)
    assert all(th.equal(*pair) for pair in zip(seen[0], seen[79], strict=True))
    assert not any(th.equal(*pair) for pair in zip(seen[79], seen[-1], strict=True))


@MAKERS
def test_a_compiled_policy_is_saved_and_loaded(make: Any, tmp_path: pathlib.Path) -> None:
    model = make(learning_starts=0).learn(20)
    compile_the_policy(model)
    model.learn(20)
    assert_equal_predictions(model, save_and_load(model, tmp_path))
