"""The venue: commands and a time in; what has happened out. No clock, no randomness, no I/O of its own.

A command either raises `Refusal` and has changed nothing, or returns copies; what it did is in `drain()`.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal

from msgspec import Struct

from hftd.domain.market import Quote, Trade
from hftd.domain.session import Session
from hftd.exchange.venue.accounts import (
    Account,
    AccountFigures,
    Activity,
    Configuration,
    EquityMark,
    PositionFigures,
)
from hftd.exchange.venue.assets import Asset
from hftd.exchange.venue.happenings import Happening
from hftd.exchange.venue.liquidity import Liquidity
from hftd.exchange.venue.orders import Changes, NewOrder, Order
from hftd.exchange.venue.queries import ActivityFilter, EquityPoint, OrderFilter
from hftd.exchange.venue.refusals import Refusal
from hftd.exchange.venue.settings import VenueSettings


class Standing(Struct, frozen=True):
    """What the venue knows besides its records: small, to be persisted whole with each transaction."""

    time_ns: int = 0
    session: Session | None = None
    is_open: bool = False
    last_prices: dict[str, float] = {}
    closing_prices: dict[str, float] = {}
    halted: tuple[str, ...] = ()


class VenueState(Struct, frozen=True):
    """Everything a venue is. Each list's items are the happenings' own records, the newest of each id."""

    standing: Standing
    accounts: list[Account]
    orders: list[Order]
    activities: list[Activity]
    marks: list[EquityMark]


class Venue:
    """Accounts and their orders at one exchange."""

    def __init__(
        self,
        settings: VenueSettings,
        liquidity: Liquidity,
        assets: Mapping[str, Asset],
        new_id: Callable[[], str],
        draw: Callable[[], float] | None = None,
    ) -> None:
        """`new_id` makes unique ids (UUID text); `draw` numbers in [0, 1), needed when `settings` has chances."""
        raise NotImplementedError

    # Accounts

    def open_account(
        self, name: str, cash: Decimal, time_ns: int, configuration: Configuration | None = None
    ) -> Account:
        """A new account with `cash` dollars paid in."""
        raise NotImplementedError

    def configure(self, account_id: str, configuration: Configuration, time_ns: int) -> Account:
        """Take over what the owner has set."""
        raise NotImplementedError

    def accounts(self) -> list[Account]:
        """All accounts in the order of their opening."""
        raise NotImplementedError

    def account(self, account_id: str) -> Account:
        """One account. Raises KeyError for an id that never was."""
        raise NotImplementedError

    def figures(self, account_id: str) -> AccountFigures:
        """What the account is worth and may do now."""
        raise NotImplementedError

    def positions(self, account_id: str) -> list[PositionFigures]:
        """All positions by symbol."""
        raise NotImplementedError

    def position(self, account_id: str, symbol: str) -> PositionFigures:
        """One position. Raises Refusal (404) when flat."""
        raise NotImplementedError

    def activities(self, account_id: str, wanted: ActivityFilter) -> list[Activity]:
        """A page of the account's statement."""
        raise NotImplementedError

    def portfolio_history(self, account_id: str, start_ns: int, end_ns: int, step_ns: int) -> list[EquityPoint]:
        """The equity at the end of each step of `step_ns` in [start_ns, end_ns) that has a mark."""
        raise NotImplementedError

    # Orders

    def submit(self, account_id: str, wanted: NewOrder, time_ns: int) -> Order:
        """Accept an order and work it. Returned as it was when accepted: pending_new, or accepted when it must wait.

        Raises Refusal.
        """
        raise NotImplementedError

    def replace(self, account_id: str, order_id: str, changes: Changes, time_ns: int) -> Order:
        """Change a working order: its successor, as it was when accepted. Raises Refusal."""
        raise NotImplementedError

    def cancel(self, account_id: str, order_id: str, time_ns: int) -> None:
        """Cancel an order, with all members of its bracket or oco. Raises Refusal."""
        raise NotImplementedError

    def cancel_all(self, account_id: str, time_ns: int) -> list[tuple[str, Refusal | None]]:
        """Cancel every open order: the id of each, and why not, if so."""
        raise NotImplementedError

    def close_position(
        self,
        account_id: str,
        symbol: str,
        time_ns: int,
        quantity: Decimal | None = None,
        percentage: Decimal | None = None,
    ) -> Order:
        """A market order that closes a position, or `quantity` shares or `percentage` (0 to 100) of it.

        Raises Refusal.
        """
        raise NotImplementedError

    def close_positions(
        self, account_id: str, time_ns: int, *, cancel_orders: bool = False
    ) -> list[tuple[str, Order | Refusal]]:
        """Close every position: the symbol of each, and its order or why there is none."""
        raise NotImplementedError

    def order(self, account_id: str, order_id: str) -> Order:
        """One order as it is now. Raises Refusal (404)."""
        raise NotImplementedError

    def order_by_client_id(self, account_id: str, client_order_id: str) -> Order:
        """One order by its owner's id for it. Raises Refusal (404)."""
        raise NotImplementedError

    def orders(self, account_id: str, wanted: OrderFilter) -> list[Order]:
        """Orders as they are now, the latest submitted first unless told otherwise."""
        raise NotImplementedError

    def legs(self, order: Order) -> list[Order]:
        """An order's legs as they are now."""
        raise NotImplementedError

    # The market

    def on_quote(self, quote: Quote) -> None:
        """A quote was published: fill what it fills."""
        raise NotImplementedError

    def on_trade(self, trade: Trade) -> None:
        """A print was published: trigger the stops it reaches, cross the opening auction if it is the first."""
        raise NotImplementedError

    def on_time(self, time_ns: int) -> None:
        """Time has come to `time_ns`: expire what is due, collect fills, mark equity."""
        raise NotImplementedError

    def open_session(self, session: Session, time_ns: int) -> None:
        """The market is open: queued orders are released."""
        raise NotImplementedError

    def close_session(self, session: Session, time_ns: int) -> None:
        """The market is closed: the closing auction crosses at the last print, and day orders expire."""
        raise NotImplementedError

    def halt(self, symbol: str, time_ns: int) -> None:
        """Trading in `symbol` stops: new orders wait."""
        raise NotImplementedError

    def resume(self, symbol: str, time_ns: int) -> None:
        """Trading in `symbol` goes on."""
        raise NotImplementedError

    # Records

    def drain(self) -> list[Happening]:
        """What has happened since the last call, in order."""
        raise NotImplementedError

    @property
    def standing(self) -> Standing:
        """What is to be persisted besides the happenings."""
        raise NotImplementedError

    def snapshot(self) -> VenueState:
        """A copy of everything."""
        raise NotImplementedError

    def restore(self, state: VenueState) -> None:
        """Become what `state` says, in a venue just made. Working orders rest in the liquidity again."""
        raise NotImplementedError
