"""`hftd status --watch`: what the daemon does, in a terminal, once a second until Ctrl-C.

What it shows comes from the journal, by the page's own follower, and from the daemon's answer to `status`: a daemon
that is hung or gone is told as such beside the last that was known.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hftd.calendar import NEW_YORK
from hftd.commands.look import symbol_halt_text
from hftd.dashboard.follow import Follower
from hftd.dashboard.picture import Picture
from hftd.domain.convert import SECOND_NS, datetime_of, ns_of_rfc3339
from hftd.errors import HftdError
from hftd.live.control import ask_first, sockets_to_ask
from hftd.live.recovery import reviewer_of
from hftd.state import place_to_look

EVERY_S = 1.0
DECISIONS, ORDERS = 8, 8
"""Rows of each that are shown, the newest first."""
FLAT = "flat"
MUTE_S = 180

Row = Mapping[str, Any]


def watch(state: Path | None, environment: Mapping[str, str], console: Console | None = None) -> None:
    """Show it until interrupted. Raises StateError when the state directory may not be read."""
    place = place_to_look(state, environment)
    paths = sockets_to_ask(state, place, environment)
    follower = Follower(place, reviewer_of)
    screen = console or Console()
    with Live(console=screen, auto_refresh=False, screen=True) if screen.is_terminal else nullcontext() as live:
        while True:
            follower.poll()
            now = view(follower.picture, _told(lambda: ask_first(paths, "status")), follower.problem)
            if live is None:
                screen.print(now)  # a pipe or a file gets each, one after the other
                screen.file.flush()
            else:
                live.update(now, refresh=True)
            time.sleep(EVERY_S)


def _told(ask: Callable[[], Row | None]) -> Row:
    """The daemon's answer, or why there is none."""
    try:
        return ask() or {"running": False, "line": "no daemon runs on this state directory"}
    except HftdError as error:
        return {"running": False, "line": str(error)}


def view(picture: Picture | None, status: Row, problem: str = "") -> RenderableType:
    """All of it, for a terminal of any width."""
    parts: list[RenderableType] = [_head(status)]
    if picture is None:
        return Group(*parts, Text(problem, style="dim"))
    whole = picture.whole()
    parts += [_money(whole), _health(status, whole), _positions(whole), _decisions(whole), _orders(whole)]
    return Group(*parts)


def _head(status: Row) -> RenderableType:
    """The session's clock, and what is done now in one line."""
    line = Text(str(status.get("line", "")), style="bold" if status["running"] else "bold red")
    title = ""
    if "time" in status:
        now = datetime_of(ns_of_rfc3339(status["time"])).astimezone(NEW_YORK)
        title = f"{now:%a %Y-%m-%d %H:%M:%S} New York{_until(status)}"
    return Panel(line, title=title, title_align="left", border_style="green" if status["running"] else "red")


def _until(status: Row) -> str:
    """How long until the open, or the close."""
    now_ns, session = ns_of_rfc3339(status["time"]), status.get("session")
    words, moment = ("opens", status.get("opens")) if not session else ("closes", session.get("closes"))
    left_s = (ns_of_rfc3339(moment) - now_ns) // SECOND_NS if moment else 0
    if left_s <= 0:
        return ""
    hours, rest = divmod(left_s, 3600)
    return f", {words} in {hours}:{rest // 60:02}:{rest % 60:02}"


def _money(whole: Row) -> RenderableType:
    session, counts = whole["session"], whole["counts"]
    table = Table.grid(padding=(0, 3))
    profit = Text(f"{session['pnl']:+,.2f}", style=_tone(session["pnl"]))
    cells: dict[str, RenderableType] = {
        "P&L": profit,
        "equity": f"{session['equity']:,.2f}",
        "cash": f"{session['cash']:,.2f}",
        "below the best": f"{whole['drawdown']:,.2f}",
        "bars": f"{counts['bars']:,}",
        "decisions": f"{counts['signals']:,}",
        "orders": f"{counts['orders']:,}",
        "fills": f"{counts['fills']:,}",
        "slippage": f"{counts['slippage']:,.2f}",
    }
    table.add_row(*(Text(name, style="dim") for name in cells))
    table.add_row(*cells.values())
    return table


