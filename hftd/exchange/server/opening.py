"""Putting an exchange together from its configuration and its state directory: market, venue, time."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import numpy as np

from hftd.calendar import Calendar
from hftd.clock import wall_ns
from hftd.domain.convert import SECOND_NS, rfc3339_of
from hftd.errors import SettingsError, StateError
from hftd.exchange.market.agenda import MARGIN_NS, Agenda
from hftd.exchange.market.base import Market
from hftd.exchange.market.queues import Queue
from hftd.exchange.market.tape_liquidity import TapeLiquidity
from hftd.exchange.server.config import LOOPBACK, ExchangeConfig
from hftd.exchange.server.store import Store
from hftd.exchange.venue.assets import Asset, listed
from hftd.exchange.venue.fees import SCHEDULES
from hftd.exchange.venue.settings import VenueSettings
from hftd.exchange.venue.venue import Venue, VenueState
from hftd.state import lock, state_directory

DEFAULT_SYMBOLS = ("SPY",)
WALL_TOLERANCE_NS = SECOND_NS
STORE_FILE = "exchange.sqlite"
KEYS_FILE = "keys.json"
MARKET_FOLDER = "market"


def check(config: ExchangeConfig, keys: Path) -> None:
    """Raise SettingsError if `config` cannot be carried out."""
    if not config.accounts or len(set(config.accounts)) != len(config.accounts):
        raise SettingsError(f"exchange.accounts: different names are expected, found {', '.join(config.accounts)!r}")
    if config.speed < 0:
        raise SettingsError(f"exchange.speed: a number above 0 is expected, found {config.speed:g}")
    if config.cash <= 0:
        raise SettingsError(f"exchange.cash: dollars above 0 are expected, found {config.cash}")
    if config.participation is not None and not 0 < config.participation <= 1:
        raise SettingsError(f"exchange.participation: above 0 and up to 1 is expected, found {config.participation}")
    if config.host not in LOOPBACK and not keys.exists():
        raise SettingsError(
            f"exchange.host: {config.host} is not this machine alone, and {keys} holds no keys yet; start the exchange "
            "on 127.0.0.1 once, so that its keys are made, then give out the address"
        )


@contextmanager
def held(state: Path) -> Iterator[None]:
    """The state directory, made if it is not there, for this process alone. Raises StateError."""
    with lock(state_directory(state)):
        yield


def make_market(config: ExchangeConfig, calendar: Calendar) -> Market:
    """The market of `config`: its tape, its bots, or a random walk. Raises DataError for a tape that is none."""
    if config.tape is not None:
        from hftd.exchange.market.tick_tape import tape_of

        liquidity = _tape_liquidity(config)
        return tape_of(
            config.tape, calendar, config.symbols, day=config.day, liquidity=liquidity, reading=config.reading
        )
    symbols = config.symbols or DEFAULT_SYMBOLS
    if config.bots is None:
        from hftd.exchange.market.random_walk import RandomMarket

        return RandomMarket(symbols, config.seed)
    from hftd.exchange.market.bots.market import BotMarket

    return BotMarket(replace(config.bots, seed=config.seed), symbols, config.state / MARKET_FOLDER)


def _tape_liquidity(config: ExchangeConfig) -> TapeLiquidity | None:
    if config.queue is None and config.participation is None:
        return None
    return TapeLiquidity(config.queue or Queue.BACK, config.participation)


def make_assets(market: Market, state: VenueState | None) -> dict[str, Asset]:
    """What is traded, and what was traded before and is still in the books."""
    symbols = {*market.symbols, *(_symbols_of(state) if state else ())}
    return {symbol: listed(symbol) for symbol in sorted(symbols)}


def make_venue(
    config: ExchangeConfig, market: Market, assets: Mapping[str, Asset], state: VenueState | None, time_ns: int
) -> Venue:
    """The venue as it was written, with an account for each name; new accounts are opened at `time_ns`."""
    settings = VenueSettings(
        partial_fill_chance=config.partial_fill_chance,
        reject_chance=config.reject_chance,
        fees=SCHEDULES[config.fees],
        latency=config.latency,
    )
    draw = np.random.default_rng(config.seed).random
    venue = Venue(settings, market.liquidity, assets, lambda: str(uuid4()), draw)
    if state is not None:
        venue.restore(state)
    known = {account.name for account in venue.accounts()}
    for name in config.accounts:
        if name not in known:
            venue.open_account(name, config.cash, time_ns)
    return venue


def starting_time(config: ExchangeConfig, agenda: Agenda, store: Store, state: VenueState | None) -> int:
    """Where exchange time goes on or begins. Raises StateError when it would have to go back."""
    written_ns = max(store.get("time_ns", int) or 0, state.standing.time_ns if state else 0)
    if config.keeps_wall_time:
        return _wall_time(config, written_ns)
    if not written_ns:
        return config.start_ns or agenda.first_ns(wall_ns())
    if agenda.after(None, written_ns) is None and written_ns > _end_of_tape(agenda) + MARGIN_NS:
        raise StateError(
            f"{config.state}: exchange time is {rfc3339_of(written_ns)} there, after the end of tape {config.tape}; "
            "time never goes back: use another state directory"
        )
    return agenda.resumed_ns(written_ns)


def _wall_time(config: ExchangeConfig, written_ns: int) -> int:
    now_ns = wall_ns()
    if written_ns > now_ns + WALL_TOLERANCE_NS:
        raise StateError(
            f"{config.state}: exchange time is {rfc3339_of(written_ns)} there, ahead of the wall clock's "
            f"{rfc3339_of(now_ns)}; time never goes back: use another state directory, or a speed other than 1"
        )
    return max(now_ns, written_ns)


def _end_of_tape(agenda: Agenda) -> int:
    session = agenda.last_session()
    return session.close_ns if session else 0


def _symbols_of(state: VenueState) -> set[str]:
    held = {symbol for account in state.accounts for symbol in account.holdings}
    return held | {order.symbol for order in state.orders}
