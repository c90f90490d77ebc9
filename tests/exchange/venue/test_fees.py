"""What trading costs: schedules by name, and who rested."""

from decimal import Decimal as D

import pytest

from hftd.domain.orders import Side
from hftd.exchange.venue.fees import SCHEDULES, Fees
from hftd.exchange.venue.ledger import fee_of
from hftd.exchange.venue.orders import Execution
from hftd.exchange.venue.settings import FeeSchedule, VenueSettings
from tests.exchange.venue.venue_world import World

BUY, SELL = Side.BUY, Side.SELL
HUNDRED_AT_FIFTY = Execution(D(50), D(100))


@pytest.mark.parametrize(
    ("fees", "side", "rested", "dollars"),
    [
        (Fees.NONE, BUY, False, "0"),
        (Fees.NONE, SELL, True, "0"),
        (Fees.REGULATORY, BUY, False, "0"),
        (Fees.REGULATORY, SELL, False, "0.16"),  # 0.139 and 0.0166, each up to the cent
        (Fees.PER_SHARE, BUY, False, "0.50"),
        (Fees.PER_SHARE, SELL, False, "0.66"),
        (Fees.MAKER_TAKER, BUY, True, "7.50"),
        (Fees.MAKER_TAKER, SELL, False, "12.50"),
    ],
)
def test_schedules_by_name(fees: Fees, side: Side, rested: bool, dollars: str) -> None:
    assert fee_of(SCHEDULES[fees], side, HUNDRED_AT_FIFTY, rested=rested) == D(dollars)


def test_every_name_has_a_schedule() -> None:
    assert set(SCHEDULES) == set(Fees)


def test_a_rebate_is_paid_out_and_rounded_against_the_user() -> None:
    schedule = FeeSchedule(maker_bps=D("-0.25"), taker_bps=D("0.25"))
    assert fee_of(schedule, BUY, HUNDRED_AT_FIFTY, rested=True) == D("-0.12")
    assert fee_of(schedule, BUY, HUNDRED_AT_FIFTY) == D("0.13")


def test_resting_orders_pay_the_maker_s_fee_at_the_venue() -> None:
    world = World(VenueSettings(fees=SCHEDULES[Fees.MAKER_TAKER])).open().quote(99.99, 100.01)
    world.buy(10)
    world.buy(10, "limit", limit_price="99.98")
    world.quote(99.95, 99.97)
    assert world.shares() == 20
    assert world.venue.account(world.id).fees == D("2.51") + D("1.50")  # 25 bps of 1000.10, 15 bps of 999.70
