"""Starting an exchange: what is refused, and with which sentence."""

import socket
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from exchange_kit import OPEN_NS, Rest, Start

from hftd.domain.convert import ns_of_rfc3339
from hftd.errors import DataError, HftdError, SettingsError, StateError
from hftd.exchange.server.app import Addresses
from hftd.exchange.server.run import announcement

ROW = "2019-02-11T14:30:00Z,SPY,271.19,271.34,271.07,271.34,1488804"
HEADING = "timestamp,symbol,open,high,low,close,volume"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"speed": -1}, "exchange.speed: a number above 0"),
        ({"cash": Decimal(0)}, "exchange.cash: dollars above 0"),
        ({"accounts": ()}, "exchange.accounts"),
        ({"accounts": ("a", "a")}, "exchange.accounts: different names"),
        ({"host": "0.0.0.0"}, "exchange.host: 0.0.0.0 is not this machine alone"),
    ],
)
async def test_settings_that_cannot_be(start: Start, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        await start(**settings)


async def test_a_port_in_use(start: Start, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(HftdError, match=f"port {port} on 127.0.0.1 is in use"):
            await start(port=port)
        with pytest.raises(HftdError, match=f"port {port} on 127.0.0.1 is in use"):
            await start(control_port=port)
    assert (await start(port=port)).port == port


async def test_a_state_directory_in_use(start: Start) -> None:
    await start()
    with pytest.raises(StateError, match="another hftd"):
        await start()


async def test_a_bad_tape_leaves_the_state_free(start: Start, tmp_path: Path) -> None:
    tape = tmp_path / "tape.csv"
    tape.write_text(f"{HEADING}\n{ROW}\n{ROW}\n")
    with pytest.raises(DataError, match="row 2"):
        await start(tape=tape, symbols=())
    await start()


async def test_a_tape_is_played_to_its_end(start: Start, tmp_path: Path) -> None:
    """Then time stands still, after the last close; the account can still be asked for."""
    tape = tmp_path / "tape.csv"
    tape.write_text(f"{HEADING}\n{ROW}\n")
    running = await start(tape=tape, symbols=(), start_ns=None)
    assert running.exchange.timeline.now_ns() == ns_of_rfc3339("2019-02-11T14:25:00Z")
    await running.advance_to(OPEN_NS)
    end_ns = ns_of_rfc3339("2019-02-11T21:05:00Z")
    assert running.exchange.timeline.now_ns() == end_ns
    assert not (await Rest(running).get("/v2/clock"))["is_open"]
    bars = await Rest(running).get("/v2/stocks/SPY/bars", timeframe="1Day", start="2019-02-11")
    assert [bar["v"] for bar in bars["bars"]] == [1488804]
    await running.stop()
    again = await start(tape=tape, symbols=(), start_ns=None)
    assert again.exchange.timeline.now_ns() == end_ns


def test_the_first_line() -> None:
    addresses = Addresses("http://h", "http://h", "ws://h/v2/iex", "ws://h/stream", "ws://h/hftd/clock", "", "K", "S")
    assert announcement(addresses, as_json=True).startswith('{"rest":"http://h","data":"http://h","stream":')
    assert announcement(addresses, as_json=False).endswith("key K  secret S")
