"""Nothing that a stranger's file holds is executed, and every such file is refused in one line."""

import io
import os
import pickle
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hostile
import numpy as np
import pytest
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.type_aliases import TrainFrequencyUnit
from stable_baselines3.common.utils import FloatSchedule

from sb3_ext.safe import safe_load
from sb3_ext.safe.loading import read_model


def refused(content: bytes) -> str:
    with pytest.raises(ValueError, match=r"^cannot load 'the stream': ") as caught:
        safe_load(io.BytesIO(content))
    assert type(caught.value) is ValueError
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 700
    return message


def test_the_corpus_does_harm_where_it_is_unpickled(model: bytes, marker: Path) -> None:
    """Else the tests below could not fail."""
    DQN.load(io.BytesIO(hostile.with_data(model, verbose=pickle.dumps(hostile.Touch(marker)))))
    assert marker.is_dir()
    executed, call = 0, FloatSchedule.__call__
    for name, pickled in hostile.code(marker):
        if marker.is_dir():
            marker.rmdir()
        try:
            pickle.loads(pickled)
        except Exception as error:
            assert name not in ("an object", "INST", "OBJ", "eval"), error
        executed += marker.is_dir()
    assert executed >= 11
    assert FloatSchedule.__call__ is not call
    FloatSchedule.__call__ = call  # type: ignore[method-assign]


def test_code_in_any_entry_of_the_data_is_refused(model: bytes, marker: Path) -> None:
    for entry, pickled in hostile.pickles_in(model).items():
        message_or_none = None
        changed = hostile.with_data(model, **{entry: pickle.dumps([hostile.Touch(marker), pickled])})
        if entry in ("exploration_schedule", "lr_schedule"):  # which is made again
            assert isinstance(safe_load(io.BytesIO(changed)), DQN)
        else:
            message_or_none = refused(changed)
            assert f"its '{entry}' makes an object with 'posix.mkdir'" in message_or_none
            assert f"custom_objects={{'{entry}': ...}}" in message_or_none
    assert not marker.exists()


class Attribute:
    """Asks for an attribute where it is unpickled."""

    def __init__(self, of: object, name: object) -> None:
        self.asked = of, name

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, self.asked


def test_members_of_enumerations_by_name_as_some_pythons_write_them(model: bytes) -> None:
    for unit in TrainFrequencyUnit:
        frequency = pickle.dumps([3, Attribute(TrainFrequencyUnit, unit.name)])
        found = read_model(io.BytesIO(hostile.with_data(model, train_freq=frequency)))
        assert found.data["train_freq"] == [3, unit]
    asked = [
        *((TrainFrequencyUnit, name) for name in ("mro", "__subclasses__", "_member_map_", "NO", 3)),
        *((DQN, "load"), ("text", "join"), (os.mkdir, "__globals__"), (Attribute(TrainFrequencyUnit, "STEP"), "name")),
    ]
    for of, name in asked:
        assert "getattr" in refused(hostile.with_data(model, train_freq=pickle.dumps(Attribute(of, name))))


def test_code_of_any_form_is_refused(model: bytes, marker: Path) -> None:
    for name, pickled in hostile.code(marker):
        assert "its 'train_freq' " in refused(hostile.with_data(model, train_freq=pickled)), name
        assert "custom_objects" in refused(hostile.with_data(model, new_entry=pickled)), name
    assert not marker.exists()


@pytest.mark.parametrize("entry", ["policy.pth", "policy.optimizer.pth", "pytorch_variables.pth"])
def test_code_among_the_weights_is_refused(model: bytes, marker: Path, entry: str) -> None:
    for name, pickled in hostile.code(marker):
        assert entry in refused(hostile.with_tensors(model, entry, pickled)), name
    assert not marker.exists()


def test_code_is_named_as_such(model: bytes, marker: Path) -> None:
    found = dict(hostile.code(marker))
    message = refused(hostile.with_data(model, replay_buffer_class=found["a lambda"]))
    assert "its 'replay_buffer_class' holds the code of a function or class, which loading would run" in message


def test_what_is_refused_can_be_replaced(model: bytes, marker: Path) -> None:
    changed = hostile.with_data(model, learning_rate=dict(hostile.code(marker))["a lambda"])
    assert "custom_objects={'learning_rate': ...}" in refused(changed)
    assert safe_load(io.BytesIO(changed), custom_objects={"learning_rate": 0.25}).learning_rate == 0.25
    assert not marker.exists()


