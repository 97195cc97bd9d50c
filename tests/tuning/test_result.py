"""What a finished search tells."""

from __future__ import annotations

from studies import MakeSpec

from sb3_ext.tuning.result import train_command


def test_the_command_that_trains_the_best_block_again(make_spec: MakeSpec) -> None:
    command = train_command(make_spec(vec_env="native", device="cpu", gym_packages=("my_envs", "others")), 2)
    assert command.endswith(" --seed 0 --num-threads 2 --vec-env native --device cpu --gym-packages my_envs others")
    assert "--device" not in train_command(make_spec(gym_packages=()), 1)
