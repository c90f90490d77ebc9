"""`hftd run`: settings, models, exchange, broker, clock and daemon put together, run, and taken apart in order."""

import asyncio
import dataclasses
import faulthandler
import signal
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import structlog

from hftd import logs
from hftd.calendar import Calendar
from hftd.clock import Clock
from hftd.domain.convert import SECOND_NS, cents, rfc3339_of, text_of
from hftd.engine.risk import Limits
from hftd.engine.state import ModelLoader, RunningModel
from hftd.engine.tally import Tally
from hftd.errors import BrokerUnavailable, SettingsError
from hftd.journal import run_id
from hftd.live.alert_sender import AlertSender, addresses_of
from hftd.live.alerts import Alerts
from hftd.live.connection import Connection, connect_to, preload
from hftd.live.control import ControlServer, socket_path
from hftd.live.crash_points import arm
from hftd.live.daemon import Daemon, Outcome, Plan
from hftd.live.endings import when_asked_how_it_stands, when_told_to_end, when_told_to_reload
from hftd.live.exhaustion import tell_exhaustion_once
from hftd.live.library import Library
from hftd.live.page import page_of
from hftd.live.reload import Reloader, reloading_answers
from hftd.live.reports import ReportAtClose
from hftd.live.retention import Retention, Sweeping
from hftd.live.services import Service, in_thread
from hftd.live.standing_in import StandIns
from hftd.live.starting import starting_answers
from hftd.live.syncing import Syncing
from hftd.live.systemd import Notifier
from hftd.live.view import halts_view, number, orders_view, positions_of, positions_view, session_view
from hftd.model.choice import ChosenModel
from hftd.model.contract import overrides
from hftd.model.verify import VerifiedModel, verified
from hftd.settings import Settings

log = structlog.get_logger()

Verify = Callable[[ChosenModel, Path], VerifiedModel]


@dataclass(frozen=True)
class Ended:
    """How a run ended: its outcome, and the signal that ended it, None when it ended by itself."""

    outcome: Outcome
    by: signal.Signals | None

    @property
    def interrupted(self) -> bool:
        """Whether it was a person's Ctrl-C."""
        return self.by is signal.SIGINT


def run(
    settings: Settings,
    state: Path,
    environment: dict[str, str],
    sessions: int | None = None,
    read: Callable[[], Settings] | None = None,
) -> Ended:
    """Run the daemon in the foreground until it is told to stop or `sessions` sessions have closed. `read` reads the
    settings again when it is asked to reload them."""
    if settings.exchange.speed != 1 and settings.broker.name != "simulated":
        raise SettingsError(
            f"{settings.origin('exchange', 'speed')}: speed {settings.exchange.speed:g} is for the simulated exchange; "
            f"with broker {settings.broker.name} time is wall time: leave it at 1"
        )
    arm(environment)
    with suppress(OSError, ValueError):  # standard error may be no file
        faulthandler.enable()  # the watchdog's abort says where the loop was stalled
    return asyncio.run(_run(settings, state, environment, sessions, read or (lambda: settings)))


async def _run(
    settings: Settings,
    state: Path,
    environment: dict[str, str],
    sessions: int | None,
    read: Callable[[], Settings],
) -> Ended:
    tell_exhaustion_once(asyncio.get_running_loop())
    caught: list[signal.Signals] = []
    tail = logs.Tail()
    logs.configure(settings.log.format, settings.log.level, tail=tail)
    preload()
    async with AsyncExitStack() as stack:
        library, notifier = Library(state), Notifier()
        starting = starting_answers(settings.broker.name, notifier, tail, counts_of(Tally()))
        control = ControlServer(socket_path(state, environment), starting)
        await control.start()
        stack.push_async_callback(control.stop)
        await stack.enter_async_context(page_of(settings, state))
        stand_ins = StandIns(state, settings.chosen_models, is_wall_time=settings.exchange.speed == 1)
        plan = await in_thread(verified_plan, settings, state, library, stand_ins.verified)
        reloader = Reloader(
            settings, read, lambda other: verified_plan(other, state, library), notifier, stand_ins.refused
        )
        when_told_to_reload(reloader.ask)  # a broker that is away may be waited for for long
        connection = await stack.enter_async_context(connect_to(settings, state, environment, notifier))
        logs.configure(settings.log.format, settings.log.level, connection.clock.now_ns, tail)
        broker = connection.broker
        services = [reloader, *_services(settings, state, environment, connection.clock)]
        if settings.record:
            from hftd.live.recorder import Recorder, overheard  # and with it numpy

            recorder = Recorder(state)
            broker = overheard(broker, recorder, plan.symbols)
            services.append(recorder)
        daemon = Daemon(
            plan=plan,
            broker=broker,
            clock=connection.clock,
            calendar=Calendar(),
            notifier=notifier,
            hear_clock=connection.hear_clock,
            done=connection.done,
            services=services,
        )
        logs.configure(settings.log.format, settings.log.level, told_time(connection.clock, daemon), tail)
        answers = _answers(daemon, settings, connection, tail) | reloading_answers(reloader, read)
        when_asked_how_it_stands(lambda: log.info("daemon.snapshot", **answers["status"]()))
        control.answer_by(answers)
        _stop_on_signals(daemon, caught, reloader)
        outcome = await _until_either_ends(daemon, connection, sessions)
    return Ended(outcome, caught[0] if caught else None)


