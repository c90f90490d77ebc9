"""Every setting: its name, type, default and meaning. Frozen; unknown names are refused.

Descriptions are shown by `hftd settings --all`; a test holds that none is missing. Relative paths have been made
absolute by `load` before they arrive here.
"""

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    SecretStr,
)

from hftd.domain.convert import SECOND_NS
from hftd.model.choice import ChosenModel

Place = tuple[str | int, ...]
"""Where a setting stands: ("risk", "max_position"), ("models", 0, "name")."""


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("expected a number")
    return value


def _symbol(value: str) -> str:
    if not re.fullmatch(r"[A-Z][A-Z0-9]{0,9}([./][A-Z]{1,5})?", value):
        raise ValueError("expected a symbol in capitals, like SPY or BRK.B")
    return value


def _unique(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values or len(set(values)) != len(values):
        raise ValueError("expected at least one name, and each once")
    return values


def _url(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", value):
        raise ValueError("expected an address like http://127.0.0.1:8080")
    return value.rstrip("/")


_UNITS_NS = {"s": SECOND_NS, "m": 60 * SECOND_NS, "h": 3600 * SECOND_NS}


def duration_ns(text: str) -> int | None:
    """Nanoseconds of a duration like 30s, 5m or 1h; None for off. Raises ValueError for anything else."""
    if text == "off":
        return None
    found = re.fullmatch(r"(\d+)([smh])", text)
    if not found or int(found[1]) == 0:
        raise ValueError("expected a duration like 30s, 5m or 1h, or off")
    return int(found[1]) * _UNITS_NS[found[2]]


def _duration(value: object) -> str:
    text = "off" if value is False else str(value)
    duration_ns(text)
    return text


def _period(value: object) -> str:
    text = _duration(value)
    if text == "off":
        raise ValueError("expected a duration like 30s, 5m or 1h")
    return text


def _none_if_off(value: object) -> object:
    return None if value is False or value == "off" else value


def _off_if_none(value: object) -> object:
    return "off" if value is None else str(value) if isinstance(value, Decimal) else value


def _latency(value: str) -> str:
    number = r"\d+(\.\d+)?(ns|us|ms|s)?"
    if not re.fullmatch(rf"none|constant:{number}|normal:{number}(,{number}){{1,2}}|recorded:.+", value):
        raise ValueError("expected none, constant:5ms, normal:5ms,2ms,1ms or recorded:FILE")
    return value


Number = Annotated[Decimal, BeforeValidator(_no_bool)]
Count = Annotated[int, BeforeValidator(_no_bool)]
MAY_BE_OFF = (BeforeValidator(_none_if_off), PlainSerializer(_off_if_none, when_used="json"))
Limit = Annotated[Annotated[Number, Field(gt=0)] | None, *MAY_BE_OFF]
CountLimit = Annotated[Annotated[Count, Field(gt=0)] | None, *MAY_BE_OFF]
"""A bound above 0, or off, which is None."""
AS_IN_RISK = (
    BeforeValidator(lambda value: None if value == "as in risk" else value),
    PlainSerializer(lambda value: "as in risk" if value is None else str(value), when_used="json"),
)
OwnLimit = Annotated[Annotated[Number, Field(gt=0)] | None, *AS_IN_RISK]
OwnCountLimit = Annotated[Annotated[Count, Field(gt=0)] | None, *AS_IN_RISK]
Seconds = Annotated[float, BeforeValidator(_no_bool)]
Chance = Annotated[float, BeforeValidator(_no_bool)]
Duration = Annotated[str, BeforeValidator(_duration)]
Period = Annotated[str, BeforeValidator(_period)]
Latency = Annotated[str, AfterValidator(_latency)]
Url = Annotated[str, AfterValidator(_url)]
Symbols = Annotated[tuple[Annotated[str, AfterValidator(_symbol)], ...], AfterValidator(_unique)]


class Section(BaseModel):
    """A group of settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class BrokerSettings(Section):
    name: Literal["simulated", "alpaca"] = Field(
        default="simulated", description="who trades for us: simulated or alpaca"
    )
    url: Url | None = Field(
        default=None, description="its address; none: a simulated exchange of our own, or Alpaca's paper API"
    )
    feed: Literal["iex", "sip", "delayed_sip"] = Field(
        default="iex", description="which of the broker's data feeds to hear"
    )
    positions_by_hand: Literal["leave", "adopt"] = Field(
        default="leave", description="what becomes of shares found beyond ours: leave them alone, or adopt them as ours"
    )


class ModelRiskSettings(Section):
    """Limits of one model alone; what is not given is as in `risk`, which also holds for all models together."""

    max_position: OwnLimit = Field(default=None, description="shares of one symbol that this model may hold")
    max_position_notional: OwnLimit = Field(default=None, description="dollars in one symbol that it may hold")
    max_gross_exposure: OwnLimit = Field(default=None, description="dollars in its positions, long and short added")
    max_net_exposure: OwnLimit = Field(default=None, description="dollars in its positions, long less short")
    max_order_quantity: OwnLimit = Field(default=None, description="shares in one order of this model")
    max_order_notional: OwnLimit = Field(default=None, description="dollars that one of its orders may be worth")
    max_orders_per_minute: OwnCountLimit = Field(default=None, description="orders of this model in any minute")
    price_collar_percent: OwnLimit = Field(default=None, description="how far beyond the market it may price an order")
    max_daily_loss: OwnLimit = Field(default=None, description="dollars lost in a session at which it is halted")
    max_drawdown: OwnLimit = Field(default=None, description="dollars below its best at which it is halted")
    max_consecutive_losses: OwnCountLimit = Field(
        default=None, description="losing trades in a row at which this model is halted"
    )

    def as_limits(self) -> dict[str, Any]:
        """What was given, as fields of the engine's `Limits`."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in values.items() if value is not None}


def _bars(value: object) -> str:
    """`value` as text like 30 bars, hand, or off. Raises ValueError."""
    text = "off" if value is False else str(value).strip()
    if text in ("off", "hand") or _leading_number(text):
        return text
    raise ValueError("expected a number of bars like 30 bars, or hand, or off")


def _leading_number(text: str) -> int | None:
    number, _, unit = text.partition(" ")
    is_number = number.isdecimal() and unit in ("", "bar", "bars") and int(number) > 0
    return int(number) if is_number else None


PromoteAfter = Annotated[str, BeforeValidator(_bars)]


class ModelSettings(Section):
    name: str = Field(min_length=1, description="a file NAME.py or a folder NAME in models_folder")
    parameters: dict[str, Any] = Field(default={}, description="values for the model's own parameters; see hftd models")
    symbols: Symbols | None = Field(default=None, description="the symbols this model is given; none: all of them")
    shadow: bool = Field(default=False, description="whether it decides on paper only, and sends nothing")
    risk: ModelRiskSettings | None = Field(
        default=None, description="narrower limits of this model alone; none: those of risk hold for it too"
    )


class RiskSettings(Section):
    max_position: Number = Field(
        default=Decimal(100), gt=0, description="the most shares to hold in one symbol, long or short"
    )
    max_position_notional: Limit = Field(default=None, description="the most dollars to hold in one symbol; or off")
    max_gross_exposure: Limit = Field(
        default=None, description="the most dollars in all positions, long and short added; or off"
    )
    max_net_exposure: Limit = Field(
        default=None, description="the most dollars in all positions, long less short; or off"
    )
    max_order_quantity: Limit = Field(default=None, description="the most shares in one order; or off")
    max_order_notional: Number = Field(
        default=Decimal(10_000), gt=0, description="the most dollars that one order may be worth"
    )
    max_orders_per_minute: Count = Field(default=30, gt=0, description="the most orders in any minute")
    price_collar_percent: Limit = Field(
        default=Decimal(5), description="how far beyond the market an order may be priced to its own harm; or off"
    )
    max_daily_loss: Limit = Field(
        default=Decimal(1_000), description="dollars lost in a session at which trading halts until the next; or off"
    )
    max_drawdown: Limit = Field(
        default=Decimal(5_000), description="dollars below the best at which trading halts until hftd resume; or off"
    )
    max_consecutive_losses: CountLimit = Field(
        default=None, description="losing trades in a row at which trading halts until hftd resume; or off"
    )
    max_move_percent: Limit = Field(
        default=Decimal(10), description="a price's move at which trading halts until hftd resume; or off"
    )
    max_move_within: Period = Field(default="5m", description="the time within which max_move_percent is measured")
    quiet_after_open: Duration = Field(
        default="off", description="how long after the open to open no position, like 5m; or off"
    )
    quiet_before_close: Duration = Field(
        default="off", description="how long before the close to open no position, like 15m; or off"
    )
    flatten_before_close: Duration = Field(
        default="5m", description="how long before the close to close all positions, like 5m; off keeps them overnight"
    )

    @property
    def flatten_before_close_ns(self) -> int | None:
        """`flatten_before_close` in nanoseconds; None when it is off."""
        return duration_ns(self.flatten_before_close)

    def as_limits(self) -> dict[str, Any]:
        """All of it as fields of the engine's `Limits`: durations in nanoseconds."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        for name in ("max_move_within", "quiet_after_open", "quiet_before_close", "flatten_before_close"):
            values[f"{name}_ns"] = duration_ns(values.pop(name))
        return values


class ExchangeSettings(Section):
    speed: Seconds = Field(
        default=1.0, gt=0, le=1_000_000, description="market seconds in a second; closed hours are skipped above 1"
    )
    seed: Count = Field(default=1, ge=0, description="start of the market of bots: the same seed gives the same prices")
    bots: dict[str, Any] = Field(default={}, description="who trades in it, like {makers: 12}; see docs/market.md")
    tape: Path | None = Field(
        default=None, description="recorded bars to play (Parquet or CSV); none: a market of bots"
    )
    queue: Literal["off", "front", "back", "proportional"] = Field(
        default="off", description="where in a tape's quotes an order rests; off fills whatever the size"
    )
    participation: Number | None = Field(
        default=None, gt=0, le=1, description="the part of a minute of a tape that may be ours at most; none: any"
    )
    fees: Literal["none", "regulatory", "per_share", "maker_taker"] = Field(
        default="none", description="what trading costs: nothing, fees on sales, half a cent a share too, basis points"
    )
    latency: Latency = Field(
        default="none",
        description="how long orders are on their way: none, constant:5ms, normal:5ms,2ms,1ms or recorded:FILE",
    )
    cash: Number = Field(default=Decimal(100_000), gt=0, description="dollars in a new account")
    accounts: Annotated[tuple[str, ...], AfterValidator(_unique)] = Field(
        default=("default",), description="names of its accounts; the daemon trades on the first"
    )
    requests_a_minute: Count = Field(
        default=200, ge=0, description="the most requests of one key in a minute, as at Alpaca; 0 for no limit"
    )
    partial_fill_chance: Chance = Field(
        default=0.0, ge=0, le=1, description="how often an order is filled only in part at first: 0.1 at Alpaca's paper"
    )
    reject_chance: Chance = Field(default=0.0, ge=0, le=1, description="how often an order is rejected for no reason")
    faults: Path | None = Field(
        default=None, description="a schedule of faults to play, for tests; see docs/exchange.md"
    )
    port: Count = Field(default=0, ge=0, le=65_535, description="the TCP port it listens on; 0 takes a free one")


class DataSettings(Section):
    """How files of market data that do not say it themselves are read."""

    columns: dict[str, str] = Field(
        default={}, description="our name of a column: the files' own, like {close: Last}; see docs/data.md"
    )
    time_zone: str = Field(
        default="", description="of times without one, like America/New_York; without it such files are refused"
    )
    time_format: str = Field(default="", description="of times in CSV files that are not ISO 8601, like %m/%d/%Y %H:%M")
    stamped: Literal["start", "end"] = Field(
        default="start", description="whether a bar's time is the start of its minute or the end"
    )
    volume: Count = Field(
        default=0, ge=0, description="shares to assume in each minute of files without volume; 0 refuses them"
    )

    def as_reading(self) -> dict[str, Any]:
        """All of it as fields of `hftd.data.reading.Reading`."""
        return {name: getattr(self, name) for name in type(self).model_fields}


class ReportSettings(Section):
    at_close: bool = Field(default=True, description="whether to write STATE/reports/DATE.html when a session closes")


class WebSettings(Section):
    port: Annotated[Annotated[Count, Field(ge=0, le=65_535)] | None, *MAY_BE_OFF] = Field(
        default=8080, description="the TCP port of the page, /health and /metrics; 0 takes a free one; or off"
    )
    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="the address it listens at; beyond this machine only with a token",
    )
    token: SecretStr | None = Field(
        default=None, min_length=16, description="what a browser must know: open /?token=TOKEN once; none: no token"
    )


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class AlertSettings(Section):
    urls: Annotated[tuple[SecretStr, ...], BeforeValidator(_several)] = Field(
        default=(),
        description="where to send alerts, as apprise addresses; secrets, so rather HFTD_ALERTS__URLS or a credential",
    )
    on: Annotated[
        tuple[Literal["halt", "model", "feed", "reconciliation", "summary"], ...], BeforeValidator(_several)
    ] = Field(
        default=("halt", "model", "feed", "reconciliation", "summary"),
        description="halts, paused models, a feed that stays away, differences from the broker's books, each day's end",
    )
    degraded_after: Period = Field(
        default="5m", description="how long the feed or the broker may be away before that is told"
    )

    @property
    def degraded_after_ns(self) -> int:
        """The same in nanoseconds."""
        return duration_ns(self.degraded_after) or 0


class JournalSettings(Section):
    keep_sessions: CountLimit = Field(
        default=1_000, description="journals to keep, the newest ones; off keeps all of them for ever"
    )


class LogSettings(Section):
    format: Literal["auto", "console", "json"] = Field(
        default="auto", description="console for people, json for programs; auto: console on a terminal"
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="the least important line to write"
    )


class Settings(Section):
    """All settings of one daemon. Made by `load_settings`."""

    broker: BrokerSettings = Field(default_factory=BrokerSettings, description="who trades for us")
    symbols: Symbols = Field(description="what to trade and to hear data of")
    model: ModelSettings | None = Field(default=None, description="the model that decides; either this or models")
    models: tuple[ModelSettings, ...] | None = Field(
        default=None, description="several models side by side; either this or model"
    )
    models_folder: Path = Field(
        default=Path("models"), description="where model files are; relative to the settings file"
    )
    risk: RiskSettings = Field(default_factory=RiskSettings, description="limits that every order passes")
    exchange: ExchangeSettings = Field(
        default_factory=ExchangeSettings, description="the simulated exchange of our own"
    )
    data: DataSettings = Field(default_factory=DataSettings, description="how recorded data in files are read")
    report: ReportSettings = Field(default_factory=ReportSettings, description="what is kept of each session")
    web: WebSettings = Field(default_factory=WebSettings, description="the page for a browser, on this machine")
    alerts: AlertSettings = Field(default_factory=AlertSettings, description="what to tell a person who is not looking")
    journal: JournalSettings = Field(
        default_factory=JournalSettings, description="what is kept of each session, for looking back"
    )
    log: LogSettings = Field(default_factory=LogSettings, description="what is written to standard error")
    record: bool = Field(
        default=False, description="whether all market data that arrive are written to files, in STATE/records"
    )
    reload_on_change: bool = Field(
        default=False, description="whether settings and models are read again as soon as a file of theirs changes"
    )
    promote_after: PromoteAfter = Field(
        default="off",
        description="bars that a changed model decides on paper before it takes over, like 30 bars; or hand, or off",
    )
    late_after_s: Seconds = Field(
        default=10.0, gt=0, description="market data that arrive this many seconds too late are not traded on"
    )

    # Where the user gave each value, by its path; what is not here has its default.
    _origins: dict[Place, str] = PrivateAttr(default_factory=dict)
    _file: Path | None = PrivateAttr(default=None)

    @property
    def file(self) -> Path | None:
        """The file that they were read from."""
        return self._file

    def origin(self, *path: str | int) -> str:
        """Where `path` stands, or the section it would stand in: a file and line, a variable, the command line."""
        for length in range(len(path), 0, -1):
            if (origin := self._origins.get(path[:length])) is not None:
                return origin
        return "default"

    def retold(self, origin: str, *paths: Place) -> "Settings":
        """The same, but that values at `paths` were given by `origin`."""
        same = self.model_copy()
        same._origins = self._origins | dict.fromkeys(paths, origin)
        return same

    @property
    def chosen_models(self) -> tuple[ChosenModel, ...]:
        """The models to run, one or several, each with its symbols."""
        if self.model is not None:
            return (self._chosen(self.model, "model"),)
        return tuple(self._chosen(model, "models", index) for index, model in enumerate(self.models or ()))

    @property
    def shadows(self) -> frozenset[str]:
        """The names of the models that decide on paper only."""
        return frozenset(model.name for model in self.models or () if model.shadow)

    @property
    def promote_after_bars(self) -> int | None:
        """`promote_after` in bars: 0 to wait for hftd promote, None to swap at once."""
        return {"off": None, "hand": 0}.get(self.promote_after, _leading_number(self.promote_after))

    @property
    def model_limits(self) -> dict[str, dict[str, Any]]:
        """The limits that were given to single models, by their names, as fields of the engine's `Limits`."""
        models = (self.model,) if self.model is not None else self.models or ()
        return {model.name: model.risk.as_limits() for model in models if model.risk is not None}

    def _chosen(self, model: ModelSettings, *path: str | int) -> ChosenModel:
        return ChosenModel(
            name=model.name,
            symbols=model.symbols or self.symbols,
            parameters=model.parameters,
            where=self.origin(*path, "name"),
            places={name: self.origin(*path, "parameters", name) for name in model.parameters},
        )
