"""Ms. Pac-Man in the form for learning, one game or many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from ale_py.env import AtariEnv
from ale_py.vector_env import AtariVectorEnv
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from sb3_ext.common.arrays import BoolArray, FloatArray, IntArray
from sb3_ext.common.hyperparameters import Rules, check_hyperparameters, integer, number
from sb3_ext.wrappers.ms_pacman import (
    CROP,
    MS_PACMAN,
    SCREEN,
    STEPS,
    STRIDE,
    SWITCH,
    FrameReduction,
    Frames,
    MsPacmanAtariWrapper,
)

MAX_FRAMES = 108_000

_EMULATOR: Rules = {
    "repeat_action_probability": number(0, 1),
    "full_action_space": SWITCH,
    "max_num_frames_per_episode": integer(1),
}

Step = tuple[Frames, FloatArray, BoolArray, BoolArray, dict[str, Any]]


# A function, as older versions of Gymnasium make no wrapper classes. By "AtariEnv" in its name RL Zoo3 knows the game.
def MsPacmanAtariEnv(
    *,
    repeat_action_probability: float = 0.0,
    full_action_space: bool = False,
    max_num_frames_per_episode: int = MAX_FRAMES,
    render_mode: Literal["human", "rgb_array"] | None = None,
    **steps: Any,
) -> gym.Env[npt.NDArray[Any], Any]:
    """
    Make ``MsPacmanPreprocessed-v0``: Ms. Pac-Man with all usual Atari steps.

    Observations are ``uint8`` 88x80x1, see :class:`~sb3_ext.wrappers.MsPacmanPreprocessing`; stack four of them. There
    are nine actions: no-op, up, right, left, down and the four diagonals. Episodes end with a life and rewards are
    clipped, for training; evaluate with ``terminal_on_life_loss=False, clip_reward=False``.

    ::

        gym.make("sb3_ext:MsPacmanPreprocessed-v0", terminal_on_life_loss=False, clip_reward=False)

    :param repeat_action_probability: with which probability a frame repeats the action before, instead of the new one
    :param full_action_space: all 18 actions
    :param max_num_frames_per_episode: frames after which a game is truncated
    :param render_mode: ``"human"``, ``"rgb_array"`` or ``None``
    :param steps: arguments of :class:`~sb3_ext.wrappers.MsPacmanAtariWrapper`, from ``noop_max`` to ``normalize``
    :return: the environment
    :raises ValueError: if an argument is out of its range
    """
    check_hyperparameters("MsPacmanAtariEnv", locals(), _EMULATOR)
    env = AtariEnv(
        "ms_pacman",
        frameskip=1,
        repeat_action_probability=repeat_action_probability,
        full_action_space=full_action_space,
        max_num_frames_per_episode=max_num_frames_per_episode,
        render_mode=render_mode,
    )
    return MsPacmanAtariWrapper(env, **steps)


class MsPacmanVectorEnv(VectorEnv[Frames, Frames, npt.NDArray[Any]]):
    """
    ``num_envs`` games of ``MsPacmanPreprocessed-v0`` on the vectorised emulator, frames stacked.

    Observations are ``uint8`` (n, stack_num, 88, 80), the oldest frame first and zeros where an episode has had no
    frame yet: what SB3 makes of ``VecFrameStack`` and ``VecTransposeImage``. SB3 sees images, channels first, and
    copies nothing to transpose them.

    ::

        env = GymnasiumVecEnv(gym.make_vec("sb3_ext:MsPacmanPreprocessed-v0", num_envs=8))
        model = DQN("CnnPolicy", env, buffer_size=100_000)

    ``info`` holds arrays (n,): the emulator's ``lives``, ``frame_number`` and ``episode_frame_number``, and ``score``,
    the points since the game began, neither clipped nor cut at lost lives.

    The same actions from the same state of the game give the same frames and rewards as with the single environment,
    bit by bit. What differs:

    1. The number of no-ops comes from the emulator's random numbers: 0 to ``noop_max``, the single one draws 1 to
       ``noop_max``. The same seed begins other games.
    2. After a lost life the single environment plays a no-op to begin the next episode. So does this one if its next
       step begins the episode (``NEXT_STEP``); a ``reset_mask`` and ``SAME_STEP`` begin it with the very frame that
       ended the last one. ``GymnasiumVecEnv`` does the former.
    3. ``reset()`` without ``reset_mask``, and with any seed, begins new games, also after a lost life.
    4. The last frame of a game (not of a life) may differ, as both then keep parts of older frames.
    5. ``max_num_frames_per_episode`` does not count the no-ops.

    :param num_envs: number of games, >= 1
    :param stack_num: number of frames in an observation, >= 1; with more than one, stack no frames on top
    :param noop_max: see :class:`~sb3_ext.wrappers.MsPacmanAtariWrapper`, as are all up to ``masked_color``
    :param repeat_action_probability: see :func:`MsPacmanAtariEnv`, as are the next two
    :param num_threads: threads of the emulator, 0 for as many as there are cores
    :param render_mode: only ``None``
    :param autoreset_mode: ``SAME_STEP``: the last step of an episode already returns the first observation of the next
        one, and ``info`` the last one as ``final_obs`` and ``final_info``. ``NEXT_STEP`` (Gymnasium's default): the
        step after the last one begins the next episode, whatever its action. ``DISABLED``: ``reset`` must be called
        with a ``reset_mask``
    :raises ValueError: if an argument is out of its range
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        stack_num: int = 4,
        noop_max: int = 30,
        frame_skip: int = 4,
        terminal_on_life_loss: bool = True,
        clip_reward: bool = True,
        crop: Sequence[int] = CROP,
        stride: int = STRIDE,
        masked_color: Sequence[int] | None = MS_PACMAN,
        repeat_action_probability: float = 0.0,
        full_action_space: bool = False,
        max_num_frames_per_episode: int = MAX_FRAMES,
        num_threads: int = 0,
        render_mode: str | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    ) -> None:
        owner = type(self).__name__
        modes = [mode.value for mode in AutoresetMode]
        mode = autoreset_mode.value if isinstance(autoreset_mode, AutoresetMode) else autoreset_mode
        check_hyperparameters(
            owner,
            {**locals(), "autoreset_mode": mode},
            {
                **_EMULATOR,
                "num_envs": integer(1),
                "stack_num": integer(1),
                "num_threads": integer(0),
                "render_mode": (render_mode is None, "None, and render a single environment"),
                "autoreset_mode": (mode in modes, f"one of {', '.join(modes)}"),
                **STEPS,
            },
        )
        self._reduce = FrameReduction(owner, crop, stride, masked_color)
        self.autoreset_mode = AutoresetMode(mode)
        self.metadata = {"render_modes": [], "autoreset_mode": self.autoreset_mode}
        self.num_envs = num_envs
        self._clip_reward = clip_reward
        self._max_frames = max_num_frames_per_episode
        self._emulator = AtariVectorEnv(
            "ms_pacman",
            num_envs,
            num_threads=num_threads,
            max_num_frames_per_episode=max_num_frames_per_episode,
            repeat_action_probability=repeat_action_probability,
            full_action_space=full_action_space,
            img_height=SCREEN[0],
            img_width=SCREEN[1],
            grayscale=False,
            stack_num=1,
            frameskip=frame_skip,
            maxpool=frame_skip > 1,
            # It draws less than this many.
            noop_max=noop_max + 1 if noop_max else 0,
            # Its own episodes of one life begin new games, so it only says when a life is lost.
            episodic_life=False,
            life_loss_info=terminal_on_life_loss,
            reward_clipping=False,
            use_fire_reset=False,
        )
        self._n_actions = 18 if full_action_space else 9
        self.single_action_space = spaces.Discrete(self._n_actions)
        self.single_observation_space = spaces.Box(0, 255, (stack_num, *self._reduce.shape), np.uint8)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._stacks: Frames = np.zeros((num_envs, stack_num, *self._reduce.shape), np.uint8)
        self._scores = np.zeros(num_envs)
        self._first_frames = np.zeros(num_envs, np.int64)
        self._finished: BoolArray = np.zeros(num_envs, np.bool_)
        self._life_lost: BoolArray = np.zeros(num_envs, np.bool_)
        self._infos: dict[str, Any] = {}

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Frames, dict[str, Any]]:
        """
        Begin new episodes, see the class for what differs from the single environment.

        Game i gets ``seed + i``, or ``seed[i]``, below 2^31. ``options["reset_mask"]``, shape (n,), tells which games
        are meant, by default all. With it and without a seed, one that has just lost a life goes on. A mask or seeds
        that do not fit raise ``ValueError``, a mask at the first reset ``RuntimeError``.
        """
        mask = (options or {}).get("reset_mask")
        chosen: BoolArray = np.ones(self.num_envs, np.bool_) if mask is None else np.asarray(mask)
        if chosen.shape != (self.num_envs,) or chosen.dtype != np.bool_:
            raise ValueError(f"reset_mask must be {self.num_envs} truth values, got {mask!r}")
        if not self._infos and not chosen.all():
            raise RuntimeError("call reset() without reset_mask first")
        seeds = None if seed is None else self._seeds(seed)
        continued = chosen & self._life_lost if mask is not None and seed is None else np.zeros_like(chosen)
        return self._begin(chosen, chosen & ~continued, seeds)

    def _seeds(self, seed: int | Sequence[int]) -> IntArray:
        """List the seed of each game, shape (n,)."""
        seeds = np.asarray(seed)
        if seeds.ndim == 0:
            seeds = seeds + np.arange(self.num_envs)
        if seeds.shape != (self.num_envs,) or seeds.dtype.kind not in "iu" or seeds.min() < 0 or seeds.max() >= 2**31:
            raise ValueError(f"seed={seed!r} is not valid; pass one or {self.num_envs} integers >= 0 and below 2^31.")
        return seeds.astype(np.int64)

    def _begin(
        self, episodes: BoolArray, games: BoolArray, seeds: IntArray | None = None
    ) -> tuple[Frames, dict[str, Any]]:
        """Begin episodes, of which some begin new games."""
        stacks = self._stacks.copy()
        stacks[episodes, :-1] = 0
        if games.any():
            screens, self._infos = self._emulator.reset(
                seed=None if seeds is None else seeds[games], options={"reset_mask": games}
            )
            stacks[games, -1] = self._reduce(screens[games, 0])
            self._note_new_games(games)
        self._stacks = stacks
        self._finished = self._finished & ~episodes
        self._life_lost = self._life_lost & ~episodes
        return stacks.copy(), self._info()

    def step(self, actions: npt.NDArray[Any]) -> Step:
        """
        Play ``frame_skip`` frames in every game.

        Other actions than 0 to 8 (17 with ``full_action_space``) raise ``ValueError``. Games that have not begun, or
        have ended with ``DISABLED``, raise ``RuntimeError``.
        """
        if not self._infos:
            raise RuntimeError("call reset() before step()")
        # The emulator reads beyond its table for any other action.
        if not 0 <= actions.min() <= actions.max() < self._n_actions:
            raise ValueError(f"actions={actions} are not valid; pass integers from 0 to {self._n_actions - 1}.")
        begun = self._finished
        if begun.any():
            if self.autoreset_mode is AutoresetMode.DISABLED:
                raise RuntimeError("episodes have ended: call reset(options={'reset_mask': ...}) before step()")
            actions = np.where(begun, 0, actions)
        screens, points, terminated, truncated, self._infos = self._emulator.step(actions)
        self._note_new_games(begun & ~self._life_lost)
        self._scores += points
        rewards = (np.sign(points) if self._clip_reward else points).astype(np.float64)
        stacks = np.empty_like(self._stacks)
        stacks[:, :-1] = self._stacks[:, 1:]
        stacks[:, -1] = self._reduce(screens[:, 0])
        stacks[begun, :-1] = 0
        rewards[begun] = 0
        self._stacks = stacks
        self._finished = np.logical_or(terminated, truncated)
        out_of_time = self._infos["episode_frame_number"] - self._first_frames >= self._max_frames
        self._life_lost = terminated & (self._infos["lives"] > 0) & ~out_of_time
        observations, info = stacks.copy(), self._info()
        if self.autoreset_mode is AutoresetMode.SAME_STEP and self._finished.any():
            finished = self._finished
            final = {"final_obs": observations, "_final_obs": finished, "final_info": info, "_final_info": finished}
            observations, info = self._begin(finished, finished & ~self._life_lost)
            info |= final
        return observations, rewards, terminated, truncated, info

    def _note_new_games(self, games: BoolArray) -> None:
        self._scores[games] = 0.0
        self._first_frames[games] = self._infos["episode_frame_number"][games]

    def _info(self) -> dict[str, Any]:
        return {**self._infos, "score": self._scores.copy()}
