"""`hftd drill`: the user's own crash test, with their settings and model, on a throw-away exchange and state.

Every fault has an exchange and a state directory of its own. A crash point is tried in lockstep, which is fast: a
daemon is killed there, another one lives on to the close of a session. Faults of sockets are tried at a speed without
lockstep, where silence and delay mean something: the fault lasts a while, and then the books must agree again.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from hftd.broker.base import OrdersAsked
from hftd.broker.credentials import Keys
from hftd.clock import monotonic_s
from hftd.commands.text import columns
from hftd.errors import BrokerError, SettingsError, StateError
from hftd.exchange.server.app import RunningExchange, serve
from hftd.exchange.server.config import ExchangeConfig
from hftd.exchange.server.faults import Fault, FaultKind, Target
from hftd.journal import Journal, journals
from hftd.live.books import Audit, audited
from hftd.live.connection import real_broker
from hftd.live.crash_points import CRASH_POINTS, VARIABLE
from hftd.live.nursery import Child, Nursery, Wanted
from hftd.live.recovery import reviewed
from hftd.settings import Settings
from hftd.wording import suggestion

KILLED = "killed at "
LOCKSTEP_SPEED = 3600.0
SOCKET_SPEED = 60.0
FOREIGN = ("HFTD_", "APCA_", "ALPACA_", "STATE_", "RUNTIME_", "CREDENTIALS_", "NOTIFY_", "WATCHDOG_", "JOURNAL_")
"""Beginnings of variables that are the running daemon's own business."""
FIRST = {
    "reconcile.asked": "order.answered",
    "reconcile.resending": "order.sending",
    "change.taken": "session.opened",
}
"""Points that are passed only after a restart from another one."""
AFTER_A_CHANGE = frozenset({"change.taken"})
"""Points that are passed only when settings have changed while the daemon was down."""
SLOW_POINTS = frozenset({"order.left"})
"""Points that are passed only without lockstep."""
LIFE_S = 45.0
"""How long a daemon may take to get somewhere."""
CALM_S, FAULT_S, MEND_S = 3.0, 8.0, 30.0
"""A socket fault comes after so many wall seconds, lasts so long, and must be mended after so many more."""
LOOK_S = 0.05
WORDS_OF_TRADING = ("bar.received", "session.opened", "session.closed")

SOCKET_FAULTS = {
    "market data cut": Fault(FaultKind.DROP, Target.DATA),
    "reports cut": Fault(FaultKind.DROP, Target.TRADES),
    "clock cut": Fault(FaultKind.DROP, Target.CLOCK),
    "market data mute": Fault(FaultKind.MUTE, Target.DATA),
    "reports mute": Fault(FaultKind.MUTE, Target.TRADES),
    "market data delayed": Fault(FaultKind.DELAY, Target.DATA, delay_s=1.5),
    "reports delayed": Fault(FaultKind.DELAY, Target.TRADES, delay_s=1.5),
    "reports doubled": Fault(FaultKind.DUPLICATE, Target.TRADES),
    "reports reordered": Fault(FaultKind.REORDER, Target.TRADES),
    "answers cut, orders done": Fault(FaultKind.CUT, Target.REST, method="POST", path="/v2/orders", done=True),
    "answers 503, nothing done": Fault(FaultKind.STATUS, Target.REST, method="POST", status=503),
}


class Result(msgspec.Struct, frozen=True):
    """What one fault came to. `recovery_s`: wall seconds from the restart, or from the fault's end, to trading again;
    None when the fault was `not_reached`, because the model did nothing that leads there."""

    fault: str
    orders: int = 0
    lost: int = 0
    doubled: int = 0
    ledger_equal: bool = True
    recovery_s: float | None = None
    not_reached: bool = False
    problem: str = ""

    @property
    def is_off(self) -> bool:
        return bool(self.lost or self.doubled or self.problem or not self.ledger_equal)


@dataclass(frozen=True)
class Drill:
    """What is drilled: the settings, their file, and the folder in which it all happens."""

    settings: Settings
    settings_file: Path
    folder: Path
    nursery: Nursery


FAULTS = (*(f"{KILLED}{point}" for point in CRASH_POINTS), *SOCKET_FAULTS)
"""Every fault by its name."""


def run_drill(
    settings: Settings, settings_file: Path, tell: Callable[[Result], None], faults: Sequence[str] = ()
) -> list[Result]:
    """Try `faults` (all without any); `tell` hears of each as it is done. Raises SettingsError for one that is none."""
    for fault in faults:
        if fault not in FAULTS:
            raise SettingsError(f"--fault {fault!r}: there is no such fault; {suggestion(fault, FAULTS)}")
    return asyncio.run(_run(settings, settings_file.absolute(), tell, faults or FAULTS))


