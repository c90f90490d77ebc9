"""The exchange on its port: routes, keys and limits at the door, starting and stopping."""

import asyncio
import base64
import errno
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Final

import structlog
from aiohttp import WSCloseCode, web
from msgspec import Struct

from hftd.calendar import Calendar
from hftd.errors import HftdError
from hftd.exchange.server import (
    rest_account,
    rest_book,
    rest_data,
    rest_events,
    rest_market,
    rest_orders,
    rest_records,
    rest_watchlists,
)
from hftd.exchange.server.call import Call, Handler, answer, error_answer
from hftd.exchange.server.clock_socket import serve_clock
from hftd.exchange.server.config import ExchangeConfig
from hftd.exchange.server.control import CONTROL_HOST, make_control
from hftd.exchange.server.data_socket import serve_data
from hftd.exchange.server.exchange import Exchange
from hftd.exchange.server.faults import Fault, FaultKind, Target, faulty_answer
from hftd.exchange.server.keys import Key
from hftd.exchange.server.trade_socket import serve_trades
from hftd.exchange.venue.refusals import Refusal

BODY_BYTES_MAX = 256 * 1024
LINE_BYTES_MAX = 16 * 1024
SHUTDOWN_S = 2.0
SOCKETS_MAX = 2000
FEEDS = "iex|sip|delayed_sip|otc|boats|overnight|test"

Served = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = structlog.get_logger()

TRADING: Final[tuple[tuple[str, str, Handler], ...]] = (
    ("GET", "/v2/account", rest_account.account),
    ("GET", "/v2/account/configurations", rest_account.configuration),
    ("PATCH", "/v2/account/configurations", rest_account.configure),
    ("GET", "/v2/account/activities", rest_records.activities),
    ("GET", "/v2/account/activities/{type}", rest_records.activities),
    ("GET", "/v2/account/portfolio/history", rest_records.portfolio_history),
    ("GET", "/v2/clock", rest_market.clock),
    ("GET", "/v2/calendar", rest_market.calendar),
    ("GET", "/v2/assets", rest_market.assets),
    ("GET", "/v2/assets/{symbol}", rest_market.asset),
    ("POST", "/v2/orders", rest_orders.submit),
    ("GET", "/v2/orders", rest_orders.listing),
    ("DELETE", "/v2/orders", rest_orders.cancel_all),
    ("GET", "/v2/orders:by_client_order_id", rest_orders.by_client_order_id),
    ("GET", "/v2/orders/{id}", rest_orders.by_id),
    ("PATCH", "/v2/orders/{id}", rest_orders.replace),
    ("DELETE", "/v2/orders/{id}", rest_orders.cancel),
    ("GET", "/v2/positions", rest_account.positions),
    ("DELETE", "/v2/positions", rest_account.close_positions),
    ("GET", "/v2/positions/{symbol}", rest_account.position),
    ("DELETE", "/v2/positions/{symbol}", rest_account.close_position),
    ("GET", "/v2/watchlists", rest_watchlists.listing),
    ("POST", "/v2/watchlists", rest_watchlists.create),
    ("GET", "/v2/watchlists/{id}", rest_watchlists.show),
    ("PUT", "/v2/watchlists/{id}", rest_watchlists.change),
    ("POST", "/v2/watchlists/{id}", rest_watchlists.add),
    ("DELETE", "/v2/watchlists/{id}", rest_watchlists.remove),
    ("DELETE", "/v2/watchlists/{id}/{symbol}", rest_watchlists.remove_symbol),
    ("GET", "/v2/watchlists:by_name", rest_watchlists.show),
    ("PUT", "/v2/watchlists:by_name", rest_watchlists.change),
    ("POST", "/v2/watchlists:by_name", rest_watchlists.add),
    ("DELETE", "/v2/watchlists:by_name", rest_watchlists.remove),
    ("GET", "/v2/events/trades", rest_events.trades),
)
DATA: Final[tuple[tuple[str, str, Handler], ...]] = (
    ("GET", "/v2/stocks/bars", rest_data.bars),
    ("GET", "/v2/stocks/trades", rest_data.trades),
    ("GET", "/v2/stocks/quotes", rest_data.quotes),
    ("GET", "/v2/stocks/bars/latest", rest_data.latest_bars),
    ("GET", "/v2/stocks/trades/latest", rest_data.latest_trades),
    ("GET", "/v2/stocks/quotes/latest", rest_data.latest_quotes),
    ("GET", "/v2/stocks/snapshots", rest_data.snapshots),
    ("GET", "/v2/stocks/meta/exchanges", rest_data.exchanges),
    ("GET", "/v2/stocks/meta/conditions/{kind:trade|quote}", rest_data.conditions),
    ("GET", "/v2/stocks/{symbol}/bars", rest_data.bars),
    ("GET", "/v2/stocks/{symbol}/trades", rest_data.trades),
    ("GET", "/v2/stocks/{symbol}/quotes", rest_data.quotes),
    ("GET", "/v2/stocks/{symbol}/bars/latest", rest_data.latest_bars),
    ("GET", "/v2/stocks/{symbol}/trades/latest", rest_data.latest_trades),
    ("GET", "/v2/stocks/{symbol}/quotes/latest", rest_data.latest_quotes),
    ("GET", "/v2/stocks/{symbol}/snapshot", rest_data.snapshots),
)
UNAUTHORIZED = Refusal(401, None, "unauthorized.")
FORBIDDEN = Refusal(403, None, "forbidden.")
TOO_MANY = Refusal(429, 42910000, "too many connections")