def told_time(clock: Clock, daemon: Daemon) -> Callable[[], int]:
    """The time that the log tells: never before what it tells of. An exchange's clock is known by its announcements,
    and may lag a little behind its bars."""

    def now_ns() -> int:
        trader = daemon.trader
        return max(clock.now_ns(), trader.engine.time_ns if trader is not None else 0)

    return now_ns


def _services(settings: Settings, state: Path, environment: dict[str, str], clock: Clock) -> list[Service]:
    """What lives beside the trading."""
    services: list[Service] = [Sweeping(), Syncing()]
    if settings.report.at_close:
        services.append(ReportAtClose(state))
    if addresses := addresses_of(settings.alerts, environment):
        services.append(Alerts(AlertSender(addresses), clock, settings.alerts.on, settings.alerts.degraded_after_ns))
    if settings.journal.keep_sessions is not None:
        services.append(Retention(state, settings.journal.keep_sessions))
    return services


async def _until_either_ends(daemon: Daemon, connection: Connection, sessions: int | None) -> Outcome:
    """Run the daemon; if an exchange of our own ends first, say so and end in order."""
    living = asyncio.create_task(daemon.run(sessions))
    lost = asyncio.ensure_future(connection.lost())
    await asyncio.wait([living, lost], return_when=asyncio.FIRST_COMPLETED)
    if living.done():
        lost.cancel()
        return await living
    log.error("exchange.lost", status=lost.result())
    daemon.stop()
    await living
    raise BrokerUnavailable(f"the simulated exchange ended by itself with status {lost.result()}; its log says why")


def _stop_on_signals(daemon: Daemon, caught: list[signal.Signals], reloader: Reloader) -> None:
    def stop(received: signal.Signals) -> None:
        log.info("daemon.stopping", signal=received.name)
        caught.append(received)
        daemon.stop()

    when_told_to_end(stop, reloader.ask)


def verified_plan(settings: Settings, state: Path, library: Library, verify: Verify = verified) -> Plan:
    """What `settings` ask for, with models that were tried and are kept. Blocks; raises ModelError, StateError."""
    models = [verify(chosen, settings.models_folder) for chosen in settings.chosen_models]
    for model in models:
        library.add(model)
        log.info("model.loaded", model=model.chosen.name, fingerprint=model.fingerprint[:12])
    return make_plan(settings, state, models, library.load)


def make_plan(
    settings: Settings, state: Path, models: Iterable[VerifiedModel], load: ModelLoader | None = None
) -> Plan:
    """What `settings` ask of a daemon on the state directory `state`."""
    shadows = settings.shadows
    limits = Limits(**settings.risk.as_limits())
    own = {name: dataclasses.replace(limits, **given) for name, given in settings.model_limits.items()}
    return Plan(
        state=state,
        run_id=run_id(state),
        symbols=_symbols_of(models),
        quotes=_symbols_of(model for model in models if overrides(model.loaded.cls, "on_quote")),
        trades=_symbols_of(model for model in models if overrides(model.loaded.cls, "on_trade")),
        limits=limits,
        late_after_s=settings.late_after_s,
        make_models=lambda: [
            _running(model, own.get(model.chosen.name), shadow=model.chosen.name in shadows) for model in models
        ],
        settings_json=settings.model_dump_json(),
        adopts_positions=settings.broker.positions_by_hand == "adopt",
        load=load,
    )


def _symbols_of(models: Iterable[VerifiedModel]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(symbol for model in models for symbol in model.chosen.symbols))


def _running(model: VerifiedModel, limits: Limits | None, *, shadow: bool) -> RunningModel:
    chosen = model.chosen
    return RunningModel(
        chosen.name, model.build(), model.fingerprint, chosen.symbols, model.values, limits=limits, shadow=shadow
    )


