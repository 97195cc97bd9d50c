"""Files of models that were written to do harm."""

import base64
import functools
import io
import json
import os
import pickle
import pickletools
import struct
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import torch
from stable_baselines3.common.utils import FloatSchedule


class Touch:
    """Makes a folder where it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def parts(model: bytes) -> dict[str, bytes]:
    """The entries of a zip file."""
    with zipfile.ZipFile(io.BytesIO(model)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def joined(entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


def with_data(model: bytes, **changes: Any) -> bytes:
    """The model with other values in ``data``; bytes are pickles."""
    entries = parts(model)
    data = json.loads(entries["data"])
    for name, value in changes.items():
        is_pickle = isinstance(value, bytes)
        data[name] = {":type:": "", ":serialized:": base64.b64encode(value).decode()} if is_pickle else value
    return joined({**entries, "data": json.dumps(data).encode()})


def pickles_in(model: bytes) -> dict[str, bytes]:
    """What is pickled in ``data``."""
    data = json.loads(parts(model)["data"])
    return {
        name: base64.b64decode(entry[":serialized:"])
        for name, entry in data.items()
        if isinstance(entry, dict) and ":serialized:" in entry
    }


def with_tensors(model: bytes, entry: str, pickled: bytes) -> bytes:
    """The model with another pickle among its tensors."""
    entries = parts(model)
    inner = parts(entries[entry])
    (name,) = (name for name in inner if name.endswith("data.pkl"))
    return joined({**entries, entry: joined({**inner, name: pickled})})


def code(marker: Path) -> Iterator[tuple[str, bytes]]:
    """Pickles that make a folder when they are read, called or used: each with a name."""
    touch = Touch(marker)
    yield "an object", pickle.dumps(touch)
    for protocol in range(6):
        yield f"protocol {protocol}", pickle.dumps([1, touch], protocol)
    yield "in a dictionary", pickle.dumps({"net_arch": [4], "x": touch})
    yield "in a deque", pickle.dumps(deque([touch], 3))
    yield "as an attribute", pickle.dumps({"schedule": FloatSchedule(functools.partial(os.mkdir, str(marker)))})
    yield "a lambda", cloudpickle.dumps(lambda _: os.mkdir(marker))
    yield "a class", cloudpickle.dumps(type("Local", (), {"__init__": lambda self: os.mkdir(marker)}))
    yield "a function by name", pickle.dumps(os.system)
    yield "a partial function", pickle.dumps(functools.partial(os.mkdir, str(marker)))
    yield "eval", b"cbuiltins\neval\n(V__import__('os').mkdir(" + repr(str(marker)).encode() + b")\ntR."
    yield "INST", b"(V" + str(marker).encode() + b"\nios\nmkdir\n."
    yield "OBJ", b"(cos\nmkdir\nV" + str(marker).encode() + b"\no."
    yield "import by attribute", b"\x80\x04\x8c\x08torch.nn\x8c\x1aModule.forward.__globals__\x93."
    yield "numpy's loader", b"cnumpy\nload\n(Vx\nI1\ntR."
    inner = io.BytesIO()
    torch.save(touch, inner)
    yield "PyTorch's loader", b"ctorch.storage\n_load_from_bytes\n(" + _bytes(inner.getvalue()) + b"tR."
    stream = pickle.dumps(touch)
    yield "a stream of pickles", b"ctorch.storage\n_load_from_bytes\n(" + _bytes(stream * 5) + b"tR."
    yield (
        "a class of the allowed, changed",
        (b"cstable_baselines3.common.utils\nFloatSchedule\nN}V__call__\ncos\nsystem\ns\x86b."),
    )


def bombs() -> Iterator[tuple[str, bytes]]:
    """Pickles that are short and would fill the memory, or never end."""
    yield "nested lists", b"\x80\x04" + b"]" * 9_000 + b"a" * 8_999 + b"."
    yield "nested tuples", b"\x80\x04)" + b"\x85" * 9_000 + b"."
    laughs = b"\x80\x04]\x94(K\x01K\x01e"
    for index in range(40):
        laughs += b"]\x94(" + 2 * (b"h" + bytes([index])) + b"e"
    yield "a billion laughs", laughs + b"."
    yield "a list in itself", b"\x80\x04]\x94h\x00a."
    yield "a huge text", b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc."
    yield "a huge number", b"\x80\x04\x8b\xff\xff\xff\x7fabc."
    big = b"\x80\x04" + _bytes(bytes(400_000)) + b"\x94]\x94(" + b"h\x00" * 9_000 + b"e."
    yield "one text many times", big
    yield "nothing", b""
    yield "no end", b"\x80\x04]"
    yield "an empty stack", b"\x80\x040."


def _bytes(content: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(content)) + content


def zips(model: bytes) -> Iterator[tuple[str, bytes]]:
    """Zip files that are none, that unpack to more than they seem to, or elsewhere."""
    entries = parts(model)
    yield "empty", b""
    yield "text", b"hello"
    yield "only the magic number", b"PK\x03\x04"
    for share in (0.1, 0.5, 0.9, 0.999):
        yield f"truncated to {share:.1%}", model[: int(share * len(model))]
    yield "another beginning", b"x" * 1000 + model[1000:]
    yield "a bomb", joined({**entries, "more": bytes(80_000_000)}, zipfile.ZIP_DEFLATED)
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        yield f"method {method}", joined(entries, method)
    inner = parts(entries["policy.pth"])
    content = {name: bytes(70_000_000) if name.endswith("/data/0") else part for name, part in inner.items()}
    yield "a bomb inside", joined({**entries, "policy.pth": joined(content, zipfile.ZIP_DEFLATED)})
    for name in ("../evil.pth", "/tmp/evil.pth", "a\\..\\evil.pth", "C:evil.pth"):
        yield f"the path {name}", joined({**entries, name: b""})
    file = io.BytesIO(model)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("policy.pt_", entries["policy.pth"])
    yield "an entry twice", file.getvalue().replace(b"policy.pt_", b"policy.pth")
    lying = bytearray(model)
    at = lying.rindex(b"PK\x01\x02")
    lying[at + 24 : at + 28] = struct.pack("<I", 2**31)
    yield "a size that is a lie", bytes(lying)
    yield "no data", joined({name: part for name, part in entries.items() if name != "data"})
    yield "no weights", joined({name: part for name, part in entries.items() if name != "policy.pth"})
    for text in (b"", b"[]", b"{", b"[" * 100_000, b"\xff\xfe", b'{"policy_class": 1}'):
        yield f"data {text[:8]!r}", joined({**entries, "data": text})


def attributes(marker: Path) -> Iterator[tuple[str, Any]]:
    """Entries of ``data`` that are no attributes of models."""
    yield "env", "os:CartPole-v1"
    yield "predict", "x"
    yield "learn", {"a": 1}
    yield "_setup_model", pickle.dumps(torch.nn.ReLU)
    yield "__class__", "x"
    yield "_logger", "x"
    yield "policy", "x"
    yield "observation_space", "x"
    yield "policy_class", pickle.dumps(torch.nn.ReLU)
    yield "n_envs", -1
    yield "policy_kwargs", {"features_extractor_class": "os.system"}
    yield "policy_kwargs", pickle.dumps({"activation_fn": torch.optim.Adam})
    yield "policy_kwargs", [1]


def mutated(content: bytes, position: int, value: int) -> bytes:
    """The content with another byte."""
    changed = bytearray(content)
    changed[position % len(changed)] = value
    return bytes(changed)


def opcodes(pickled: bytes) -> list[int]:
    """Where the instructions of a pickle begin."""
    return [position for _, _, position in pickletools.genops(pickled) if position is not None]


Corpus = Callable[[Path], Iterator[tuple[str, bytes]]]
