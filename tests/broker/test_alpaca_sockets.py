"""The life of the sockets: refusals, losses, silence, resubscription, stopping; the server misbehaves on purpose."""

import asyncio

import pytest
from aiohttp import web
from alpaca_inbox import Inbox
from broker_stub import HASTY, KEYS, DataStub, greet_trades, say, serving, states, trades_stub
from msgspec.structs import replace

from hftd.broker.alpaca import AlpacaBroker
from hftd.broker.base import ClockAnnouncement, Feed, FeedState, FeedStatus, MarketMessage, UnknownMessage
from hftd.broker.endpoints import Patience, exchange_endpoints
from hftd.broker.simulated import SimulatedBroker
from hftd.domain.orders import ExecutionReport, ReportKind
from hftd.errors import BrokerRefused, BrokerUnavailable, CredentialsError

BAR = {"T": "b", "S": "SPY", "o": 1, "h": 1, "l": 1, "c": 1, "v": 5, "n": 1, "vw": 1, "t": "2026-11-20T15:00:00Z"}


def broker_at(url, patience=HASTY):
    return AlpacaBroker(exchange_endpoints(url), KEYS, patience=patience)


def routes(data, trades=trades_stub):
    return {"GET /v2/iex": getattr(data, "serve", data), "GET /stream": trades}


async def test_the_sockets_are_opened_in_turn():
    """Which is up first is in the journal, and the same run twice writes the same."""
    told = []

    async def trades(request):
        socket = web.WebSocketResponse(timeout=0.1)
        await socket.prepare(request)
        await greet_trades(socket)
        told.append("trades")
        async for _ in socket:
            pass
        return socket

    async def script(socket, number):
        told.append("data")

    data = DataStub(script)
    async with serving(routes(data, trades)) as url:
        broker, inbox = broker_at(url), Inbox()
        await broker.connect(inbox)
        assert told == ["trades", "data"]
        assert [m.feed for m in inbox.messages if isinstance(m, FeedStatus)] == [Feed.TRADES, Feed.DATA]
        await broker.disconnect()


async def test_wrong_keys_are_an_error_at_once_not_an_endless_loop():
    data = DataStub(refusals={-1: (402, "auth failed")})
    async with serving(routes(data)) as url:
        broker = broker_at(url)
        with pytest.raises(CredentialsError, match=r"402 auth failed.*paper account") as raised:
            await broker.connect(Inbox())
        assert data.connections == 1
        assert "hidden" not in str(raised.value)
        await broker.disconnect()


async def test_wrong_keys_on_the_trade_updates_socket_are_an_error():
    async def unauthorized(request):
        socket = web.WebSocketResponse(timeout=0.1)
        await socket.prepare(request)
        await socket.receive()
        await say(socket, {"stream": "authorization", "data": {"status": "unauthorized", "action": "authenticate"}})
        await socket.close()
        return socket

    async with serving(routes(DataStub(), unauthorized)) as url:
        broker = broker_at(url)
        with pytest.raises(CredentialsError, match="unauthorized"):
            await broker.connect(Inbox())
        await broker.disconnect()


async def test_a_feed_that_the_plan_lacks_is_an_error_with_advice():
    async with serving(routes(DataStub(refusals={-1: (409, "insufficient subscription")}))) as url:
        broker = broker_at(url)
        with pytest.raises(BrokerRefused, match=r"insufficient subscription.*broker\.feed") as raised:
            await broker.connect(Inbox())
        assert raised.value.code == 409
        await broker.disconnect()


async def test_a_connection_limit_is_outlasted():
    data = DataStub(refusals={0: (406, "connection limit exceeded"), 1: (406, "connection limit exceeded")})
    async with serving(routes(data)) as url:
        broker, inbox = broker_at(url), Inbox()
        await broker.connect(inbox)
        assert data.connections == 3
        assert [m.code for m in inbox.messages if isinstance(m, FeedStatus) and m.state is FeedState.DOWN] == [406, 406]
        await broker.disconnect()


