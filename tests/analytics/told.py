"""Sessions for tests: a story told event by event, and the same written into a journal."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from hftd.analytics.session import SessionStory
from hftd.analytics.versions import Participant
from hftd.domain.commands import Command, SignalRaised, SubmitOrder
from hftd.domain.convert import MINUTE_NS, SECOND_NS
from hftd.domain.events import BarReceived, Event, OrderReported, PortfolioCarried, SessionClosed, SessionOpened
from hftd.domain.market import Bar
from hftd.domain.orders import ExecutionReport, OrderRequest, ReportKind, Side
from hftd.domain.session import Session

DAY = date(2019, 2, 11)
SESSION = Session(1_549_895_400 * SECOND_NS, 1_549_918_800 * SECOND_NS, DAY)
Step = tuple[Event, list[Command], str, int]


def id_of(number: int) -> str:
    return f"hftd-20190211-SPY-{number}"


class Script:
    """Writes down what happened, minute by minute; `steps` is what a story or a journal takes."""

    def __init__(self, model: str = "toy", cash: int = 10_000) -> None:
        self.model = model
        self.steps: list[Step] = []
        self.minute = 0
        self._orders = 0
        self._add(PortfolioCarried(SESSION.open_ns - MINUTE_NS, Decimal(cash)))

    @property
    def now_ns(self) -> int:
        return SESSION.open_ns + self.minute * MINUTE_NS

    def _add(self, event: Event, commands: Iterable[Command] = (), source: str = "test", delay_s: float = 0) -> None:
        self.steps.append((event, list(commands), source, event.time_ns + int(delay_s * SECOND_NS)))

    def add(self, event: Event, commands: Iterable[Command] = (), source: str = "test") -> "Script":
        self._add(event, commands, source)
        return self

    def open(self) -> "Script":
        return self.add(SessionOpened(SESSION.open_ns, SESSION))

    def close(self) -> "Script":
        return self.add(SessionClosed(SESSION.close_ns, SESSION))

    def bar(self, price: float, *commands: Command, source: str = "socket", symbol: str = "SPY") -> "Script":
        """The next minute's bar."""
        bar = Bar(symbol, self.now_ns, price, price, price, price, 1000)
        self.minute += 1
        return self.add(BarReceived(bar, late=source == "backfill"), commands, source)

    def trade(self, side: Side, quantity: int, market: float, price: float, fill_s: float = 1) -> "Script":
        """A bar at `market` on which an order is decided, and its fill at `price` so many seconds later."""
        self._orders += 1
        request = OrderRequest(id_of(self._orders), "SPY", side, Decimal(quantity))
        raised = SignalRaised(self.model, "SPY", side, Decimal(quantity), "because")
        self.bar(market, raised, SubmitOrder(self.model, request, market, "f00", "because"))
        report = ExecutionReport(
            ReportKind.FILL,
            request.client_order_id,
            self.now_ns,
            execution_id=f"x{self._orders}",
            quantity=Decimal(quantity),
            price=Decimal(str(price)),
            filled_quantity=Decimal(quantity),
        )
        self._add(OrderReported(report), source="broker", delay_s=fill_s)
        return self

    def story(self) -> SessionStory:
        story = SessionStory(DAY, [Participant(self.model, "f00", ("SPY",), {"quantity": 5})], "run")
        for event, commands, source, received_ns in self.steps:
            story.take(event, commands, source, received_ns)
        return story


def round_trip() -> Script:
    """Buys 10 at 100.10 when the market is at 100, sells them at 102: 19 dollars gained in a whole session."""
    script = Script().open().trade(Side.BUY, 10, 100.0, 100.1)
    return script.bar(101.0).trade(Side.SELL, 10, 102.0, 102.0, fill_s=3).bar(103.0).close()
