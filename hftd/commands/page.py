"""`hftd page`: the web page of a state directory, whether or not a daemon runs on it."""

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hftd.broker.credentials import Keys, find_keys
from hftd.commands.look import elsewhere
from hftd.dashboard.app import Page, Sources
from hftd.dashboard.depth import depth_with
from hftd.dashboard.follow import Follower
from hftd.dashboard.serve import give_way, serve_page, stop_at_end_of_input
from hftd.errors import CredentialsError, HftdError, StateError
from hftd.journal import latest
from hftd.live.control import ask_first, sockets_to_ask
from hftd.live.endings import when_told_to_end
from hftd.live.recovery import reviewer_of
from hftd.state import place_to_look


@dataclass(frozen=True)
class Place:
    """Where to listen, and what a browser must know."""

    host: str
    port: int
    token: str | None


def run_page(state: Path | None, place: Place, announce: Callable[[str], None], *, tied: bool = False) -> None:
    """Serve the page until told to end; `announce` is told its address, and why there is nothing to see."""

    def announce_all(url: str) -> None:
        announce(url)
        folder = place_to_look(state, os.environ)
        if not tied and latest(folder) is None:
            announce(f"state directory {folder}: no daemon has run on it; it is shown once one does{elsewhere(folder)}")

    async def until_told_to_stop() -> None:
        stop = asyncio.Event()
        when_told_to_end(lambda _: stop.set())
        if tied:
            stop_at_end_of_input(stop)
        await serve_page(_page(state, place.token), place.host, place.port, announce_all, stop)

    asyncio.run(until_told_to_stop())


def run_tied_page(state: Path) -> None:
    """The same beside a daemon, which says by a line on standard input where to listen, and hears how it went."""
    give_way()
    place = Place(**json.loads(_line_of_input()))
    try:
        run_page(state, place, lambda url: print(json.dumps({"url": url}), flush=True), tied=True)
    except HftdError as error:
        print(json.dumps({"problem": str(error)}), flush=True)


def _line_of_input() -> bytes:
    """One line, and nothing beyond it: the rest is watched for its end."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            raise StateError("whoever started this page has gone")
        line += byte
    return line


def _page(state: Path | None, token: str | None) -> Page:
    place = place_to_look(state, os.environ)
    sockets = sockets_to_ask(state, place, os.environ)

    async def ask(what: str, **arguments: Any) -> Any:
        return await asyncio.to_thread(ask_first, sockets, what, **arguments)

    return Page(Sources(Follower(place, reviewer_of), ask, depth_with(lambda: _headers(place))), token)


def _headers(state: Path) -> dict[str, str] | None:
    """The keys to an exchange of the daemon's own, else to that which its user has started."""
    try:
        key = next(iter(json.loads((state / "exchange" / "keys.json").read_text()).values()))
        return Keys.of(key["key"], key["secret"]).headers()
    except (OSError, ValueError, KeyError, StopIteration):
        pass
    try:
        return find_keys(os.environ).headers()
    except CredentialsError:
        return None
