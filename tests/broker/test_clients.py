"""The three clients for notebooks, against the simulated exchange over real sockets."""

import asyncio
import json
import threading
from datetime import UTC, datetime
from decimal import Decimal

import pandas
import pytest
from broker_stub import HASTY, KEYS, DataStub, say, serving
from exchange_thread import DAY, MINUTES, ExchangeThread, write_tape

from hftd.broker import cpquant
from hftd.broker.base import FeedState, FeedStatus, MarketMessage
from hftd.broker.clients import AlpacaDataClient, AlpacaRealtimeClient, AlpacaTradeClient
from hftd.broker.credentials import VARIABLES, Keys
from hftd.broker.endpoints import exchange_endpoints
from hftd.broker.loop_thread import LoopThread
from hftd.calendar import Calendar
from hftd.domain.convert import MINUTE_NS, datetime_of, ns_of
from hftd.domain.orders import OrderStatus, ReportKind
from hftd.errors import BrokerRefused, BrokerUnavailable, CredentialsError, DataError, SettingsError

BAR = {"T": "b", "S": "SPY", "o": 1, "h": 1, "l": 1, "c": 1, "v": 5, "n": 1, "vw": 1, "t": "2026-11-20T15:00:00Z"}


@pytest.fixture(scope="module")
def calendar():
    return Calendar("NYSE")


@pytest.fixture(scope="module")
def session(calendar):
    return calendar.session_on(DAY)


@pytest.fixture(scope="module")
def tape(tmp_path_factory, session):
    return write_tape(tmp_path_factory.mktemp("tape") / "spy.csv", session.open_ns)


@pytest.fixture
def exchange(tmp_path, tape, calendar, session):
    exchange = ExchangeThread(tmp_path / "state", tape, calendar)
    exchange.advance_to(session.open_ns + MINUTE_NS)
    yield exchange
    exchange.stop()


@pytest.fixture
def environment(exchange, monkeypatch):
    """cpquant's names of the keys, in the environment."""
    for name in (name for pair in VARIABLES for name in pair):
        monkeypatch.delenv(name, raising=False)
    for kind in ("DATA", "TRADE"):
        monkeypatch.setenv(f"ALPACA_{kind}_PUBLIC_KEY", exchange.keys.key_id.reveal())
        monkeypatch.setenv(f"ALPACA_{kind}_SECRET_KEY", exchange.keys.secret.reveal())


@pytest.fixture
def history(exchange, session):
    """A data client; two hours of the session have passed."""
    exchange.advance_to(session.open_ns + 120 * MINUTE_NS)
    client = AlpacaDataClient(now_ns=lambda: session.open_ns + 120 * MINUTE_NS, **exchange.options)
    yield client
    client.close()


# History


def test_bars_are_frames_as_cpquants(history, session):
    frames = history.get_bars(["SPY", "NONE"], "1Min")
    assert list(frames) == ["SPY"]
    frame = frames["SPY"]
    assert list(frame.columns) == ["open", "high", "low", "close", "volume", "trades", "volume weighted"]
    assert (frame.index.name, frame.index.tz) == ("time", None)
    assert frame.index[0] == pandas.Timestamp(session.open_ns)
    assert (frame["open"].iloc[1], frame["volume"].iloc[1]) == (271.01, 1001)
    assert frame.index.is_monotonic_increasing


def test_symbols_may_be_one_text(history):
    assert list(history.get_bars("SPY, NONE", "1Min")) == ["SPY"]


def test_a_limit_bounds_the_whole_and_none_means_all(history):
    assert len(history.get_bars("SPY", "1Min", limit=10)["SPY"]) == 10
    assert len(history.get_bars("SPY", "1Min", limit=None)["SPY"]) == 119


def test_start_and_end_may_be_dates_texts_and_moments(history, session):
    start = datetime_of(session.open_ns + 10 * MINUTE_NS)
    by_moment = history.get_bars("SPY", "1Min", start, start)["SPY"]
    assert list(by_moment.index) == [pandas.Timestamp(start).tz_localize(None)]
    assert history.get_bars("SPY", "1Min", f"{start:%Y-%m-%dT%H:%M}", start)["SPY"].equals(by_moment)
    assert len(history.get_bars("SPY", "1Min", DAY, None)["SPY"]) == 119
    assert history.get_bars("SPY", "1Min", "2018-06-01", "2018-06-02") == {}


