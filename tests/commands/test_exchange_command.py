"""`hftd exchange`: policies of the market on the command line, and those that it refuses."""

import json

import pytest

from hftd.domain.convert import MINUTE_NS, ns_of_rfc3339
from tests.running import Home, get, write_tape

OPEN_MINUTE = ns_of_rfc3339("2019-02-11T14:30:00Z") // MINUTE_NS


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--bots", '{"maker": 1}'), 78, "bots.maker: no such setting; did you mean makers?"),
        (("--participation", 2), 78, "exchange.participation: above 0 and up to 1 is expected, found 2"),
        (("--queue", "middle"), 2, "--queue"),
    ],
)
def test_policies_that_cannot_be_are_refused(home: Home, arguments: tuple[object, ...], status: int, said: str) -> None:
    ended = home.run("exchange", *arguments)
    assert ended.status == status
    assert said in ended.log
    assert "Traceback" not in ended.log


def test_a_daemon_is_no_more_than_its_part_of_a_minute(home: Home) -> None:
    """Five shares at 3 % of 34 shares, then of four prints of 25 in each minute: one share, three, one."""
    tape = write_tape(
        home.folder / "thin.csv",
        [
            ("2019-02-11T14:30:00Z", 100.0, 34),
            *((f"2019-02-11T14:{minute}:00Z", 100.0, 101) for minute in range(31, 36)),
        ],
    )
    settings = {"HFTD_EXCHANGE__QUEUE": "back", "HFTD_EXCHANGE__PARTICIPATION": "0.03"}
    ended = home.run("run", "--tape", tape, "--speed", 3600, "--sessions", 1, **settings)
    assert ended.status == 0, ended
    first_order = home.fills()[:5]
    assert [fill.quantity for fill in first_order] == [1] * 5
    assert len({fill.client_order_id for fill in first_order}) == 1
    assert [fill.time_ns // MINUTE_NS - OPEN_MINUTE for fill in first_order] == [1, 1, 1, 1, 2]


def test_who_trades_is_taken_from_the_command_line(home: Home) -> None:
    exchange = home.start(
        *("exchange", "--json", "--wait", "--speed", 60, "--state", home.folder / "exchange"),
        *("--symbols", "ODD", "--bots", '{"profiles": {"ODD": {"price": 7.0, "daily_volume": 1000000}}}'),
    )
    told = json.loads(exchange.first_line())
    bars = get(told, "/v2/stocks/bars?symbols=ODD&timeframe=1Day&start=2019-02-04&end=2019-02-15")["bars"]["ODD"]
    assert len(bars) == 10
    assert all(2 < bar["c"] < 20 and 400_000 < bar["v"] < 2_000_000 for bar in bars)
    assert exchange.end().status == 0
