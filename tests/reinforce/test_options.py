"""Every option runs; models survive saving and loading; seeds reproduce runs."""

import copy
import pathlib
from typing import Any

import numpy as np
import pytest
import torch as th
from algorithm_battery import (
    assert_equal_state,
    assert_seeded_runs_equal,
    assert_survives_save_and_load,
    hyperparameters,
    save_and_load,
    seeded,
)
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import (
    FakeImageEnv,
    IdentityEnv,
    IdentityEnvBox,
    IdentityEnvMultiBinary,
    IdentityEnvMultiDiscrete,
    SimpleMultiObsEnv,
)
from stable_baselines3.common.logger import configure
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from sb3_ext.reinforce import REINFORCE


def identity_vec_env(n_envs: int = 1, box: bool = False) -> VecEnv:
    make_env = (lambda: IdentityEnvBox(ep_length=5)) if box else (lambda: IdentityEnv(3, ep_length=5))
    return seeded(make_vec_env(make_env, n_envs=n_envs))


def make(env: Any = None, policy: Any = "MlpPolicy", seed: int | None = 0, **kwargs: Any) -> REINFORCE:
    defaults: dict[str, Any] = {"n_episodes": 4, "policy_kwargs": {"net_arch": [8]}}
    return REINFORCE(policy, env or identity_vec_env(), seed=seed, device="cpu", **{**defaults, **kwargs})


OPTIONS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "mean": {"baseline": "mean", "normalize_advantage": False},
    "value": {"baseline": "value", "vf_coef": 0.1, "gamma": 1.0},
    "the paper": {
        "normalize_advantage": False,
        "learning_rate": 0.1,
        "policy_kwargs": {"optimizer_class": th.optim.SGD},
    },
    "entropy, clipping": {"ent_coef": 0.1, "max_grad_norm": 0.5},
    "bounds": {"max_steps": 7, "max_episode_steps": 5},
    "schedule": {"learning_rate": lambda p: 1e-3 * p},
    "linear rate": {"learning_rate": "lin_0.01"},
    "policy": {
        "baseline": "value",
        "policy_kwargs": {
            "net_arch": {"pi": [4], "vf": [6, 4]},
            "activation_fn": th.nn.ELU,
            "ortho_init": False,
            "share_features_extractor": False,
            "optimizer_kwargs": {"eps": 1e-4},
        },
    },
    "other": {"n_episodes": 1, "gamma": 0.0, "stats_window_size": 7, "seed": None},
}
BOX_OPTIONS: dict[str, dict[str, Any]] = {
    "small noise": {"policy_kwargs": {"log_std_init": -1.0}},
    "gSDE": {"use_sde": True},
    "gSDE, squashed": {"use_sde": True, "sde_sample_freq": 2, "policy_kwargs": {"squash_output": True}},
}
CASES = [(False, kwargs) for kwargs in OPTIONS.values()] + [(True, kwargs) for kwargs in BOX_OPTIONS.values()]


@pytest.mark.parametrize("n_envs", [1, 2])
@pytest.mark.parametrize(("box", "kwargs"), CASES, ids=[*OPTIONS, *BOX_OPTIONS])
def test_option_runs_and_survives_save_and_load(
    box: bool, kwargs: dict[str, Any], n_envs: int, tmp_path: pathlib.Path
) -> None:
    model = make(identity_vec_env(n_envs, box), **kwargs)
    given = hyperparameters(model)
    before = copy.deepcopy(model.policy.state_dict())
    model.learn(60)
    assert any(not th.equal(value, before[name]) for name, value in model.policy.state_dict().items())
    assert hyperparameters(model) == given
    assert_survives_save_and_load(model, tmp_path)


@pytest.mark.parametrize("n_envs", [1, 2])
@pytest.mark.parametrize(
    "make_env",
    [lambda: IdentityEnvBox(ep_length=5), lambda: IdentityEnvMultiDiscrete(3, 5), lambda: IdentityEnvMultiBinary(3, 5)],
    ids=["Box", "MultiDiscrete", "MultiBinary"],
)
def test_action_spaces(make_env: Any, n_envs: int, tmp_path: pathlib.Path) -> None:
    model = make(make_vec_env(make_env, n_envs=n_envs), baseline="value").learn(60)
    assert_survives_save_and_load(model, tmp_path)


@pytest.mark.parametrize("kwargs", [{}, {"use_sde": True, "policy_kwargs": {"squash_output": True}}])
def test_box_actions_reach_the_environment_within_bounds(kwargs: dict[str, Any]) -> None:
    class Matrix(IdentityEnvBox):
        taken: list[Any]

        def __init__(self) -> None:
            super().__init__(ep_length=50)
            low = np.array([[0, 0, 0], [-9, -9, -9]], np.float32)
            self.action_space, self.taken = spaces.Box(low, low + 0.5), []

        def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
            assert self.action_space.contains(action)
            self.taken.append(action)
            return super().step(action[:1, :1])

        def _choose_next_state(self) -> None:
            self.state = self.observation_space.sample()

        def _get_reward(self, action: np.ndarray) -> float:
            return float(action.sum())

    env = Matrix()
    model = make(env, n_episodes=1, **kwargs).learn(50)
    taken = np.array(env.taken)
    assert taken.shape == (50, 2, 3) and (np.ptp(taken[:, 0], axis=0) > 0.05).all()
    # A Gaussian around 0 is clipped to the upper bound of the second row; tanh maps its middle to the middle
    assert (taken[:, 1] == -8.5).all() == (not kwargs)
    assert model.action_space.contains(model.predict(np.zeros(1, np.float32))[0])


