"""What an account is worth, may buy, holds and has earned."""

from dataclasses import dataclass
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hftd.domain.convert import MINUTE_NS
from hftd.domain.orders import Side
from hftd.exchange.venue.accounts import Account, Configuration, Holding
from hftd.exchange.venue.assets import listed
from hftd.exchange.venue.ledger import book_fill, fee_of
from hftd.exchange.venue.margin import buying_power, maintenance_margin
from hftd.exchange.venue.orders import Execution
from hftd.exchange.venue.refusals import Refusal
from hftd.exchange.venue.settings import FeeSchedule
from tests.exchange.venue.venue_world import CLOSE_NS, NEXT_SESSION, OPEN_NS, World


@pytest.mark.parametrize(
    ("multiplier", "equity", "gross", "held", "expected"),
    [
        (1, 1000, 400, 0, 600),
        (2, 1000, 400, 0, 1600),
        (4, 1000, 400, 100, 3500),
        (2, 1000, 5000, 0, 0),
    ],
)
def test_buying_power(multiplier: int, equity: int, gross: int, held: int, expected: int) -> None:
    assert buying_power(multiplier, D(equity), D(gross), D(held)) == expected


@pytest.mark.parametrize(
    ("quantity", "price", "expected"),
    [
        (100, "50", "1500"),
        (100, "2.49", "249.00"),
        (-100, "50", "1500"),
        (-100, "10", "500"),
        (-100, "4", "400"),
        (-100, "1", "250"),
    ],
)
def test_maintenance_margin(quantity: int, price: str, expected: str) -> None:
    holding = Holding("AAPL", D(quantity), D(quantity) * D(price))
    assert maintenance_margin(holding, D(price), listed("AAPL")) == D(expected)


def test_figures_of_a_margin_account(market: World) -> None:
    market.buy(100)
    market.buy(10, "limit", limit_price="99")
    figures = market.venue.figures(market.id)

    assert (figures.cash, figures.long_market_value) == (D("89999"), D(10000))
    assert (figures.equity, figures.initial_margin, figures.maintenance_margin) == (D(99999), D(5000), D(3000))
    assert figures.buying_power == 4 * 99999 - 10000 - 990
    assert figures.regt_buying_power == 2 * 99999 - 10000 - 990
    assert figures.non_marginable_buying_power == 89999 - 990


def test_figures_of_a_cash_account() -> None:
    world = World(configuration=Configuration(multiplier_max=1)).open().quote(99.99, 100.01).print(100)
    world.buy(100)
    figures = world.venue.figures(world.id)
    assert (figures.multiplier, figures.buying_power) == (1, figures.cash)
    assert not figures.shorting_enabled


def test_a_short_counts_against_equity_and_buying_power(market: World) -> None:
    market.sell(100)
    figures = market.venue.figures(market.id)
    assert (figures.cash, figures.short_market_value, figures.equity) == (D("109999"), D(-10000), D(99999))
    assert figures.buying_power == 4 * 99999 - 10000


def test_an_opening_short_holds_three_percent_above_the_ask(market: World) -> None:
    before = market.venue.figures(market.id).buying_power
    market.sell(100, "limit", limit_price="101")
    assert before - market.venue.figures(market.id).buying_power == D("100.01") * D("1.03") * 100


@pytest.mark.parametrize(("kind", "prices", "held"), [("stop", {"stop_price": "40"}, "41.60"), ("market", {}, "31.2")])
def test_an_opening_buy_without_a_limit_holds_its_collar(
    world: World, kind: str, prices: dict[str, str], held: str
) -> None:
    world.quote(29.99, 30.0).print(30.0)
    before = world.venue.figures(world.id).buying_power
    world.buy(1, kind, **prices)
    assert before - world.venue.figures(world.id).buying_power == D(held)


def test_what_is_not_marginable_is_paid_in_cash(market: World) -> None:
    market.quote(99.99, 100.0, "CASH")
    with pytest.raises(Refusal, match="insufficient buying power"):
        market.buy(1001, "limit", symbol="CASH", limit_price="100")
    market.buy(1000, "limit", symbol="CASH", limit_price="100")