def test_only_market_follows_the_calendar(history):
    frame = history.get_bars("SPY", "1Min", only_market=True)["SPY"]
    assert len(frame) == 119
    daily = history.get_bars("SPY", "1D")["SPY"]
    assert history.get_bars("SPY", "1D", only_market=True)["SPY"].empty or len(daily) == 1


def test_the_latest_bar_is_a_frame_of_one_row(history, session):
    frame = history.get_latest_bars("SPY")["SPY"]
    assert frame.index[0] == pandas.Timestamp(session.open_ns + 119 * MINUTE_NS)
    assert len(frame) == 1


def test_trades_come_page_by_page(history, session):
    end = datetime_of(session.open_ns + 10 * MINUTE_NS)
    frames, token, got = history.get_trades("SPY", DAY, end, limit=7)
    assert got == ["SPY"]
    assert list(frames["SPY"].columns) == ["price", "size", "condition", "trade_id", "exchange_code", "exchange"]
    assert len(frames["SPY"]) == 7
    assert token
    following, _, _ = history.get_trades("SPY", DAY, end, limit=7, page_token=token)
    assert following["SPY"].index[0] > frames["SPY"].index[-1]
    pages = list(history.get_trades_iterator("SPY", DAY, end, limit=7))
    together = pandas.concat([page["SPY"] for page in pages])
    assert together.index.is_monotonic_increasing
    assert together["trade_id"].is_unique
    bars = history.get_bars("SPY", "1Min", DAY, datetime_of(session.open_ns + 9 * MINUTE_NS))["SPY"]
    assert together[together.index < pandas.Timestamp(end.replace(tzinfo=None))]["size"].sum() == bars["volume"].sum()


def test_exchange_codes(history):
    assert isinstance(history.get_exchange_codes(), dict)


@pytest.mark.parametrize("symbols", ["", [], " , "])
def test_no_symbol_is_an_error(history, symbols):
    with pytest.raises(DataError, match="no symbol"):
        history.get_bars(symbols)


def test_strange_moments_are_errors(history):
    with pytest.raises(DataError, match="'yesterday' is no moment"):
        history.get_bars("SPY", start="yesterday")
    with pytest.raises(DataError, match="lies after"):
        history.get_bars("SPY", start="2020-01-02", end="2020-01-01")


def test_a_strange_timeframe_is_the_brokers_no(history):
    with pytest.raises(BrokerRefused):
        history.get_bars("SPY", "1Fortnight")


def test_history_that_cannot_be_had_is_an_error(exchange):
    client = AlpacaDataClient(keys=Keys.of("PKWRONG", "wrong"), endpoints=exchange.endpoints)
    with pytest.raises(CredentialsError):
        client.get_bars("SPY")
    client.close()
    nowhere = AlpacaDataClient(keys=exchange.keys, endpoints=exchange_endpoints("http://127.0.0.1:9"), patience=HASTY)
    with pytest.raises(BrokerUnavailable):
        nowhere.get_bars("SPY")


def test_missing_keys_say_where_they_were_looked_for(tmp_path, monkeypatch):
    for name in (name for pair in VARIABLES for name in pair):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    for make in (AlpacaDataClient, AlpacaTradeClient):
        with pytest.raises(CredentialsError, match="no API keys"):
            make(tmp_path / ".env")
    with pytest.raises(CredentialsError, match="no API keys"):
        AlpacaRealtimeClient(env_file=tmp_path / ".env")


# Real time


def bars_of(messages):
    return [m.data for m in messages if isinstance(m, MarketMessage)]


def listening(client, handler):
    thread = threading.Thread(target=client.listen, args=(handler,))
    thread.start()
    return thread


