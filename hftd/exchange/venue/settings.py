"""The venue's policies. The defaults are Alpaca's paper account as documented."""

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from hftd.domain.convert import DAY_NS, MINUTE_NS
from hftd.exchange.venue.latency import Latency


class StopTrigger(StrEnum):
    """What reaches a stop price: prints, or the quote on the side the order would trade against."""

    TRADES = "trades"
    QUOTES = "quotes"


class FeeSchedule(Struct, frozen=True):
    """Dollars taken from cash at each fill. All zero by default, as in Alpaca's paper accounts.

    `sell_per_million` is the SEC's fee on sales (per $1,000,000); `sell_per_share` with its `sell_per_share_max` is
    FINRA's trading activity fee; `commission_per_share` is a broker's, on both sides. `maker_bps` and `taker_bps` are
    parts of the value of a fill, of orders that rested and of those that did not; below zero they are paid out.
    """

    sell_per_million: Decimal = Decimal(0)
    sell_per_share: Decimal = Decimal(0)
    sell_per_share_max: Decimal = Decimal("8.30")
    commission_per_share: Decimal = Decimal(0)
    maker_bps: Decimal = Decimal(0)
    taker_bps: Decimal = Decimal(0)


class VenueSettings(Struct, frozen=True):
    """What may differ from one venue to the next, where Alpaca's documents are silent, differ, or leave a choice.

    - `wash_trades_refused`: orders that might meet an order of the same account are refused.
    - `collar_market_buys`: a market buy goes out as a limit 4 % (from $50: 2.5 %) above the ask.
    - `fractional_limits`: fractions of a share may be traded with limits and stops too, not only at the market.
    - `extended_hours_gtc`: orders for extended hours may last, not only end with their day.
    - `canceling_canceled_succeeds`: to cancel a canceled order again is no error.
    - `stop_trigger`: what reaches a stop price.
    - `limit_distance_max`: the fraction of the price by which a limit may stand beyond the market; None for any.
    - `partial_fill_chance`, `reject_chance`: probabilities, drawn by the callable that is given to the venue.
    - `fees`: what a fill costs.
    - `latency`: how long orders and cancellations are on their way; None: they act at once.
    - `gtc_life_ns`: after which time lasting orders expire.
    - `mark_every_ns`: the step of the equity curve.
    - `client_order_id_code`: the error code of a repeated client order id.
    """

    wash_trades_refused: bool = True
    collar_market_buys: bool = False
    fractional_limits: bool = True
    extended_hours_gtc: bool = True
    canceling_canceled_succeeds: bool = False
    stop_trigger: StopTrigger = StopTrigger.TRADES
    limit_distance_max: Decimal | None = None
    partial_fill_chance: float = 0.0
    reject_chance: float = 0.0
    fees: FeeSchedule = FeeSchedule()
    latency: Latency | None = None
    gtc_life_ns: int = 90 * DAY_NS
    mark_every_ns: int = MINUTE_NS
    client_order_id_code: int = 40010001
