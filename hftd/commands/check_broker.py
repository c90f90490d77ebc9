"""The checks of `hftd check` that need the broker: keys, reachability, what it trades, agreement on the time."""

import asyncio
import json
from pathlib import Path

from hftd.broker.base import Asset
from hftd.calendar import Calendar
from hftd.clock import wall_ns
from hftd.commands.check import LOCAL_CHECKS, Check, Found
from hftd.commands.check_alerts import check_alerts
from hftd.domain.account import Account, BrokerClock
from hftd.domain.convert import SECOND_NS, cents, rfc3339_of
from hftd.errors import BrokerError, SettingsError
from hftd.live.connection import keys_of, real_broker
from hftd.settings import Settings

SKEW_LIMIT_S = 2.0
"""A machine's clock further off than this makes bars look late or early."""


def _settings(found: Found) -> Settings:
    assert found.settings is not None
    return found.settings


def _is_embedded(settings: Settings) -> bool:
    return settings.broker.name == "simulated" and settings.broker.url is None


def check_credentials(found: Found) -> str:
    settings = _settings(found)
    if _is_embedded(settings):
        return "none needed: the simulated exchange makes its own"
    return f"found in {keys_of(found.environment, settings).found}"


def check_broker(found: Found) -> str:
    settings = _settings(found)
    if _is_embedded(settings):
        if settings.exchange.tape is None:
            _check_bots(settings)
            return "the daemon starts its own simulated exchange"
        return f"the daemon starts its own simulated exchange, playing {_sessions_of(settings, settings.exchange.tape)}"
    account, _ = asyncio.run(_asked(settings, found))
    if account.trading_blocked or account.status != "ACTIVE":
        raise BrokerError(f"{settings.broker.name}: the account is {account.status} or may not trade; ask the broker")
    return f"{settings.broker.name} answers: account {account.status}, cash {cents(account.cash):,}"


def _check_bots(settings: Settings) -> None:
    """Raise SettingsError for a market of bots that the exchange would refuse."""
    from hftd.exchange.market.bots.settings import settings_of

    try:
        settings_of(json.dumps(settings.exchange.bots))
    except SettingsError as error:
        raise SettingsError(f"{settings.origin('exchange', 'bots')}: exchange.{error}") from error


def _sessions_of(settings: Settings, tape: Path) -> str:
    """What there is on a tape, which is read as the exchange will. Raises DataError."""
    from hftd.data.reading import Reading
    from hftd.exchange.market.tick_tape import tape_of

    days = tape_of(tape, Calendar(), settings.symbols, reading=Reading(**settings.data.as_reading())).days
    return f"{tape}: {len(days)} session{'s'[: len(days) != 1]}, {days[0]} to {days[-1]}"


def check_symbols(found: Found) -> str:
    settings = _settings(found)
    if _is_embedded(settings):
        return f"{', '.join(settings.symbols)}: the simulated exchange trades whatever is named"
    assets = asyncio.run(_assets(settings, found))
    for number, (symbol, asset) in enumerate(assets.items()):
        if asset is None or not asset.tradable:
            place, why = settings.origin("symbols", number), "does not know" if asset is None else "does not trade"
            raise SettingsError(f"{place}: symbols[{number}]: the broker {why} {symbol}")
    long_only = [symbol for symbol, asset in assets.items() if asset is not None and not asset.shortable]
    return f"{', '.join(assets)} are traded" + (f"; not sold short: {', '.join(long_only)}" if long_only else "")


async def _assets(settings: Settings, found: Found) -> dict[str, Asset | None]:
    broker = real_broker(settings, keys_of(found.environment, settings))
    try:
        return {symbol: await broker.asset(symbol) for symbol in settings.symbols}
    finally:
        await broker.disconnect()


def check_clock(found: Found) -> str:
    settings = _settings(found)
    if _is_embedded(settings):
        return "the simulated exchange keeps this machine's time"
    _, told = asyncio.run(_asked(settings, found))
    skew_s = (wall_ns() - told.time_ns) / SECOND_NS
    if settings.broker.name == "simulated":
        return f"the simulated exchange keeps time of its own: {rfc3339_of(told.time_ns)}"
    if abs(skew_s) > SKEW_LIMIT_S:
        raise BrokerError(
            f"this machine's clock is {skew_s:+.1f} s off the broker's; let it be set by the network (timedatectl)"
        )
    is_open = Calendar().is_open(told.time_ns)
    if is_open != told.is_open:
        words = {True: "open", False: "closed"}
        raise BrokerError(f"the calendar says {words[is_open]}, the broker says {words[told.is_open]}: nothing is sent")
    return f"{skew_s:+.1f} s off the broker's; calendar and broker agree"


async def _asked(settings: Settings, found: Found) -> tuple[Account, BrokerClock]:
    broker = real_broker(settings, keys_of(found.environment, settings))
    try:
        return await broker.account(), await broker.clock()
    finally:
        await broker.disconnect()


ALL_CHECKS = (
    *LOCAL_CHECKS,
    Check("credentials", check_credentials, needs=("settings",)),
    Check("broker", check_broker, needs=("settings", "credentials")),
    Check("symbols", check_symbols, needs=("settings", "credentials", "broker")),
    Check("alerts", check_alerts, needs=("settings",)),
    Check("clock", check_clock, needs=("settings", "credentials", "broker")),
)