def test_subscribe_and_listen(exchange, session):
    client = AlpacaRealtimeClient(**exchange.options)
    client.subscribe_bars(["SPY"])
    heard = []

    def handler(message):
        heard.append(message)
        if len(heard) == 3:
            client.close()

    exchange.advance_to(session.open_ns + 4 * MINUTE_NS)
    client.listen(handler)
    assert [(bar.time_ns - session.open_ns) // MINUTE_NS for bar in bars_of(heard)] == [1, 2, 3]
    client.close()


def test_every_channel_can_be_subscribed_and_left(exchange):
    client = AlpacaRealtimeClient(**exchange.options)
    for kind in ("quotes", "trades", "updated_bars", "daily_bars", "statuses"):
        getattr(client, f"subscribe_{kind}")("SPY,QQQ")
    client.subscribe_bars("SPY", "1Min")
    client.subscribe_bars("SPY", "1D")
    assert client.subscriptions()["daily_bars"] == ("SPY", "QQQ")
    for kind in ("quotes", "trades", "updated_bars", "daily_bars", "statuses"):
        getattr(client, f"unsubscribe_{kind}")(["SPY", "QQQ"])
    client.unsubscribe_bars("SPY", "1Min")
    assert client.subscriptions() == {}
    with pytest.raises(SettingsError, match="did you mean 1Min"):
        client.subscribe_bars("SPY", "5Min")
    client.close()


def test_a_handler_may_subscribe_and_close(exchange, session):
    client = AlpacaRealtimeClient(**exchange.options)
    client.subscribe_bars("SPY")
    heard = []

    def handler(message):
        heard.append(message)
        if len(heard) == 1:
            client.subscribe_daily_bars("SPY")
            exchange.advance_to(session.open_ns + 3 * MINUTE_NS)
        elif message.daily:
            client.close()

    exchange.advance_to(session.open_ns + 2 * MINUTE_NS)
    client.listen(handler)
    assert [message.daily for message in heard[:1]] == [False]
    assert heard[-1].daily


def test_a_handler_that_raises_loses_only_its_own_message(exchange, session):
    client = AlpacaRealtimeClient(**exchange.options)
    client.subscribe_trades("SPY")
    exchange.advance_to(session.open_ns + 3 * MINUTE_NS)
    heard = []

    def handler(message):
        heard.append(message.data.trade_id)
        if len(heard) % 3 == 0:
            raise RuntimeError("model trouble")
        if len(heard) == 8:
            client.close()

    for _ in range(2):
        with pytest.raises(RuntimeError, match="model trouble"):
            client.listen(handler)
    client.listen(handler)
    assert heard == sorted(set(heard))
    assert heard == list(range(heard[0], heard[0] + 8))


async def test_async_listen_takes_coroutine_functions_and_can_be_cancelled():
    async def many(socket, number):
        await say(socket, [BAR] * 10)

    async with serving({"GET /v2/iex": DataStub(many).serve}) as url:
        client = await asyncio.to_thread(AlpacaRealtimeClient, keys=KEYS, endpoints=exchange_endpoints(url))
        heard = []
        enough = asyncio.Event()

        async def handler(message):
            await asyncio.sleep(0)
            heard.append(message)
            if len(heard) == 4:
                enough.set()
                await asyncio.Event().wait()

        listener = asyncio.create_task(client.async_listen(handler))
        async with asyncio.timeout(60):
            await enough.wait()
        listener.cancel()
        await asyncio.wait({listener})
        async with asyncio.timeout(60):
            async for message in client.messages():
                heard.append(message)
                if len(heard) == 10:
                    break
        assert len(bars_of(heard)) == 10
        await asyncio.to_thread(client.close)


async def test_waiting_listeners_go_home_when_it_closes():
    async with serving({"GET /v2/iex": DataStub().serve}) as url:
        client = await asyncio.to_thread(AlpacaRealtimeClient, keys=KEYS, endpoints=exchange_endpoints(url))
        waiting = asyncio.create_task(client.async_listen())
        await asyncio.sleep(0)
        await asyncio.to_thread(client.close)
        async with asyncio.timeout(60):
            await waiting
        other = await asyncio.to_thread(AlpacaRealtimeClient, keys=KEYS, endpoints=exchange_endpoints(url))
        thread = listening(other, print)
        await asyncio.to_thread(other.close)
        await asyncio.to_thread(thread.join, 60)
        assert not thread.is_alive()


async def test_a_slow_handler_is_told_what_it_missed_and_the_socket_stays():
    ended = asyncio.Event()

    async def flood(socket, number):
        await say(socket, [{**BAR, "v": number} for number in range(1000)])
        await data.confirm(socket, await socket.receive())
        await ended.wait()
        await say(socket, [{**BAR, "v": 5000}] * 3)

    data = DataStub(flood)
    statuses = []
    async with serving({"GET /v2/iex": data.serve}) as url:
        client = await asyncio.to_thread(
            AlpacaRealtimeClient,
            keys=KEYS,
            endpoints=exchange_endpoints(url),
            mailbox_limit=100,
            on_status=statuses.append,
        )
        await asyncio.to_thread(client.subscribe_trades, "SPY")  # confirmed after the flood has come
        heard = []
        async with asyncio.timeout(60):
            async for message in client.messages():
                heard.append(message)
                if len(heard) == 100:
                    ended.set()
                if len(heard) == 104:
                    break
        assert [bar.volume for bar in bars_of(heard[:100])] == list(range(100))
        assert isinstance(heard[100], FeedStatus)
        assert "900 messages were dropped" in heard[100].detail
        assert [bar.volume for bar in bars_of(heard[101:])] == [5000] * 3
        assert [status.state for status in statuses] == [FeedState.UP]
        await asyncio.to_thread(client.close)


async def test_a_coroutine_function_is_refused_by_listen_with_advice():
    async with serving({"GET /v2/iex": DataStub().serve}) as url:
        client = await asyncio.to_thread(AlpacaRealtimeClient, keys=KEYS, endpoints=exchange_endpoints(url))

        async def handler(message):
            pass

        with pytest.raises(TypeError, match="async_listen"):
            client.listen(handler)
        await asyncio.to_thread(client.close)


async def test_reconnecting_is_told_to_the_callback():
    up_again = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def lose(socket, number):
        if number == 0:
            await socket.close()

    statuses = []

    def on_status(status):
        statuses.append(status.state)
        if statuses.count(FeedState.UP) == 2:
            loop.call_soon_threadsafe(up_again.set)

    async with serving({"GET /v2/iex": DataStub(lose).serve}) as url:
        client = await asyncio.to_thread(
            AlpacaRealtimeClient, keys=KEYS, endpoints=exchange_endpoints(url), patience=HASTY, on_status=on_status
        )
        async with asyncio.timeout(60):
            await up_again.wait()
        assert statuses[:3] == [FeedState.UP, FeedState.DOWN, FeedState.UP]
        await asyncio.to_thread(client.close)


async def test_a_socket_that_is_given_up_ends_listening_with_an_error_and_can_be_revived():
    async def lose(socket, number):
        if number == 0:
            await socket.close()
        else:
            await say(socket, [BAR])

    data = DataStub(lose, refusals=dict.fromkeys(range(1, 1 + HASTY.refusals), (402, "auth failed")))
    async with serving({"GET /v2/iex": data.serve}) as url:
        client = await asyncio.to_thread(
            AlpacaRealtimeClient, keys=KEYS, endpoints=exchange_endpoints(url), patience=HASTY
        )
        with pytest.raises(BrokerUnavailable, match=r"given up.*402"):
            await asyncio.to_thread(client.listen, print)
        await asyncio.to_thread(client.reconnect)
        async with asyncio.timeout(60):
            async for message in client.messages():
                assert message.data.volume == 5
                break
        await asyncio.to_thread(client.close)


def test_wrong_keys_are_an_error_when_it_is_made(exchange):
    before = set(threading.enumerate())
    with pytest.raises(CredentialsError):
        AlpacaRealtimeClient(keys=Keys.of("PKWRONG", "wrong"), endpoints=exchange.endpoints)
    left = set(threading.enumerate()) - before
    assert not [thread.name for thread in left if thread.name.startswith("hftd")]


# Trading


@pytest.fixture
def trader(exchange):
    client = AlpacaTradeClient(**exchange.options)
    yield client
    client.close()


def test_the_account_the_clock_and_an_asset(trader, session):
    assert trader.get_account().equity == Decimal(100_000)
    assert trader.get_clock().is_open
    assert trader.get_asset("SPY").tradable
    assert trader.get_asset("NONE") is None


def test_buying_and_closing(trader):
    bought = trader.submit_order("SPY", 5, "buy", client_order_id="mine")
    assert bought.client_order_id == "mine"
    assert trader.get_order_by_client_id("mine").status is OrderStatus.FILLED
    assert [(position.symbol, position.quantity) for position in trader.get_positions()] == [("SPY", Decimal(5))]
    assert trader.close_position("SPY").kind is not ReportKind.REJECTED
    assert trader.get_positions() == []
    assert trader.close_position("SPY") is None
    assert len(trader.get_orders("all")) == 2


def test_shorting_and_closing(trader):
    trader.submit_order("SPY", "2", "sell")
    assert trader.get_positions()[0].quantity == Decimal(-2)
    trader.close_position("SPY")
    assert trader.get_positions() == []


def test_working_orders_are_replaced_and_cancelled(trader):
    trader.submit_order("SPY", 1, "buy", "limit", limit_price=200.10, client_order_id="a")
    trader.submit_order("SPY", 1, "buy", "limit", "gtc", limit_price="199.5", client_order_id="b")
    successor = trader.replace_order("a", qty=3, limit_price=Decimal("200.05"), new_client_order_id="c")
    assert successor.client_order_id == "c"
    shown = {order.client_order_id: (order.quantity, order.limit_price) for order in trader.get_orders()}
    assert shown == {"b": (Decimal(1), Decimal("199.5")), "c": (Decimal(3), Decimal("200.05"))}
    assert trader.cancel_order("b").kind is ReportKind.PENDING_CANCEL
    assert [report.client_order_id for report in trader.cancel_all()] == ["c"]
    assert trader.get_orders() == []
    after = datetime_of(ns_of(datetime(2019, 2, 12, tzinfo=UTC)))
    assert trader.get_orders("all", after) == []


def test_a_rejection_is_a_report(trader):
    report = trader.submit_order("SPY", 10**7, "buy")
    assert report.kind is ReportKind.REJECTED
    assert report.reason


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("SPY", 1, "bye"), "did you mean buy"),
        (("SPY", 1, "buy", "limt"), "did you mean limit"),
        (("SPY", 1, "buy", "market", "dya"), "did you mean day"),
        (("SPY", "many", "buy"), "qty: 'many' is not a number"),
        (("SPY", float("nan"), "buy"), "not a finite number"),
    ],
)
def test_strange_words_are_errors_with_the_nearest(trader, arguments, said):
    with pytest.raises(DataError, match=said):
        trader.submit_order(*arguments)