async def test_a_connection_limit_that_stays_is_an_error_in_the_end():
    data = DataStub(refusals={-1: (406, "connection limit exceeded")})
    async with serving(routes(data)) as url:
        broker = broker_at(url, replace(HASTY, connection_limit_s=1.0))
        with pytest.raises(BrokerRefused, match="close the other program"):
            await broker.connect(Inbox())
        assert data.connections > 1
        await broker.disconnect()


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, CredentialsError), (404, BrokerRefused), (429, BrokerUnavailable), (502, BrokerUnavailable)],
)
async def test_a_refused_upgrade_is_an_error(status, error):
    async def refuse(request):
        return web.Response(status=status, text="<html>no</html>")

    async with serving(routes(refuse)) as url:
        broker = broker_at(url)
        with pytest.raises(error, match=str(status)):
            await broker.connect(Inbox())
        await broker.disconnect()


async def test_nobody_listening_is_an_error():
    async with serving({}) as url:
        pass
    broker = broker_at(url)
    with pytest.raises(BrokerUnavailable, match="cannot be reached"):
        await broker.connect(Inbox())
    await broker.disconnect()


async def test_a_server_that_upgrades_and_says_nothing_is_given_up():
    async def mute(request):
        socket = web.WebSocketResponse(timeout=0.1)
        await socket.prepare(request)
        async for _ in socket:
            pass
        return socket

    async with serving(routes(mute)) as url:
        broker = broker_at(url, Patience(acknowledgement_s=0.1, close_s=0.05))
        with pytest.raises(BrokerUnavailable, match="said nothing"):
            await broker.connect(Inbox())
        await broker.disconnect()


async def test_a_lost_socket_comes_back_with_every_subscription():
    async def lose_the_first(socket, number):
        if number == 0:
            await data.confirm(socket, await socket.receive())
            await socket.close()

    data = DataStub(lose_the_first)
    async with serving(routes(data)) as url:
        broker, inbox = broker_at(url), Inbox()
        await broker.connect(inbox)
        await broker.subscribe(bars=["SPY"], quotes=["QQQ"])
        (again,) = await inbox.state(Feed.DATA, FeedState.UP, 2)
        assert again.quiet_since_ns > 0
        assert again.attempt == 1
        assert data.subscriptions[-1] == {"action": "subscribe", "bars": ["SPY"], "quotes": ["QQQ"]}
        await broker.disconnect()


async def test_an_unreachable_server_is_tried_again_and_each_attempt_is_told():
    async def lose(socket, number):
        await socket.close()

    data = DataStub(lose)
    async with serving(routes(data)) as url:
        broker, inbox = broker_at(url), Inbox()
        await broker.connect(inbox)
        await inbox.state(Feed.DATA, FeedState.UP, 4)
        downs = [m for m in inbox.messages if isinstance(m, FeedStatus) and m.state is FeedState.DOWN]
        assert len(downs) >= 3
        assert all(m.detail for m in downs)
        await broker.disconnect()


async def test_a_socket_that_is_back_has_the_other_one_tried_at_once():
    """The other one's next attempt was put off by up to a quarter of an hour."""
    trades_lost, data_lost = asyncio.Event(), asyncio.Event()
    connections = 0

    async def trades(request):
        nonlocal connections
        connections += 1
        if connections == 2:
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await greet_trades(socket)
        if connections == 1:
            await trades_lost.wait()
        else:
            await socket.receive()
        return socket

    async def lose_the_first(socket, number):
        if number == 0:
            await data_lost.wait()
            await socket.close()
        await socket.receive()

    patience = Patience(backoff_first_s=900, backoff_cap_s=900, close_s=0.05)
    async with serving(routes(DataStub(lose_the_first), trades)) as url:
        broker, inbox = broker_at(url, patience), Inbox()
        await broker.connect(inbox)
        trades_lost.set()
        await inbox.state(Feed.TRADES, FeedState.DOWN, 2)
        data_lost.set()
        await inbox.state(Feed.DATA, FeedState.UP, 2)
        await inbox.state(Feed.TRADES, FeedState.UP, 2)
        await broker.disconnect()


async def test_keys_refused_while_reconnecting_fail_after_a_few_attempts_and_can_be_revived():
    async def lose(socket, number):
        if number == 0:
            await socket.close()

    data = DataStub(lose, refusals={number: (402, "auth failed") for number in (1, 2, 3)})
    async with serving(routes(data)) as url:
        broker, inbox = broker_at(url), Inbox()
        await broker.connect(inbox)
        (failed,) = await inbox.state(Feed.DATA, FeedState.FAILED)
        assert "402" in failed.detail
        assert data.connections == 1 + HASTY.refusals
        await broker.reconnect(Feed.DATA)
        await inbox.state(Feed.DATA, FeedState.UP, 2)
        await broker.disconnect()


