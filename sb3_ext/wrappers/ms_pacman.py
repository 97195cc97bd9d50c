"""Small grey frames of Ms. Pac-Man: from RGB frames, and with the usual steps for learning Atari games."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import VectorEnv
from stable_baselines3.common.atari_wrappers import ClipRewardEnv, EpisodicLifeEnv, MaxAndSkipEnv, NoopResetEnv

from sb3_ext.common.hyperparameters import Rule, Rules, check_hyperparameters, integer, is_integer

Frames = npt.NDArray[np.uint8]

SCREEN = (210, 160, 3)
CROP = (1, 176)
STRIDE = 2
MS_PACMAN = (210, 164, 74)

SWITCH: Rule = (lambda value: isinstance(value, (bool, np.bool_)), "True or False")
STEPS: Rules = {
    "noop_max": integer(0),
    "frame_skip": integer(1),
    "terminal_on_life_loss": SWITCH,
    "clip_reward": SWITCH,
}
"""The arguments of the usual Atari steps."""


class FrameReduction:
    """The arithmetic of :class:`MsPacmanPreprocessing`, whose arguments these are, for one frame or many at once."""

    def __init__(
        self,
        owner: str,
        crop: Sequence[int] = CROP,
        stride: int = STRIDE,
        masked_color: Sequence[int] | None = MS_PACMAN,
        normalize: bool = False,
    ) -> None:
        height, width, _ = SCREEN
        cropped = _are_integers(crop, 2, height) and crop[0] < crop[1]
        colored = masked_color is None or _are_integers(masked_color, 3, 255)
        check_hyperparameters(
            owner,
            locals(),
            {
                "crop": (cropped, f"the first row and the one after the last, 0 <= first < last <= {height}"),
                "stride": (is_integer(stride, 1) and stride <= width, f"an integer from 1 to {width}"),
                "masked_color": (colored, "red, green and blue from 0 to 255, or None for no mask"),
                "normalize": SWITCH,
            },
        )
        self._rows = slice(int(crop[0]), int(crop[1]), int(stride))
        self._columns = slice(None, None, int(stride))
        self._masked_sum = None if masked_color is None else sum(map(int, masked_color))
        self._normalize = bool(normalize)
        self.shape = (len(range(height)[self._rows]), len(range(width)[self._columns]))

    def __call__(self, frames: Frames) -> npt.NDArray[Any]:
        """Reduce RGB frames, shape (..., 210, 160, 3), to grey ones, shape (..., height, width)."""
        pixels = frames[..., self._rows, self._columns, :]
        sums = pixels[..., 0].astype(np.uint16)
        sums += pixels[..., 1]
        sums += pixels[..., 2]
        if self._masked_sum is not None:
            sums *= sums != self._masked_sum
        if self._normalize:
            return ((sums / 3 - 128) / 128 - 1).astype(np.float32)
        sums //= 3
        return sums.astype(np.uint8)


class MsPacmanPreprocessing(gym.ObservationWrapper[npt.NDArray[Any], Any, Frames], gym.utils.RecordConstructorArgs):
    """
    Crop RGB frames of Ms. Pac-Man to the maze, keep every second pixel, make them grey and Ms. Pac-Man black.

    As in the tutorial: rows 1 to 175 and all columns, every second of each; grey is the mean of red, green and blue;
    pixels as bright as Ms. Pac-Man's colour become 0. For learning that is rounded down to ``uint8``, the form in which
    SB3 takes images: 88x80x1 bytes. ``normalize=True`` gives the tutorial's numbers, ``(grey - 128) / 128 - 1``, in
    float32 from -2 to -0.0078125: for networks of your own or ``MlpPolicy``, as SB3's ``CnnPolicy`` takes only bytes.

    Stack frames after this wrapper. For the other usual steps see :class:`MsPacmanAtariWrapper`.

    Example::

        >>> import ale_py
        >>> import gymnasium as gym
        >>> from sb3_ext.wrappers import MsPacmanPreprocessing
        >>> env = MsPacmanPreprocessing(gym.make("MsPacmanNoFrameskip-v4"))
        >>> env.observation_space
        Box(0, 255, (88, 80, 1), uint8)
        >>> tutorial = MsPacmanPreprocessing(gym.make("MsPacmanNoFrameskip-v4"), normalize=True)
        >>> observation, _ = tutorial.reset(seed=0)
        >>> observation.shape, observation.dtype, float(observation.min())
        ((88, 80, 1), dtype('float32'), -2.0)

    In a hyperparameter file of the zoo::

        MsPacmanNoFrameskip-v4:
          env_wrapper:
            - stable_baselines3.common.atari_wrappers.MaxAndSkipEnv
            - sb3_ext.wrappers.MsPacmanPreprocessing
          frame_stack: 4

    :param env: environment whose observations are the emulator's RGB frames, 210x160x3 ``uint8``
    :param crop: first row kept and the row after the last, ``0 <= first < last <= 210``
    :param stride: keep every how many-th row and column, 1 to 160
    :param masked_color: red, green and blue; pixels of the same mean become 0. ``None`` for no mask
    :param normalize: give the tutorial's float32 numbers instead of ``uint8``
    :raises ValueError: if an argument is out of its range, or observations are no such frames
    """

    def __init__(
        self,
        env: gym.Env[Frames, Any],
        crop: Sequence[int] = CROP,
        stride: int = STRIDE,
        masked_color: Sequence[int] | None = MS_PACMAN,
        normalize: bool = False,
    ) -> None:
        self._reduce = FrameReduction("MsPacmanPreprocessing", crop, stride, masked_color, normalize)
        _check_frames(env)
        gym.utils.RecordConstructorArgs.__init__(
            self, crop=crop, stride=stride, masked_color=masked_color, normalize=normalize
        )
        gym.ObservationWrapper.__init__(self, env)
        shape = (*self._reduce.shape, 1)
        self.observation_space = (
            spaces.Box(-2.0, -0.0078125, shape, np.float32) if normalize else spaces.Box(0, 255, shape, np.uint8)
        )

    def observation(self, observation: Frames) -> npt.NDArray[Any]:
        """Reduce one frame; ``ValueError`` if it has another shape or type than the emulator's."""
        if observation.shape != SCREEN or observation.dtype != np.uint8:
            raise ValueError(
                f"MsPacmanPreprocessing: a frame is {observation.dtype} of shape {observation.shape}; it takes uint8 "
                f"of shape {SCREEN}."
            )
        return self._reduce(observation)[..., None]


