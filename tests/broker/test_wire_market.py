"""Reading market-data frames: both codecs, every channel, nanoseconds, and what cannot be read."""

import json

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.msgpack import Ext

from hftd.broker.base import Feed, Mark, MarketMessage, TradeWithdrawn, TradingStatus, UnknownMessage
from hftd.broker.wire_market import Connected, Refused, Subscribed, ns_of_wire, read_market_frame
from hftd.domain.convert import rfc3339_of
from hftd.domain.market import Bar, Quote, Trade

TIME_NS = 1_700_000_000_123_456_789
TIME_TEXT = rfc3339_of(TIME_NS)
BAR = {"o": 1.5, "h": 2, "l": 1, "c": 1.75, "v": 36839, "n": 12, "vw": 1.6}

CASES = [
    ({"T": "b", "S": "SPY", **BAR}, MarketMessage(Bar("SPY", TIME_NS, 1.5, 2.0, 1.0, 1.75, 36839, 12, 1.6), 7)),
    (
        {"T": "u", "S": "SPY", **BAR},
        MarketMessage(Bar("SPY", TIME_NS, 1.5, 2.0, 1.0, 1.75, 36839, 12, 1.6), 7, correction=True),
    ),
    (
        {"T": "d", "S": "SPY", **BAR},
        MarketMessage(Bar("SPY", TIME_NS, 1.5, 2.0, 1.0, 1.75, 36839, 12, 1.6), 7, daily=True),
    ),
    (
        {"T": "q", "S": "SPY", "bx": "V", "bp": 1.0, "bs": 100, "ax": "V", "ap": 1.01, "as": 200, "c": ["R"], "z": "B"},
        MarketMessage(Quote("SPY", TIME_NS, 1.0, 100, 1.01, 200), 7),
    ),
    (
        {"T": "t", "S": "SPY", "i": 2**53 + 1, "x": "V", "p": 1.25, "s": 10, "c": None, "z": "B"},
        MarketMessage(Trade("SPY", TIME_NS, 1.25, 10, 2**53 + 1), 7),
    ),
    (
        {"T": "x", "S": "SPY", "i": 5, "x": "V", "p": 1.25, "s": 10, "a": "C", "z": "B"},
        TradeWithdrawn(Trade("SPY", TIME_NS, 1.25, 10, 5), 7),
    ),
    (
        {"T": "c", "S": "SPY", "oi": 5, "op": 9.0, "os": 10, "oc": [], "ci": 6, "cp": 1.25, "cs": 10, "cc": []},
        TradeWithdrawn(Trade("SPY", TIME_NS, 9.0, 10, 5), 7, Trade("SPY", TIME_NS, 1.25, 10, 6)),
    ),
    (
        {"T": "s", "S": "SPY", "sc": "H", "sm": "Trading Halt", "rc": "T12", "rm": "Halt requested", "z": "B"},
        TradingStatus("SPY", TIME_NS, 7, "H", "Trading Halt", "T12", "Halt requested"),
    ),
]


def as_json(messages):
    return json.dumps([{**message, "t": TIME_TEXT} for message in messages]).encode()


def as_msgpack(messages):
    seconds, nanoseconds = divmod(TIME_NS, 10**9)
    return msgpack.packb([{**message, "t": msgpack.Timestamp(seconds, nanoseconds)} for message in messages])


@pytest.mark.parametrize(("wire", "expected"), CASES, ids=lambda case: case["T"] if isinstance(case, dict) else "")
def test_every_channel_reads_the_same_in_both_codecs(wire, expected):
    assert read_market_frame(as_json([wire]), 7, binary=False) == [expected]
    assert read_market_frame(as_msgpack([wire]), 7, binary=True) == [expected]


def test_a_frame_keeps_its_order():
    wires, expected = zip(*CASES, strict=True)
    assert read_market_frame(as_msgpack(wires), 7, binary=True) == list(expected)