async def _run(
    settings: Settings, settings_file: Path, tell: Callable[[Result], None], faults: Sequence[str]
) -> list[Result]:
    fast, slow = asyncio.Semaphore(os.cpu_count() or 1), asyncio.Semaphore(6)
    with TemporaryDirectory(prefix="hftd-drill-") as folder:
        async with Nursery() as nursery:
            drill = Drill(settings, settings_file, Path(folder), nursery)
            tries = []
            for fault in faults:
                point = fault.removeprefix(KILLED)
                if fault in SOCKET_FAULTS:
                    tries.append(_told(tell, fault, slow, _disturbed(drill, fault, SOCKET_FAULTS[fault])))
                elif point in SLOW_POINTS:
                    tries.append(_told(tell, fault, slow, _killed_at(drill, point, SOCKET_SPEED)))
                else:
                    tries.append(_told(tell, fault, fast, _killed_at(drill, point, LOCKSTEP_SPEED)))
            return list(await asyncio.gather(*tries))


async def _told(
    tell: Callable[[Result], None], fault: str, gate: asyncio.Semaphore, trying: Coroutine[Any, Any, Result]
) -> Result:
    async with gate:
        try:
            result = await trying
        except (StateError, BrokerError) as error:
            result = Result(fault, problem=str(error))
    tell(result)
    return result


# -- one fault --------------------------------------------------------------------------------------------------------


class Place:
    """An exchange, a state directory and a log for the daemons that are tried there."""

    def __init__(self, drill: Drill, name: str, running: RunningExchange) -> None:
        self._drill = drill
        self._folder = drill.folder / name
        self._running = running
        self._log = self._folder / "log"
        self._state = self._folder / "state"

    async def start(self, **variables: str) -> Child:
        """Start a daemon that lives to the close of a session."""
        wanted = Wanted(self._arguments(), self._environment() | variables, str(self._folder), str(self._log))
        return await self._drill.nursery.start(wanted)

    async def start_anew(self) -> asyncio.subprocess.Process:
        """Start a daemon as a user would, with all that a start takes."""
        with self._log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "hftd", *self._arguments()),
                env=self._environment(),
                cwd=self._folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _arguments(self) -> tuple[str, ...]:
        file, state = str(self._drill.settings_file), str(self._state)
        return ("run", "--settings", file, "--state", state, "--sessions", "1", "--log-format", "console")

    def _environment(self) -> dict[str, str]:
        addresses = self._running.addresses()
        return {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)} | {
            "HFTD_BROKER__NAME": "simulated",
            "HFTD_WEB__PORT": "off",
            "HFTD_BROKER__URL": addresses.rest,
            "APCA_API_KEY_ID": addresses.key,
            "APCA_API_SECRET_KEY": addresses.secret,
        }

    def logged(self) -> str:
        """All that the daemons have logged."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    async def trades_again(self, known: int, has_ended: Callable[[], bool]) -> bool:
        """Wait until a daemon has logged more than `known` characters that tell of trading; False if it never does."""
        until_s = monotonic_s() + LIFE_S
        while monotonic_s() < until_s:
            if any(word in self.logged()[known:] for word in WORDS_OF_TRADING):
                return True
            if has_ended():
                return False
            await asyncio.sleep(LOOK_S)
        return False

    async def audit(self) -> Audit:
        """Hold all journals against the exchange's books."""
        addresses = self._running.addresses()
        chosen = self._drill.settings.model_copy(
            update={
                "broker": self._drill.settings.broker.model_copy(update={"name": "simulated", "url": addresses.rest})
            }
        )
        broker = real_broker(chosen, Keys.of(addresses.key, addresses.secret))
        try:
            orders, account = await broker.orders(OrdersAsked.ALL), await broker.account()
            positions = {position.symbol: position.quantity for position in await broker.positions()}
        finally:
            await broker.disconnect()
        engines = []
        for path in reversed(journals(self._state)):
            with Journal.read(path) as journal:
                if journal.has_events():
                    engines.append(reviewed(journal))
        if not engines:
            raise StateError("the daemon has journaled nothing")
        return audited(engines, orders, positions, account.cash)

    def problem(self, what: str) -> str:
        """A sentence with the last line that was logged."""
        last = self.logged().strip().splitlines()[-1:]
        return f"{what}; it last logged: {' '.join(last) or 'nothing'}"


async def _open_exchange(drill: Drill, name: str, speed: float) -> RunningExchange:
    (drill.folder / name).mkdir()
    exchange = drill.settings.exchange
    symbols = dict.fromkeys(symbol for model in drill.settings.chosen_models for symbol in model.symbols)
    config = ExchangeConfig(
        state=drill.folder / name / "exchange",
        symbols=tuple(dict.fromkeys((*drill.settings.symbols, *symbols))),
        speed=speed,
        seed=exchange.seed,
        tape=exchange.tape,
        bots=None,
        cash=exchange.cash,
        wait=True,
        requests_a_minute=0,
    )
    return await serve(config)


