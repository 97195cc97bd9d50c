"""The penalty is saved, loaded and logged."""

import pathlib

from algorithm_battery import identity, identity_box, logged_rows, save_and_load
from ppo_penalty_case import make
from stable_baselines3.common.vec_env import VecNormalize

from sb3_ext.ppo_penalty.ppo_penalty import adapted


def test_vec_normalize() -> None:
    model = make(VecNormalize(identity_box(2))).learn(40)
    assert abs(model.rollout_buffer.observations).max() < 10


def test_hyperparameters_can_change_at_load(tmp_path: pathlib.Path) -> None:
    loaded = save_and_load(make(), tmp_path, identity(), target_kl=0.5, beta=7.0)
    loaded.learn(8)
    assert (loaded.target_kl, loaded.beta) == (0.5, 3.5)


def test_old_policy_is_not_saved(tmp_path: pathlib.Path) -> None:
    model = make().learn(8)
    model.save(tmp_path / "model")
    assert save_and_load(model, tmp_path)._old_policy is not model._old_policy
    assert set(model.get_parameters()) == {"policy", "policy.optimizer"}
    assert "_old_policy" in model._excluded_save_params()


def test_logged_penalties_follow_the_logged_divergences(tmp_path: pathlib.Path) -> None:
    model = make(identity_box(2), target_kl=0.005)
    rows = logged_rows(model, tmp_path, 128)
    penalties, divergences = ([float(row[f"train/{name}"]) for row in rows[1:]] for name in ("beta", "kl"))
    assert len(penalties) == 7 and penalties[0] == model.initial_beta
    for beta, kl, following in zip(penalties, divergences, penalties[1:], strict=False):
        assert following == adapted(beta, kl, 0.005)
    assert len(set(penalties)) > 2