def test_a_position_tells_its_gain_whole_and_of_today(market: World) -> None:
    market.buy(10)
    market.close()
    market.open(NEXT_SESSION).print(110.0)
    market.quote(109.99, 110.01)
    market.buy(10)
    market.print(111.0)
    position = market.venue.position(market.id, "AAPL")

    assert (position.quantity, position.average_entry_price) == (D(20), D("105.01"))
    assert (position.market_value, position.unrealized) == (D(2220), D("119.80"))
    assert (position.last_day_price, position.current_price) == (D(100), D(111))
    assert position.unrealized_today == 10 * 11 + 10 * (D(111) - D("110.01"))
    assert position.change_today_fraction == D("0.11")


def test_shares_sold_today_come_out_of_the_night(market: World) -> None:
    market.buy(10)
    market.close()
    market.open(NEXT_SESSION).quote(99.99, 100.01)
    market.buy(5)
    market.sell(12)
    holding = market.venue.account(market.id).holdings["AAPL"]
    assert (holding.quantity, holding.day_quantity) == (D(3), D(0))


def test_a_day_begins_with_the_equity_of_the_last(market: World) -> None:
    market.buy(100)
    market.print(110.0)
    market.close()
    market.open(NEXT_SESSION)
    figures = market.venue.figures(market.id)
    assert (figures.last_equity, figures.last_maintenance_margin) == (D(100_999), D(3300))


def test_without_prints_the_middle_of_the_quote_counts_even_overnight(world: World) -> None:
    world.open().quote(99.0, 101.0)
    world.buy(10)
    assert world.venue.figures(world.id).equity == 100_000 - 10
    world.close()
    assert world.venue.figures(world.id).equity == 100_000 - 10


def test_equity_is_marked_each_minute_and_told_in_steps(market: World) -> None:
    market.buy(100)
    for minute, price in ((1, 101.0), (2, 102.0), (3, 103.0)):
        market.print(price)
        market.venue.on_time(OPEN_NS + minute * MINUTE_NS)
        market.venue.on_time(OPEN_NS + minute * MINUTE_NS + 1)
    points = market.venue.portfolio_history(market.id, OPEN_NS + MINUTE_NS, CLOSE_NS, 2 * MINUTE_NS)

    assert [(point.time_ns, point.equity) for point in points] == [
        (OPEN_NS + 2 * MINUTE_NS, D(100_199)),
        (OPEN_NS + 3 * MINUTE_NS, D(100_299)),
    ]
    assert [point.profit for point in points] == [D(199), D(299)]
    assert points[0].profit_fraction == D("0.00199")


def test_no_history_before_the_first_mark(world: World) -> None:
    assert world.venue.portfolio_history(world.id, 0, OPEN_NS, MINUTE_NS) == []


def test_accounts_are_apart(market: World) -> None:
    other = market.venue.open_account("other", D(5000), market.step())
    market.buy(10)
    assert [account.name for account in market.venue.accounts()] == ["default", "other"]
    assert (other.cash, market.venue.figures(other.id).equity) == (D(5000), D(5000))
    assert market.venue.positions(other.id) == []


FILLS = st.lists(
    st.tuples(st.integers(-500, 500).filter(bool), st.integers(1, 10**8).map(lambda ticks: D(ticks) / 10_000)),
    max_size=30,
)


@dataclass
class Ledger:
    """The plainest bookkeeping: a list of what was bought and sold."""

    shares: int = 0
    cash: D = D(0)


@given(FILLS)
def test_the_ledger_is_the_sum_of_its_fills(fills: list[tuple[int, D]]) -> None:
    account = Account("1", "one", "PA1", 0, cash=D(0), last_equity=D(0))
    plain = Ledger()
    for wish, price in fills:
        # An order never crosses zero: what would, is cut there.
        signed = -plain.shares if plain.shares * wish < 0 and abs(wish) > abs(plain.shares) else wish
        side = Side.BUY if signed > 0 else Side.SELL
        book_fill(account, "AAPL", side, Execution(price=price, quantity=D(abs(signed))))
        plain.shares += signed
        plain.cash -= signed * price

        holding = account.holdings.get("AAPL")
        assert account.cash == plain.cash
        assert (holding.quantity if holding else 0) == plain.shares
        if holding:
            assert holding.cost * holding.quantity > 0
            assert abs(holding.day_quantity) <= abs(holding.quantity)


def test_fees_are_capped_per_trade() -> None:
    schedule = FeeSchedule(sell_per_share=D("0.000166"))
    assert fee_of(schedule, Side.SELL, Execution(D(1), D(10**6))) == D("8.30")
    assert fee_of(schedule, Side.BUY, Execution(D(1), D(10**6))) == 0