def test_control_messages_and_marks():
    frame = msgspec.json.encode(
        [
            {"T": "success", "msg": "authenticated"},
            {"T": "error", "code": 406, "msg": "connection limit exceeded"},
            {"T": "subscription", "bars": ["SPY"], "dailyBars": ["A"], "lulds": []},
            {"T": "hftd", "hold": 3},
        ]
    )
    assert read_market_frame(frame, 7, binary=False) == [
        Connected("authenticated"),
        Refused(406, "connection limit exceeded"),
        Subscribed(bars=["SPY"], daily_bars=["A"]),
        Mark(Feed.DATA, 3),
    ]


@pytest.mark.parametrize("binary", [False, True], ids=["json", "msgpack"])
@pytest.mark.parametrize(
    "bad",
    [
        {"T": "l", "S": "SPY", "u": 1.0, "d": 0.5, "i": "B"},
        {"T": "b", **BAR},
        {"T": "b", "S": "SPY", **BAR, "v": 1e400},
        {"T": "b", "S": "SPY", **BAR, "o": "1.5"},
        {"T": "t", "S": "SPY", "p": 1.0, "s": 1, "i": "not a number"},
        {"S": "SPY"},
        {"T": 5},
    ],
    ids=["unknown kind", "no symbol", "infinite volume", "text price", "strange id", "no kind", "kind no text"],
)
def test_one_bad_message_is_kept_and_costs_its_neighbours_nothing(bad, binary):
    good, expected = CASES[0]
    frame = (as_msgpack if binary else as_json)([good, bad, good]).replace(b"Infinity", b"1e999")
    first, middle, last = read_market_frame(frame, 7, binary=binary)
    assert first == last == expected
    assert isinstance(middle, UnknownMessage)
    assert middle.feed is Feed.DATA
    assert middle.text
    assert middle.problem


@pytest.mark.parametrize("binary", [False, True])
def test_however_deep_garbage_is_nested_it_is_kept_as_unknown(binary):
    deep = b"\x91" * 100_000 + b"\xc0" if binary else b"[" * 100_000 + b"]" * 100_000
    within = b"\x91\x82\xa1T\xa1b\xa1z" + deep if binary else b'[{"T":"b","z":' + deep + b"}]"
    for frame in (deep, within):
        (message,) = read_market_frame(frame, 7, binary=binary)
        assert isinstance(message, UnknownMessage)
        assert message.problem


@pytest.mark.parametrize("price", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    "wire",
    [{"T": "q", "bp": 1.0, "ap": 1.1}, {"T": "t", "p": 1.0, "s": 1}, {"T": "u", **BAR}],
    ids=["quote", "trade", "correction"],
)
def test_a_price_that_no_journal_can_hold_is_unknown(wire, price):
    for name in wire.keys() & {"bp", "ap", "p", "o", "h", "l", "c"}:
        (message,) = read_market_frame(as_msgpack([{"S": "SPY", **wire, name: price}]), 7, binary=True)
        assert isinstance(message, UnknownMessage), name


@given(frame=st.binary(max_size=200), binary=st.booleans())
def test_garbage_never_raises(frame, binary):
    for message in read_market_frame(frame, 7, binary=binary):
        assert message is not None


@given(time_ns=st.integers(-(2**33) * 10**9, 2**62))
def test_every_form_of_a_msgpack_timestamp_is_read_to_the_nanosecond(time_ns):
    seconds, nanoseconds = divmod(time_ns, 10**9)
    assert ns_of_wire(Ext(-1, msgpack.Timestamp(seconds, nanoseconds).to_bytes())) == time_ns


@pytest.mark.parametrize("time", [Ext(5, b"\0\0\0\0"), Ext(-1, b"\0\0\0"), "yesterday", "2024-01-01T00:00:00"])
def test_what_is_no_time_is_an_error(time):
    with pytest.raises(ValueError):
        ns_of_wire(time)