def _answers(daemon: Daemon, settings: Settings, connection: Connection, tail: logs.Tail) -> dict[str, Any]:
    clock = connection.clock

    def status() -> dict[str, Any]:
        trader = daemon.trader
        return {
            "running": True,
            "phase": daemon.phase,
            "line": daemon.line,
            "broker": settings.broker.name,
            "exchange": connection.exchange_url,
            "time": rfc3339_of(clock.now_ns()),
            "speed": clock.speed,
            "opens": rfc3339_of(daemon.next_open_ns),
            "bar_age_s": _bar_age_s(daemon, clock),
            "halts": halts_view(daemon.halts),
            **counts_of(daemon.tally),
            "session": session_view(trader.engine) if trader else None,
        }

    def halt(reason: str = "", flatten: bool = False) -> dict[str, Any]:
        daemon.halt(str(reason), flatten=bool(flatten))
        return halting()

    def resume(reason: str = "", symbol: str | None = None) -> dict[str, Any]:
        if symbol is not None:
            daemon.resume_symbol(str(symbol), str(reason))
            return {"resumed": [str(symbol)], **halting()}
        return {"resumed": [halt.rule for halt in daemon.resume(str(reason))], **halting()}

    def halting() -> dict[str, Any]:
        blocked = daemon.trader.blocked if daemon.trader else None
        return {
            "halts": halts_view(daemon.halts),
            "position": positions_of(daemon.trader.engine) if daemon.trader else {},
            "open": daemon.phase == "open",
            "blocked": str(blocked) if blocked else None,
        }

    return {
        "halt": halt,
        "resume": resume,
        "status": status,
        "orders": lambda: orders_view(daemon.trader.engine) if daemon.trader else None,
        "positions": lambda: positions_view(daemon.trader.engine) if daemon.trader else None,
        "measures": lambda: {**daemon.measures.told(), "waiting": daemon.waiting},
        "log": lambda after=0: tail.after(int(after)),
    }


def _bar_age_s(daemon: Daemon, clock: Clock) -> float | None:
    """Wall seconds since the last bar of the session going on was complete; None before there is any."""
    known_ns = daemon.last_bar_ns
    return None if known_ns is None else max(0, clock.now_ns() - known_ns) / SECOND_NS / clock.speed


def counts_of(tally: Tally) -> dict[str, Any]:
    """What has been counted, for JSON."""
    return {
        "sessions": tally.sessions,
        "bars": tally.bars,
        "late_bars": tally.late_bars,
        "quarantined": tally.quarantined,
        "signals": {"buy": tally.signals["buy"], "sell": tally.signals["sell"]},
        "orders": tally.orders,
        "fills": tally.fills,
        "refused": tally.refused,
        "rejected": tally.rejected,
    }


def summary_of(outcome: Outcome) -> dict[str, Any]:
    """The run in one JSON object. Money in dollars, positions in shares; null is what nobody has asked for."""
    return {
        **counts_of(outcome.tally),
        "position": {symbol: number(quantity) for symbol, quantity in outcome.positions.items()},
        "cash": None if outcome.cash is None else number(outcome.cash),
        "equity": None if outcome.equity is None else number(outcome.equity),
        "pnl": number(outcome.profit),
        "fees": number(outcome.tally.fees),
        "slippage": number(outcome.tally.slippage),
    }


def summary_text(outcome: Outcome) -> str:
    """The run in a table for people."""
    tally = outcome.tally
    positions = ", ".join(f"{symbol} {text_of(quantity)}" for symbol, quantity in outcome.positions.items())
    rows = [
        ("sessions", f"{tally.sessions}"),
        ("bars", f"{tally.bars}{_besides(tally.late_bars, 'late')}{_besides(tally.quarantined, 'bad ones set aside')}"),
        ("decisions", f"{tally.signals['buy']} to buy, {tally.signals['sell']} to sell"),
        ("orders", f"{tally.orders}{_besides(tally.refused, 'more refused by risk')}"),
        ("fills", f"{tally.fills}{_besides(tally.rejected, 'orders rejected')}"),
        ("position", positions or "flat"),
        ("cash", _asked(outcome.cash)),
        ("equity", _asked(outcome.equity)),
        ("P&L", f"{cents(outcome.profit):+,}"),
        *([("fees", f"{cents(tally.fees):,}")] if tally.fees else []),
        ("slippage", f"{cents(tally.slippage):,}"),
    ]
    return "\n".join(f"{name:10} {value}" for name, value in rows)


def _asked(dollars: Decimal | None) -> str:
    return "not asked for: no session was prepared" if dollars is None else f"{cents(dollars):,}"


def _besides(count: int, what: str) -> str:
    """A remark in brackets, if there is anything to remark."""
    return f" ({count} {what})" if count else ""