def test_what_would_fill_the_memory_is_refused(model: bytes) -> None:
    for name, pickled in hostile.bombs():
        assert "its 'train_freq' " in refused(hostile.with_data(model, train_freq=pickled)), name
        refused(hostile.with_tensors(model, "policy.pth", pickled))


def test_a_huge_memo_takes_no_memory(model: bytes) -> None:
    changed = hostile.with_data(model, train_freq=b"\x80\x04K\x04r\xff\xff\xff\xff.")
    assert read_model(io.BytesIO(changed)).data["train_freq"] == 4


def test_zips_that_are_none_or_bombs_are_refused(model: bytes) -> None:
    for name, content in hostile.zips(model):
        assert refused(content), name


def test_attributes_that_no_model_has_are_refused(model: bytes, marker: Path) -> None:
    for name, value in hostile.attributes(marker):
        assert refused(hostile.with_data(model, **{name: value})), name
    assert not marker.exists()


def test_weights_for_what_is_no_part_of_a_model_are_refused(model: bytes) -> None:
    entries = hostile.parts(model)
    for name in ("policy.__class__.pth", "_logger.pth", "policy..optimizer.pth", "set_parameters.pth", "other.pth"):
        refused(hostile.joined({**entries, name: entries["policy.pth"]}))


@pytest.mark.parametrize("layers", [[50_000_000], [20_000, 20_000], [4] * 20_000])
def test_networks_larger_than_their_weights_are_refused(model: bytes, layers: list[int]) -> None:
    start, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    changed = hostile.with_data(model, policy_kwargs={"net_arch": layers})
    assert "networks that are larger than the weights" in refused(changed)
    assert time.process_time() - start < 5.0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


def test_a_file_does_not_choose_where_training_writes(model: bytes, tmp_path: Path) -> None:
    loaded = safe_load(io.BytesIO(hostile.with_data(model, tensorboard_log=str(tmp_path))))
    assert loaded.tensorboard_log is None


def tensors() -> Iterator[torch.Tensor]:
    base = torch.zeros(4)
    yield base.expand(1000, 4)
    yield torch.zeros(1).expand(10**12)


def test_tensors_larger_than_their_content_are_refused(model: bytes) -> None:
    for tensor in tensors():
        file = io.BytesIO()
        torch.save({"q_net.q_net.0.weight": tensor}, file)
        changed = hostile.joined({**hostile.parts(model), "policy.pth": file.getvalue()})
        assert "larger than its content" in refused(changed)


def test_a_generator_reads_no_foreign_memory(model: bytes) -> None:
    generator = np.random.Generator(np.random.MT19937(1))
    assert read_model(io.BytesIO(hostile.with_data(model, more=pickle.dumps(generator)))).data["more"]
    pickled = pickle.dumps(generator).replace(b"\x8c\x03pos\x94Mo\x02", b"\x8c\x03pos\x94M\xff\xff")
    assert "damaged generator" in refused(hostile.with_data(model, more=pickled))


def test_mutated_pickles_and_weights_load_or_are_refused(model: bytes) -> None:
    draw = np.random.default_rng(0)
    pickles = list(hostile.pickles_in(model).items())
    tensors = hostile.parts(hostile.parts(model)["policy.optimizer.pth"])
    (name,) = (name for name in tensors if name.endswith("data.pkl"))
    failed = 0
    for trial in range(90):
        if trial % 3:
            entry, pickled = pickles[draw.integers(len(pickles))]
            starts = hostile.opcodes(pickled)
            at = starts[draw.integers(len(starts))] if trial % 2 else int(draw.integers(len(pickled)))
            changed = hostile.with_data(model, **{entry: hostile.mutated(pickled, at, int(draw.integers(256)))})
        else:
            at, value = int(draw.integers(len(tensors[name]))), int(draw.integers(256))
            changed = hostile.with_tensors(model, "policy.optimizer.pth", hostile.mutated(tensors[name], at, value))
        try:
            safe_load(io.BytesIO(changed))
        except ValueError as error:
            failed += 1
            assert "\n" not in str(error)
    assert 20 < failed < 90


def test_mutated_files_are_refused_or_load(model: bytes) -> None:
    draw = np.random.default_rng(1)
    text = hostile.parts(model)["data"]
    for trial in range(40):
        if trial % 2:
            changed = hostile.mutated(model, int(draw.integers(len(model))), int(draw.integers(256)))
        else:
            mutated = hostile.mutated(text, int(draw.integers(len(text))), int(draw.integers(32, 127)))
            changed = hostile.joined({**hostile.parts(model), "data": mutated})
        try:
            safe_load(io.BytesIO(changed))
        except ValueError as error:
            assert "\n" not in str(error)
