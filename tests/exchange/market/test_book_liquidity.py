"""Users' orders in an order book that others trade in: a stage where the test is everybody else."""

from decimal import Decimal as D

import pytest

from hftd.domain.orders import Side
from hftd.exchange.book.book import Book, Top
from hftd.exchange.book.layout import BUY, SELL, Outcome, SelfTrade
from hftd.exchange.market.book_liquidity import USER_OWNERS, BookLiquidity, UserFill
from hftd.exchange.venue.orders import Execution

CENT = 100


class Stage:
    """A book with ten shares at each of three cents on both sides of $100, and nobody who reacts."""

    now_ns = 1

    def __init__(self) -> None:
        self.book = Book()
        self.ids = 0
        for distance in (1, 2, 3):
            self.other(BUY, 10_000 - distance, 10)
            self.other(SELL, 10_000 + distance, 10)

    def other(self, side: int, cents: int, shares: int) -> int:
        """Somebody else's limit order."""
        self.ids += 1
        self.book.limit(self.ids, side, cents * CENT, shares, 1)
        return self.ids

    def top(self) -> Top:
        return self.book.top()

    def depth(self, side: int, levels: int) -> list[tuple[int, int]]:
        return [(int(price), int(quantity)) for price, quantity in self.book.depth(side, levels)]

    def resume(self) -> int:
        return 0

    def enter(self, operation: int, order_id: int, side: int, price: int, quantity: int, owner: int) -> Outcome:
        assert order_id < 0 <= USER_OWNERS <= owner or quantity == 0
        return self.book.enter(operation, order_id, side, price, quantity, owner, SelfTrade.CANCEL_INCOMING)

    def take_user_fills(self) -> list[UserFill]:
        fills = []
        for row in self.book.take_reports():
            ids = (int(row["maker_id"]), int(row["taker_id"]))
            fills += [UserFill(one, int(row["price"]), int(row["quantity"])) for one in ids if one < 0]
        return fills


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def market(stage: Stage) -> BookLiquidity:
    liquidity = BookLiquidity()
    liquidity.open({"SPY": stage})
    assert not liquidity.poll()
    return liquidity


def executions(*pairs: tuple[str, str]) -> list[Execution]:
    return [Execution(price=D(price), quantity=D(quantity)) for price, quantity in pairs]


def test_the_quote_is_the_top_of_the_book(market: BookLiquidity) -> None:
    quote = market.quote("SPY")
    assert quote is not None
    assert (quote.bid, quote.bid_size, quote.ask, quote.ask_size) == (99.99, 10, 100.01, 10)
    assert market.quote("QQQ") is None


def test_a_market_order_walks_the_book_and_leaves_a_hole(market: BookLiquidity) -> None:
    assert market.take("SPY", Side.BUY, D(15), None, "a") == executions(("100.01", "10"), ("100.02", "5"))
    quote = market.quote("SPY")
    assert quote is not None
    assert (quote.ask, quote.ask_size) == (100.02, 5)


@pytest.mark.parametrize(
    ("quantity", "limit", "whole", "filled"),
    [
        ("15", "100.01", False, [("100.01", "10")]),
        ("15", "100.01", True, []),
        ("20", "100.02", True, [("100.01", "10"), ("100.02", "10")]),
        ("31", None, True, []),
        ("31", None, False, [("100.01", "10"), ("100.02", "10"), ("100.03", "10")]),
        ("5", "100.00", False, []),
        ("0.5", None, False, [("100.01", "0.5")]),
        ("0.5", "100.00", False, []),
        ("10.25", None, False, [("100.01", "10"), ("100.01", "0.25")]),
        ("10.25", "100.005", False, []),
    ],
)
def test_a_limit_and_whole_orders_are_kept(
    market: BookLiquidity, quantity: str, limit: str | None, whole: bool, filled: list[tuple[str, str]]
) -> None:
    taken = market.take("SPY", Side.BUY, D(quantity), D(limit) if limit else None, "a", whole=whole)
    assert list(taken) == executions(*filled)


def test_a_resting_order_queues_behind_those_before_it(market: BookLiquidity, stage: Stage) -> None:
    market.rest("mine", "SPY", Side.BUY, D(5), D("99.99"), "a")
    stage.other(BUY, 9_999, 10)
    stage.book.market(1_000, SELL, 12, 1)
    assert market.poll() == [("mine", Execution(price=D("99.99"), quantity=D(2)))]
    stage.book.market(1_001, SELL, 12, 1)
    assert market.poll() == [("mine", Execution(price=D("99.99"), quantity=D(3)))]
    stage.book.market(1_002, SELL, 1, 1)
    assert not market.poll()


