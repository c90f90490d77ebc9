"""The table of order states, walked whole."""

import itertools

import pytest

from hftd.domain.orders import TERMINAL, OrderStatus, ReportKind
from hftd.exchange.venue.states import ENTERED, NEXT, next_status

PAIRS = list(itertools.product(OrderStatus, ReportKind))


def test_every_pair_is_decided() -> None:
    assert set(NEXT) == set(PAIRS)


@pytest.mark.parametrize(("status", "kind"), PAIRS)
def test_each_answer_is_a_status_of_this_venue_or_an_impossibility(status: OrderStatus, kind: ReportKind) -> None:
    following = NEXT[status, kind]
    if following is None:
        with pytest.raises(AssertionError, match=f"an order in {status} cannot become {kind}"):
            next_status(status, kind)
    else:
        assert status in ENTERED
        assert following in ENTERED
        assert next_status(status, kind) is following


def test_nothing_leaves_a_terminal_state() -> None:
    assert {NEXT[status, kind] for status, kind in PAIRS if status in TERMINAL} == {None}


def test_every_other_state_can_be_canceled_once_sent_and_every_state_is_reached() -> None:
    reached = {following for following in NEXT.values() if following is not None}
    assert reached | {OrderStatus.UNSENT} == ENTERED
    live = ENTERED - TERMINAL - {OrderStatus.UNSENT}
    assert all(NEXT[status, ReportKind.CANCELED] is OrderStatus.CANCELED for status in live)


def test_only_what_is_in_the_market_trades_and_what_has_traded_is_not_rejected() -> None:
    trading = {status for status, kind in PAIRS if kind is ReportKind.FILL and NEXT[status, kind] is not None}
    assert trading == {OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED}
    assert NEXT[OrderStatus.PARTIALLY_FILLED, ReportKind.REJECTED] is None