def _tone(amount: float) -> str:
    return "green" if amount > 0 else "red" if amount < 0 else ""


def _health(status: Row, whole: Row) -> RenderableType:
    """What is not as it should be; one quiet line when all is."""
    lines = list(_troubles(status, whole))
    return Text("\n".join(lines), style="red") if lines else Text("all is well", style="dim green")


def _troubles(status: Row, whole: Row) -> Iterator[str]:
    for halt in whole["halts"]:
        whose = f" of {halt['model']}" if halt["model"] else ""
        yield f"halted{whose}: {halt['rule']}: {halt['reason']}; ends {halt['ends']}"
    for symbol, reason in whole["session"]["halted_symbols"].items():
        yield symbol_halt_text(symbol, reason)
    for model in whole["session"]["models"]:
        if model["paused"]:
            yield f"model {model['model']} is paused; it is tried again at the next open"
    if status.get("phase") == "open" and (status.get("bar_age_s") or 0) > MUTE_S:
        yield f"no bar for {status['bar_age_s']:.0f} s"
    counts = whole["counts"]
    for name, words in (
        ("late_bars", "bars came late"),
        ("quarantined", "bad prints were set aside"),
        ("refused", "orders were refused by risk"),
        ("rejected", "orders were rejected by the broker"),
    ):
        if counts[name]:
            yield f"{counts[name]:,} {words}"


def _table(title: str, *heads: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for head in heads:
        is_number = head in ("quantity", "price", "realised", "unrealised", "filled", "average")
        table.add_column(head, justify="right" if is_number else "left", no_wrap=head != "reason")
    return table


def _positions(whole: Row) -> RenderableType:
    held = [row for row in whole["positions"] if row["quantity"]]
    if not held:
        return Text(FLAT, style="bold")
    table = _table("Positions", "model", "symbol", "quantity", "average", "price", "unrealised", "realised")
    for row in held:
        table.add_row(
            _plain(row["model"]),
            _plain(row["symbol"]),
            f"{row['quantity']:+,}",
            f"{row['average_price']:,.4f}",
            "-" if row["last_price"] is None else f"{row['last_price']:,.4f}",
            Text(f"{row['unrealised']:+,.2f}", style=_tone(row["unrealised"])),
            Text(f"{row['realised']:+,.2f}", style=_tone(row["realised"])),
        )
    return table


def _decisions(whole: Row) -> RenderableType:
    table = _table("Last decisions", "time", "model", "side", "quantity", "symbol", "reason")
    for row in whole["reasons"][: -DECISIONS - 1 : -1]:
        time_text = f"{datetime_of(ns_of_rfc3339(row['at'])).astimezone(NEW_YORK):%H:%M:%S}"
        table.add_row(
            time_text,
            _plain(row["model"]),
            Text(row["side"], style="green" if row["side"] == "buy" else "red"),
            _plain(row["quantity"]),
            _plain(row["symbol"]),
            _plain(row.get("reason", "")),
        )
    return table if table.row_count else Text("no decision yet", style="dim")


def _orders(whole: Row) -> RenderableType:
    table = _table("Last orders", "symbol", "side", "quantity", "type", "filled", "average", "status", "model")
    for row in whole["orders"][: -ORDERS - 1 : -1]:
        table.add_row(
            _plain(row["symbol"]),
            Text(row["side"], style="green" if row["side"] == "buy" else "red"),
            f"{row['quantity']:,}",
            _plain(row["type"]),
            f"{row['filled']:,}",
            "-" if row["average_price"] is None else f"{row['average_price']:,.4f}",
            _plain(row["status"]),
            _plain(row["model"]),
        )
    return table if table.row_count else Text("no order yet", style="dim")


def _plain(text: object) -> Text:
    """Text as it is: nothing in it is markup, and no control character reaches the terminal."""
    return Text("".join(character if character.isprintable() else " " for character in str(text)))
