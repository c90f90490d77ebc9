"""`hftd status`, `orders`, `positions`: from the running daemon, or from the newest journal when none runs."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hftd.commands.text import columns
from hftd.domain.convert import cents, decimal_of
from hftd.engine.engine import Engine
from hftd.errors import StateError
from hftd.journal import Journal, latest
from hftd.live.control import ask_first, sockets_to_ask
from hftd.live.recovery import reviewed
from hftd.live.view import halts_view, orders_view, positions_view, session_view
from hftd.state import LOCK_NAME, place_to_look

Row = dict[str, Any]


def status_of(state: Path | None, environment: Mapping[str, str]) -> Row:
    """Status of the daemon of `state`; `running` tells whether it is one that runs."""
    place = place_to_look(state, environment)
    told = ask_first(sockets_to_ask(state, place, environment), "status")
    if told is not None:
        return dict(told)
    last = _last(place)
    return {"running": False, "phase": "not running", "halts": halts_view(last.halts), "session": session_view(last)}


def orders_of(state: Path | None, environment: Mapping[str, str]) -> list[Row]:
    """Orders of the session going on, else of the last one."""
    return _rows_of(state, environment, "orders", orders_view)


def positions_of(state: Path | None, environment: Mapping[str, str]) -> list[Row]:
    """Positions in the session going on, else at the end of the last one."""
    return _rows_of(state, environment, "positions", positions_view)


def _rows_of(
    state: Path | None, environment: Mapping[str, str], what: str, view: Callable[[Engine], list[Row]]
) -> list[Row]:
    place = place_to_look(state, environment)
    sockets = sockets_to_ask(state, place, environment)
    rows: list[Row] | None = ask_first(sockets, what)
    if rows is None and latest(place) is None and ask_first(sockets, "status") is not None:
        return []  # it waits for its first session
    return view(_last(place)) if rows is None else rows


def _last(state: Path) -> Engine:
    path = latest(state)
    if path is None:
        raise StateError(
            f"state directory {state}: no daemon runs on it and none has; hftd run starts one{elsewhere(state)}"
        )
    with Journal.read(path) as journal:
        return reviewed(journal)


def elsewhere(state: Path) -> str:
    """A hint at the folder that `make run` uses, when it is another one."""
    here = Path("state").absolute()
    return f"; was --state {here.name} meant?" if here != state and (here / LOCK_NAME).exists() else ""


def status_text(status: Row) -> str:
    """For people: a line, and the last session's figures."""
    session, lines = status["session"], ["not running"]
    if status["running"]:
        lines = [status["line"]]
    if status["running"] and status["phase"] != "starting":
        counted = f"{status['bars']} bars, {status['orders']} orders, {status['fills']} fills so far"
        lines.append(counted)
    lines += [halt_text(halt) for halt in status.get("halts", [])]
    if session is not None:
        lines += [
            f"paused: {running['model']} has failed, the log says how; it is tried again at the next open"
            for running in session["models"]
            if running["paused"]
        ]
        lines += [symbol_halt_text(symbol, reason) for symbol, reason in session.get("halted_symbols", {}).items()]
        lines += [_shadow_text(shadow) for shadow in session["shadows"]]
        held = ", ".join(f"{symbol} {quantity:+}" for symbol, quantity in session["position"].items()) or "flat"
        money = f"cash {_dollars(session['cash'])}, P&L {cents(decimal_of(session['pnl'])):+,}"
        lines.append(f"session {session['day']}: {held}, {money}")
    return "\n".join(lines)


def _shadow_text(shadow: Row) -> str:
    """shadow toy.next (0123456789ab): 12 of 30 bars, 4 orders on paper, SPY +5, P&L +3.20"""
    held = ", ".join(f"{symbol} {quantity:+}" for symbol, quantity in shadow["position"].items()) or "flat"
    waits = f" of {shadow['promote_after']}" if shadow["promote_after"] else ""
    bars = f"{shadow['bars']}{waits} bars, " if shadow["bars"] is not None else ""
    profit = f"P&L {cents(decimal_of(shadow['pnl'])):+,}"
    failed = ", failed" if shadow["paused"] else ""
    name = f"{shadow['model']} ({shadow['fingerprint']})"
    return f"shadow {name}: {bars}{shadow['orders']} orders on paper, {held}, {profit}{failed}"


def halt_text(halt: Row) -> str:
    """halted: manual, of toy, lunch; ends by hftd resume"""
    parts = [halt["rule"], *([f"of {halt['model']}"] if halt["model"] else []), *filter(None, [halt["reason"]])]
    return f"halted: {', '.join(parts)}; ends {halt['ends']}"


def symbol_halt_text(symbol: str, reason: str) -> str:
    """halted in SPY: news pending; ends with the session, or by hftd resume --symbol SPY"""
    return f"halted in {symbol}: {reason}; ends with the session, or by hftd resume --symbol {symbol}"


def _dollars(amount: float) -> str:
    return f"{cents(decimal_of(amount)):,}"


def rows_text(rows: Sequence[Row], nothing: str) -> str:
    """Rows as a table with a head; `nothing` when there are none."""
    if not rows:
        return nothing
    return columns([list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)])


def _cell(value: Any) -> str:
    return "-" if value is None else str(value)