async def test_a_dead_peer_is_found_by_its_missing_pong():
    async def die(socket, number):
        if number == 0:
            socket._req.transport.pause_reading()
            await asyncio.sleep(30)

    data = DataStub(die)
    patience = Patience(heartbeat_s=1.0, close_s=0.05, backoff_first_s=0.01, backoff_cap_s=0.02)
    async with serving(routes(data)) as url:
        broker, inbox = broker_at(url, patience), Inbox()
        await broker.connect(inbox)
        (down,) = await inbox.state(Feed.DATA, FeedState.DOWN)
        assert "PONG" in down.detail
        await inbox.state(Feed.DATA, FeedState.UP, 2)
        await broker.disconnect()


async def test_a_symbol_limit_is_an_error_and_leaves_the_subscriptions_as_they_were():
    async def limit(socket, number):
        await socket.receive()
        await say(socket, [{"T": "error", "code": 405, "msg": "symbol limit exceeded"}])

    data = DataStub(limit)
    async with serving(routes(data)) as url:
        broker, inbox = broker_at(url), Inbox()
        await broker.connect(inbox)
        with pytest.raises(BrokerRefused, match="fewer") as raised:
            await broker.subscribe(quotes=["A", "B"])
        assert raised.value.code == 405
        await broker.subscribe(bars=["SPY"])
        assert data.subscriptions == [{"action": "subscribe", "bars": ["SPY"]}]
        assert FeedState.DOWN not in states(inbox.messages)
        await broker.disconnect()


async def test_an_unasked_error_is_told():
    async def complain(socket, number):
        await say(socket, [{"T": "error", "code": 500, "msg": "internal error"}])

    async with serving(routes(DataStub(complain))) as url:
        broker, inbox = broker_at(url), Inbox()
        await broker.connect(inbox)
        (told,) = await inbox.state(Feed.DATA, FeedState.DEGRADED)
        assert told.code == 500
        await broker.disconnect()


async def test_a_subscription_that_is_not_confirmed_drops_the_socket_and_is_asked_again():
    async def ignore(socket, number):
        if number == 0:
            async for _ in socket:
                pass

    data = DataStub(ignore)
    async with serving(routes(data)) as url:
        broker, inbox = broker_at(url, Patience(acknowledgement_s=1.0, close_s=0.05, backoff_first_s=0.01)), Inbox()
        await broker.connect(inbox)
        with pytest.raises(BrokerUnavailable, match="did not confirm: subscribe bars SPY"):
            await broker.subscribe(bars=["SPY"])
        await inbox.state(Feed.DATA, FeedState.UP, 2)
        assert data.subscriptions == [{"action": "subscribe", "bars": ["SPY"]}]
        await broker.disconnect()


async def test_subscribing_from_within_the_sink_does_not_deadlock():
    async def one_bar(socket, number):
        await say(socket, [BAR])

    data = DataStub(one_bar)
    async with serving(routes(data)) as url:
        broker = broker_at(url)
        subscribed = asyncio.Event()

        async def subscribe_more():
            await broker.subscribe(trades=["QQQ"])
            subscribed.set()

        def sink(message):
            if isinstance(message, MarketMessage):
                tasks.append(asyncio.ensure_future(subscribe_more()))

        tasks = []
        await broker.connect(sink)
        async with asyncio.timeout(60):
            await subscribed.wait()
        assert data.subscriptions == [{"action": "subscribe", "trades": ["QQQ"]}]
        await broker.disconnect()


async def test_garbage_on_the_socket_is_kept_and_the_rest_goes_on():
    async def garbage(socket, number):
        await socket.send_str("<html>")
        await socket.send_bytes(b"\xc1\xc1")
        await say(socket, [{"T": "zz", "S": "SPY"}, BAR])

    async with serving(routes(DataStub(garbage))) as url:
        broker, inbox = broker_at(url), Inbox()
        await broker.connect(inbox)
        bars = await inbox.until(lambda messages: [m for m in messages if isinstance(m, MarketMessage)])
        assert bars[0].data.volume == 5
        assert len([m for m in inbox.messages if isinstance(m, UnknownMessage)]) == 3
        await broker.disconnect()


