"""REST: the market's past and present, as Alpaca's data API tells it. Numbers are JSON numbers here."""

import asyncio
import base64
import binascii
from collections.abc import Callable, Iterator
from typing import Any

from aiohttp import web
from msgspec import Struct

from hftd.clock import monotonic_s
from hftd.domain.convert import rfc3339_of
from hftd.domain.market import Bar, Quote, Trade
from hftd.exchange.server.call import Call, answer, malformed, moment, names, text, whole
from hftd.exchange.server.codec import Moment
from hftd.exchange.server.feed import bar_fields, quote_fields, trade_fields
from hftd.exchange.server.render import Json
from hftd.exchange.server.timeframes import Timeframe, Unit, midnight_ns, timeframe_of
from hftd.exchange.venue.refusals import Refusal

LIMIT_MAX = 10_000
LIMIT_DEFAULT = 1_000
SYMBOLS_MAX = 1_000
BREATH_S = 0.005
"""After so long at one page other clients are served before it goes on: a row may need a whole session of bots."""

FEEDS = frozenset({"iex", "sip", "otc", "boats", "overnight", "delayed_sip"})
MINUTE = Timeframe(1, Unit.MINUTE)
DAY = Timeframe(1, Unit.DAY)


class Stretch(Struct, frozen=True):
    """What part of the past is asked for: [start_ns, end_ns], `limit` rows a page, from where the last page ended:
    `from_count` rows of one symbol and moment were told, of which a tape may have many."""

    symbols: list[str]
    start_ns: int
    end_ns: int
    limit: int
    newest_first: bool
    from_symbol: str | None = None
    from_ns: int = 0
    from_count: int = 0


Rows = Callable[[Call, str, Stretch, int, int], Iterator[Any]]
"""Rows of a symbol in [start_ns, end_ns]."""


async def bars(call: Call) -> web.Response:
    """GET /v2/stocks/bars"""
    return await _pages(call, "bars", _bar_rows(call), bar_fields)


async def trades(call: Call) -> web.Response:
    """GET /v2/stocks/trades"""
    return await _pages(call, "trades", _trade_rows, trade_fields)


async def quotes(call: Call) -> web.Response:
    """GET /v2/stocks/quotes"""
    return await _pages(call, "quotes", _quote_rows, quote_fields)


async def latest_bars(call: Call) -> web.Response:
    """GET /v2/stocks/bars/latest"""
    return _latest(call, "bar", lambda symbol: call.exchange.history.latest_bar(symbol, MINUTE, call.now_ns))


async def latest_trades(call: Call) -> web.Response:
    """GET /v2/stocks/trades/latest"""
    return _latest(call, "trade", lambda symbol: call.exchange.history.latest_trade(symbol, call.now_ns))


async def latest_quotes(call: Call) -> web.Response:
    """GET /v2/stocks/quotes/latest"""
    return _latest(call, "quote", lambda symbol: call.exchange.history.latest_quote(symbol, call.now_ns))


async def snapshots(call: Call) -> web.Response:
    """GET /v2/stocks/snapshots, GET /v2/stocks/{symbol}/snapshot"""
    found = {symbol: _snapshot(call, symbol) for symbol in _symbols(call) if symbol in call.exchange.market.symbols}
    single = call.request.match_info.get("symbol")
    if single is None:
        return answer(found)
    return answer({"symbol": single.upper(), **found.get(single.upper(), {})})


async def exchanges(call: Call) -> web.Response:
    """GET /v2/stocks/meta/exchanges"""
    return answer({"V": "IEX"})


async def conditions(call: Call) -> web.Response:
    """GET /v2/stocks/meta/conditions/{kind}"""
    return answer({"trade": {"@": "Regular Sale"}, "quote": {"R": "Regular Two Sided Open"}}[call.path("kind")])


def plain(fields: Json) -> Json:
    """A message's fields as REST writes them: times as text."""
    return {key: rfc3339_of(value.time_ns) if type(value) is Moment else value for key, value in fields.items()}


def stretch_of(call: Call) -> Stretch:
    """What part of the past the query asks for. Raises Refusal."""
    query = call.query
    feed, sort = text(query, "feed"), text(query, "sort") or "asc"
    if feed is not None and feed not in FEEDS:
        raise Refusal(400, 40010001, f"invalid feed: {feed[:50]}; expected one of {', '.join(sorted(FEEDS))}")
    if sort not in ("asc", "desc"):
        raise malformed("invalid sort: asc or desc is expected")
    start_ns, end_ns = moment(query, "start"), moment(query, "end", end_of_day=True)
    from_symbol, from_ns, from_count = _position_of(text(query, "page_token"))
    return Stretch(
        symbols=sorted(_symbols(call)),
        start_ns=midnight_ns(call.exchange.calendar.day_of(call.now_ns)) if start_ns is None else start_ns,
        end_ns=call.now_ns if end_ns is None else min(end_ns, call.now_ns),
        limit=whole(query, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT),
        newest_first=sort == "desc",
        from_symbol=from_symbol,
        from_ns=from_ns,
        from_count=from_count,
    )


