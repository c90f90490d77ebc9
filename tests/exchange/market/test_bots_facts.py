"""The bots' market beside real bars: the same facts, within the same bounds."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from hftd.calendar import Calendar
from hftd.exchange.market.bots.market import BotMarket
from hftd.exchange.market.bots.settings import BotMarketSettings
from tests.exchange.market.market_facts import (
    Floats,
    absolute,
    autocorrelation,
    kurtosis,
    ranks,
    realised_volatility,
    returns,
    u_shape,
)

Bars = tuple[list[Floats], list[Floats]]
"""Closing prices and volumes of several sessions."""

SYMBOLS = ("SPY", "AAPL", "TSLA", "OTHER")
REAL = {
    "us_1m_2019-02-11_2019-02-15": ("AAPL", "AMZN", "BAC", "MSFT", "SPY", "TSLA"),
    "us_1m_ext_2024-08-23_2024-08-30": ("MSFT", "NVDA", "SPY"),
}
SETTINGS = BotMarketSettings(seed=1)


@pytest.fixture(scope="module")
def bots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bars]:
    calendar = Calendar(cache=tmp_path_factory.mktemp("calendar"))
    sessions = calendar.sessions(date(2026, 11, 2), date(2026, 11, 20))
    market = BotMarket(SETTINGS, SYMBOLS)
    found = {}
    for symbol in SYMBOLS:
        days = [market.history(symbol, session) for session in sessions]
        found[symbol] = ([day.close for day in days], [day.volume.astype(float) for day in days])
    return found


@pytest.fixture(scope="module")
def real(hftd_data: Path) -> dict[str, Bars]:
    import pyarrow.parquet as parquet

    found: dict[str, Bars] = {}
    for name, symbols in REAL.items():
        table = parquet.read_table(hftd_data / "bars" / f"{name}.parquet").to_pandas()
        local = table["timestamp"].dt.tz_convert("America/New_York")
        minute = local.dt.hour * 60 + local.dt.minute
        table = table[(minute >= 570) & (minute < 960) & (table["volume"] > 0)].assign(day=local.dt.date)
        for symbol in symbols:
            days = [day for _, day in table[table["symbol"] == symbol].groupby("day")]
            closes, volumes = ([day[column].to_numpy(float) for day in days] for column in ("close", "volume"))
            found[f"{symbol} {name}"] = (closes, volumes)
    return found


@pytest.fixture(params=["bots", "real"])
def markets(request: pytest.FixtureRequest) -> dict[str, Bars]:
    found: dict[str, Bars] = request.getfixturevalue(request.param)
    return found


def test_returns_have_fatter_tails_than_a_normal_distribution(markets: dict[str, Bars]) -> None:
    for closes, _ in markets.values():
        assert 4.5 < kurtosis(closes) < 40


def test_returns_are_not_correlated_beyond_the_first_lag(markets: dict[str, Bars]) -> None:
    for closes, _ in markets.values():
        assert max(abs(autocorrelation(returns(closes), lag)) for lag in (2, 3, 4, 5)) < 0.1
        assert abs(autocorrelation(returns(closes), 1)) < 0.15


def test_agitation_comes_in_clusters(markets: dict[str, Bars]) -> None:
    for closes, _ in markets.values():
        sizes = absolute(returns(closes))
        assert min(autocorrelation(sizes, lag) for lag in (1, 2, 5)) > 0.08
        assert autocorrelation(sizes, 10) > 0.04


def test_volume_is_highest_at_both_ends(markets: dict[str, Bars]) -> None:
    for _, volumes in markets.values():
        opening, closing = u_shape(volumes)
        assert 1.4 < opening < 8
        assert 1.4 < closing < 8


def test_volatility_and_volume_are_what_was_set(bots: dict[str, Bars]) -> None:
    for symbol, (closes, volumes) in bots.items():
        profile = SETTINGS.profile_of(symbol)
        assert realised_volatility(closes) == pytest.approx(profile.daily_volatility, rel=0.25)
        assert np.mean([day.sum() for day in volumes]) == pytest.approx(profile.daily_volume, rel=0.15)


def test_busy_minutes_are_agitated_ones(markets: dict[str, Bars]) -> None:
    for closes, volumes in markets.values():
        sizes = np.concatenate(absolute(returns(closes)))
        busy = np.concatenate([day[1:] for day in volumes])
        assert np.corrcoef(ranks(sizes), ranks(busy))[0, 1] > 0.2


def test_the_spread_is_one_to_a_few_cents(tmp_path: Path) -> None:
    session = Calendar(cache=tmp_path).session_on(date(2026, 11, 20))
    assert session is not None
    market = BotMarket(SETTINGS, SYMBOLS)
    for symbol in SYMBOLS:
        spreads = [tick.ask - tick.bid for tick in market.ticks(symbol, session) if hasattr(tick, "ask")]
        low, middle, high = np.round(np.percentile(spreads, (0, 50, 95)), 6)
        assert low == 0.01
        assert middle <= 0.03
        assert high <= 0.08
