"""`hftd halt` and `hftd resume`, and what becomes of halts over restarts and nights."""

import asyncio
import dataclasses
import signal
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hftd.commands.look import status_text
from hftd.domain.commands import OrderRefused, SubmitOrder, TradingStopped
from hftd.domain.events import PortfolioCarried, SymbolHalted, SymbolResumed, TradingHalted, TradingResumed
from hftd.errors import StateError
from hftd.live.control import ask
from hftd.live.daemon import Daemon
from hftd.live.view import session_view
from tests.live.walking import Walk, at
from tests.running import ExchangeProcess, Home, signed_quantity, write_tape

FIRST, SECOND = "2026-11-25", "2026-11-27"
BUYING = {"sell_multiple": 10**9, "buy_multiple": 1, "quantity": 1}

Act = Callable[[Daemon], object]


def no_act(daemon: Daemon) -> None:
    """Only look."""


async def lived(walk: Walk, *acts: tuple[str, Act]) -> Daemon:
    """One daemon, which at each time of `acts` has something done to it, and is stopped after the last."""
    daemon = walk.make_daemon()
    living = asyncio.create_task(daemon.run())
    for moment, act in acts:
        await walk.broker.play_until(at(moment))
        assert not living.done(), "the daemon ended by itself"
        act(daemon)
    daemon.stop()
    await living
    return daemon


def halt(daemon: Daemon) -> None:
    daemon.halt("lunch", flatten=False)


def resume(daemon: Daemon) -> list[str]:
    return [ended.rule for ended in daemon.resume("back")]


def submitted(walk: Walk, day: str) -> list[int]:
    return [time_ns for time_ns, _ in walk.commands(day, SubmitOrder)]


def buying(tmp_path: Path, start: str) -> Walk:
    return Walk(tmp_path, start, flatten_minutes=None, parameters=BUYING)


# One symbol ------------------------------------------------------------------------------------------------------


def seem_split(daemon: Daemon) -> None:
    event = SymbolHalted(at(f"{FIRST} 10:00"), "SPY", "split", "it looks like a split, 2 for 1")
    daemon.trader.take(event, "test")


async def test_the_halt_of_a_symbol_is_told_and_ended_by_hand_alone(tmp_path: Path) -> None:
    walk, told = buying(tmp_path, f"{FIRST} 09:00"), list[str]()

    def look(daemon: Daemon) -> None:
        session = session_view(daemon.trader.engine)
        told.append(status_text({"running": False, "session": session}))

    def resume_all(daemon: Daemon) -> None:
        assert resume(daemon) == []
        look(daemon)

    def resume_it(daemon: Daemon) -> None:
        with pytest.raises(StateError, match="QQQ is not halted; halted are: SPY"):
            daemon.resume_symbol("QQQ", "")
        daemon.resume_symbol("SPY", "there was none")
        look(daemon)
        with pytest.raises(StateError, match="SPY is not halted, and no other symbol is"):
            daemon.resume_symbol("SPY", "")

    await lived(
        walk,
        (f"{FIRST} 10:00", seem_split),
        (f"{FIRST} 10:30", resume_all),
        (f"{FIRST} 11:00", resume_it),
        (f"{FIRST} 12:00", no_act),
    )
    sent = submitted(walk, FIRST)
    assert not any(at(f"{FIRST} 10:00") < time_ns <= at(f"{FIRST} 11:00") for time_ns in sent)
    assert any(time_ns > at(f"{FIRST} 11:00") for time_ns in sent)
    assert [event.reason for event in walk.events(FIRST, SymbolResumed)] == ["there was none"]
    line = "halted in SPY: it looks like a split, 2 for 1; ends with the session, or by hftd resume --symbol SPY"
    assert [line in text for text in told] == [True, False]


# Nights and restarts -------------------------------------------------------------------------------------------------


async def test_a_halt_holds_until_it_is_resumed(tmp_path: Path) -> None:
    walk = buying(tmp_path, f"{FIRST} 09:00")
    await lived(walk, (f"{FIRST} 10:00", halt), (f"{FIRST} 11:00", resume), (f"{FIRST} 12:00", no_act))
    sent = submitted(walk, FIRST)
    assert any(time_ns <= at(f"{FIRST} 10:00") for time_ns in sent)
    assert not any(at(f"{FIRST} 10:00") < time_ns <= at(f"{FIRST} 11:00") for time_ns in sent)
    assert any(time_ns > at(f"{FIRST} 11:00") for time_ns in sent)
    (halted,), (resumed,) = walk.events(FIRST, TradingHalted), walk.events(FIRST, TradingResumed)
    assert (halted.rule, halted.reason, resumed.reason) == ("manual", "lunch", "back")
    refused = {(command.rule, command.limit) for _, command in walk.commands(FIRST, OrderRefused)}
    assert refused == {("halted", 0)}


