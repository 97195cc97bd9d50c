"""
Every public method of SB3's base classes of policies does with our classes what it does with SB3's.

The methods are found by inspection: one that a new version of SB3 brings has no call here, and is missed by name.
"""

import pathlib
from typing import Any

import numpy as np
import pytest
import torch as th
from algorithm_battery import Case, assert_equal_state, identity_box
from cases import each, name
from gymnasium import spaces
from stable_baselines3.common.policies import BaseModel, BasePolicy
from upstream_methods import Calls, public


def policy_file(policy: Any, folder: pathlib.Path) -> None:
    policy.save(str(folder / "policy"))
    loaded = type(policy).load(str(folder / "policy"), device="cpu")
    assert_equal_state(policy.state_dict(), loaded.state_dict())


def vector(policy: Any, folder: pathlib.Path) -> None:
    parameters = policy.parameters_to_vector()
    assert parameters.ndim == 1 and parameters.size > 0
    policy.load_from_vector(np.zeros_like(parameters))
    assert not policy.parameters_to_vector().any()


def features(policy: Any, folder: pathlib.Path) -> None:
    observations, _ = policy.obs_to_tensor(policy.observation_space.sample())
    extractor = policy.make_features_extractor()
    assert policy.extract_features(observations, extractor).shape == (1, extractor.features_dim)


def observations(policy: Any, folder: pathlib.Path) -> None:
    one = policy.observation_space.sample()
    several = np.stack([np.asarray(one)] * 3)
    assert not policy.is_vectorized_observation(np.asarray(one)) and policy.is_vectorized_observation(several)
    tensor, vectorized = policy.obs_to_tensor(several)
    assert vectorized and len(tensor) == 3 and tensor.device == policy.device


def training_mode(policy: Any, folder: pathlib.Path) -> None:
    for mode in (True, False):
        policy.set_training_mode(mode)
        assert policy.training is mode


def policy_predict(policy: Any, folder: pathlib.Path) -> None:
    for deterministic in (True, False):
        action, _ = policy.predict(policy.observation_space.sample(), None, None, deterministic)
        assert action in policy.action_space
    with pytest.raises(ValueError, match="mixing Gym API"):
        policy.predict((policy.observation_space.sample(), {}))


def scaling(policy: Any, folder: pathlib.Path) -> None:
    if not isinstance(policy.action_space, spaces.Box):
        for scale in (policy.scale_action, policy.unscale_action):
            with pytest.raises(AssertionError, match="not a Box"):
                scale(np.zeros(1))
        return
    actions = policy.action_space.sample()
    np.testing.assert_allclose(policy.unscale_action(policy.scale_action(actions)), actions, rtol=1e-5)


def squash_output(policy: Any, folder: pathlib.Path) -> None:
    assert isinstance(policy.squash_output, bool)


def init_weights(policy: Any, folder: pathlib.Path) -> None:
    layer = th.nn.Linear(3, 3)
    policy.init_weights(layer, gain=2.0)
    th.testing.assert_close(layer.weight @ layer.weight.T, 4 * th.eye(3))


POLICY: Calls = {
    "save": policy_file,
    "load": policy_file,
    "load_from_vector": vector,
    "parameters_to_vector": vector,
    "make_features_extractor": features,
    "extract_features": features,
    "is_vectorized_observation": observations,
    "obs_to_tensor": observations,
    "device": observations,
    "set_training_mode": training_mode,
    "predict": policy_predict,
    "scale_action": scaling,
    "unscale_action": scaling,
    "squash_output": squash_output,
    "init_weights": init_weights,
}


@each()
def test_policies(case: Case, tmp_path: pathlib.Path) -> None:
    models = [case.make()]
    if name(case) in ("REINFORCE", "GeneticSearch", "PolicySearch", "PPOPenalty", "A3C"):
        models.append(case.make(identity_box()))
    for policy in (model.learn(case.steps).policy for model in models):
        for call in dict.fromkeys(POLICY.values()):
            call(policy, tmp_path)


def test_no_public_method_is_left_out() -> None:
    assert public(BaseModel, BasePolicy) == POLICY.keys()
