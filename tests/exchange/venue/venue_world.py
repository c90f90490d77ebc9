"""A venue in a small world: two symbols, counted ids, a session of the clock's own making."""

import itertools
from collections.abc import Callable
from datetime import date
from decimal import Decimal as D
from typing import Any

from hftd.domain.convert import MINUTE_NS, SECOND_NS, ns_of_rfc3339
from hftd.domain.market import Quote, Trade
from hftd.domain.orders import OrderStatus, OrderType, ReportKind, Side, TimeInForce
from hftd.domain.session import Session
from hftd.exchange.venue.accounts import Configuration
from hftd.exchange.venue.assets import Asset, listed
from hftd.exchange.venue.happenings import OrderChanged
from hftd.exchange.venue.liquidity import Liquidity, QuoteLiquidity
from hftd.exchange.venue.orders import NewOrder, Order
from hftd.exchange.venue.settings import VenueSettings
from hftd.exchange.venue.venue import Venue

OPEN_NS = ns_of_rfc3339("2019-02-11T14:30:00Z")
CLOSE_NS = ns_of_rfc3339("2019-02-11T21:00:00Z")
SESSION = Session(open_ns=OPEN_NS, close_ns=CLOSE_NS, day=date(2019, 2, 11))
NEXT_SESSION = Session(
    open_ns=OPEN_NS + 86_400 * SECOND_NS, close_ns=CLOSE_NS + 86_400 * SECOND_NS, day=date(2019, 2, 12)
)


def asset_table(*, unusual: bool = True) -> dict[str, Asset]:
    """AAPL and MSFT with the usual terms, and one symbol for each unusual one."""
    usual = {symbol: listed(symbol) for symbol in ("AAPL", "MSFT")}
    odd = {
        "HALTED": Asset(symbol="HALTED", id="1", name="Not tradable", tradable=False),
        "HARD": Asset(symbol="HARD", id="2", name="Hard to borrow", easy_to_borrow=False),
        "WHOLE": Asset(symbol="WHOLE", id="3", name="Whole shares", fractionable=False),
        "CASH": Asset(symbol="CASH", id="4", name="Not marginable", marginable=False),
    }
    return usual | (odd if unusual else {})


class World:
    """A venue, one account with $100,000, and short words for what happens to them. Time moves a second a step."""

    def __init__(
        self,
        settings: VenueSettings | None = None,
        liquidity: Liquidity | None = None,
        draw: Callable[[], float] | None = None,
        cash: str = "100000",
        configuration: Configuration | None = None,
    ) -> None:
        ids = itertools.count(1)
        self.liquidity = liquidity or QuoteLiquidity()
        self.venue = Venue(
            settings or VenueSettings(), self.liquidity, asset_table(), lambda: f"id-{next(ids):06}", draw
        )
        self.now_ns = OPEN_NS - 60 * MINUTE_NS
        self.id = self.venue.open_account("default", D(cash), self.now_ns, configuration).id

    def step(self) -> int:
        """A second later."""
        self.now_ns += SECOND_NS
        return self.now_ns

    def open(self, session: Session = SESSION) -> "World":
        """The session opens."""
        self.now_ns = session.open_ns
        self.venue.open_session(session, self.now_ns)
        return self

    def close(self, session: Session = SESSION) -> None:
        """The session closes."""
        self.now_ns = session.close_ns
        self.venue.close_session(session, self.now_ns)

    def quote(self, bid: float, ask: float, symbol: str = "AAPL") -> "World":
        """A quote is published."""
        self.venue.on_quote(Quote(symbol, self.step(), bid, 100, ask, 100))
        return self

    def print(self, price: float, symbol: str = "AAPL") -> "World":
        """A trade is published."""
        self.venue.on_trade(Trade(symbol, self.step(), price, 100))
        return self

    def submit(self, side: str, quantity: Any, kind: str = "market", tif: str = "day", **more: Any) -> Order:
        """Submit an order; prices and quantity may be text. Returns it as accepted."""
        symbol = more.pop("symbol", "AAPL")
        for name, value in more.items():
            if isinstance(value, str) and (name.endswith("_price") or name in ("trail_percent", "notional")):
                more[name] = D(value)
        wanted = NewOrder(
            symbol=symbol,
            side=Side(side),
            quantity=None if quantity is None else D(quantity),
            type=OrderType(kind),
            time_in_force=TimeInForce(tif),
            **more,
        )
        return self.venue.submit(self.id, wanted, self.step())

    def buy(self, quantity: Any, kind: str = "market", tif: str = "day", **more: Any) -> Order:
        return self.submit("buy", quantity, kind, tif, **more)

    def sell(self, quantity: Any, kind: str = "market", tif: str = "day", **more: Any) -> Order:
        return self.submit("sell", quantity, kind, tif, **more)

    def now(self, order: Order) -> Order:
        """The order as it is now."""
        return self.venue.order(self.id, order.id)

    def status(self, order: Order) -> OrderStatus:
        return self.now(order).status

    def shares(self, symbol: str = "AAPL") -> D:
        """Shares held."""
        holding = self.venue.account(self.id).holdings.get(symbol)
        return holding.quantity if holding else D(0)

    @property
    def cash(self) -> D:
        return self.venue.account(self.id).cash

    def told(self) -> list[tuple[str, ReportKind]]:
        """What was published of orders since the last time: (order id, kind)."""
        changes = [item for item in self.venue.drain() if isinstance(item, OrderChanged)]
        return [(change.order.id, change.kind) for change in changes if change.kind is not None]