async def test_where_nothing_is_halted_nothing_is_resumed(tmp_path: Path) -> None:
    walk, ended = buying(tmp_path, f"{FIRST} 09:00"), list[list[str]]()
    await lived(walk, (f"{FIRST} 10:00", lambda daemon: ended.append(resume(daemon))))
    assert ended == [[]] and walk.events(FIRST, TradingResumed) == []


async def test_a_halt_survives_a_restart_in_mid_session_and_the_night(tmp_path: Path) -> None:
    walk = buying(tmp_path, f"{FIRST} 09:00")
    await lived(walk, (f"{FIRST} 10:00", halt))
    again = await lived(walk, (f"{FIRST} 20:00", no_act))
    assert [(halted.rule, halted.reason) for halted in again.halts] == [("manual", "lunch")]
    assert max(submitted(walk, FIRST)) <= at(f"{FIRST} 10:00")
    await lived(walk, (f"{SECOND} 10:00", resume), (f"{SECOND} 11:00", no_act))
    (carried,) = walk.events(SECOND, PortfolioCarried)
    assert [halted.rule for halted in carried.halts] == ["manual"]
    assert min(submitted(walk, SECOND)) > at(f"{SECOND} 10:00")


async def test_at_night_a_halt_is_journaled_behind_the_last_session(tmp_path: Path) -> None:
    walk = buying(tmp_path, f"{FIRST} 15:00")
    await lived(walk, (f"{FIRST} 20:00", halt))
    held = walk.steps(FIRST)[-1][0]
    assert isinstance(held, TradingHalted) and held.time_ns >= at(f"{FIRST} 20:00")
    await lived(walk, (f"{SECOND} 11:00", no_act))
    assert submitted(walk, SECOND) == []
    assert walk.events(SECOND, PortfolioCarried)[0].positions != ()


async def test_resumed_at_night_the_next_session_trades(tmp_path: Path) -> None:
    walk = buying(tmp_path, f"{FIRST} 15:00")
    ended: list[list[str]] = []
    await lived(walk, (f"{FIRST} 15:30", halt), (f"{FIRST} 21:00", lambda daemon: ended.append(resume(daemon))))
    assert ended == [["manual"]]
    await lived(walk, (f"{SECOND} 11:00", no_act))
    assert submitted(walk, SECOND)


async def test_a_halt_from_before_the_first_session(tmp_path: Path) -> None:
    walk = buying(tmp_path, f"{FIRST} 05:00")
    await lived(walk, (f"{FIRST} 06:00", halt))
    await lived(walk, (f"{FIRST} 11:00", resume), (f"{FIRST} 12:00", no_act))
    first, second = (event for event, _ in walk.steps(FIRST)[:2])
    assert isinstance(first, TradingHalted) and isinstance(second, PortfolioCarried)
    assert min(submitted(walk, FIRST)) > at(f"{FIRST} 11:00")


async def test_a_journal_that_is_removed_in_mid_session_halts_and_what_is_held_is_closed(tmp_path: Path) -> None:
    walk = Walk(tmp_path, "2026-11-27 09:20")

    def remove(daemon: Daemon) -> None:
        for file in (tmp_path / "journal").iterdir():
            file.unlink()

    with capture_logs() as told:
        await lived(walk, ("2026-11-27 10:00", remove), ("2026-11-27 13:20", no_act))
    (halt,) = [line for line in told if line["event"] == "trading.halted"]
    assert halt["rule"] == "journal_lost" and "2026-11-27.sqlite was removed" in halt["reason"]
    assert not await walk.broker.positions()
    assert max(order.submitted_at_ns for order in await walk.booked()) <= at("2026-11-27 12:56")


async def test_a_halt_with_flatten_closes_what_is_held(tmp_path: Path) -> None:
    walk = buying(tmp_path, f"{FIRST} 09:00")
    held: list[dict[str, Decimal]] = []

    def look(daemon: Daemon) -> None:
        assert daemon.trader is not None
        held.append(daemon.trader.engine.positions)

    await lived(
        walk,
        (f"{FIRST} 10:00", look),
        (f"{FIRST} 10:01", lambda daemon: daemon.halt("", flatten=True)),
        (f"{FIRST} 10:05", look),
    )
    assert held[0]["SPY"] > 0 and held[1] == {}