class Addresses(Struct, frozen=True):
    """Where a running exchange is found, and a key to it: base addresses for REST, full ones for the sockets."""

    rest: str
    data: str
    stream: str
    trades: str
    clock: str
    control: str
    key: str
    secret: str


class RunningExchange:
    """An exchange on its port. Leaving its context stops it."""

    def __init__(self, exchange: Exchange, runners: list[web.AppRunner]) -> None:
        """`runners` serve clients and, if there are two, the control address."""
        self.exchange = exchange
        self.port, *control = (runner.addresses[0][1] for runner in runners)
        self.control = f"http://{CONTROL_HOST}:{control[0]}" if control else ""
        self._runners = runners
        self._is_stopped = False
        self._time = asyncio.create_task(exchange.run())

    @property
    def keys(self) -> dict[str, Key]:
        """The keys of each account by its name."""
        return self.exchange.keys.by_name

    def addresses(self, account: str | None = None) -> Addresses:
        """Addresses, with the key of `account` (the first one if None)."""
        key = self.keys[account or next(iter(self.keys))]
        host = f"[{self.exchange.config.host}]" if ":" in self.exchange.config.host else self.exchange.config.host
        rest, stream = f"http://{host}:{self.port}", f"ws://{host}:{self.port}"
        return Addresses(
            rest=rest,
            data=rest,
            stream=f"{stream}/v2/iex",
            trades=f"{stream}/stream",
            clock=f"{stream}/hftd/clock",
            control=self.control,
            key=key.key,
            secret=key.secret,
        )

    async def advance_to(self, time_ns: int) -> None:
        """With a speed of 0: let exchange time pass until `time_ns`. Raises what ended the exchange, if anything."""
        moving = asyncio.create_task(self.exchange.advance_to(time_ns))
        await asyncio.wait((moving, self._time), return_when=asyncio.FIRST_COMPLETED)
        if not moving.done():
            moving.cancel()
            self._time.result()

    async def wait(self) -> None:
        """Return never, or raise what ended the exchange."""
        await self._time

    async def stop(self) -> None:
        """Take no more requests, close all sockets, keep everything. Does nothing the second time."""
        if self._is_stopped:
            return
        self._is_stopped = True
        self._time.cancel()
        with suppress(asyncio.CancelledError, HftdError):
            await self._time
        for runner in self._runners:
            await runner.cleanup()
        self.exchange.close()

    async def __aenter__(self) -> "RunningExchange":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


async def serve(config: ExchangeConfig, calendar: Calendar | None = None) -> RunningExchange:
    """Start an exchange. Raises HftdError when it cannot be opened or its port is taken."""
    exchange = Exchange(config, calendar)
    runners = []
    try:
        runners.append(await _listening(make_app(exchange), config.host, config.port))
        if config.control_port is not None:
            control = make_control(exchange.faults, exchange.arm)
            runners.append(await _listening(control, CONTROL_HOST, config.control_port))
    except HftdError:
        for runner in runners:
            await runner.cleanup()
        exchange.close()
        raise
    return RunningExchange(exchange, runners)


async def _listening(app: web.Application, host: str, port: int) -> web.AppRunner:
    runner = web.AppRunner(
        app,
        access_log=None,
        max_line_size=LINE_BYTES_MAX,
        max_field_size=LINE_BYTES_MAX,
        shutdown_timeout=SHUTDOWN_S,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise HftdError(_cannot_listen(host, port, error)) from error
    return runner


def make_app(exchange: Exchange) -> web.Application:
    """The routes of `exchange`."""
    app = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[_errors_as_json])
    for table, refusal in ((TRADING, UNAUTHORIZED), (DATA, FORBIDDEN)):
        for method, path, handler in table:
            app.router.add_route(method, path, _endpoint(exchange, handler, refusal))
    for path, socket in _sockets(exchange).items():
        app.router.add_get(path, socket)
    app.on_shutdown.append(_closer(exchange))
    return app


