"""Positions, cash and profit, exact in Decimal dollars and shares.

A position keeps the total cost of what is held, not a rounded average, so that over any series of fills

    realised profit = cash paid and received + cost of what is still held

holds exactly while fills only open or only close, and to Decimal's 28 digits otherwise (average-cost method).
"""

from dataclasses import dataclass, field
from decimal import Decimal

from hftd.domain.convert import decimal_of
from hftd.domain.orders import Side

ZERO = Decimal(0)


@dataclass(slots=True)
class Holding:
    """Shares of one symbol: signed `quantity`, and signed `cost`, the dollars paid for what is held now. `shares` is
    the quantity as a float."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realised: Decimal = ZERO
    shares: float = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        self.shares = float(self.quantity)

    @property
    def average_price(self) -> Decimal:
        """Dollars a share on entry; 0 when nothing is held."""
        return self.cost / self.quantity if self.quantity else ZERO

    def unrealised(self, price: float | Decimal | None) -> Decimal:
        """Profit in dollars if all were closed at `price`; 0 while no price is known."""
        return ZERO if price is None else self.quantity * decimal_of(price) - self.cost

    def absorb(self, other: "Holding") -> None:
        """Take over what somebody else held."""
        self.quantity, self.cost = self.quantity + other.quantity, self.cost + other.cost
        self.shares = float(self.quantity)
        self.realised += other.realised

    def fill(self, side: Side, quantity: Decimal, price: Decimal) -> None:
        """Add an execution of `quantity` shares at `price`."""
        signed = side.sign * quantity
        if self.quantity * signed < 0:
            closed = min(quantity, abs(self.quantity)) * -side.sign
            # All of the cost when all is closed: a quotient rounded to 28 digits would leave dust behind.
            released = self.cost if closed == self.quantity else self.cost * closed / self.quantity
            self.realised += closed * price - released
            self.cost -= released
            self.quantity -= closed
            signed += closed
        self.quantity += signed
        self.shares = float(self.quantity)
        self.cost += signed * price


@dataclass(slots=True)
class Portfolio:
    """What one model holds. `cash_flow` is dollars received less dollars paid since the session began, `allotment` the
    dollars of the account's cash that were this model's when it began."""

    holdings: dict[str, Holding] = field(default_factory=dict)
    cash_flow: Decimal = ZERO
    allotment: Decimal = ZERO
    _flow: tuple[Decimal, float] = field(default=(ZERO, 0.0), compare=False, repr=False)

    def holding(self, symbol: str) -> Holding:
        """The holding of `symbol`, made when it is first asked for."""
        return self.holdings.setdefault(symbol, Holding())

    def quantity(self, symbol: str) -> Decimal:
        """Signed shares of `symbol`; 0 when none."""
        holding = self.holdings.get(symbol)
        return holding.quantity if holding else ZERO

    def carry(self, symbol: str, quantity: Decimal, cost: Decimal) -> None:
        """Start with a position from before: signed shares and their signed cost in dollars."""
        self.holdings[symbol] = Holding(quantity=quantity, cost=cost)

    def fill(self, symbol: str, side: Side, quantity: Decimal, price: Decimal) -> None:
        """Book an execution."""
        self.holding(symbol).fill(side, quantity, price)
        self.cash_flow -= side.sign * quantity * price

    @property
    def cash(self) -> Decimal:
        """Dollars of this model's share of the account that are not in positions."""
        return self.allotment + self.cash_flow

    def value(self, prices: dict[str, float]) -> Decimal:
        """Signed dollars that what is held comes to, at the last `prices`; at cost where there is none."""
        return self.cost + self.unrealised(prices)

    def equity(self, prices: dict[str, float]) -> Decimal:
        """Dollars that this model's share of the account is worth, at the last `prices`."""
        return self.cash + self.value(prices)

    @property
    def realised(self) -> Decimal:
        """Profit of what has been closed this session, in dollars."""
        return sum((holding.realised for holding in self.holdings.values()), ZERO)

    def unrealised(self, prices: dict[str, float]) -> Decimal:
        """Profit in dollars of what is held, at the last `prices`."""
        return sum((holding.unrealised(prices.get(symbol)) for symbol, holding in self.holdings.items()), ZERO)

    def worth(self, prices: dict[str, float]) -> float:
        """Dollars that came in since the session began, and the value of what is held, by the last `prices`; at cost
        where there is none. In floats, for it is asked for at every price."""
        known, worth = self._flow
        if known is not self.cash_flow:
            worth = float(self.cash_flow)
            self._flow = self.cash_flow, worth
        for symbol, holding in self.holdings.items():
            if holding.shares:
                price = prices.get(symbol)
                worth += float(holding.cost) if price is None else holding.shares * price
        return worth

    @property
    def cost(self) -> Decimal:
        """Signed dollars paid for what is held."""
        return sum((holding.cost for holding in self.holdings.values()), ZERO)
