"""Draws of any model in a CSV."""

from pathlib import Path

import numpy as np
import pytest
from ad_spend_strategies import one_line

from sb3_ext.envs.ad_spend import Market
from sb3_ext.envs.ad_spend.market.draws_table import is_draws_table

HEADER = "Channel,Draw,Parameter,Value\n"
TABLE = HEADER + (
    "tv,,saturation,logistic\ntv,,historical_mean,40\ntv,,cap,90.5\n"
    "tv,a,beta,100\ntv,a,kappa,10\ntv,a,weight_0,1\ntv,a,weight_1,3\n"
    "tv,b,beta,120\ntv,b,kappa,12\ntv,b,weight_0,2\ntv,b,weight_1,2\n"
    "radio,a,beta,50\nradio,a,kappa,5\nradio,a,alpha,2\nradio,a,theta,0.5\n"
    "radio,b,beta,60\nradio,b,kappa,6\nradio,b,alpha,2\nradio,b,theta,0.7\n"
)


def written(folder: Path, text: str) -> Path:
    (folder / "draws.csv").write_text(text, encoding="utf-8")
    return folder / "draws.csv"


def test_a_table_of_draws_by_hand(tmp_path: Path) -> None:
    """Weights add up to 1 with kappa divided by their sum; what does not vary is in lines without a draw."""
    path = written(tmp_path, TABLE)
    assert is_draws_table(path)
    market = Market.load(path)
    assert market.names == ("tv", "radio") and len(market.draws) == 2 and market.period_days == 7.0
    np.testing.assert_allclose(market.draw_curves.beta, [[100, 50], [120, 60]])
    np.testing.assert_allclose(market.draw_curves.kappa, [[10 / 4, 5], [12 / 4, 6]])
    np.testing.assert_allclose(market.draw_theta, [[0, 0.5], [0, 0.7]])
    assert [draw[0].weights for draw in market.draws] == [(0.25, 0.75), (0.5, 0.5)]
    tv, radio = market.channels
    assert (tv.saturation, tv.historical_mean, tv.cap, tv.weights) == ("logistic", 40.0, 90.5, (0.375, 0.625))
    assert radio.weights is None and radio.theta == pytest.approx(0.6) and radio.alpha == 2.0
    assert 50.0 < radio.beta < 60.0 and market.tail_periods == 20
    assert Market.from_draws(path, 1.0).period_days == 1.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TABLE.replace("tv,a,kappa,10", 'tv,a,kappa,"10,5"'), ["line 6", "kappa", "'10,5'", "1234.5"]),
        (TABLE.replace("tv,a,beta,100", "tv,a,beta,nan"), ["line 5", "beta", "'nan'"]),
        (TABLE.replace("radio,b,theta,0.7\n", ""), ["draw 'b'", "'radio'", "theta"]),
        (TABLE.replace("tv,a,kappa,10\n", "").replace("tv,b,kappa,12\n", ""), ["'tv'", "no kappa"]),
        (TABLE + "tv,a,beta,3\n", ["beta", "'tv'", "'a'", "twice"]),
        (TABLE + "tv,a,gamma,3\n", ["'gamma'", "beta", "weight_0"]),
        (TABLE + "tv,,budget,3\n", ["'budget'", "saturation", "cap"]),
        (TABLE + "print,,cap,3\n", ["'print'", "no draws"]),
        (TABLE.replace("logistic", "linear"), ["line 2", "saturation", "'linear'"]),
        (TABLE.replace("weight_0,1\n", "weight_0,-1\n"), ["weights", ">= 0"]),
        (TABLE.replace("radio,a,theta,0.5", "radio,a,theta,1.5"), ["'radio'", "theta", "[0, 1)"]),
        (HEADER, ["no draws"]),
        (HEADER + ",a,beta,3\n", ["line 2", "no name"]),
    ],
)
def test_tables_with_faults_are_refused(tmp_path: Path, text: str, said: list[str]) -> None:
    with pytest.raises(ValueError) as error:
        Market.load(written(tmp_path, text))
    one_line(error, "draws.csv", *said)


def test_other_tables_are_no_draws(tmp_path: Path) -> None:
    assert not is_draws_table(written(tmp_path, "channel,spend,response\n"))
    assert not is_draws_table(tmp_path / "none.csv")
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    assert not is_draws_table(tmp_path / "binary")
    with pytest.raises(ValueError) as error:
        Market.load(written(tmp_path, TABLE), {"tv": 1.0})
    one_line(error, "spend_per_exposure")