def test_closing_twice_is_harmless(trader):
    trader.close()
    trader.close()


# cpquant


def test_code_written_for_cpquant_moves_over(exchange, environment, session):
    """What cpquant documents, with its own names and in its own order of arguments; only the addresses are ours."""
    data = cpquant.AlpacaDataClient(endpoints=exchange.endpoints)
    exchange.advance_to(session.open_ns + 20 * MINUTE_NS)
    frame = data.get_bars(["SPY"], timeframe="1Min", start="2019-02-11", end="2019-02-12", limit=1000)["SPY"]
    assert len(frame) == 19
    assert len(data.get_latest_bars(["SPY"])["SPY"]) == 1
    pages = list(data.get_trades_iterator(["SPY"], start="2019-02-11T14:30:00Z", end="2019-02-11T14:32:00Z"))
    assert sum(len(page["SPY"]) for page in pages) > 0
    data.close()

    client = cpquant.AlpacaRealtimeClient(endpoints=exchange.endpoints)
    client.subscribe_quotes(["SPY"])
    client.subscribe_trades(["SPY"])
    client.subscribe_bars(["SPY"], "1Min")
    client.unsubscribe_quotes(["SPY"])
    heard = []

    def handler(msg):
        for message in json.loads(msg):
            heard.append(message)
            if message["T"] == "b":
                client.close()

    exchange.advance_to(session.open_ns + 21 * MINUTE_NS)
    client.listen(handler)
    kinds = {message["T"] for message in heard}
    assert {"success", "subscription", "t", "b"} <= kinds
    assert all(message["S"] == "SPY" for message in heard if message["T"] in "tb")

    trade = cpquant.AlpacaTradeClient(endpoints=exchange.endpoints)
    assert trade.get_account().cash == Decimal(100_000)
    trade.close()


def test_the_loop_thread_ends():
    thread = LoopThread("short")
    assert thread.run(asyncio.sleep(0, "done")) == "done"
    thread.stop()
    thread.stop()
    assert not thread.is_running


def test_a_whole_session_has_its_minutes(history, exchange, session):
    exchange.advance_to(session.close_ns + MINUTE_NS)
    assert len(history.get_bars("SPY", "1Min", DAY, "2019-02-12", limit=None)["SPY"]) == MINUTES - 1
