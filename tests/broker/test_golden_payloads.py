"""Recorded payloads of the real API, read by us and by alpaca-py's models: both must see the same."""

import json
import os
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from hftd.broker.base import MarketMessage, TradeWithdrawn, TradingStatus, UnknownMessage
from hftd.broker.library import preload
from hftd.broker.wire_account import (
    WireAccount,
    WireAsset,
    WireBar,
    WirePosition,
    account_of,
    asset_of,
    bar_of,
    position_of,
    read,
)
from hftd.broker.wire_market import read_market_frame
from hftd.broker.wire_trading import broker_order_of, knows_status, read_order
from hftd.domain.convert import ns_of_rfc3339

DATA = Path(os.environ.get("HFTD_DATA", Path(__file__).parents[3] / "shared" / "data"))
FILE = DATA / "alpaca" / "golden_payloads.jsonl"
TIME = "2022-03-18T14:02:43.651613184Z"


@pytest.fixture(scope="module")
def payloads():
    """Every object anywhere in the recorded payloads."""
    if not FILE.exists():
        pytest.skip(f"{FILE} is not here; set HFTD_DATA to the folder of recorded data")
    preload()
    return [found for line in FILE.read_text().splitlines() for found in objects_in(json.loads(line)["payload"])]


def objects_in(value):
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from objects_in(item)


def having(payloads, *keys):
    found = [payload for payload in payloads if all(key in payload for key in keys)]
    assert found, f"no recorded payload has {keys}"
    return found


def decimal(value):
    return Decimal(str(value)) if value is not None else Decimal(0)


def test_orders(payloads):
    from alpaca.trading.models import Order

    orders = having(payloads, "client_order_id", "submitted_at", "side", "symbol", "status", "qty")
    read_count = 0
    for payload in orders:
        try:
            theirs = Order(**payload)
        except ValueError:
            continue  # a fixture of another product, which alpaca-py cannot read either
        if theirs.side is None:
            continue
        wire = read_order(json.dumps(payload).encode())
        assert knows_status(wire)
        ours = broker_order_of(wire)
        assert (ours.client_order_id, ours.symbol) == (theirs.client_order_id, theirs.symbol)
        assert (ours.side.value, ours.status.value) == (theirs.side.value, theirs.status.value)
        assert (ours.quantity, ours.filled_quantity) == (decimal(theirs.qty), decimal(theirs.filled_qty))
        assert ours.submitted_at_ns // 1000 == ns_of_rfc3339(theirs.submitted_at.isoformat()) // 1000
        read_count += 1
    assert read_count >= 5


def test_accounts(payloads):
    from alpaca.trading.models import TradeAccount

    for payload in having(payloads, "account_number", "cash", "buying_power", "multiplier"):
        theirs = TradeAccount(**payload)
        ours = account_of(read("account", json.dumps(payload).encode(), WireAccount))
        assert (ours.cash, ours.buying_power) == (decimal(theirs.cash), decimal(theirs.buying_power))
        assert (ours.account_id, ours.status) == (str(theirs.id), theirs.status.value)


def test_positions(payloads):
    from alpaca.trading.models import Position

    for payload in having(payloads, "avg_entry_price", "qty", "side", "asset_class"):
        theirs = Position(**payload)
        ours = position_of(read("position", json.dumps(payload).encode(), WirePosition))
        assert (ours.symbol, abs(ours.quantity)) == (theirs.symbol, abs(decimal(theirs.qty)))
        assert ours.average_price == decimal(theirs.avg_entry_price)
        assert (ours.quantity < 0) == (theirs.side.value == "short")


def test_assets(payloads):
    for payload in having(payloads, "easy_to_borrow", "tradable", "symbol"):
        ours = asset_of(read("asset", json.dumps(payload).encode(), WireAsset))
        assert ours.symbol == payload["symbol"]
        assert ours.tradable == (payload["tradable"] and payload["status"] == "active")


def test_bars(payloads):
    for payload in having(payloads, "o", "h", "l", "c", "v", "t"):
        if isinstance(payload["v"], int) and payload["t"][:2] == "20":
            bar = bar_of("X", msgspec.convert(payload, WireBar))
            assert (bar.open, bar.close, bar.volume) == (payload["o"], payload["c"], payload["v"])
            assert bar.time_ns == ns_of_rfc3339(payload["t"])


def test_stream_messages(payloads):
    """Of news and of crypto's order books we know nothing: those are kept as unknown."""
    kinds = set()
    for payload in having(payloads, "T"):
        wire = {**payload, "t": payload["t"] if str(payload.get("t"))[:2] == "20" else TIME}
        (message,) = read_market_frame(json.dumps([wire]).encode(), 1, binary=False)
        if payload["T"] in "btqusxdc":
            kinds.add(payload["T"])
            assert isinstance(message, MarketMessage | TradingStatus | TradeWithdrawn), message
        else:
            assert isinstance(message, UnknownMessage)
    assert kinds >= set("btqusx")
