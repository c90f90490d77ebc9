"""What a market of bots is made of. Light to import."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar
from zlib import crc32

import msgspec

from hftd.domain.convert import SECOND_NS
from hftd.errors import SettingsError
from hftd.wording import suggestion

Kind = TypeVar("Kind")

AGENTS_MAX = 10_000
WAKES_MAX = 100_000_000


@dataclass(frozen=True, slots=True)
class Profile:
    """How a symbol trades: its usual price in dollars, standard deviation of a day's return, shares a day."""

    price: float
    daily_volatility: float = 0.012
    daily_volume: float = 12_000_000.0


PROFILES = {
    "SPY": Profile(price=500.0, daily_volatility=0.009, daily_volume=30_000_000.0),
    "AAPL": Profile(price=200.0, daily_volatility=0.015, daily_volume=25_000_000.0),
    "MSFT": Profile(price=400.0, daily_volatility=0.014, daily_volume=12_000_000.0),
    "NVDA": Profile(price=130.0, daily_volatility=0.027, daily_volume=60_000_000.0),
    "TSLA": Profile(price=250.0, daily_volatility=0.03, daily_volume=40_000_000.0),
}


@dataclass(frozen=True, slots=True)
class BotMarketSettings:
    """Who trades, and how busily. The same settings give the same market, share for share.

    `makers` quote on both sides, `noise` traders come and go without a reason, `momentum` traders follow what has just
    happened, `reverting` ones bet against it, `informed` ones know the value that prices should have. `wakes_a_day` is
    how often one of them looks at the market and decides, over a session of six and a half hours: between two and three
    messages to the book each time. `step_ns` is how often the market publishes: the prints since the last time and, if
    it has changed, the best bid and ask. `profiles` overrides how single symbols trade.
    """

    seed: int = 1
    makers: int = 8
    noise: int = 120
    momentum: int = 8
    reverting: int = 8
    informed: int = 4
    wakes_a_day: int = 400_000
    step_ns: int = SECOND_NS
    profiles: tuple[tuple[str, Profile], ...] = ()

    def __post_init__(self) -> None:
        """Raises SettingsError for a market that cannot be."""
        least = {"makers": 1, "noise": 1, "momentum": 0, "reverting": 0, "informed": 0}
        for name, count in least.items():
            if not count <= getattr(self, name) <= AGENTS_MAX:
                raise SettingsError(f"bots.{name}: {count} to {AGENTS_MAX} are expected, found {getattr(self, name)}")
        if not 1 <= self.wakes_a_day <= WAKES_MAX:
            raise SettingsError(f"bots.wakes_a_day: 1 to {WAKES_MAX} are expected, found {self.wakes_a_day}")
        if self.step_ns <= 0 or (60 * SECOND_NS) % self.step_ns:
            raise SettingsError(f"bots.step_ns: a part of a minute is expected, found {self.step_ns}")
        if self.seed < 0:
            raise SettingsError(f"bots.seed: 0 or more is expected, found {self.seed}")
        for symbol, profile in self.profiles:
            _check_profile(symbol, profile)

    def profile_of(self, symbol: str) -> Profile:
        """How `symbol` trades; an unknown one has a usual price between 20 and 300 dollars, made from its name."""
        made = Profile(price=20.0 + crc32(symbol.encode()) % 28_000 / 100)
        return dict(self.profiles).get(symbol) or PROFILES.get(symbol) or made


def _check_profile(symbol: str, profile: Profile) -> None:
    bounds = {"price": (0.01, 1e6), "daily_volatility": (1e-5, 0.5), "daily_volume": (100.0, 1e11)}
    for name, (least, most) in bounds.items():
        found = getattr(profile, name)
        if not least <= found <= most:
            raise SettingsError(f"bots.profiles.{symbol}.{name}: {least:g} to {most:g} is expected, found {found:g}")


def settings_of(text: str) -> BotMarketSettings:
    """Settings from one JSON object, like {"makers": 12, "profiles": {"SPY": {"price": 450}}}. Raises SettingsError."""
    try:
        given = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise SettingsError(
            f'bots: a JSON object like {{"makers": 12}} is expected, found {text!r} ({error})'
        ) from error
    profiles = given.pop("profiles", {})
    if not isinstance(profiles, dict):
        raise SettingsError(f"bots.profiles: symbols with their profiles are expected, found {profiles!r}")
    made = tuple(
        (symbol, _converted(values, Profile, f"bots.profiles.{symbol}")) for symbol, values in profiles.items()
    )
    return _converted({**given, "profiles": made}, BotMarketSettings, "bots")


def _converted(values: Any, kind: type[Kind], where: str) -> Kind:
    if isinstance(values, Mapping):
        names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
        for name in values:
            if name not in names:
                raise SettingsError(f"{where}.{name}: no such setting; {suggestion(name, names)}")
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{where}: {error}") from error
