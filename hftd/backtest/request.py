"""A backtest as it is asked for, small enough to be sent to another process; there it becomes a task."""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from hftd.backtest.prepare import chosen, sessions_of, subject_of
from hftd.backtest.task import Past, Task, Terms
from hftd.calendar import Calendar
from hftd.data.reading import USUAL, Reading
from hftd.engine.risk import Limits
from hftd.errors import SettingsError
from hftd.exchange.market.latencies import latency_of
from hftd.exchange.market.queues import Queue
from hftd.exchange.venue.fees import Fees
from hftd.model.contract import Model
from hftd.settings import Settings, find_settings_file, load_settings
from hftd.settings.shape import ExchangeSettings


@dataclass(frozen=True)
class Request:
    """Which model with which parameters, on which data, within which limits and terms. `symbols` empty: all. `reading`
    says how files of data are read."""

    model: type[Model] | str
    parameters: Mapping[str, Any]
    folder: Path
    symbols: tuple[str, ...]
    limits: Limits
    terms: Terms
    first: date | None = None
    last: date | None = None
    own_limits: Limits | None = None
    where: str = "command line"
    reading: Reading = USUAL

    def task(self, past: Past, calendar: Calendar) -> Task:
        """With its data. Raises ModelError, DataError."""
        subject = subject_of(self.model, self.parameters, self.folder, self.where)
        mine = chosen(past.bars, self.symbols)
        sessions = sessions_of(mine, calendar, self.first, self.last)
        ticks = past.ticks.of(tuple(mine)) if past.ticks else None
        return Task(subject, mine, sessions, self.limits, self.terms, self.own_limits, ticks)


@dataclass(frozen=True)
class Base:
    """The settings that a backtest begins with. Without a settings file they name no model and no symbols."""

    settings: Settings
    has_file: bool


def base_of(option: str | Path | None, overrides: Mapping[str, object] | None = None) -> Base:
    """The settings file that applies here, under HFTD_ variables and `overrides` (dotted name -> value); the defaults
    where there is none. Raises SettingsError."""
    given = overrides or {}
    try:
        file = find_settings_file(option, os.environ)
    except SettingsError:
        if option is not None or os.environ.get("HFTD_SETTINGS"):
            raise
        return Base(load_settings(None, os.environ, {"symbols": ["ANY"], "model": "any", **given}), False)
    return Base(load_settings(file, os.environ, given), True)


@dataclass(frozen=True)
class Wishes:
    """What differs from the settings; None is not asked for."""

    symbols: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    first: date | None = None
    last: date | None = None
    slippage_bps: Decimal = Decimal(0)
    spread: float | None = None


def request_of(model: type[Model] | str, base: Base, wishes: Wishes) -> Request:
    """The risk and exchange sections apply, and where the settings name this model, its parameters, symbols and
    limits."""
    settings = base.settings
    limits = Limits(**settings.risk.as_limits())
    name = model if isinstance(model, str) else model.__name__
    known = settings.chosen_models if base.has_file else ()
    named = next((chosen for chosen in known if chosen.name == name), None)
    own = settings.model_limits.get(name) if named else None
    usual = named.symbols if named else settings.symbols if base.has_file else ()
    return Request(
        model=model,
        parameters={**(named.parameters if named else {}), **wishes.parameters},
        folder=settings.models_folder,
        symbols=wishes.symbols or usual,
        limits=limits,
        terms=terms_of(settings.exchange, wishes),
        first=wishes.first,
        last=wishes.last,
        own_limits=dataclasses.replace(limits, **own) if own else None,
        reading=Reading(**settings.data.as_reading()),
    )


def terms_of(exchange: ExchangeSettings, wishes: Wishes) -> Terms:
    terms = Terms(
        cash=exchange.cash,
        fees=Fees(exchange.fees),
        queue=None if exchange.queue == "off" else Queue(exchange.queue),
        participation=exchange.participation,
        slippage_bps=wishes.slippage_bps,
        latency=latency_of(exchange.latency),
        partial_fill_chance=exchange.partial_fill_chance,
        reject_chance=exchange.reject_chance,
        seed=exchange.seed,
    )
    return terms if wishes.spread is None else dataclasses.replace(terms, spread=wishes.spread)