@pytest.mark.parametrize(
    ("limit", "again"), [("max_daily_loss", True), ("max_drawdown", False)], ids=["daily loss", "drawdown"]
)
async def test_a_daily_loss_ends_with_the_session_and_a_drawdown_does_not(
    tmp_path: Path, limit: str, again: bool
) -> None:
    walk = buying(tmp_path, f"{FIRST} 09:00")
    walk.plan = dataclasses.replace(
        walk.plan, limits=dataclasses.replace(walk.plan.limits, **{limit: Decimal("0.5"), "max_position": Decimal(10)})
    )
    await lived(walk, (f"{FIRST} 20:00", no_act), (f"{SECOND} 14:00", no_act))
    (stopped,) = [command for _, command in walk.commands(FIRST, TradingStopped)]
    assert (stopped.rule, stopped.limit) == (limit, Decimal("0.5")) and stopped.value >= stopped.limit
    (carried,) = walk.events(SECOND, PortfolioCarried)
    assert [halted.rule for halted in carried.halts] == ([] if again else [limit])
    assert len(walk.commands(SECOND, TradingStopped)) == again


# From outside --------------------------------------------------------------------------------------------------------

DAY = "2019-02-11"
OVER_NIGHT = {"HFTD_RISK__FLATTEN_BEFORE_CLOSE": "off"}


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """A sale in each minute of a session."""
    moments = (divmod(14 * 60 + 30 + minute, 60) for minute in range(390))
    return write_tape(
        tmp_path / "sales.csv", [(f"{DAY}T{hour}:{minute:02}:00Z", 100.0, 1700) for hour, minute in moments]
    )


def test_a_daemon_is_halted_flattened_killed_and_resumed(home: Home, tape: Path) -> None:
    exchange = ExchangeProcess(home, "--tape", tape, "--speed", 60, "--wait")
    running = home.start("run", **exchange.broker(), **OVER_NIGHT)
    running.wait_for("order.filled")
    told = home.run("halt", "--flatten", "earnings tonight")
    assert (told.status, told.log) == (0, "")
    first, second = told.out.splitlines()
    assert first == "halted: manual, earnings tonight; ends by hftd resume"
    assert second.startswith("all positions are being closed: SPY -") and second.endswith("; none is opened")
    running.wait_for(" position=0 ")
    assert "halted: manual, earnings tonight; ends by hftd resume" in home.run("status").out
    running.end(signal.SIGKILL)
    assert home.run("status").out.startswith("not running\nhalted: manual, earnings tonight; ends by hftd resume\n")
    held = sum(map(signed_quantity, home.fills()))
    again = home.start("run", **exchange.broker(), **OVER_NIGHT)
    again.wait_for("session.recovered")
    again.wait_for("order.refused")
    (halted,) = home.run("status", "--json").json["halts"]
    assert (halted["rule"], halted["reason"], halted["model"]) == ("manual", "earnings tonight", None)
    resumed = home.run("resume", "it went well")
    assert (resumed.status, resumed.out) == (0, "resumed: manual\n")
    again.wait_for("order.submitted")
    assert home.run("resume").out == "nothing was resumed\n"
    ended = home.run("resume", "--symbol", "QQQ", "no split")
    assert (ended.status, ended.log) == (1, "hftd: the daemon answered: QQQ is not halted, and no other symbol is\n")
    unset = home.run("resume", "--symbol", "")  # a variable of a script: not every halt is meant
    assert (unset.status, unset.log) == (1, "hftd: the daemon answered: '' is not halted, and no other symbol is\n")
    problem = ask_in_vain(home)
    assert "unfit arguments" in problem and "loudly" in problem
    ended = again.end()
    assert ended.status == 0 and "Traceback" not in ended.log, ended
    assert held == 0


def ask_in_vain(home: Home) -> str:
    with pytest.raises(Exception, match="unfit") as refused:
        ask(home.state / "control.sock", "halt", loudly=True)
    return str(refused.value)


@pytest.mark.parametrize(
    ("word", "later"), [("halt", ""), ("resume", "; what is halted by its journal is resumed once one runs again")]
)
def test_where_no_daemon_runs_there_is_nothing_to_do(home: Home, word: str, later: str) -> None:
    ended = home.run(word)
    assert (ended.status, ended.out) == (1, "")
    said = f"hftd: state directory {home.state}: no daemon runs on it, so there is nothing to {word}{later}\n"
    assert ended.log == said