@pytest.mark.parametrize("n_envs", [1, 2])
def test_images(n_envs: int, tmp_path: pathlib.Path) -> None:
    env = make_vec_env(lambda: FakeImageEnv(2, 36, 36), n_envs=n_envs)
    assert_survives_save_and_load(make(env, "CnnPolicy", n_episodes=2).learn(30), tmp_path)


@pytest.mark.parametrize("n_envs", [1, 2])
def test_dict_observations(n_envs: int, tmp_path: pathlib.Path) -> None:
    env = make_vec_env(SimpleMultiObsEnv, n_envs=n_envs)
    assert_survives_save_and_load(make(env, "MultiInputPolicy", baseline="value").learn(40), tmp_path)


@pytest.mark.parametrize("n_envs", [1, 2])
def test_vec_normalize_feeds_normalised_observations_and_rewards(n_envs: int) -> None:
    env = VecNormalize(make_vec_env(lambda: IdentityEnvBox(50, 90, ep_length=50), n_envs=n_envs), norm_reward=True)
    env.ret_rms.var = np.array(1e-4)
    model = make(env, gamma=0.0).learn(200)
    samples = model.episodes.samples(0.0, th.device("cpu"))
    assert isinstance(samples.observations, th.Tensor)
    assert abs(samples.observations.mean()) < 1
    assert model.episodes.n_steps == 200 and set(samples.returns.tolist()) & {0.0}


@pytest.mark.parametrize("kwargs", [{}, {"baseline": "value", "ent_coef": 0.01}], ids=["none", "value"])
@pytest.mark.parametrize("n_envs", [1, 3])
def test_seeded_runs_equal(n_envs: int, kwargs: dict[str, Any]) -> None:
    assert_seeded_runs_equal(
        lambda seed: make(make_vec_env("CartPole-v1", n_envs=n_envs), seed=seed, **kwargs), total_timesteps=200
    )


def test_training_continues_after_load_as_if_never_saved(tmp_path: pathlib.Path) -> None:
    def more(model: REINFORCE) -> dict[str, Any]:
        model.set_env(make_vec_env("CartPole-v1", seed=1))
        model.set_random_seed(1)
        return model.learn(100, reset_num_timesteps=False).get_parameters()

    model = make(make_vec_env("CartPole-v1"), learning_rate="lin_0.01").learn(100)
    n_updates, n_steps = model._n_updates, model.num_timesteps
    loaded = save_and_load(model, tmp_path, make_vec_env("CartPole-v1"))
    assert (loaded._n_updates, loaded.num_timesteps) == (n_updates, n_steps)
    assert_equal_state(more(model), more(loaded))


def test_hyperparameters_can_change_at_load(tmp_path: pathlib.Path) -> None:
    loaded = save_and_load(make(), tmp_path, identity_vec_env(), learning_rate=5e-4, n_episodes=2, baseline="value")
    loaded.learn(10)
    assert loaded.policy.optimizer.param_groups[0]["lr"] == 5e-4
    assert loaded._n_updates == 1


def test_learning_rate_never_turns_negative() -> None:
    model = make(learning_rate=lambda p: p, n_episodes=10).learn(49)
    assert model.num_timesteps == 50
    assert model.policy.optimizer.param_groups[0]["lr"] == 0.0


def test_the_callers_dictionary_stays_as_it_was() -> None:
    policy_kwargs = {"net_arch": [8], "optimizer_kwargs": {"eps": 1e-5}}
    given = copy.deepcopy(policy_kwargs)
    model = make(policy_kwargs=policy_kwargs).learn(20)
    assert policy_kwargs == given == model.policy_kwargs and model.policy_kwargs is not policy_kwargs


def test_policy_alone_survives_save_and_load(tmp_path: pathlib.Path) -> None:
    policy = make().policy
    policy.save(str(tmp_path / "policy"))
    loaded = ActorCriticPolicy.load(str(tmp_path / "policy"), device="cpu")
    assert_equal_state(policy.state_dict(), loaded.state_dict())


def test_untrained_policy_is_nearly_uniform() -> None:
    policy = make(make_vec_env("CartPole-v1")).policy
    probabilities = policy.get_distribution(th.randn(50, 4)).distribution.probs
    assert (probabilities - 0.5).abs().max() < 0.02


@pytest.mark.parametrize("baseline", ["none", "value"])
def test_logged_keys(baseline: str, tmp_path: pathlib.Path) -> None:
    model = make(identity_vec_env(2, box=True), baseline=baseline, learning_rate=lambda p: 1e-2 * p)
    model.set_logger(configure(str(tmp_path), ["csv", "tensorboard"]))
    model.learn(60, log_interval=1)
    header, *_, last = (tmp_path / "progress.csv").read_text().splitlines()
    row = dict(zip(header.split(","), last.split(","), strict=True))
    expected = {f"train/{key}" for key in ("learning_rate", "policy_loss", "entropy_loss", "n_updates", "std")}
    expected |= {"rollout/ep_rew_mean", "rollout/ep_len_mean", "time/fps", "time/total_timesteps", "time/iterations"}
    assert expected <= row.keys()
    assert ({"train/value_loss", "train/explained_variance"} <= row.keys()) == (baseline == "value")
    # The last row is written at step 60, before its update: rate and count are those of step 40
    assert float(row["train/learning_rate"]) == pytest.approx(1e-2 / 3)
    assert float(row["train/n_updates"]) == 2
    assert list(tmp_path.glob("events.out.tfevents*"))


def test_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    make().learn(20, progress_bar=True)
    captured = capsys.readouterr()
    assert "100%" in captured.out + captured.err
