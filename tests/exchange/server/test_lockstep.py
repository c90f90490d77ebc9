"""The clock socket and lockstep: time stands still until the client has digested what it was sent."""

import asyncio
from typing import Any

from exchange_kit import CLOSE_NS, OPEN_NS, Rest, Start, clock_socket, data_socket, subscribed, trade_socket

from hftd.domain.convert import MINUTE_NS, SECOND_NS
from hftd.exchange.server.app import RunningExchange
from hftd.exchange.server.lockstep import PATIENCE_S, Holds, LockstepClient

NEXT_OPEN_NS = OPEN_NS + 86_400 * SECOND_NS
MARGIN_NS = 5 * MINUTE_NS


async def test_announces_turning_points_and_leaps(start: Start) -> None:
    running = await start()
    clock = await clock_socket(running)
    assert await clock.hear() == {"time_ns": OPEN_NS - MARGIN_NS, "speed": 0, "jump": False, "hold": 0}
    await running.advance_to(NEXT_OPEN_NS)
    told = await clock.hear_all(4)
    assert [(message["time_ns"], message["jump"]) for message in told] == [
        (OPEN_NS, False),
        (CLOSE_NS, False),
        (NEXT_OPEN_NS - MARGIN_NS, True),
        (NEXT_OPEN_NS, False),
    ]
    await clock.close()


async def test_a_clock_needs_keys(running: RunningExchange) -> None:
    status, body = await Rest(running).ask("GET", "/hftd/clock", headers={"APCA-API-SECRET-KEY": "wrong"})
    assert (status, body) == (401, {"message": "unauthorized."})


async def digested(clock: Any) -> dict[str, Any]:
    """The next hold, answered."""
    while not (told := await clock.hear())["hold"]:
        continue
    await clock.say({"done": told["hold"]})
    return told


async def hold_after(clock: Any, told: dict[str, Any]) -> dict[str, Any]:
    """The next hold after the one that was `told`."""
    while (following := await clock.hear())["hold"] <= told["hold"]:
        continue
    return following


async def test_time_stands_until_done(start: Start) -> None:
    """Each instant in which something was sent is held, with a mark behind all that was sent."""
    running = await start()
    clock = await clock_socket(running, lockstep=True)
    moving = asyncio.create_task(running.advance_to(OPEN_NS + MINUTE_NS))
    before = [await digested(clock) for _ in range(4)]
    before.append(await clock.hear())
    assert [(told["time_ns"], told["hold"]) for told in before] == [
        (OPEN_NS - MARGIN_NS + minute * MINUTE_NS, minute + 1) for minute in range(5)
    ]
    data = await data_socket(running, lockstep=True, bars=["SPY"])
    trades = await trade_socket(running, lockstep=True)
    await clock.say({"done": 5})
    opened = await clock.hear()
    assert (opened["time_ns"], opened["hold"]) == (OPEN_NS, 6)
    assert await data.hear() == {"T": "hftd", "hold": 6}
    assert await trades.hear() == {"stream": "hftd", "data": {"hold": 6}}
    assert running.exchange.timeline.now_ns() == OPEN_NS
    await clock.say({"done": 5})
    await clock.say({"done": "6"})
    await clock.say({"done": 6})
    bar_ns = OPEN_NS + MINUTE_NS
    held = await clock.hear()
    while held["hold"] == 6 or not held["hold"]:
        held = await clock.hear()
    assert (held["time_ns"], held["hold"]) == (bar_ns, 7)
    assert [(await data.hear())["T"], await data.hear()] == ["b", {"T": "hftd", "hold": 7}]
    assert not moving.done()
    await Rest(running).order()
    updates = await trades.hear_all(5)
    assert [update["data"].get("event", update["data"].get("hold")) for update in updates] == [
        7,
        "pending_new",
        "new",
        "fill",
        8,
    ]
    assert (await clock.hear())["hold"] == 8
    await clock.say({"done": 7})
    await clock.say({"done": 8})
    await moving
    assert running.exchange.timeline.now_ns() == bar_ns
    for socket in (clock, data, trades):
        await socket.close()