class MsPacmanAtariWrapper(gym.Wrapper[npt.NDArray[Any], Any, Frames, Any], gym.utils.RecordConstructorArgs):
    """
    SB3's ``AtariWrapper`` with :class:`MsPacmanPreprocessing` in place of the 84x84 ``WarpFrame``.

    That is: no-ops at the beginning of a game, frames skipped with the larger of the last two colours kept, episodes
    that end with a life, rewards clipped to their sign. ``info`` holds ``score``, the points since the game began,
    neither clipped nor cut at lost lives.

    Score an agent by whole games and unclipped rewards. SB3's ``evaluate_policy`` and ``EvalCallback`` do so by
    themselves if a ``Monitor`` is below this wrapper: ``make_vec_env(..., wrapper_class=MsPacmanAtariWrapper)`` and the
    zoo's ``env_wrapper`` put it there. Elsewhere pass ``terminal_on_life_loss=False, clip_reward=False``.

    Example::

        >>> import ale_py
        >>> import gymnasium as gym
        >>> from sb3_ext.wrappers import MsPacmanAtariWrapper
        >>> env = MsPacmanAtariWrapper(gym.make("MsPacmanNoFrameskip-v4"))
        >>> observation, info = env.reset(seed=0)
        >>> observation.shape, info["score"]
        ((88, 80, 1), 0.0)

    In a hyperparameter file of the zoo::

        MsPacmanNoFrameskip-v4:
          env_wrapper:
            - sb3_ext.wrappers.MsPacmanAtariWrapper
          frame_stack: 4

    :param env: Ms. Pac-Man as ``MsPacmanNoFrameskip-v4``, or another id made with ``frameskip=1``
    :param noop_max: at most this many no-ops when a game begins, at least one; 0 for none
    :param frame_skip: frames per action, 1 for no skipping
    :param terminal_on_life_loss: end episodes with every lost life; the next one continues the game
    :param clip_reward: replace rewards by their sign
    :param crop: see :class:`MsPacmanPreprocessing`, as are ``stride``, ``masked_color`` and ``normalize``
    :raises ValueError: if an argument is out of its range, ``env`` is no Atari game, or skips frames itself
    """

    def __init__(
        self,
        env: gym.Env[Frames, Any],
        noop_max: int = 30,
        frame_skip: int = 4,
        terminal_on_life_loss: bool = True,
        clip_reward: bool = True,
        crop: Sequence[int] = CROP,
        stride: int = STRIDE,
        masked_color: Sequence[int] | None = MS_PACMAN,
        normalize: bool = False,
    ) -> None:
        check_hyperparameters("MsPacmanAtariWrapper", locals(), STEPS)
        _check_frames(env)
        if not hasattr(env.unwrapped, "ale"):
            raise ValueError(f"MsPacmanAtariWrapper: {env.unwrapped} is no Atari game; pass MsPacmanNoFrameskip-v4.")
        skipped = getattr(env.unwrapped, "_frameskip", 1)
        if frame_skip > 1 and skipped != 1:
            raise ValueError(
                f"MsPacmanAtariWrapper: the environment already skips frames (frameskip={skipped}); make it with "
                "frameskip=1, such as MsPacmanNoFrameskip-v4, or pass frame_skip=1."
            )
        gym.utils.RecordConstructorArgs.__init__(
            self,
            noop_max=noop_max,
            frame_skip=frame_skip,
            terminal_on_life_loss=terminal_on_life_loss,
            clip_reward=clip_reward,
            crop=crop,
            stride=stride,
            masked_color=masked_color,
            normalize=normalize,
        )
        self._given = env
        env = _Score(env)
        if noop_max > 0:
            env = NoopResetEnv(env, noop_max=noop_max)
        if frame_skip > 1:
            env = MaxAndSkipEnv(env, skip=frame_skip)
        self._lives = env = EpisodicLifeEnv(env) if terminal_on_life_loss else env
        env = MsPacmanPreprocessing(env, crop, stride, masked_color, normalize)
        if clip_reward:
            env = ClipRewardEnv(env)
        gym.Wrapper.__init__(self, env)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[Any], dict[str, Any]]:
        """Go on after a lost life, or begin a game; a seed always does, though ``EpisodicLifeEnv`` ignores it."""
        if seed is not None and isinstance(self._lives, EpisodicLifeEnv):
            self._lives.was_real_done = True
        return super().reset(seed=seed, options=options)

    @property
    def spec(self) -> EnvSpec | None:  # type: ignore[override]
        """How to make this again: the environment given, with this wrapper and not those it consists of."""
        spec = deepcopy(self._given.spec)
        if spec is not None:
            spec.additional_wrappers += (self.wrapper_spec(**self._saved_kwargs),)
        return spec


