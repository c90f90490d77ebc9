"""Market data for all subscribers: a message is encoded once a codec, a frame built once for all who want the same.

Channels and messages are those of Alpaca's data stream.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hftd.domain.market import Bar, Quote, Trade
from hftd.exchange.server.codec import Codec, Moment, encode, frame, joined
from hftd.exchange.server.connection import Connection

CHANNELS = ("trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds", "imbalances")
ACKNOWLEDGED = (*CHANNELS, "corrections", "cancelErrors")
FOLLOWS = {"corrections": "trades", "cancelErrors": "trades"}
"""Channels that are not subscribed to but come with another."""

ALL = "*"
VENUE_CODE = "V"
TAPE_CODE = "B"

Interest = tuple[frozenset[str], ...]
"""What a client wants: the symbols of each channel, in the order of CHANNELS."""

NOTHING: Interest = (frozenset(),) * len(CHANNELS)


class DataMessage:
    """One message for the subscribers of `channel` and `symbol`. `body` starts with `T`."""

    __slots__ = ("_encoded", "body", "place", "symbol")

    def __init__(self, channel: str, symbol: str, body: dict[str, Any]) -> None:
        self.place = CHANNELS.index(FOLLOWS.get(channel, channel))
        self.symbol = symbol
        self.body = body
        self._encoded: dict[Codec, bytes] = {}

    def encoded(self, codec: Codec) -> bytes:
        if codec not in self._encoded:
            self._encoded[codec] = encode(codec, self.body)
        return self._encoded[codec]

    def is_wanted(self, interest: Interest) -> bool:
        symbols = interest[self.place]
        return self.symbol in symbols or ALL in symbols


def trade_message(trade: Trade) -> DataMessage:
    return DataMessage("trades", trade.symbol, {"T": "t", "S": trade.symbol, **trade_fields(trade)})


def quote_message(quote: Quote) -> DataMessage:
    return DataMessage("quotes", quote.symbol, {"T": "q", "S": quote.symbol, **quote_fields(quote)})


def bar_message(bar: Bar) -> DataMessage:
    return DataMessage("bars", bar.symbol, {"T": "b", "S": bar.symbol, **bar_fields(bar)})


def daily_message(bar: Bar) -> DataMessage:
    return DataMessage("dailyBars", bar.symbol, {"T": "d", "S": bar.symbol, **bar_fields(bar)})


def status_message(symbol: str, time_ns: int, *, halted: bool) -> DataMessage:
    """A halt or a resumption, in the codes of tapes A and B (CTA)."""
    status = {"sc": "2", "sm": "Trading Halt"} if halted else {"sc": "3", "sm": "Resume"}
    body = {"T": "s", "S": symbol, **status, "rc": "", "rm": "", "t": Moment(time_ns), "z": TAPE_CODE}
    return DataMessage("statuses", symbol, body)


def trade_fields(trade: Trade) -> dict[str, Any]:
    """A trade without `T` and `S`, as sockets and REST have it."""
    return {
        "i": trade.trade_id,
        "x": VENUE_CODE,
        "p": trade.price,
        "s": trade.size,
        "c": ["@"],
        "t": Moment(trade.time_ns),
        "z": TAPE_CODE,
    }


def quote_fields(quote: Quote) -> dict[str, Any]:
    return {
        "bx": VENUE_CODE,
        "bp": quote.bid,
        "bs": quote.bid_size,
        "ax": VENUE_CODE,
        "ap": quote.ask,
        "as": quote.ask_size,
        "t": Moment(quote.time_ns),
        "c": ["R"],
        "z": TAPE_CODE,
    }


def bar_fields(bar: Bar) -> dict[str, Any]:
    return {
        "o": bar.open,
        "h": bar.high,
        "l": bar.low,
        "c": bar.close,
        "v": bar.volume,
        "t": Moment(bar.time_ns),
        "n": bar.trade_count,
        "vw": bar.vwap,
    }


class Feed:
    """All subscriptions to market data."""

    def __init__(self) -> None:
        self._interests: dict[Connection, Interest] = {}
        self._groups: dict[tuple[Interest, Codec, int], set[Connection]] = defaultdict(set)

    @property
    def subscriber_count(self) -> int:
        """How many want anything."""
        return sum(map(len, self._groups.values()))

    def connections(self) -> Iterable[Connection]:
        """All that have authenticated."""
        return self._interests

    def join(self, connection: Connection) -> None:
        """`connection` has authenticated, and wants nothing yet."""
        self._interests[connection] = NOTHING

    def leave(self, connection: Connection) -> None:
        """`connection` has gone."""
        self._ungroup(connection)
        self._interests.pop(connection, None)

    def interest_of(self, connection: Connection) -> Interest:
        return self._interests[connection]

    def set_interest(self, connection: Connection, interest: Interest) -> None:
        self._ungroup(connection)
        self._interests[connection] = interest
        if interest != NOTHING:
            self._groups[interest, connection.codec, connection.opcode].add(connection)

    def is_wanted(self, channel: str) -> bool:
        """Whether anybody has subscribed to anything on `channel`."""
        place = CHANNELS.index(channel)
        return any(interest[place] for interest, _, _ in self._groups)

    def publish(self, messages: Sequence[DataMessage]) -> set[str]:
        """Send `messages`, in order, to everybody who wants them, as one frame each. Returns the accounts reached."""
        reached: set[str] = set()
        for (interest, codec, opcode), connections in list(self._groups.items()):
            wanted = [message.encoded(codec) for message in messages if message.is_wanted(interest)]
            if not wanted:
                continue
            framed = frame(joined(codec, wanted), opcode)
            for connection in list(connections):
                connection.write(framed)
                reached.add(connection.account)
        return reached

    def _ungroup(self, connection: Connection) -> None:
        interest = self._interests.get(connection, NOTHING)
        group = (interest, connection.codec, connection.opcode)
        self._groups[group].discard(connection)
        if not self._groups[group]:
            del self._groups[group]


def changed(interest: Interest, request: Mapping[str, Any], *, adds: bool) -> Interest:
    """`interest` after a subscribe or unsubscribe request. Raises ValueError for a channel that is no list of names."""
    symbols = [_names(request.get(channel)) for channel in CHANNELS]
    pairs = zip(interest, symbols, strict=True)
    return tuple(held | named if adds else held - named for held, named in pairs)


def acknowledgement(interest: Interest) -> dict[str, Any]:
    """The full state of a subscription, as a client is told it."""
    held = {channel: sorted(symbols) for channel, symbols in zip(CHANNELS, interest, strict=True)}
    return {"T": "subscription", **{name: held[FOLLOWS.get(name, name)] for name in ACKNOWLEDGED}}


def _names(value: object) -> frozenset[str]:
    if value is None:
        return frozenset()
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"a list of symbols is expected, not {value!r}")
    return frozenset(value)
