"""Checkpoints of strangers: nothing that they hold is imported, called or executed, and none fails with a traceback."""

import json
import pickle
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hostile
import numpy as np
import pytest
from stable_baselines3 import DQN
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import CheckpointCallback

from sb3_ext import checkpoint
from sb3_ext.checkpoint import CheckpointEvery

Document = dict[str, Any]


def small_model() -> BaseAlgorithm:
    return DQN("MlpPolicy", "CartPole-v1", policy_kwargs=dict(net_arch=[4]), buffer_size=50, learning_starts=9, seed=0)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint in a training."""
    path = tmp_path_factory.mktemp("checkpoints")
    small_model().learn(40, callback=[CheckpointEvery(20, path, keep=9), CheckpointCallback(30, str(path / "zoo"))])
    return min(path.glob("[0-9]*"), key=lambda one: one.stat().st_mtime)


@pytest.fixture
def changed(saved: Path, tmp_path: Path) -> Callable[[Callable[[Document], Any]], Path]:
    """Writes the checkpoint with another state."""

    def write(change: Callable[[Document], Any]) -> Path:
        path = tmp_path / "1_steps-1"
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(saved, path)
        content = json.loads((path / "state.json").read_text())
        change(content["document"])
        (path / "state.json").write_text(json.dumps(content))
        return path

    return write


def refused(path: Path) -> str:
    with pytest.raises(ValueError) as caught:
        checkpoint.load(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
    return str(caught.value)


def of_model(document: Document) -> dict[str, Any]:
    pairs = dict((key, node) for key, node in document["graph"]["pairs"])
    state: dict[str, Any] = pairs["model"]["state"]
    return state


def sets(**attributes: Any) -> Callable[[Document], None]:
    return lambda document: of_model(document).update(attributes)


def with_spec(change: Callable[[dict[str, Any]], Any]) -> Callable[[Document], None]:
    def apply(document: Document) -> None:
        (recipe,) = document["recipe"]["environments"]
        spec = json.loads(recipe["spec"])
        change(spec)
        recipe["spec"] = json.dumps(spec)

    return apply


def harmful(marker: Path) -> Iterator[tuple[str, Callable[[Document], Any]]]:
    """Changes of a checkpoint that would run something, each with a name."""
    calls = {"path": str(marker)}
    for name in ("os.mkdir", "hostile.Touch", "pickle.loads", "sb3_ext.checkpoint.checkpoint.shutil.rmtree", "x", 3):
        yield f"the algorithm {name}", lambda document, name=name: document.update(algorithm=name)
    yield "a function for an environment", with_spec(lambda spec: spec.update(entry_point="os:mkdir", kwargs=calls))
    yield "another id", with_spec(lambda spec: spec.update(id="Evil-v0", entry_point="os:mkdir", kwargs=calls))
    for name in ("os:mkdir", "gymnasium.wrappers.rendering:os", "gymnasium.wrappers.rendering:RecordVideo"):
        wrapper = {"name": "x", "entry_point": name, "kwargs": calls}
        yield f"the wrapper {name}", with_spec(lambda spec, one=wrapper: spec.update(additional_wrappers=[one]))
    one = {"id": 10**6, "items": [str(marker)]}
    tuples = ("stable_baselines3.common.logger.CSVOutputFormat", "sb3_ext.checkpoint.checkpoint.os.mkdir", "os.mkdir")
    for name in tuples:
        yield f"a tuple of {name}", sets(more={"sequence": "tuple", "class": name, **one})
    yield "a member", sets(more={"enum": "gymnasium.spaces.Box", "name": "x"})
    yield "an object", sets(more={"object": "subprocess.Popen", "state": {"args": str(marker)}, "id": 10**6})
    mt = [["has_gauss", 0], ["gauss", 0.0]]
    philox = [["buffer", [0] * 4], ["buffer_pos", -10], ["has_uint32", 0], ["uinteger", 0]]
    for kind, inner, rest in (
        ("test", {}, []),
        *(
            ("MT19937", {"key": key, "pos": pos}, mt)
            for key, pos in (([1], 9), ([1] * 624, 625), ([1] * 624, -1), ([1] * 5000, 4000))
        ),
        ("Philox", {"counter": [0] * 4, "key": [0] * 2}, philox),
    ):
        state = {"mapping": "dict", "pairs": list(map(list, inner.items())), "id": 10**6 + 2}
        pairs = [["bit_generator", kind], ["state", state], *rest]
        node = {"generator": {"mapping": "dict", "pairs": pairs, "id": 10**6 + 1}, "id": 10**6}
        yield f"a generator {kind} {str(inner)[-20:]}", sets(more=node)
    for name in ("predict", "train", "__class__", "__dict__", "_setup_learn"):
        yield f"the attribute {name}", sets(**{name: "x"})
    yield (
        "a function elsewhere",
        sets(
            policy_class={"fixed": "x", "id": 10**6}, zz={"sequence": "list", "items": [{"seen": 10**6}], "id": 10**7}
        ),
    )
    yield "a special", sets(observation_space={"special": "gymnasium.spaces.Box", "state": 1, "id": 10**6})
    for node in (
        {},
        {"seen": 10**6},
        {"array": 10**6},
        {"tensor": 0, "dtype": "load", "device": "cpu"},
        {"special": "x"},
    ):
        yield f"the node {node}", sets(more={**node, "id": 10**6})


def test_nothing_that_it_names_is_called(
    changed: Callable[[Callable[[Document], Any]], Path], tmp_path: Path, marker: Path
) -> None:
    for name, change in harmful(marker):
        assert refused(changed(change)), name
        assert not marker.exists(), name


def test_code_in_its_model_is_refused_unless_it_is_trusted(saved: Path, tmp_path: Path, marker: Path) -> None:
    path = tmp_path / "1_steps-1"
    shutil.copytree(saved, path)
    model = (path / "model.zip").read_bytes()
    (path / "model.zip").write_bytes(hostile.with_data(model, verbose=pickle.dumps(hostile.Touch(marker))))
    message = refused(path)
    assert "its 'verbose' makes an object with 'posix.mkdir'" in message
    assert "safe=False" in message
    assert not marker.exists()
    checkpoint.load(path, safe=False)
    assert marker.is_dir()


def test_arguments_that_are_code_can_be_given_anew(tmp_path: Path) -> None:
    def schedule(left: float) -> float:
        return 0.1 * left

    def training(folder: str) -> tuple[DQN, list[Any]]:
        model = DQN("MlpPolicy", "CartPole-v1", schedule, policy_kwargs=dict(net_arch=[4]), learning_starts=9, seed=0)
        return model, [CheckpointEvery(30, tmp_path / folder, keep=9)]

    whole, callback = training("whole")
    whole.learn(80, callback=callback)
    half = min((tmp_path / "whole").glob("[0-9]*"), key=lambda one: one.stat().st_mtime)
    with pytest.raises(ValueError, match=r"custom_objects=\{'learning_rate'"):
        checkpoint.load(half)
    for given in ({"custom_objects": {"learning_rate": schedule}}, {"safe": False}):
        resumed = checkpoint.load(half, **given)
        resumed.learn(80 - resumed.num_timesteps, reset_num_timesteps=False)
        for name, value in whole.policy.state_dict().items():
            np.testing.assert_array_equal(value.numpy(), resumed.policy.state_dict()[name].numpy())


def test_a_file_does_not_choose_where_callbacks_write(
    changed: Callable[[Callable[[Document], Any]], Path], tmp_path: Path
) -> None:
    def elsewhere(document: Document) -> None:
        for node in document["callbacks"]:
            node["state"].update(name_prefix="../../evil", save_path=str(tmp_path / "evil"))

    model = checkpoint.load(changed(elsewhere))
    callback = CheckpointCallback(10, str(tmp_path / "mine"))
    model.learn(20, callback=callback, reset_num_timesteps=False)
    assert list((tmp_path / "mine").iterdir())
    assert not list(tmp_path.rglob("*evil*"))


def test_mutated_states_load_or_are_refused(changed: Callable[[Callable[[Document], Any]], Path]) -> None:
    odd: list[Any] = [None, -1, 10**6, "x", [], {}, True, 1.5, {"seen": 0}, {"seen": 3}, {"array": 0}, {"fixed": "x"}]
    for seed in range(40):
        rng = random.Random(seed)

        def change(document: Document, rng: random.Random = rng) -> None:
            places = list(_places(document))
            for holder, key in rng.sample(places, 3):
                holder[key] = rng.choice(odd)

        path = changed(change)
        try:
            checkpoint.load(path)
        except ValueError as error:
            assert "\n" not in str(error), seed


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield value, key
        yield from _places(inner)
