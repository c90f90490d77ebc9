from decimal import Decimal

from hftd.domain.commands import OrderRefused, SignalRaised, SubmitOrder
from hftd.domain.events import OrderReported, PortfolioCarried, SessionClosed, SessionOpened
from hftd.domain.intents import buy, sell
from hftd.domain.orders import ExecutionReport, OrderRequest, ReportKind, Side
from hftd.engine.risk import Limits
from hftd.engine.tally import Tally
from tests.engine.engine_world import OPEN_NS, SESSION, World, bar_event, toy

LIMITS = Limits(Decimal(10), Decimal(10**6), 100, None)


def test_a_session_is_counted():
    wishes = [buy(5, "SPY"), sell(5, "SPY"), buy(50, "SPY"), sell(1, "SPY")]
    world = World(toy(lambda bar: wishes.pop(0)), limits=LIMITS)
    tally = Tally()

    def step(event):
        commands = world.take(event)
        tally.add(event, commands)
        return [command.order.client_order_id for command in commands if hasattr(command, "order")]

    def report(order_id, kind=ReportKind.PARTIAL_FILL, quantity=0, price="0", execution_id=""):
        told = ExecutionReport(
            kind,
            order_id,
            OPEN_NS,
            quantity=Decimal(quantity),
            price=Decimal(price),
            execution_id=execution_id,
        )
        step(OrderReported(told))

    (bought,) = step(bar_event(0, close=100.0))
    report(bought, quantity=3, price="100.10", execution_id="e1")
    report(bought, quantity=3, price="100.10", execution_id="e1")
    report(bought, ReportKind.FILL, 2, "99.90", "e2")
    (sold,) = step(bar_event(1, close=101.0))
    report(sold, ReportKind.FILL, 5, "100.50", "e3")
    assert step(bar_event(2)) == []
    (rejected,) = step(bar_event(3))
    report(rejected, ReportKind.REJECTED)
    report("someone-elses", ReportKind.FILL, 1, "1", "e4")
    wishes.append(None)
    step(bar_event(4, late=True))
    step(SessionClosed(SESSION.close_ns, SESSION))

    assert (tally.sessions, tally.bars, tally.late_bars) == (1, 5, 1)
    assert (dict(tally.signals), tally.orders) == ({"buy": 2, "sell": 2}, 3)
    assert (tally.fills, tally.refused, tally.rejected) == (3, 1, 1)
    assert tally.slippage == Decimal("0.10") * 3 - Decimal("0.10") * 2 + Decimal("0.50") * 5


def test_what_a_shadow_decides_is_not_counted():
    tally = Tally()

    def decide(model_id, *, shadow):
        signal = SignalRaised(model_id, "SPY", Side.BUY, Decimal(50), shadow=shadow)
        refused = OrderRefused(model_id, "SPY", Side.BUY, Decimal(50), "max_position", Decimal(10), Decimal(50))
        tally.add(bar_event(0), [signal, refused])

    decide("trading", shadow=False)
    decide("on paper", shadow=True)
    assert (dict(tally.signals), tally.refused) == ({"buy": 1}, 1)
    decide("on paper", shadow=False)  # promoted since
    assert (dict(tally.signals), tally.refused) == ({"buy": 2}, 2)


def test_bars_that_warm_a_model_up_are_no_bars_of_the_session():
    tally = Tally()
    warm, traded = bar_event(-5, late=True), bar_event(0)
    for event in (
        PortfolioCarried(OPEN_NS, Decimal(1000)),
        warm,
        SessionOpened(OPEN_NS, SESSION),
        traded,
        bar_event(1, late=True),
    ):
        tally.add(event, [])
    assert (tally.warm_up_bars, tally.bars, tally.late_bars) == (1, 2, 1)


def test_without_a_price_at_the_decision_no_slippage_is_counted():
    world = World(toy(lambda bar: None))
    tally = Tally()
    event = bar_event(0)
    tally.add(event, [SubmitOrder("m", OrderRequest("id", "SPY", Side.BUY, Decimal(1)), None, "f")])
    told = ExecutionReport(ReportKind.FILL, "id", OPEN_NS, quantity=Decimal(1), price=Decimal(7), execution_id="e")
    tally.add(OrderReported(told), world.take(OrderReported(told)))
    assert (tally.fills, tally.slippage) == (1, 0)


def test_a_fill_reported_after_the_close_is_counted_and_a_day_closed_again_is_not():
    world = World(toy(lambda bar: buy(1, "SPY")), limits=LIMITS)
    tally = Tally()
    event = bar_event(0)
    (_, sent) = commands = world.take(event)
    tally.add(event, commands)
    closed = SessionClosed(SESSION.close_ns, SESSION)
    tally.add(closed, [])
    id = sent.order.client_order_id
    fill = ExecutionReport(ReportKind.FILL, id, OPEN_NS, quantity=Decimal(1), price=Decimal(7), execution_id="e")
    tally.add(OrderReported(fill), [])
    tally.add(closed, [])
    assert (tally.sessions, tally.orders, tally.fills) == (1, 1, 1)
