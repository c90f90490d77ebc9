"""Which hook hears what, and when."""

from decimal import Decimal
from typing import Any

from hftd.domain.convert import SECOND_NS
from hftd.domain.events import ModelFaulted, QuoteReceived, TradeReceived
from hftd.domain.intents import buy, cancel, sell
from hftd.domain.market import Quote, Trade
from hftd.domain.orders import ReportKind, Side
from hftd.model.contract import Answer, Model
from hftd.model.parameters import build
from tests.engine.engine_world import OPEN_NS, World, orders_of, running, shown, toy


class Listener(Model):
    """Notes what it hears, and buys when it has been told to."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.wish: Answer = None

    def _hear(self, what: str) -> Answer:
        self.heard.append(what)
        wish, self.wish = self.wish, None
        return wish

    def on_bar(self, bar: Any) -> Answer:
        return self._hear("bar")

    def on_quote(self, quote: Quote) -> Answer:
        return self._hear(f"quote {quote.bid:g} {quote.ask:g}")

    def on_trade(self, trade: Trade) -> Answer:
        return self._hear(f"trade {trade.price:g}")

    def on_order(self, report: Any) -> Answer:
        return self._hear(f"order {report.kind}")

    def on_fill(self, report: Any) -> Answer:
        return self._hear(f"fill {report.quantity}, holds {self.context.position(report.symbol or 'SPY')}")


def quote(symbol: str = "SPY", bid: float = 99.0, ask: float = 101.0, late: bool = False) -> QuoteReceived:
    return QuoteReceived(Quote(symbol, OPEN_NS + SECOND_NS, bid, 100, ask, 100), late)


def listening() -> tuple[Listener, World]:
    model = build(Listener, {})
    return model, World(running(model, symbols=("SPY",)))


def test_quotes_and_trades_of_a_models_symbols_reach_it():
    model, world = listening()
    for event in (quote(), quote("QQQ"), TradeReceived(Trade("SPY", OPEN_NS, 100.0, 1)), quote(bid=0.0)):
        world.take(event)
    assert model.heard == ["quote 99 101", "trade 100", "quote 0 101"]


def test_what_a_quote_leads_to_is_sent_unless_it_is_late():
    model, world = listening()
    model.wish = buy(1, "SPY", limit=99)
    assert shown(world.take(quote())) == ["SignalRaised buy 1", "SubmitOrder buy 1"]
    model.wish = buy(1, "SPY", limit=99)
    assert shown(world.take(quote(late=True))) == ["SignalRaised buy 1", "SignalDropped buy 1 late"]


def test_every_report_that_says_something_new_is_told_before_the_fill():
    model, world = listening()
    model.wish = buy(5, "SPY")
    order_id = world.bar_order()
    world.report(ReportKind.NEW, order_id)
    world.report(ReportKind.ACCEPTED, order_id)  # older than what is known
    world.fill(order_id, 2, 100, "a")
    world.fill(order_id, 2, 100, "a")  # the same again
    world.fill(order_id, 3, 100, "b")
    assert model.heard == [
        "bar",
        "order new",
        "order partial_fill",
        "fill 2, holds 2",
        "order partial_fill",
        "fill 3, holds 5",
    ]


def test_an_order_that_ended_is_told_and_what_follows_is_sent():
    model, world = listening()
    model.wish = buy(5, "SPY", limit=90)
    order_id = world.bar_order()
    model.wish = buy(5, "SPY", limit=91)
    (order,) = orders_of(world.report(ReportKind.REJECTED, order_id))
    assert order.order.limit_price == 91


def test_a_report_names_symbol_and_side_even_where_the_broker_does_not():
    told: list[Any] = []
    world = World(toy(lambda bar: sell(5, "SPY", limit=110), on_order=told.append))
    world.report(ReportKind.CANCELED, world.bar_order())
    assert [(report.symbol, report.side) for report in told] == [("SPY", Side.SELL)]


def test_a_cancellation_that_was_not_granted_is_told_and_may_be_asked_for_again():
    model, world = listening()
    model.wish = buy(5, "SPY", limit=90)
    order_id = world.bar_order()
    model.wish = cancel("SPY")
    world.bar()
    world.report(ReportKind.ORDER_CANCEL_REJECTED, order_id)
    assert model.heard[-1] == "order order_cancel_rejected"
    model.wish = cancel("SPY")
    assert shown(world.bar()) == ["CancelOrder"]


def test_a_paused_model_hears_nothing_more():
    model, world = listening()
    world.take(ModelFaulted(OPEN_NS, "toy", world.engine.sequence, "boom"))
    world.take(quote())
    world.bar()
    assert model.heard == []


def test_reports_of_other_models_orders_are_not_told():
    heard: list[str] = []
    other = toy(lambda bar: None, on_order=lambda report: heard.append("other"))
    world = World(running(toy(lambda bar: buy(1, "SPY")), "a"), running(other, "b", symbols=("QQQ",)))
    world.fill(world.bar_order(), 1, 100)
    assert heard == []
    assert world.engine.positions == {"SPY": Decimal(1)}
    assert world.engine.orders.popitem()[1].request.side is Side.BUY
