"""`hftd simulate-week`: a week of trading in seconds."""

from datetime import date

import pytest

from hftd.calendar import Calendar
from hftd.live.simulation import eventful_week
from tests.running import Home


@pytest.mark.parametrize(
    ("today", "monday"),
    [
        ("2026-11-09", "2026-11-23"),  # Thanksgiving and its half day
        ("2026-11-27", "2026-11-23"),
        ("2027-03-01", "2027-03-15"),  # the clocks were put forward on the Sunday before
        ("2026-10-12", "2026-11-02"),  # and back
    ],
)
def test_the_next_week_with_unusual_hours(today: str, monday: str) -> None:
    assert eventful_week(Calendar(), date.fromisoformat(today)) == date.fromisoformat(monday)


def test_a_week_day_by_day(home: Home) -> None:
    ended = home.run("simulate-week", "--from", "2026-11-25")
    assert (ended.status, ended.log) == (0, "")
    head, *rows = ended.out.splitlines()
    assert head.split()[:7] == ["day", "open", "close", "bars", "decisions", "orders", "fills"]
    assert [row.split()[0] for row in rows] == ["Mon", "Tue", "Wed", "Thu", "Fri"]
    assert rows[3].endswith("closed all day")
    assert "short: closes at 13:00" in rows[4]
    assert list(home.state.glob("journal/*")) == []


def test_as_json_the_same_twice(home: Home) -> None:
    first, second = (home.run("simulate-week", "--from", "2026-11-25", "--json") for _ in range(2))
    assert first.json == second.json
    monday, _, _, thursday, friday = first.json
    assert (monday["bars"], thursday["bars"], friday["bars"]) == (390, 0, 210)
    assert monday["orders"] == monday["fills"] > 10
    assert (monday["position"], friday["opened"], friday["closed"]) == ({}, "09:30", "13:00")


def test_fees_of_the_settings_are_paid(home: Home) -> None:
    free, paying = (
        home.run("simulate-week", "--from", "2026-11-25", "--json", HFTD_EXCHANGE__FEES=fees).json[0]
        for fees in ("none", "per_share")
    )
    assert (paying["fills"], paying["orders"]) == (free["fills"], free["orders"])
    assert float(free["pnl"]) - float(paying["pnl"]) > 1


def test_limits_of_the_settings_hold(home: Home) -> None:
    ended = home.run("simulate-week", "--from", "2026-11-25", "--json", HFTD_RISK__MAX_POSITION=4)
    assert {day["orders"] for day in ended.json} == {0}
    assert all("refused by risk" in day["remarks"][-1] for day in ended.json if day["bars"])


def test_a_model_that_cannot_be_trusted_is_refused(home: Home) -> None:
    home.use_model(
        "broken", "from hftd import Model\n\n\nclass Broken(Model):\n    def on_bar(self, bar):\n        1 / 0\n"
    )
    ended = home.run("simulate-week", "--from", "2026-11-25")
    assert ended.status == 78
    assert "broken" in ended.log and "Traceback" not in ended.log
