"""Fee schedules by name."""

from decimal import Decimal
from enum import StrEnum
from typing import Final

from hftd.exchange.venue.settings import FeeSchedule


class Fees(StrEnum):
    """What trading costs.

    `none`: nothing, as in Alpaca's paper accounts. `regulatory`: what is charged on sales of US shares whoever the
    broker is: the SEC's section 31 fee at $27.80 a million and FINRA's trading activity fee at $0.000166 a share, at
    most $8.30 (the rates of early 2025; section 31 changes every year). `per_share`: a broker's half cent a share, and
    the regulatory fees. `maker_taker`: 15 basis points for orders that rested, 25 for those that did not, as venues for
    crypto currencies have it.
    """

    NONE = "none"
    REGULATORY = "regulatory"
    PER_SHARE = "per_share"
    MAKER_TAKER = "maker_taker"


_SECTION_31 = Decimal("27.80")
_ACTIVITY = Decimal("0.000166")

SCHEDULES: Final = {
    Fees.NONE: FeeSchedule(),
    Fees.REGULATORY: FeeSchedule(sell_per_million=_SECTION_31, sell_per_share=_ACTIVITY),
    Fees.PER_SHARE: FeeSchedule(
        sell_per_million=_SECTION_31, sell_per_share=_ACTIVITY, commission_per_share=Decimal("0.005")
    ),
    Fees.MAKER_TAKER: FeeSchedule(maker_bps=Decimal(15), taker_bps=Decimal(25)),
}
