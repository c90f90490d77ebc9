"""Keys are looked for in everything that could carry them out: logs at their most talkative, errors, tracebacks."""

import asyncio
import gc
import logging
import traceback

import pytest
from alpaca_inbox import Inbox
from broker_stub import HASTY, DataStub, answering, serving, trades_stub

from hftd.broker.alpaca import AlpacaBroker
from hftd.broker.clients import AlpacaDataClient, AlpacaRealtimeClient
from hftd.broker.credentials import Keys
from hftd.broker.endpoints import exchange_endpoints
from hftd.broker.simulated import SimulatedBroker
from hftd.errors import HftdError

KEY_ID, SECRET = "PKSHOULDNOTSHOW0", "must-never-be-seen-anywhere"
KEYS = Keys.of(KEY_ID, SECRET)

BAD = [(401, {"message": "unauthorized."}), (500, "<html>"), (422, {"code": 42210000, "message": "no"})]


async def failures_of(url):
    """Every error that these calls end with."""
    broker = AlpacaBroker(exchange_endpoints(url), KEYS, patience=HASTY)
    simulated = SimulatedBroker(url, KEYS, patience=HASTY)
    data = AlpacaDataClient(keys=KEYS, endpoints=exchange_endpoints(url), patience=HASTY)
    inbox = Inbox()
    calls = [
        broker.account,
        broker.clock,
        lambda: broker.bars(["SPY"], 0, 1),
        lambda: broker.order("x"),
        lambda: broker.cancel("x"),
        lambda: broker.connect(inbox),
        lambda: simulated.connect_clock(inbox),
        lambda: asyncio.to_thread(data.get_bars, "SPY"),
        lambda: asyncio.to_thread(AlpacaRealtimeClient, keys=KEYS, endpoints=exchange_endpoints(url), patience=HASTY),
    ]
    errors = []
    for call in calls:
        try:
            await call()
        except HftdError as error:
            errors.append(error)
    await broker.disconnect()
    await simulated.disconnect()
    await asyncio.to_thread(data.close)
    return errors, inbox.messages, [broker, simulated]


@pytest.mark.parametrize("bad", BAD, ids=["refused keys", "a page of HTML", "refused"])
async def test_no_failure_shows_a_key(bad, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    refusing = DataStub(refusals={-1: (402, "auth failed")})
    names = ("account", "clock", "stocks/bars", "orders:by_client_order_id")
    routes = {f"GET /v2/{name}": answering(bad) for name in names}
    routes |= {"GET /v2/iex": refusing.serve, "GET /stream": trades_stub, "GET /hftd/clock": answering(bad)}
    async with serving(routes) as url:
        errors, messages, brokers = await failures_of(url)
    assert len(errors) >= 6
    said = [caplog.text, *capfd.readouterr(), repr(messages), repr(brokers)]
    for error in errors:
        told = traceback.TracebackException.from_exception(error, capture_locals=False)
        said += [str(error), repr(error), repr(vars(error)), "".join(told.format())]
        assert error.__cause__ is None
    gc.collect()
    for text in said:
        assert SECRET not in text
        assert KEY_ID not in text
