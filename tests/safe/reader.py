"""An agent from an exported model, by NumPy alone: how a program in another language reads one."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load


class Agent:
    """Acts as the exported model does."""

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            self.model = json.loads(archive.read("model.json"))
            self.tensors = load(archive.read("tensors.safetensors"))

    def act(self, observation: Any) -> Any:
        """The action for one observation."""
        x = self._input(observation)
        for layer in self.model["networks"]["layers"]:
            x = self._layer(layer, x)
        return self._action(x)

    def _input(self, observation: Any) -> Any:
        statistics = self.model["normalization"]
        if statistics is not None and statistics["norm_obs"]:
            mean, var = (self._value(statistics["obs_rms"]["attributes"][name]) for name in ("mean", "var"))
            clip = statistics["clip_obs"]
            observation = np.clip((observation - mean) / np.sqrt(var + statistics["epsilon"]), -clip, clip)
        if self.model["networks"]["observation"] == "flatten":
            return np.asarray(observation, np.float32).ravel()
        space = self.model["attributes"]["observation_space"]["attributes"]
        sizes = self._value(space["nvec"] if "nvec" in space else space["n"])
        parts = zip(np.ravel(sizes), np.ravel(observation), strict=True)
        return np.concatenate([np.eye(int(size), dtype=np.float32)[int(index)] for size, index in parts])

    def _value(self, node: Any) -> Any:
        if isinstance(node, dict):
            return self.tensors[node["array"]] if "array" in node else node["number"]
        return node

    def _linear(self, layer: dict[str, Any], x: Any) -> Any:
        y = self.tensors[layer["weight"]] @ x
        return y if layer["bias"] is None else y + self.tensors[layer["bias"]]

    def _layer(self, layer: dict[str, Any], x: Any) -> Any:
        match layer["layer"]:
            case "Linear":
                return self._linear(layer, x)
            case "ReLU":
                return np.maximum(x, 0)
            case "Tanh":
                return np.tanh(x)
            case "CenteredSigmoid":
                return 2 / (1 + np.exp(-x)) - 1
            case "ELU":
                return np.where(x > 0, x, layer["alpha"] * (np.exp(x) - 1))
            case "LeakyReLU":
                return np.where(x > 0, x, layer["negative_slope"] * x)
            case "LayerNorm":
                scaled = (x - x.mean()) / np.sqrt(x.var() + layer["eps"])
                return scaled * self.tensors[layer["weight"]] + self.tensors[layer["bias"]]
            case "MeanOfQuantiles":
                return x.reshape(layer["quantiles"], -1).mean(axis=0)
            case "Dueling":
                to_value = to_advantage = x
                if layer["streams"]:
                    for stream in layer["streams"]:
                        x = self._layer(stream, x)
                    to_value, to_advantage = np.split(x, 2)
                advantage = self._linear(layer["advantage"], to_advantage)
                return self._linear(layer["value"], to_value) + advantage - advantage.mean()
        raise NotImplementedError(layer)

    def _action(self, x: Any) -> Any:
        space = self.model["attributes"]["action_space"]["attributes"]
        match self.model["networks"]["action"]:
            case "scale":
                low, high = self._value(space["low"]), self._value(space["high"])
                return (low + 0.5 * (np.clip(x, -1, 1).reshape(low.shape) + 1) * (high - low)).tolist()
            case "clip":
                low, high = self._value(space["low"]), self._value(space["high"])
                return np.clip(x.reshape(low.shape), low, high).tolist()
            case "positive":
                return (x > 0).astype(int).tolist()
            case "argmax" if "nvec" in space:
                ends = np.cumsum(self._value(space["nvec"]))[:-1]
                return [int(part.argmax()) for part in np.split(x, ends)]
            case "argmax":
                return int(x.argmax())
        raise NotImplementedError(self.model["networks"]["action"])
