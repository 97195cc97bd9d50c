"""Settings in run folders are read as the zoo reads them, as far as nothing in them could be executed."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch as th
import yaml

from sb3_ext.safe import run_folder_loader

SAVED: list[Any] = [
    OrderedDict(policy="MlpPolicy", n_timesteps=1e5, normalize=True, policy_kwargs="dict(net_arch=[4])"),
    OrderedDict(env_wrapper=[{"sb3_ext.wrappers.TerminalPenalty": {"penalty": 1.0}}], train_freq=(1, "episode")),
    OrderedDict(env_wrapper="rl_zoo3.wrappers.FrameSkip", policy_kwargs={"activation_fn": th.nn.ELU}),
    OrderedDict(env_wrapper=["gymnasium.wrappers.FlattenObservation"], env_kwargs={"a": [1, None, "x"]}),
    OrderedDict(vec_env_wrapper="stable_baselines3.common.vec_env.VecFrameStack", env_wrapper=None),
    {"normalize": {"norm_obs": True}, "seed": 3},
]


def read(text: str, *packages: str) -> Any:
    return yaml.load(text, Loader=run_folder_loader(packages))


@pytest.mark.parametrize("saved", SAVED)
def test_it_reads_what_the_zoo_writes(saved: Any) -> None:
    text = yaml.dump(saved)
    assert read(text) == yaml.unsafe_load(text) == saved
    assert type(read(text)) is type(saved)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: !!python/object/apply:os.mkdir ['{marker}']", "could run code"),
        ("!!python/object/apply:os.mkdir ['{marker}']", "could run code"),
        ("!!python/object/new:os.mkdir ['{marker}']", "could run code"),
        ("!!python/object:pathlib.Path {{}}", "could run code"),
        ("a: !!python/module:os", "could run code"),
        ("a: !!python/name:os.system", "none of the classes"),
        ("? !!python/object/apply:os.mkdir ['{marker}']\n: 1", "could run code"),
        ("normalize: \"__import__('os').mkdir('{marker}')\"", "no dictionary of plain values"),
        ("normalize: \"dict(**__import__('os').mkdir('{marker}'))\"", "no dictionary of plain values"),
        ("normalize: \"'text'\"", "no dictionary of plain values"),
        ("env_wrapper: os.system", "none of the known wrappers"),
        ("env_wrapper: [{{pydoc.pipepager: {{cmd: x}}}}]", "none of the known wrappers"),
        ("env_wrapper: gymnasium.wrappers.RecordVideo", "none of the known wrappers"),
        ("env_wrapper: gymnasium.wrappers.os.system", "none of the known wrappers"),
        ("env_wrapper: rl_zoo3.wrappers.np", "none of the known wrappers"),
        ("env_wrapper: [[os.system]]", "has no name"),
        ("vec_env_wrapper: stable_baselines3.common.vec_env.VecMonitor", "none of the known wrappers"),
        ("[" * 5000, "too deep"),
        (
            "a: &a [1,1]\nb: &b [" + "*a," * 999 + "]\nc: &c [" + "*b," * 999 + "]\nd: [" + "*c," * 999 + "]",
            "more than",
        ),
        (
            "a: &a {{x: [" + "1," * 999 + "]}}\nb: &b {{" + "<<: *a," * 99 + "}}\nc: {{" + "<<: *b," * 999 + "}}",
            "more than",
        ),
    ],
)
def test_what_could_run_code_is_refused(text: str, told: str, marker: Path) -> None:
    with pytest.raises((ValueError, yaml.YAMLError), match=told):
        read(text.format(marker=marker))
    assert not marker.exists()


def test_wrappers_of_packages_that_the_user_names_are_allowed() -> None:
    assert read("env_wrapper: my_package.wrappers.Own", "my_package")["env_wrapper"] == "my_package.wrappers.Own"
    with pytest.raises(ValueError, match="none of the known wrappers"):
        read("env_wrapper: my_package.wrappers.Own", "my_pack")


def test_normalize_is_read_in_both_forms() -> None:
    for text in ("{'norm_obs': True, 'gamma': 0.9}", "dict(norm_obs=True, gamma=0.9)"):
        assert read(yaml.dump({"normalize": text}))["normalize"] == {"norm_obs": True, "gamma": 0.9}
