import copy
import pickle
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from sb3_ext.envs.ad_spend import AdSpendEnv, Channel, Market

style = pytest.importorskip("matplotlib.style")


@pytest.fixture(autouse=True)
def usual_style() -> Iterator[None]:
    """Pictures follow the user's style, which another test may have changed."""
    with style.context("default"):
        yield


Picture = npt.NDArray[np.uint8]


def picture_after(env: AdSpendEnv, spends: list[list[float]]) -> Picture:
    env.reset(seed=0)
    for spend in spends:
        env.step(env.action_map.to_action(spend))
    picture = env.render()
    assert picture is not None
    return picture


def make(n_channels: int = 2, **options: object) -> AdSpendEnv:
    channels = tuple(Channel(f"channel {i}", 9000.0, 3000.0, theta=0.09 * i) for i in range(n_channels))
    market = Market(channels, period_days=float(options.pop("period_days", 1.0)), season=options.pop("season", (1.0,)))
    return AdSpendEnv(market, budget=100_000.0, render_mode="rgb_array", **options)


def spend_panel(picture: Picture, color: str) -> int:
    """Number of pixels of a colour in the panel of the spends (upper left, below the legend)."""
    panel = picture[120:340, :470].astype(int)
    wanted = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    return int((np.abs(panel - wanted).max(axis=-1) <= 2).sum())


@pytest.mark.parametrize("n_channels", [1, 10])
@pytest.mark.parametrize("n_steps", [0, 6])
def test_any_number_of_channels_and_steps(n_channels: int, n_steps: int) -> None:
    env = make(n_channels, periods=6, season=(0.5, 2.0), period_days=7.0)
    picture = picture_after(env, [[500.0] * n_channels] * n_steps)
    assert picture.shape == (640, 960, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 10.0


def test_bars_are_as_high_as_the_spends() -> None:
    from sb3_ext.common.palette import color_of

    env = make()
    low = picture_after(env, [[1000.0, 500.0]] * 10)
    high = picture_after(env, [[2000.0, 500.0]] * 10)
    first, second = color_of(0), color_of(1)
    assert spend_panel(high, first) == pytest.approx(2 * spend_panel(low, first), rel=0.05)
    assert spend_panel(low, second) == pytest.approx(0.5 * spend_panel(low, first), rel=0.1)
    assert spend_panel(high, second) == pytest.approx(spend_panel(low, second), rel=0.1)


def test_a_frame_depends_on_the_campaign_alone() -> None:
    env, other = make(), make()
    spends = [[1000.0, 7000.0], [0.0, 3000.0], [7000.0, 7000.0]]
    first = picture_after(env, spends)
    picture_after(env, [[7000.0, 7000.0]] * 9)
    assert np.array_equal(picture_after(other, spends), first)
    assert np.array_equal(picture_after(env, spends), first)
    assert not np.array_equal(picture_after(env, spends[:2]), first)


def test_an_environment_that_was_rendered_can_be_copied() -> None:
    env = make()
    picture = picture_after(env, [[1000.0, 500.0]])
    for copied in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        assert np.array_equal(copied.render(), picture)


def test_the_demand_is_drawn_where_it_varies() -> None:
    flat, seasonal = make(season=(1.0,)), make(season=(1.0, 1.0001))
    assert not np.array_equal(picture_after(flat, []), picture_after(seasonal, []))


@pytest.mark.parametrize("per_channel", [True, False])
def test_a_users_own_sales_function(per_channel: bool) -> None:
    env = AdSpendEnv(
        sales_function=lambda spend: np.sqrt(spend) if per_channel else float(np.sqrt(spend.sum())) - 100.0,
        budget=1000.0,
        periods=4,
        render_mode="rgb_array",
    )
    empty = picture_after(env, [])
    assert not np.array_equal(picture_after(env, [[100.0, 50.0]] * 2), empty)


def test_pyplot_stays_untouched() -> None:
    code = (
        "import sys, gymnasium, sb3_ext\n"
        "env = gymnasium.make('AdSpend-v0', render_mode='rgb_array'); env.reset()\n"
        "assert 'matplotlib' not in sys.modules\n"
        "env.render()\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_missing_matplotlib_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for name in ("sb3_ext.common.charts", "sb3_ext.envs.ad_spend.rendering"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(ImportError, match=r"pip install 'matplotlib>="):
        picture_after(make(), [])


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0.0, "0"),
        (0.25, "0.25"),
        (1.0, "1"),
        (850.0, "850"),
        (999.7, "1k"),
        (1234.0, "1.23k"),
        (43_210.0, "43.2k"),
        (100_000.0, "100k"),
        (-1_250_000.0, "-1.25M"),
        (2e9, "2B"),
    ],
)
def test_money(amount: float, text: str) -> None:
    from sb3_ext.common.wording import format_money

    assert format_money(amount) == text