async def _pages(call: Call, name: str, rows: Rows, fields_of: Callable[[Any], Json]) -> web.Response:
    """One page of rows by symbol, and the token of the next."""
    stretch = stretch_of(call)
    single = call.request.match_info.get("symbol")
    page: dict[str, list[Json]] = {}
    token, count = None, 0
    last, alike = (stretch.from_symbol, stretch.from_ns), stretch.from_count
    async for symbol, row in _rows_of(call, stretch, rows):
        if count == stretch.limit:
            token = _token_of(*last, alike)
            break
        page.setdefault(symbol, []).append(plain(fields_of(row)))
        alike = alike + 1 if last == (symbol, row.time_ns) else 1
        last = symbol, row.time_ns
        count += 1
    if single is not None:
        return answer({name: page.get(single.upper(), []), "symbol": single.upper(), "next_page_token": token})
    return answer({name: page, "next_page_token": token})


async def _rows_of(call: Call, stretch: Stretch, rows: Rows) -> Any:
    """(symbol, row) in order of symbol and time, from where the last page ended."""
    breathed_s = monotonic_s()
    for symbol in stretch.symbols:
        if symbol not in call.exchange.market.symbols or (stretch.from_symbol or "") > symbol:
            continue
        start_ns, end_ns, told = stretch.start_ns, stretch.end_ns, 0
        if symbol == stretch.from_symbol:
            told = stretch.from_count
            start_ns = start_ns if stretch.newest_first else max(start_ns, stretch.from_ns)
            end_ns = min(end_ns, stretch.from_ns) if stretch.newest_first else end_ns
        for row in rows(call, symbol, stretch, start_ns, end_ns):
            if told and row.time_ns == stretch.from_ns:
                told -= 1
                continue
            yield symbol, row
            if monotonic_s() - breathed_s > BREATH_S:
                await asyncio.sleep(0)
                breathed_s = monotonic_s()


def _bar_rows(call: Call) -> Rows:
    try:
        timeframe = timeframe_of(text(call.query, "timeframe") or "")
    except ValueError as error:
        raise Refusal(400, 40010001, str(error)) from error

    def rows(call: Call, symbol: str, stretch: Stretch, start_ns: int, end_ns: int) -> Iterator[Bar]:
        newest_first = stretch.newest_first
        return call.exchange.history.bars(symbol, timeframe, start_ns, end_ns, call.now_ns, newest_first=newest_first)

    return rows


def _trade_rows(call: Call, symbol: str, stretch: Stretch, start_ns: int, end_ns: int) -> Iterator[Trade]:
    return call.exchange.history.trades(symbol, start_ns, end_ns, call.now_ns, newest_first=stretch.newest_first)


def _quote_rows(call: Call, symbol: str, stretch: Stretch, start_ns: int, end_ns: int) -> Iterator[Quote]:
    return call.exchange.history.quotes(symbol, start_ns, end_ns, call.now_ns, newest_first=stretch.newest_first)


_FIELDS: dict[str, Callable[[Any], Json]] = {"bar": bar_fields, "trade": trade_fields, "quote": quote_fields}


def _latest(call: Call, name: str, latest: Callable[[str], Bar | Trade | Quote | None]) -> web.Response:
    traded = [symbol for symbol in _symbols(call) if symbol in call.exchange.market.symbols]
    found = {symbol: plain(_FIELDS[name](row)) for symbol in traded if (row := latest(symbol)) is not None}
    single = call.request.match_info.get("symbol")
    if single is None:
        return answer({f"{name}s": found})
    if single.upper() not in found:
        raise Refusal(404, 40410000, f"no {name} found for {single[:50]}")
    return answer({"symbol": single.upper(), name: found[single.upper()]})


def _snapshot(call: Call, symbol: str) -> Json:
    history, now_ns = call.exchange.history, call.now_ns
    start_ns = midnight_ns(call.exchange.calendar.previous_session(now_ns).day)
    days = list(history.bars(symbol, DAY, start_ns, now_ns, now_ns, newest_first=True))
    parts = {
        "latestTrade": (trade_fields, history.latest_trade(symbol, now_ns)),
        "latestQuote": (quote_fields, history.latest_quote(symbol, now_ns)),
        "minuteBar": (bar_fields, history.latest_bar(symbol, MINUTE, now_ns)),
        "dailyBar": (bar_fields, days[0] if days else None),
        "prevDailyBar": (bar_fields, days[1] if len(days) > 1 else None),
    }
    return {name: plain(fields_of(row)) if row else None for name, (fields_of, row) in parts.items()}  # type: ignore[operator]


def _symbols(call: Call) -> list[str]:
    single = call.request.match_info.get("symbol")
    symbols = [single] if single is not None else names(call.query, "symbols")
    if not symbols:
        raise Refusal(400, 40010001, "symbols is required")
    if len(symbols) > SYMBOLS_MAX:
        raise Refusal(400, 40010001, f"too many symbols: at most {SYMBOLS_MAX}")
    return [symbol.upper() for symbol in symbols]


def _token_of(symbol: str | None, time_ns: int, count: int) -> str:
    return base64.urlsafe_b64encode(f"{symbol}|{time_ns}|{count}".encode()).decode()


def _position_of(token: str | None) -> tuple[str | None, int, int]:
    """Where a page ended: its last symbol and time, and how many rows of both were told."""
    if token is None:
        return None, 0, 0
    try:
        symbol, time_ns, count = base64.urlsafe_b64decode(token).decode().rsplit("|", 2)
        return symbol, int(time_ns), int(count)
    except (ValueError, binascii.Error) as error:
        raise Refusal(400, 40010001, "invalid page_token") from error