def test_a_better_limit_becomes_the_quote(market: BookLiquidity) -> None:
    market.rest("mine", "SPY", Side.SELL, D(7), D("100.00"), "a")
    quote = market.quote("SPY")
    assert quote is not None
    assert (quote.ask, quote.ask_size) == (100.0, 7)
    market.withdraw("mine")
    market.withdraw("mine")
    assert market.quote("SPY") != quote


def test_users_trade_with_each_other_but_not_with_themselves(market: BookLiquidity) -> None:
    market.rest("offer", "SPY", Side.SELL, D(7), D("100.00"), "a")
    assert market.take("SPY", Side.BUY, D(3), D("100.00"), "a") == []
    assert list(market.take("SPY", Side.BUY, D(3), D("100.00"), "b")) == executions(("100", "3"))
    assert market.poll() == [("offer", Execution(price=D(100), quantity=D(3)))]


def test_an_order_in_its_own_way_waits_until_the_way_is_free(market: BookLiquidity) -> None:
    market.rest("offer", "SPY", Side.SELL, D(7), D("100.00"), "a")
    market.rest("bid", "SPY", Side.BUY, D(2), D("100.01"), "a")
    assert not market.poll()
    market.withdraw("offer")
    assert market.poll() == [("bid", Execution(price=D("100.01"), quantity=D(2)))]


def test_a_fraction_is_filled_with_the_last_share(market: BookLiquidity, stage: Stage) -> None:
    market.rest("mine", "SPY", Side.BUY, D("2.5"), D("100.00"), "a")
    stage.book.market(1_000, SELL, 1, 1)
    assert market.poll() == [("mine", Execution(price=D(100), quantity=D(1)))]
    stage.book.market(1_001, SELL, 1, 1)
    assert market.poll() == [
        ("mine", Execution(price=D(100), quantity=D(1))),
        ("mine", Execution(price=D(100), quantity=D("0.5"))),
    ]


def test_less_than_a_share_waits_for_a_quote(market: BookLiquidity, stage: Stage) -> None:
    market.rest("mine", "SPY", Side.SELL, D("0.25"), D("100.00"), "a")
    assert not market.poll()
    stage.other(BUY, 10_000, 1)
    assert market.poll() == [("mine", Execution(price=D(100), quantity=D("0.25")))]
    assert not market.poll()


def test_a_market_order_that_found_too_little_takes_what_comes(market: BookLiquidity, stage: Stage) -> None:
    assert sum(execution.quantity for execution in market.take("SPY", Side.BUY, D(35), None, "a")) == 30
    market.rest("rest", "SPY", Side.BUY, D(5), None, "a")
    assert not market.poll()
    stage.other(SELL, 10_100, 3)
    assert market.poll() == [("rest", Execution(price=D(101), quantity=D(3)))]
    stage.other(SELL, 10_200, 3)
    assert market.poll() == [("rest", Execution(price=D(102), quantity=D(2)))]
    quote = market.quote("SPY")
    assert quote is not None and quote.ask_size == 1


def test_orders_outlive_the_books_of_a_session(market: BookLiquidity) -> None:
    market.rest("low", "SPY", Side.BUY, D(5), D("99.00"), "a")
    market.clear()
    assert market.quote("SPY") is None
    assert market.take("SPY", Side.BUY, D(5), None, "a") == ()
    market.rest("high", "SPY", Side.BUY, D(5), D("100.01"), "a")
    assert not market.poll()

    following = Stage()
    market.open({"SPY": following})
    assert following.book.top().ask_quantity == 10, "nothing is entered before the session goes on"
    assert market.poll() == [("high", Execution(price=D("100.01"), quantity=D(5)))]
    assert len(following.book) == 7
    market.withdraw("low")
    assert len(following.book) == 6


def test_the_depth_is_in_dollars_best_first(market: BookLiquidity) -> None:
    assert market.depth("SPY", 2) == ([(99.99, 10), (99.98, 10)], [(100.01, 10), (100.02, 10)])
    assert market.depth("QQQ", 2) is None