async def test_time_stands_when_a_client_wants_to_be_awake(start: Start) -> None:
    """Once, at the very time, and at no speed further: a wish that makes no sense is none."""
    running = await start(speed=1e6, wait=True)
    clock = await clock_socket(running, lockstep=True)
    told = await clock.hear()
    for wishes, reached in (
        ({"wake_ns": OPEN_NS - MARGIN_NS + 7}, OPEN_NS - MARGIN_NS + 7),
        ({"wake_ns": OPEN_NS - MARGIN_NS - 1}, OPEN_NS - MARGIN_NS + 7),  # it is over: at once
        ({}, OPEN_NS - MARGIN_NS + MINUTE_NS),
        ({"wake_ns": "soon"}, OPEN_NS - MARGIN_NS + 2 * MINUTE_NS),
        ({"wake_ns": OPEN_NS}, OPEN_NS - MARGIN_NS + 3 * MINUTE_NS),
    ):
        await clock.say({"done": told["hold"], **wishes})
        told = await hold_after(clock, told)
        assert (told["time_ns"], running.exchange.timeline.now_ns()) == (reached, reached)
    await clock.close()


async def test_time_does_not_go_back_after_a_kill_because_somebody_was_awake(start: Start) -> None:
    """As long as nothing is written, time may be read up to its limit: that has been written before."""
    running = await start(speed=1e-6, wait=True)
    exchange = running.exchange
    clock = await clock_socket(running, lockstep=True)
    told = await clock.hear()
    await clock.say({"done": told["hold"], "wake_ns": OPEN_NS - MARGIN_NS - 1})
    told = await hold_after(clock, told)
    await clock.say({"done": told["hold"]})
    while exchange.timeline.stands:  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert exchange.timeline.limit_ns == OPEN_NS - MARGIN_NS + MINUTE_NS
    assert (exchange.store.get("time_ns", int) or 0) >= exchange.timeline.limit_ns
    await clock.close()


ORDER = {"symbol": "SPY", "qty": "5", "side": "buy", "type": "market", "time_in_force": "opg"}


async def test_what_a_request_does_is_told_before_it_is_answered_with_the_hold_behind_it(start: Start) -> None:
    running = await start()
    clock = await clock_socket(running, lockstep=True)
    trades = await trade_socket(running, lockstep=True)
    rest = Rest(running)
    assert (await clock.hear())["hold"] == 1
    _, headers, _ = await rest.ask_whole("GET", "/v2/account")
    assert headers["X-Hftd-Hold"] == "1"
    _, headers, _ = await rest.ask_whole("POST", "/v2/orders", json=ORDER)
    assert headers["X-Hftd-Hold"] == "2"
    assert running.exchange.holds.hold_of("default") == 2
    heard = [await trades.hear() for _ in range(2)]
    assert [update["data"].get("event", update["data"].get("hold")) for update in heard] == ["accepted", 2]
    for socket in (clock, trades):
        await socket.close()
    _, headers, _ = await rest.ask_whole("GET", "/v2/account")
    assert "X-Hftd-Hold" not in headers


async def test_a_week_unpaced(start: Start) -> None:
    """At high speed a session lasts as long as its client takes; nothing is lost, nothing comes twice."""
    running = await start(speed=1e6, wait=True)
    clock = await clock_socket(running, lockstep=True)
    data = await data_socket(running, lockstep=True, bars=["SPY"])
    await digested(clock)
    bars: list[int] = []
    closes, last = 0, 1
    while closes < 3:
        told = await clock.hear()
        if told["hold"] <= last:
            continue
        last = told["hold"]
        while (message := await data.hear()) != {"T": "hftd", "hold": told["hold"]}:
            if message["T"] == "b":
                bars.append(message["t"])
        closes += told["time_ns"] % (86_400 * SECOND_NS) == CLOSE_NS % (86_400 * SECOND_NS)
        await clock.say({"done": told["hold"]})
    assert len(bars) == len(set(bars)) == 3 * 390
    await clock.close()
    await data.close()


