"""Reading orders and trade updates: exact decimals, unknown words kept, never a fill out of an answer."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hftd.broker.base import Feed, Mark, UnknownMessage
from hftd.broker.wire_trading import (
    Authorization,
    Listening,
    broker_order_of,
    first_word,
    knows_status,
    read_order,
    read_trade_frame,
)
from hftd.domain.convert import ns_of_rfc3339
from hftd.domain.orders import OrderStatus, OrderType, ReportKind, Side

ORDER = {
    "id": "904837e3-3b76-47ec-b432-046db621571b",
    "client_order_id": "hftd-1",
    "created_at": "2026-11-20T15:00:00.1Z",
    "updated_at": "2026-11-20T15:00:01.123456789Z",
    "submitted_at": "2026-11-20T15:00:00.5Z",
    "symbol": "SPY",
    "qty": "5",
    "filled_qty": "0",
    "filled_avg_price": None,
    "order_class": "",
    "type": "limit",
    "side": "buy",
    "limit_price": "271.34",
    "stop_price": None,
    "status": "accepted",
}


def order(**changes):
    return read_order(json.dumps({**ORDER, **changes}).encode())


def update(event, *, stream="trade_updates", order=ORDER, **fields):
    data = {"event": event, "timestamp": "2026-11-20T15:00:01.000000001Z", "order": order, **fields}
    return read_trade_frame(json.dumps({"stream": stream, "data": data}).encode(), 7)


def test_a_fill_is_exact():
    filled = {**ORDER, "status": "filled", "filled_qty": "0.1", "filled_avg_price": 271.3}
    report = update("fill", order=filled, execution_id="e1", price="271.34", qty="0.1", position_qty="0.1")
    assert report.kind is ReportKind.FILL
    assert (report.price, report.quantity, report.filled_quantity) == (
        Decimal("271.34"),
        Decimal("0.1"),
        Decimal("0.1"),
    )
    assert report.execution_id == "e1"
    assert (report.client_order_id, report.broker_order_id) == ("hftd-1", ORDER["id"])
    assert (report.symbol, report.side) == ("SPY", Side.BUY)
    assert report.time_ns == ns_of_rfc3339("2026-11-20T15:00:01.000000001Z")


def test_two_fills_without_execution_ids_are_told_apart():
    first = update("partial_fill", order={**ORDER, "filled_qty": "2"}, price="1", qty="2")
    second = update("fill", order={**ORDER, "filled_qty": "5"}, price="1", qty="3")
    assert first.execution_id
    assert first.execution_id != second.execution_id


@pytest.mark.parametrize("kind", [kind for kind in ReportKind if kind is not ReportKind.UNKNOWN])
def test_every_known_event_is_its_own_kind(kind):
    assert update(kind.value).kind is kind


@pytest.mark.parametrize("word", ["unknown", "levitated", "", "FILL"])
def test_an_unknown_event_keeps_its_word(word):
    report = update(word)
    assert (report.kind, report.reason) == (ReportKind.UNKNOWN, word)


def test_authorization_listening_and_marks():
    authorized = b'{"stream":"authorization","data":{"status":"authorized","action":"authenticate"}}'
    assert read_trade_frame(authorized, 7) == Authorization("authorized", "authenticate")
    listening = b'{"stream":"listening","data":{"streams":["trade_updates"]}}'
    assert read_trade_frame(listening, 7) == Listening(["trade_updates"])
    assert read_trade_frame(b'{"stream":"hftd","data":{"hold":4}}', 7) == Mark(Feed.TRADES, 4)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"stream":"trade_updates","data":{}}',
        b'{"stream":"account_updates","data":{}}',
        b'{"action":"error","data":{"error_message":"internal server error"}}',
        b'{"stream":"trade_updates","data":{"event":"fill","order":{"id":"a","client_order_id":"b","status":"filled"},'
        b'"qty":"NaN","price":"1"}}',
        b'{"stream":"trade_updates","data":{"event":"new","timestamp":"noon",'
        b'"order":{"id":"a","client_order_id":"b","status":"new"}}}',
    ],
)
def test_what_cannot_be_read_is_kept_as_unknown(frame):
    message = read_trade_frame(frame, 7)
    assert isinstance(message, UnknownMessage)
    assert message.text == frame.decode()
    assert message.problem


def test_however_deep_garbage_is_nested_it_is_kept_as_unknown():
    frame = b'{"stream":"trade_updates","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert isinstance(read_trade_frame(frame, 7), UnknownMessage)


@given(frame=st.binary(max_size=200))
def test_garbage_never_raises(frame):
    assert read_trade_frame(frame, 7) is not None


def test_an_answer_is_never_a_fill():
    for status in OrderStatus:
        if status is not OrderStatus.UNSENT:
            report = first_word(order(status=status.value), 7)
            assert report.kind not in (ReportKind.FILL, ReportKind.PARTIAL_FILL, ReportKind.UNKNOWN)
            assert report.quantity == 0


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("pending_new", ReportKind.PENDING_NEW),
        ("accepted", ReportKind.ACCEPTED),
        ("filled", ReportKind.NEW),
        ("rejected", ReportKind.REJECTED),
        ("held", ReportKind.HELD),
    ],
)
def test_first_words(status, kind):
    assert first_word(order(status=status), 7).kind is kind


def test_an_unknown_status_is_kept_and_shown_as_working():
    strange = order(status="quantum")
    assert not knows_status(strange)
    assert (first_word(strange, 7).kind, first_word(strange, 7).reason) == (ReportKind.UNKNOWN, "quantum")
    assert not broker_order_of(strange).status.is_terminal


def test_an_order_as_the_books_show_it():
    shown = broker_order_of(order(status="partially_filled", filled_qty=2, filled_avg_price="271.335"))
    assert shown.status is OrderStatus.PARTIALLY_FILLED
    assert (shown.quantity, shown.filled_quantity) == (Decimal(5), Decimal(2))
    assert (shown.filled_average_price, shown.limit_price) == (Decimal("271.335"), Decimal("271.34"))
    assert shown.type is OrderType.LIMIT
    assert shown.submitted_at_ns == ns_of_rfc3339(ORDER["submitted_at"])
    assert shown.updated_at_ns == ns_of_rfc3339(ORDER["updated_at"])


def test_an_order_that_hftd_does_not_trade_is_an_error():
    with pytest.raises(ValueError, match="side None"):
        broker_order_of(order(side=None))