class _Score(gym.Wrapper[Frames, Any, Frames, Any]):
    """Add the points since the game began to ``info``."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Frames, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        self._score = 0.0
        return observation, {**info, "score": self._score}

    def step(self, action: Any) -> tuple[Frames, SupportsFloat, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._score += float(reward)
        return observation, reward, terminated, truncated, {**info, "score": self._score}


def _check_frames(env: Any) -> None:
    """Refuse what does not give the emulator's RGB frames."""
    if isinstance(env, VectorEnv):
        raise ValueError(
            "MsPacmanPreprocessing wraps single environments, not vector environments; make "
            "sb3_ext.envs.ms_pacman.MsPacmanVectorEnv."
        )
    space = env.observation_space
    if isinstance(space, spaces.Box) and space.shape == SCREEN and space.dtype == np.uint8:
        return
    hint = "make the game with obs_type='rgb' and wrap it before any wrapper that changes its frames"
    if space.shape is not None and len(space.shape) > len(SCREEN):
        hint = "stack frames after it, not before"
    raise ValueError(
        f"MsPacmanPreprocessing: observation_space={space} is not valid; it takes RGB frames, uint8 of shape {SCREEN}: "
        f"{hint}."
    )


def _are_integers(values: object, count: int, maximum: int) -> bool:
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if not isinstance(values, Sequence) or len(values) != count:
        return False
    return all(is_integer(value, 0) and value <= maximum for value in values)