async def _killed_at(drill: Drill, point: str, speed: float) -> Result:
    """Kill a daemon at `point`, start another one, and hold the books against each other at the end."""
    fault = f"{KILLED}{point}"
    async with await _open_exchange(drill, point, speed) as running:
        place = Place(drill, point, running)
        for armed in filter(None, (FIRST.get(point), point)):
            change = _changed(drill.settings) if armed in AFTER_A_CHANGE else {}
            status = await _end_of(await place.start(**{VARIABLE: armed}, **change))
            if status in (0, None):
                return Result(fault, not_reached=True)
            if status != -signal.SIGKILL:
                return Result(fault, problem=place.problem(f"ended with exit status {status} before it was killed"))
        known, started_s = len(place.logged()), monotonic_s()
        process = await place.start_anew()
        try:
            if not await place.trades_again(known, lambda: process.returncode is not None):
                return Result(fault, problem=place.problem("did not trade again"))
            recovery_s = monotonic_s() - started_s
            if speed == LOCKSTEP_SPEED:
                async with asyncio.timeout(LIFE_S):
                    await process.wait()
                return _result_of(fault, await place.audit(), recovery_s)
            return await _mended(fault, place, started_s)
        except TimeoutError:
            return Result(fault, problem=place.problem("did not end with its session"))
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def _changed(settings: Settings) -> dict[str, str]:
    """Variables that change a limit, and nothing that a model notices."""
    return {"HFTD_RISK__MAX_ORDERS_PER_MINUTE": str(settings.risk.max_orders_per_minute + 1)}


async def _end_of(child: Child) -> int | None:
    """Its exit status; None if it had to be ended because it went on for too long."""
    try:
        async with asyncio.timeout(LIFE_S):
            return await child.ended()
    except TimeoutError:
        child.send(signal.SIGTERM)
        await child.ended()
        return None


async def _disturbed(drill: Drill, name: str, fault: Fault) -> Result:
    """Let a fault befall a daemon for a while."""
    async with await _open_exchange(drill, name, SOCKET_SPEED) as running:
        place = Place(drill, name, running)
        child = await place.start()
        try:
            if not await place.trades_again(0, lambda: child.has_ended):
                return Result(name, problem=place.problem("did not begin to trade"))
            await asyncio.sleep(CALM_S)
            running.exchange.arm(fault)
            await asyncio.sleep(FAULT_S)
            running.exchange.faults.clear()
            return await _mended(name, place, monotonic_s())
        finally:
            child.send(signal.SIGKILL)
            await child.ended()


async def _mended(fault: str, place: Place, since_s: float) -> Result:
    """Wait until bars come and the books agree; what they come to if they never do."""
    known = len(place.logged())
    until_s = monotonic_s() + MEND_S
    while True:
        audit = await place.audit()
        if (audit.is_clean and "bar.received" in place.logged()[known:]) or monotonic_s() > until_s:
            return _result_of(fault, audit, monotonic_s() - since_s)
        await asyncio.sleep(LOOK_S)


def _result_of(fault: str, audit: Audit, recovery_s: float) -> Result:
    return Result(
        fault,
        audit.orders,
        len(audit.lost),
        len(audit.doubled),
        not audit.differences,
        round(recovery_s, 2),
        problem="; ".join(audit.differences),
    )


# -- what it came to --------------------------------------------------------------------------------------------------


def summary_of(results: Sequence[Result]) -> Mapping[str, Any]:
    """The whole drill, for JSON."""
    reached = [result for result in results if not result.not_reached]
    return {
        "faults": len(reached),
        "not_reached": [result.fault for result in results if result.not_reached],
        "orders": sum(result.orders for result in reached),
        "lost": sum(result.lost for result in reached),
        "doubled": sum(result.doubled for result in reached),
        "ledger_equal": not any(result.is_off for result in reached),
        "recovery_s_max": max((result.recovery_s or 0.0 for result in reached), default=0.0),
        "results": results,
    }


def drill_text(results: Iterable[Result]) -> str:
    """A line for each fault."""
    head = ["fault", "orders", "lost", "doubled", "ledger", "seconds", ""]
    return columns([head, *(_cells(result) for result in results)])


def _cells(result: Result) -> list[str]:
    if result.not_reached:
        return [result.fault, "-", "-", "-", "-", "-", "not reached: the model did nothing that leads there"]
    ledger = "equal" if result.ledger_equal else "differs"
    seconds = "-" if result.recovery_s is None else f"{result.recovery_s:.1f}"
    return [result.fault, str(result.orders), str(result.lost), str(result.doubled), ledger, seconds, result.problem]


def exit_status_of(results: Iterable[Result]) -> int:
    """0 when nothing is off."""
    return int(any(result.is_off for result in results))
