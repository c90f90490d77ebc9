import os
from datetime import date
from pathlib import Path

import pytest

from hftd.commands.check import LOCAL_CHECKS, Check, Found, check_text, exit_status_of, run_checks
from hftd.commands.check_broker import ALL_CHECKS
from hftd.domain.events import Remark
from hftd.domain.session import Session
from hftd.errors import BrokerUnavailable
from hftd.journal import Journal, journal_path

SHIPPED = Path(__file__).parent.parent.parent / "settings.yaml"


@pytest.fixture
def check(tmp_path):
    def run(settings=SHIPPED, checks=LOCAL_CHECKS, **variables):
        return {
            result.name: result
            for result in run_checks(checks, Found(variables, settings, state_option=tmp_path / "state"))
        }

    return run


def test_the_shipped_settings_are_fine(check):
    results = check()
    assert {name: result.outcome for name, result in results.items()} == dict.fromkeys(
        ("settings", "model", "state", "calendar"), "ok"
    )
    assert exit_status_of(list(results.values())) == 0
    assert results["model"].sentence.startswith("volume_17_31 ")


def test_wrong_settings_are_told_and_what_needs_them_is_skipped(check):
    results = check(HFTD_RISC__MAX="1", HFTD_LATE_AFTER_S="soon")
    assert "HFTD_RISC__MAX: risc: unknown setting; did you mean risk?" in results["settings"].sentence.splitlines()
    assert (results["model"].outcome, results["model"].sentence) == ("skipped", "needs settings")
    assert results["state"].outcome == results["calendar"].outcome == "ok"
    assert exit_status_of(list(results.values())) == 78


@pytest.mark.parametrize(
    ("bots", "sentence"),
    [
        ("{maker: 3}", "exchange.bots.maker: no such setting; did you mean makers?"),
        ("{makers: many}", "exchange.bots: Expected `int`, got `str`"),
        ("{makers: 0}", "exchange.bots.makers: 1 to 10000 are expected, found 0"),
    ],
)
def test_a_wrong_market_of_bots_is_told_before_the_exchange_refuses_it(check, bots, sentence):
    result = check(checks=ALL_CHECKS, HFTD_EXCHANGE__BOTS=bots)["broker"]
    assert result.sentence.startswith(f"HFTD_EXCHANGE__BOTS: {sentence}")
    assert result.exit_status == 78


def test_a_wrong_model_is_told_where_it_is_chosen(check):
    result = check(HFTD_MODEL="volume_17_32")["model"]
    assert (result.outcome, result.exit_status) == ("problem", 78)
    assert result.sentence.startswith("HFTD_MODEL: no model volume_17_32 in ")


def test_no_settings_file_is_a_problem_of_configuration(check):
    assert check(settings="/nowhere/settings.yaml")["settings"].exit_status == 78


def test_a_state_directory_that_cannot_be_made_is_told():
    found = Found({}, SHIPPED, state_option="/proc/none/state")
    results = {result.name: result for result in run_checks(LOCAL_CHECKS, found)}
    assert (results["state"].outcome, results["state"].exit_status) == ("problem", 1)


def test_a_damaged_journal_is_told_before_the_daemon_refuses_it(check, tmp_path):
    path = journal_path(tmp_path / "state", date(2026, 11, 20))
    with Journal.open(path, Session(0, 0, date(2026, 11, 20)), "0011223344556677") as journal:
        for number in range(500):
            journal.append_event(Remark(number, "feed.up", "x" * 200), number, "daemon")
    assert check()["state"].outcome == "ok"
    os.truncate(path, path.stat().st_size // 2)
    result = check()["state"]
    assert (result.outcome, result.exit_status) == ("problem", 1)
    assert result.sentence.startswith(f"{path}: the journal is damaged") and "; move it elsewhere" in result.sentence


def away(found: Found) -> str:
    raise BrokerUnavailable("no answer\nfrom 127.0.0.1")


def test_other_checks_may_be_added_and_are_shown_in_lines(check):
    checks = (Check("broker", away), Check("clock", away, needs=("broker",)), Check("disk", lambda found: "fine"))
    results = list(check(checks=checks).values())
    assert exit_status_of(results) == 1
    assert check_text(results, colour=False) == (
        "problem  broker  no answer\n                 from 127.0.0.1\n"
        "skipped  clock   needs broker\nok       disk    fine"
    )
    assert check_text(results, colour=True).startswith("\x1b[31mproblem\x1b[0m  broker")