async def test_waits_for_the_first_clock(start: Start) -> None:
    running = await start(speed=1e6, wait=True)
    before_ns = running.exchange.timeline.now_ns()
    await Rest(running).get("/v2/clock")
    assert running.exchange.timeline.now_ns() == before_ns == OPEN_NS - MARGIN_NS
    clock = await clock_socket(running, lockstep=True)
    await digested(clock)
    assert (await clock.hear())["time_ns"] == OPEN_NS - MARGIN_NS + MINUTE_NS
    await clock.close()
    while not running.exchange.timeline.stands:  # noqa: ASYNC110
        await asyncio.sleep(0)
    stood_ns = running.exchange.timeline.now_ns()
    await Rest(running).get("/v2/clock")
    assert running.exchange.timeline.now_ns() == stood_ns


async def test_a_hold_ends_with_its_socket(start: Start) -> None:
    running = await start()
    clock = await clock_socket(running, lockstep=True)
    assert (await clock.hear())["hold"] == 1
    moving = asyncio.create_task(running.advance_to(OPEN_NS))
    await clock.close()
    await moving


class Ledger:
    """What holds did."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.stopped = False
        self.marks: list[int] = []

    def holds(self) -> Holds:
        return Holds(
            lambda: setattr(self, "stopped", True), lambda: setattr(self, "stopped", False), lambda: self.now_s
        )

    def client(self, account: str = "one") -> LockstepClient:
        return LockstepClient(account, lambda hold, jump: None, self.marks.append)


def test_who_is_silent_too_long_is_let_go_of() -> None:
    ledger = Ledger()
    holds = ledger.holds()
    client = ledger.client()
    holds.join(client)
    ledger.now_s = PATIENCE_S
    holds.release_overdue()
    assert ledger.stopped
    ledger.now_s = PATIENCE_S + 1
    holds.release_overdue()
    assert not ledger.stopped
    holds.hold("one")
    assert ledger.stopped
    holds.done(client, 2)
    assert not ledger.stopped


def test_time_goes_on_when_the_last_is_done() -> None:
    ledger = Ledger()
    holds = ledger.holds()
    one, two = ledger.client("one"), ledger.client("two")
    holds.join(one)
    holds.join(two)
    holds.done(one, 1)
    assert ledger.stopped
    holds.hold("nobody")
    holds.done(two, 1)
    assert not ledger.stopped


def test_a_new_client_of_an_account_takes_over() -> None:
    ledger = Ledger()
    holds = ledger.holds()
    former, latter = ledger.client(), ledger.client()
    holds.join(former)
    holds.join(latter)
    assert ledger.marks == [1, 2]
    holds.leave(former)
    assert ledger.stopped
    holds.done(former, 2)
    assert ledger.stopped
    holds.done(latter, 2)
    assert not ledger.stopped


def test_who_was_taken_over_from_takes_part_again_when_the_other_leaves() -> None:
    """It waits for time, and nobody else would tell it."""
    ledger = Ledger()
    holds = ledger.holds()
    former, gone, latter = ledger.client(), ledger.client(), ledger.client()
    for client in (former, gone, latter):
        holds.join(client)
    holds.done(latter, 3)
    holds.leave(gone)
    assert not ledger.stopped
    holds.leave(latter)
    assert ledger.stopped and ledger.marks == [1, 2, 3, 4]
    holds.done(former, 4)
    assert not ledger.stopped
    holds.leave(former)
    assert not list(holds.accounts)


async def test_only_marked_sockets_get_marks(start: Start) -> None:
    running = await start()
    plain = await data_socket(running, bars=["SPY"])
    clock = await clock_socket(running, lockstep=True)
    moving = asyncio.create_task(running.advance_to(OPEN_NS + MINUTE_NS))
    await subscribed(running, data=1)
    while not moving.done():
        answered = asyncio.create_task(digested(clock))
        await asyncio.wait((answered, moving), return_when=asyncio.FIRST_COMPLETED)
    answered.cancel()
    assert (await plain.hear())["T"] == "b"
    await plain.close()
    await clock.close()