def _sockets(exchange: Exchange) -> dict[str, Served]:
    async def data(request: web.Request) -> web.StreamResponse:
        present, authenticate = partial(exchange.present, Target.DATA), partial(exchange.authenticate, Target.DATA)
        return await serve_data(request, exchange.feed, authenticate, present, exchange.mark_late)

    async def trades(request: web.Request) -> web.StreamResponse:
        present, authenticate = partial(exchange.present, Target.TRADES), partial(exchange.authenticate, Target.TRADES)
        return await serve_trades(request, exchange.trade_feed, authenticate, present, exchange.mark_late)

    async def clock(request: web.Request) -> web.StreamResponse:
        account = None if exchange.faults.refuses(Target.CLOCK) else _account_of(exchange, request)
        if account is None:
            return error_answer(UNAUTHORIZED)
        present = partial(exchange.present, Target.CLOCK)
        return await serve_clock(request, account, exchange.clock_feed, exchange.holds, present, exchange.mark)

    async def book(request: web.Request) -> web.StreamResponse:
        account = _account_of(exchange, request)
        if account is None:
            return error_answer(UNAUTHORIZED)
        call = Call(exchange, request, account, exchange.account_ids[account], exchange.timeline.now_ns())
        return await _answered(rest_book.book, call)

    def at_the_door(target: Target, socket: Served) -> Served:
        async def served(request: web.Request) -> web.StreamResponse:
            if fault := exchange.faults.of_request(target, request):
                return await _faulty_answer(request, fault)
            is_full = sum(map(len, exchange.sockets.values())) >= SOCKETS_MAX
            return error_answer(TOO_MANY) if is_full else await socket(request)

        return served

    return {
        f"/v2/{{feed:{FEEDS}}}": at_the_door(Target.DATA, data),
        "/stream": at_the_door(Target.TRADES, trades),
        "/stream/": at_the_door(Target.TRADES, trades),
        "/hftd/clock": at_the_door(Target.CLOCK, clock),
        "/hftd/book/{symbol}": book,
    }


def _endpoint(exchange: Exchange, handler: Handler, refusal: Refusal) -> Served:
    """`handler` behind the door: keys, limit, errors as answers."""

    async def served(request: web.Request) -> web.StreamResponse:
        account = _account_of(exchange, request)
        if account is None:
            return error_answer(refusal)
        if fault := exchange.faults.of_request(Target.REST, request, account):
            return await _faulty(exchange, handler, request, account, fault)
        now_ns = exchange.timeline.now_ns()
        allowance = exchange.limit.ask(account, now_ns)
        if allowance and not allowance.granted:
            response: web.StreamResponse = error_answer(Refusal(429, 42910000, "rate limit exceeded"))
        else:
            response = await _answered(handler, Call(exchange, request, account, exchange.account_ids[account], now_ns))
        if response.prepared:
            return response
        if allowance:
            response.headers.update(allowance.headers)
        response.headers["X-Request-ID"] = uuid.uuid4().hex
        if hold := exchange.holds.hold_of(account):
            response.headers["X-Hftd-Hold"] = str(hold)
        return response

    return served


async def _faulty(
    exchange: Exchange, handler: Handler, request: web.Request, account: str, fault: Fault
) -> web.StreamResponse:
    """What a client gets instead of an answer."""
    call = Call(exchange, request, account, exchange.account_ids[account], exchange.timeline.now_ns())
    if fault.done:
        await _answered(handler, call)
    return await _faulty_answer(request, fault)


async def _faulty_answer(request: web.Request, fault: Fault) -> web.Response:
    await asyncio.sleep(fault.delay_s)
    if fault.kind is FaultKind.CUT and request.transport is not None:
        request.transport.abort()
    return faulty_answer(fault)


async def _answered(handler: Handler, call: Call) -> web.StreamResponse:
    try:
        return await handler(call)
    except Refusal as refusal:
        return error_answer(refusal)


def _account_of(exchange: Exchange, request: web.Request) -> str | None:
    """The account whose keys the request shows: in two headers, or as HTTP Basic."""
    key, secret = request.headers.get("APCA-API-KEY-ID"), request.headers.get("APCA-API-SECRET-KEY")
    if key is None:
        key, secret = _basic(request.headers.get("Authorization", ""))
    return exchange.keys.account_of(key, secret) if key and secret else None


def _basic(authorization: str) -> tuple[str, str]:
    """User and password of HTTP Basic authentication (RFC 7617), both empty if it is none."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return (user, password) if scheme.lower() == "basic" else ("", "")


@web.middleware
async def _errors_as_json(request: web.Request, handler: Served) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        message = {404: "endpoint not found.", 405: "method not allowed."}.get(error.status, error.reason.lower())
        return answer({"code": error.status * 100_000 + 10_000, "message": message}, error.status)
    except Exception as error:
        log.exception("request.failed", method=request.method, path=request.path, error=str(error))
        return answer({"code": 50010000, "message": "internal server error occurred"}, 500)


def _closer(exchange: Exchange) -> Callable[[web.Application], Awaitable[None]]:
    async def close(app: web.Application) -> None:
        connections = [connection for sockets in exchange.sockets.values() for connection in sockets]
        closing = [connection.socket.close(code=WSCloseCode.GOING_AWAY) for connection in connections]
        exchange.event_log.end()
        await asyncio.gather(*closing, return_exceptions=True)

    return close


def _cannot_listen(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is in use by another program: choose another with --port, "
            "or --port 0 for a free one"
        )
    return f"cannot listen on {host}, port {port}: {error.strerror}"
