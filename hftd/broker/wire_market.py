"""Reading the market-data socket: a frame in, messages out. Pure; formats of Alpaca's data stream, version 2.

A frame is an array of maps tagged by `T`, as JSON or as MessagePack. Times are RFC 3339 text in JSON and MessagePack's
timestamp extension (type -1) in MessagePack, read to the nanosecond. What cannot be read becomes an UnknownMessage.
"""

from collections.abc import Callable
from math import isfinite
from struct import Struct as Packing
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.msgpack import Ext

from hftd.broker.base import Feed, Mark, MarketMessage, Message, TradeWithdrawn, TradingStatus, UnknownMessage
from hftd.domain.convert import SECOND_NS, ns_of_rfc3339
from hftd.domain.market import Bar, Quote, Trade

Time = Ext | str

_TIMESTAMP_8 = Packing(">Q")
_TIMESTAMP_12 = Packing(">Iq")
_SECONDS_BITS = 34
_SECONDS_MASK = (1 << _SECONDS_BITS) - 1
TEXT_MAX = 2000
"""Characters of an unknown message that are kept."""

UNREADABLE = (ValueError, OverflowError, RecursionError)
"""What reading junk may raise, however deep it is nested."""


class Connected(Struct, frozen=True, tag_field="T", tag="success"):
    """`connected` or `authenticated`."""

    msg: str = ""


class Refused(Struct, frozen=True, tag_field="T", tag="error"):
    """The server's error `code` (400 to 500) and sentence."""

    code: int = 0
    msg: str = ""


class Subscribed(Struct, frozen=True, tag_field="T", tag="subscription", rename="camel"):
    """Everything now subscribed to."""

    trades: list[str] | None = None
    quotes: list[str] | None = None
    bars: list[str] | None = None
    updated_bars: list[str] | None = None
    daily_bars: list[str] | None = None
    statuses: list[str] | None = None


Control = Connected | Refused | Subscribed


class _Bar(Struct, gc=False, tag_field="T", tag="b"):
    S: str
    t: Time
    o: float
    h: float
    l: float  # noqa: E741 - the wire's name
    c: float
    v: float
    n: int | None = None
    vw: float | None = None


class _UpdatedBar(_Bar, gc=False, tag_field="T", tag="u"):
    pass


class _DailyBar(_Bar, gc=False, tag_field="T", tag="d"):
    pass


class _Quote(Struct, gc=False, tag_field="T", tag="q", rename={"ask_size": "as"}):
    S: str
    t: Time
    bp: float = 0.0
    bs: float = 0.0
    ap: float = 0.0
    ask_size: float = 0.0


class _Trade(Struct, gc=False, tag_field="T", tag="t"):
    S: str
    t: Time
    p: float
    s: float
    i: int | str = 0


class _Cancel(Struct, gc=False, tag_field="T", tag="x"):
    S: str
    t: Time
    p: float
    s: float
    i: int | str = 0


class _Correction(Struct, gc=False, tag_field="T", tag="c"):
    S: str
    t: Time
    op: float
    os: float
    cp: float
    cs: float
    oi: int | str = 0
    ci: int | str = 0


class _Status(Struct, gc=False, tag_field="T", tag="s"):
    S: str
    t: Time
    sc: str = ""
    sm: str = ""
    rc: str = ""
    rm: str = ""


class _Hold(Struct, gc=False, tag_field="T", tag="hftd"):
    hold: int


_Wire = (
    _Bar
    | _UpdatedBar
    | _DailyBar
    | _Quote
    | _Trade
    | _Cancel
    | _Correction
    | _Status
    | _Hold
    | Connected
    | Refused
    | Subscribed
)


def ns_of_wire(time: Time) -> int:
    """Nanoseconds since 1970 UTC of a wire time. Raises ValueError when it is none.

    MessagePack's timestamp: 4 bytes of seconds, or 30 bits of nanoseconds and 34 of seconds, or 4 bytes of
    nanoseconds and 8 of signed seconds (msgpack specification, "Timestamp extension type").
    """
    if isinstance(time, str):
        return ns_of_rfc3339(time)
    if time.code != -1:
        raise ValueError(f"extension type {time.code} is no timestamp")
    data = bytes(time.data)
    if len(data) == 8:
        packed: int = _TIMESTAMP_8.unpack(data)[0]
        return (packed & _SECONDS_MASK) * SECOND_NS + (packed >> _SECONDS_BITS)
    if len(data) == 4:
        return int.from_bytes(data, "big") * SECOND_NS
    if len(data) == 12:
        nanoseconds, seconds = _TIMESTAMP_12.unpack(data)
        return int(seconds) * SECOND_NS + int(nanoseconds)
    raise ValueError(f"a timestamp of {len(data)} bytes")


def _number(trade_id: int | str) -> int:
    return trade_id if isinstance(trade_id, int) else int(trade_id)


