"""An order as the rules see it: the request, the account it comes from, the market it goes to."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from hftd.domain.orders import OrderType, Side
from hftd.domain.session import Session
from hftd.exchange.venue.accounts import Account
from hftd.exchange.venue.assets import Asset
from hftd.exchange.venue.orders import ZERO, NewOrder, Order, PositionIntent
from hftd.exchange.venue.prices import Prices
from hftd.exchange.venue.settings import VenueSettings

TICK = Decimal("0.0001")
SHORT_MARKUP = Decimal("1.03")
COLLAR_FROM = Decimal(50)
COLLAR_CHEAP, COLLAR = Decimal("1.04"), Decimal("1.025")

STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})


class Case:
    """One request and all that it is judged by. `symbol_orders` are the account's open orders in the same symbol."""

    __slots__ = (
        "account",
        "asset",
        "assets",
        "available",
        "held_quantity",
        "intent",
        "is_open",
        "known_client_id",
        "open_orders",
        "position",
        "prices",
        "session",
        "settings",
        "symbol_orders",
        "time_ns",
        "wanted",
    )

    def __init__(
        self,
        wanted: NewOrder,
        account: Account,
        assets: Mapping[str, Asset],
        prices: Prices,
        settings: VenueSettings,
        open_orders: Sequence[Order],
        *,
        time_ns: int,
        session: Session | None,
        is_open: bool,
        known_client_id: bool,
        intent: PositionIntent | None = None,
    ) -> None:
        """`open_orders` are the account's, without the one that is being replaced, whose `intent` stays."""
        self.wanted, self.account, self.assets, self.prices, self.settings = wanted, account, assets, prices, settings
        self.asset = assets.get(wanted.symbol)
        self.open_orders = open_orders
        self.symbol_orders = [order for order in open_orders if order.symbol == wanted.symbol]
        self.time_ns, self.session, self.is_open = time_ns, session, is_open
        self.known_client_id = known_client_id
        holding = account.holdings.get(wanted.symbol)
        self.position = holding.quantity if holding else ZERO
        self.held_quantity = sum((order.held_quantity for order in self.symbol_orders), ZERO)
        self.available = abs(self.position) - self.held_quantity
        self.intent = intent or _intent(wanted.side, self.position)

    @property
    def quantity(self) -> Decimal | None:
        """Shares wanted; for dollars, how many they would be now, None while no price is known."""
        if self.wanted.quantity is not None:
            return self.wanted.quantity
        price = self.wanted.limit_price or self.side_price
        assert self.wanted.notional is not None
        return None if price is None else self.wanted.notional / price

    @property
    def side_price(self) -> Decimal | None:
        """What the order would trade at now."""
        symbol = self.wanted.symbol
        return self.prices.ask(symbol) if self.wanted.side is Side.BUY else self.prices.bid(symbol)

    @property
    def is_fractional(self) -> bool:
        """Whether it may trade a part of a share."""
        quantity = self.wanted.quantity
        return quantity is None or quantity != quantity.to_integral_value()


def _intent(side: Side, position: Decimal) -> PositionIntent:
    if side is Side.BUY:
        return PositionIntent.BUY_TO_CLOSE if position < 0 else PositionIntent.BUY_TO_OPEN
    return PositionIntent.SELL_TO_CLOSE if position > 0 else PositionIntent.SELL_TO_OPEN


def collared(price: Decimal) -> Decimal:
    """The most a market buy is reckoned to cost: 4 % above a price under $50, else 2.5 %."""
    return price * (COLLAR_CHEAP if price < COLLAR_FROM else COLLAR)


def opening_price(
    side: Side, kind: OrderType, limit_price: Decimal | None, stop_price: Decimal | None, ask: Decimal | None
) -> Decimal | None:
    """Dollars that one share of an opening order holds; None while that depends on an unknown price."""
    if side is Side.SELL:
        prices = [limit_price] if limit_price is not None else []
        return max([*prices, ask * SHORT_MARKUP]) if ask is not None else limit_price
    if limit_price is not None:
        return limit_price
    reference = ask if kind is OrderType.MARKET else stop_price
    return None if reference is None else collared(reference)


def cost_of(case: Case) -> Decimal | None:
    """Dollars that the order, opening, would hold; None while no price is known."""
    wanted = case.wanted
    if wanted.notional is not None:
        return wanted.notional
    assert wanted.quantity is not None
    stop = wanted.stop_price or (case.prices.current(wanted.symbol) if wanted.type is OrderType.TRAILING_STOP else None)
    price = opening_price(wanted.side, wanted.type, wanted.limit_price, stop, case.prices.ask(wanted.symbol))
    return None if price is None else price * wanted.quantity
