"""Which bars a session's models are shown."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hftd.broker.base import MarketMessage
from hftd.calendar import Calendar
from hftd.clock import ManualClock
from hftd.domain.convert import MINUTE_NS
from hftd.domain.events import PortfolioCarried, PrintQuarantined, SessionOpened
from hftd.domain.intents import Want, buy
from hftd.domain.market import Bar, MarketData, Quote, Trade
from hftd.engine.engine import Engine
from hftd.engine.tally import Tally
from hftd.journal import Journal
from hftd.live.feed import FeedKeeper
from hftd.live.guard import Guard
from hftd.live.recovery import steps_of
from hftd.live.trader import Trader
from tests.engine.engine_world import CLOSE_NS, OPEN_NS, RUN_ID, SESSION, WIDE, running, toy

EARLY_NS, LATE_NS = OPEN_NS - MINUTE_NS, CLOSE_NS + 5 * MINUTE_NS
YESTERDAY_NS = OPEN_NS - 48 * 60 * MINUTE_NS
"""2026-11-25, for the 26th is Thanksgiving."""


def bar(time_ns: int) -> Bar:
    return Bar("SPY", time_ns, 100.0, 100.0, 100.0, 100.0, 1)


class History:
    """A broker that has these bars."""

    def __init__(self, *bars: Bar) -> None:
        self._bars = bars

    async def bars(self, symbols: object, start_ns: int, end_ns: int) -> list[Bar]:
        return [bar for bar in self._bars if start_ns <= bar.time_ns <= end_ns]


class Case:
    """An open session; `shown` are the bars that its model was shown."""

    def __init__(self, path: Path, *history: Bar, warmup_bars: int = 0, shadow: bool = False) -> None:
        self.shown: list[int] = []
        self.woken: list[int] = []
        self.wish: Want | None = None
        model = toy(self.show, on_timer=self.wake, on_trade=self.want, on_quote=self.want)
        type(model).warmup_bars = warmup_bars
        followers = [running(toy(lambda bar: None), "quiet"), running(model)]
        followers[1].shadow = shadow
        self.engine = Engine(SESSION, followers, WIDE, RUN_ID)
        self.clock = ManualClock(OPEN_NS)
        broker: Any = History(*history)
        self.journal = Journal.open(path, SESSION, RUN_ID)
        nothing: Any = lambda *arguments: None  # noqa: E731
        self.trader = Trader(
            self.engine, self.journal, Guard(), broker, self.clock, Tally(), nothing, nothing, late_after_s=1e9
        )
        self.trader.sender.send = nothing  # type: ignore[method-assign]
        self.keeper = FeedKeeper(self.trader, broker, self.clock, SESSION, ["SPY"])
        self.trader.take(PortfolioCarried(EARLY_NS, Decimal(10**6)), "test")
        self.trader.take(SessionOpened(OPEN_NS, SESSION), "test")

    def show(self, bar: Bar) -> Want | None:
        self.shown.append(bar.time_ns)
        return self.wish

    def want(self, data: object) -> Want | None:
        return self.wish

    def aside(self) -> list[PrintQuarantined]:
        return [event for event, _ in steps_of(self.journal) if isinstance(event, PrintQuarantined)]

    def wake(self, name: str) -> Want | None:
        self.woken.append(self.engine.time_ns)
        return self.wish

    def hear(self, *data: MarketData) -> None:
        for each in data:
            self.clock.advance_to(max(self.clock.now_ns(), each.known_at_ns if isinstance(each, Bar) else each.time_ns))
            asyncio.run(self._take(each))

    async def _take(self, data: MarketData) -> None:
        await self.keeper.take(MarketMessage(data, OPEN_NS))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "2026-11-27.sqlite"


def test_a_bar_of_the_early_or_late_hours_is_shown_to_nobody(path: Path) -> None:
    case = Case(path)
    case.hear(bar(EARLY_NS), bar(OPEN_NS), bar(CLOSE_NS - MINUTE_NS), bar(CLOSE_NS), bar(LATE_NS))
    assert case.shown == [OPEN_NS, CLOSE_NS - MINUTE_NS]


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    "data",
    [
        *(Trade("SPY", OPEN_NS, price, 100) for price in (0.0, -1.0, NAN, INF)),
        *(Quote("SPY", OPEN_NS, price, 1, 100.0, 1) for price in (-1.0, NAN, INF)),
    ],
    ids=str,
)
def test_a_quote_or_trade_without_a_price_is_set_aside(data: Quote | Trade, path: Path) -> None:
    case = Case(path)
    case.wish = buy(symbol="SPY", dollars=1000)
    case.hear(data, bar(OPEN_NS))
    assert case.shown == [OPEN_NS] and case.engine.prices == {"SPY": 100.0}
    assert [order.request.quantity for order in case.engine.working.values()] == [10]
    assert [aside.prices for aside in case.aside()] == [str(data)]
    for event, _ in steps_of(case.journal):
        case.trader.recall(event)
    assert case.trader.admission.last_bar_ns("SPY") == OPEN_NS


def test_a_correction_without_a_price_is_set_aside(path: Path) -> None:
    case = Case(path)
    wrong = Bar("SPY", OPEN_NS, NAN, NAN, NAN, NAN, 1)
    asyncio.run(case.keeper.take(MarketMessage(wrong, OPEN_NS, correction=True)))
    assert [aside.prices for aside in case.aside()] == [str(wrong)]


def test_history_is_of_regular_hours_alone(path: Path) -> None:
    regular = [YESTERDAY_NS + minute * MINUTE_NS for minute in (0, 388, 389)]
    others = [YESTERDAY_NS + minute * MINUTE_NS for minute in (-30, 390, 500)] + [EARLY_NS]
    case = Case(path, *map(bar, sorted(regular + others)), warmup_bars=2)
    asyncio.run(case.keeper.warm_up(Calendar()))
    assert case.shown == regular[1:]


def test_a_split_within_the_history_halts_nothing_today(path: Path) -> None:
    days = [(YESTERDAY_NS + minute * MINUTE_NS, 100.0 if minute < 10 else 50.0) for minute in range(20)]
    case = Case(path, *(Bar("SPY", time_ns, *4 * [price], 1) for time_ns, price in days), warmup_bars=20)
    case.trader.take(PortfolioCarried(EARLY_NS, Decimal(10**6), prices={"SPY": 50.0}), "test")
    asyncio.run(case.keeper.warm_up(Calendar()))
    assert len(case.shown) == 16 and not case.engine.halted_symbols
    for minute in range(3):
        case.hear(Bar("SPY", OPEN_NS + minute * MINUTE_NS, *4 * [25.0], 1))
    assert list(case.engine.halted_symbols) == ["SPY"], "one of last night does"


def test_a_shadow_is_warmed_up_too(path: Path) -> None:
    case = Case(path, bar(YESTERDAY_NS), warmup_bars=2, shadow=True)
    asyncio.run(case.keeper.warm_up(Calendar()))
    assert case.shown == [YESTERDAY_NS]


def test_timers_that_nobody_was_there_for_teach_and_do_not_trade(path: Path) -> None:
    case = Case(path)
    case.trader._late_after_s = 10
    case.wish = buy(5, "SPY")
    case.hear(bar(OPEN_NS - MINUTE_NS), bar(OPEN_NS))
    case.engine.models["toy"].model.context.every("1m")
    sent = len(case.engine.working)
    case.clock.advance_to(OPEN_NS + 61 * MINUTE_NS)
    case.trader.take_timers()
    assert len(case.woken) == 60
    assert len(case.engine.working) == sent + 1


def test_a_timer_that_waits_for_the_disk_fires_once(path: Path) -> None:
    case = Case(path)
    case.engine.models["toy"].model.context.every("1m")
    case.journal._connection.execute("PRAGMA query_only = 1")
    case.clock.advance_to(OPEN_NS + MINUTE_NS)
    for _ in range(3):
        case.trader.take_timers()
    assert case.trader.blocked is not None and not case.woken
    case.journal._connection.execute("PRAGMA query_only = 0")
    case.trader.take_timers()
    assert case.woken == [OPEN_NS + MINUTE_NS]
    assert case.engine.next_timer_ns == OPEN_NS + 2 * MINUTE_NS