async def test_an_execution_is_delivered_once_across_a_reconnect():
    connections = []

    def fill(execution_id):
        order = {
            "id": "o",
            "client_order_id": "c",
            "status": "filled",
            "symbol": "SPY",
            "side": "buy",
            "filled_qty": "5",
        }
        data = {"event": "fill", "timestamp": "2026-11-20T15:00:00Z", "order": order, "execution_id": execution_id}
        return {"stream": "trade_updates", "data": {**data, "price": "1.1", "qty": "5"}}

    async def repeating(request):
        socket = web.WebSocketResponse(timeout=0.1)
        await socket.prepare(request)
        connections.append(socket)
        await greet_trades(socket)
        await say(socket, fill("e1"))
        await say(socket, fill("e1"))
        if len(connections) > 1:
            await say(socket, fill("e2"))
            async for _ in socket:
                pass
        await socket.close()
        return socket

    async with serving(routes(DataStub(), repeating)) as url:
        broker, inbox = broker_at(url), Inbox()
        await broker.connect(inbox)
        await inbox.until(lambda messages: any(getattr(m, "execution_id", "") == "e2" for m in messages))
        fills = [m.execution_id for m in inbox.messages if isinstance(m, ExecutionReport) and m.kind is ReportKind.FILL]
        assert fills == ["e1", "e2"]
        await broker.disconnect()


async def test_a_listen_that_is_not_confirmed_is_an_error():
    async def deaf(request):
        socket = web.WebSocketResponse(timeout=0.1)
        await socket.prepare(request)
        await socket.receive()
        await say(socket, {"stream": "authorization", "data": {"status": "authorized", "action": "authenticate"}})
        await socket.receive()
        await say(socket, {"stream": "listening", "data": {"streams": []}})
        await socket.close()
        return socket

    async with serving(routes(DataStub(), deaf)) as url:
        broker = broker_at(url)
        with pytest.raises(BrokerUnavailable, match="did not confirm that we listen"):
            await broker.connect(Inbox())
        await broker.disconnect()


async def test_stopping_takes_less_than_a_second_even_when_nobody_answers():
    async def stubborn(socket, number):
        socket._req.transport.pause_reading()
        await asyncio.sleep(30)

    async with serving(routes(DataStub(stubborn))) as url:
        broker = broker_at(url)
        await broker.connect(Inbox())
        async with asyncio.timeout(20):
            await broker.disconnect()
    assert 3 * HASTY.close_s < 1  # of each socket


async def test_stopping_while_reconnecting():
    async def lose(socket, number):
        await socket.close()

    async with serving(routes(DataStub(lose))) as url:
        broker, inbox = broker_at(url, Patience(backoff_first_s=900, backoff_cap_s=900)), Inbox()
        await broker.connect(inbox)
        await inbox.state(Feed.DATA, FeedState.DOWN)
    async with asyncio.timeout(20):
        await broker.disconnect()


async def test_connecting_again_after_disconnecting():
    data = DataStub()
    async with serving(routes(data)) as url:
        broker, inbox = broker_at(url), Inbox()
        await broker.connect(inbox)
        await broker.subscribe(bars=["SPY"])
        await broker.disconnect()
        await broker.disconnect()
        await broker.connect(inbox)
        assert data.subscriptions == [{"action": "subscribe", "bars": ["SPY"]}] * 2
        await broker.disconnect()


async def test_a_sink_that_raises_is_a_bug_that_is_told_and_not_a_silent_end():
    async def one_bar(socket, number):
        await say(socket, [BAR])

    bugs = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: bugs.append(context["exception"]))
    async with serving(routes(DataStub(one_bar))) as url:
        broker, inbox = broker_at(url), Inbox()

        def sink(message):
            inbox(message)
            if isinstance(message, MarketMessage):
                raise RuntimeError("a bug of the sink")

        await broker.connect(sink)
        (failed,) = await inbox.state(Feed.DATA, FeedState.FAILED)
        assert "a bug of the sink" in failed.detail
        await broker.reconnect(Feed.DATA)  # as whoever misses its bars does
        await inbox.state(Feed.DATA, FeedState.UP, 2)
        await broker.disconnect()