def _finite(price: float) -> float:
    """A price that is a number: MessagePack has others, and JSON, which journals are, has not."""
    if not isfinite(price):
        raise ValueError(f"{price} is no price")
    return price


def _bar_of(wire: _Bar) -> Bar:
    return Bar(wire.S, ns_of_wire(wire.t), wire.o, wire.h, wire.l, wire.c, int(wire.v), wire.n or 0, wire.vw)


def _bar(wire: _Bar, received_ns: int) -> Message:
    return MarketMessage(_bar_of(wire), received_ns)


def _updated_bar(wire: _Bar, received_ns: int) -> Message:
    for price in (wire.o, wire.h, wire.l, wire.c):
        _finite(price)
    return MarketMessage(_bar_of(wire), received_ns, correction=True)


def _daily_bar(wire: _Bar, received_ns: int) -> Message:
    return MarketMessage(_bar_of(wire), received_ns, daily=True)


def _quote(wire: _Quote, received_ns: int) -> Message:
    bid, ask = _finite(wire.bp), _finite(wire.ap)
    quote = Quote(wire.S, ns_of_wire(wire.t), bid, int(wire.bs), ask, int(wire.ask_size))
    return MarketMessage(quote, received_ns)


def _trade(wire: _Trade, received_ns: int) -> Message:
    trade = Trade(wire.S, ns_of_wire(wire.t), _finite(wire.p), int(wire.s), _number(wire.i))
    return MarketMessage(trade, received_ns)


def _cancel(wire: _Cancel, received_ns: int) -> Message:
    return TradeWithdrawn(Trade(wire.S, ns_of_wire(wire.t), wire.p, int(wire.s), _number(wire.i)), received_ns)


def _correction(wire: _Correction, received_ns: int) -> Message:
    time_ns = ns_of_wire(wire.t)
    original = Trade(wire.S, time_ns, wire.op, int(wire.os), _number(wire.oi))
    return TradeWithdrawn(original, received_ns, Trade(wire.S, time_ns, wire.cp, int(wire.cs), _number(wire.ci)))


def _status(wire: _Status, received_ns: int) -> Message:
    return TradingStatus(wire.S, ns_of_wire(wire.t), received_ns, wire.sc, wire.sm, wire.rc, wire.rm)


def _hold(wire: _Hold, received_ns: int) -> Message:
    return Mark(Feed.DATA, wire.hold)


def _control(wire: Control, received_ns: int) -> Control:
    return wire


_READERS: dict[type, Callable[[Any, int], Message | Control]] = {
    _Bar: _bar,
    _UpdatedBar: _updated_bar,
    _DailyBar: _daily_bar,
    _Quote: _quote,
    _Trade: _trade,
    _Cancel: _cancel,
    _Correction: _correction,
    _Status: _status,
    _Hold: _hold,
    Connected: _control,
    Refused: _control,
    Subscribed: _control,
}

_json_frame = msgspec.json.Decoder(list[_Wire])
_json_parts = msgspec.json.Decoder(list[msgspec.Raw])
_json_part = msgspec.json.Decoder(_Wire)
_msgpack_frame = msgspec.msgpack.Decoder(list[_Wire])
_msgpack_parts = msgspec.msgpack.Decoder(list[msgspec.Raw])
_msgpack_part = msgspec.msgpack.Decoder(_Wire)


def read_market_frame(frame: bytes, received_ns: int, *, binary: bool) -> list[Message | Control]:
    """Everything in one frame, in its order. `binary` frames are MessagePack, text frames JSON. Never raises."""
    decoder = _msgpack_frame if binary else _json_frame
    try:
        return [_READERS[type(wire)](wire, received_ns) for wire in decoder.decode(frame)]
    except UNREADABLE:
        return _read_one_by_one(frame, received_ns, binary)


def _read_one_by_one(frame: bytes, received_ns: int, binary: bool) -> list[Message | Control]:
    """The careful way, after something in `frame` could not be read: the rest of it must not be lost."""
    try:
        parts = (_msgpack_parts if binary else _json_parts).decode(frame)
    except UNREADABLE as error:
        return [UnknownMessage(Feed.DATA, received_ns, repr(frame[:TEXT_MAX]), str(error))]
    return [_read_part(part, received_ns, binary) for part in parts]


def _read_part(part: msgspec.Raw, received_ns: int, binary: bool) -> Message | Control:
    try:
        wire = (_msgpack_part if binary else _json_part).decode(part)
        return _READERS[type(wire)](wire, received_ns)
    except UNREADABLE as error:
        return UnknownMessage(Feed.DATA, received_ns, _text_of(bytes(part), binary), str(error))


def _text_of(part: bytes, binary: bool) -> str:
    if not binary:
        return part.decode("utf-8", "replace")[:TEXT_MAX]
    try:
        return repr(msgspec.msgpack.decode(part))[:TEXT_MAX]
    except UNREADABLE:
        return repr(part)[:TEXT_MAX]