async def test_a_socket_that_is_lost_while_subscribing_says_so():
    async def lose(socket, number):
        if number == 0:
            await socket.receive()
            await socket.close()

    data = DataStub(lose)
    async with serving(routes(data)) as url:
        broker, inbox = broker_at(url), Inbox()
        await broker.connect(inbox)
        with pytest.raises(BrokerUnavailable, match="while subscribing"):
            await broker.subscribe(bars=["SPY"])
        await inbox.state(Feed.DATA, FeedState.UP, 2)
        assert data.subscriptions == [{"action": "subscribe", "bars": ["SPY"]}]
        await broker.disconnect()


async def test_subscribing_to_nothing_or_again_asks_nobody():
    data = DataStub()
    async with serving(routes(data)) as url:
        broker = broker_at(url)
        await broker.subscribe(bars=["SPY"])
        await broker.connect(Inbox())
        await broker.subscribe()
        await broker.subscribe(bars=["SPY"])
        await broker.unsubscribe(quotes=[])
        assert data.subscriptions == [{"action": "subscribe", "bars": ["SPY"]}]
        await broker.disconnect()


async def test_an_error_on_the_trade_updates_socket_is_told_or_kept():
    async def complaining(request):
        socket = web.WebSocketResponse(timeout=0.1)
        await socket.prepare(request)
        await greet_trades(socket)
        await say(socket, {"stream": "authorization", "data": {"status": "unauthorized", "action": "listen"}})
        await say(socket, {"action": "error", "data": {"error_message": "internal server error"}})
        async for _ in socket:
            pass
        return socket

    async with serving(routes(DataStub(), complaining)) as url:
        broker, inbox = broker_at(url), Inbox()
        await broker.connect(inbox)
        (told,) = await inbox.state(Feed.TRADES, FeedState.DEGRADED)
        assert "unauthorized" in told.detail
        kept = await inbox.until(lambda messages: [m for m in messages if isinstance(m, UnknownMessage)])
        assert "internal server error" in kept[0].text
        await broker.disconnect()


async def test_strange_announcements_of_the_clock_are_kept():
    async def clock(request):
        socket = web.WebSocketResponse(timeout=0.1)
        await socket.prepare(request)
        await say(socket, {"time_ns": 1, "speed": 60.0, "jump": False, "hold": 0})
        await say(socket, {"time": "noon"})
        async for _ in socket:
            pass
        return socket

    async with serving({"GET /hftd/clock": clock}) as url:
        broker, inbox = SimulatedBroker(url, KEYS, patience=HASTY), Inbox()
        await broker.connect_clock(inbox)
        assert inbox.messages[0] == ClockAnnouncement(1, 60.0)
        kept = await inbox.until(lambda messages: [m for m in messages if isinstance(m, UnknownMessage)])
        assert kept[0].feed is Feed.CLOCK
        await broker.disconnect()
        await broker.done(1)


async def test_what_is_subscribed_or_left_while_the_socket_is_greeted_is_not_forgotten():
    """The second connection confirms slowly; meanwhile one symbol is added and another is left."""
    is_asked, may_confirm = asyncio.Event(), asyncio.Event()

    async def confirm_slowly(socket, number):
        if number == 0:
            await data.confirm(socket, await socket.receive())
            await socket.close()
        elif number == 1:
            message = await socket.receive()
            is_asked.set()
            await may_confirm.wait()
            await data.confirm(socket, message)

    data = DataStub(confirm_slowly)
    async with serving(routes(data)) as url:
        broker, inbox = broker_at(url), Inbox()
        await broker.connect(inbox)
        await broker.subscribe(bars=["SPY", "QQQ"])
        async with asyncio.timeout(60):
            await is_asked.wait()
        await broker.subscribe(trades=["SPY"])
        await broker.unsubscribe(bars=["QQQ"])
        may_confirm.set()
        await inbox.state(Feed.DATA, FeedState.UP, 2)
        assert data.subscriptions == [
            {"action": "subscribe", "bars": ["SPY", "QQQ"]},
            {"action": "subscribe", "bars": ["SPY", "QQQ"]},
            {"action": "subscribe", "trades": ["SPY"]},
            {"action": "unsubscribe", "bars": ["QQQ"]},
        ]
        await broker.disconnect()
