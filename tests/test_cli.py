"""The command line from outside: help, JSON, exit codes, and a sentence for every mistake."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeHome
from tests.running import ExchangeProcess, Home, write_tape

COMMANDS = ("run", "check", "new", "models", "status", "orders", "positions", "settings", "exchange")
START_HERE = COMMANDS[:5]


@pytest.fixture(scope="module")
def place(make_home: MakeHome) -> Home:
    """A home for commands that leave nothing behind."""
    return make_home("place")


def test_help_begins_with_what_a_newcomer_needs(place: Home) -> None:
    ended = place.run("--help")
    places = [ended.out.index(f"│ {name} ") for name in COMMANDS]
    assert (ended.status, places) == (0, sorted(places))
    first, rest = ended.out.index("Start here"), ended.out.index("Look at what it does")
    assert all(first < ended.out.index(f"│ {name} ") < rest for name in START_HERE)


def test_it_tells_its_version(place: Home) -> None:
    ended = place.run("--version")
    assert (ended.status, ended.out) == (0, f"hftd {version('hftd')}\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(place: Home, name: str) -> None:
    ended = place.run(name, "--help")
    assert ended.status == 0
    assert f"Example: hftd {name}" in ended.out


@pytest.mark.parametrize("arguments", [("check",), ("models",), ("settings",), ("settings", "--all")])
def test_what_prints_data_prints_json_too(place: Home, arguments: tuple[str, ...]) -> None:
    plain, data = place.run(*arguments), place.run(*arguments, "--json")
    assert (plain.status, data.status) == (0, 0)
    assert isinstance(data.json, list) and data.json
    with pytest.raises(ValueError):
        json.loads(plain.out)


def test_check_finds_the_shipped_settings_in_order(place: Home) -> None:
    ended = place.run("check")
    marks = [line.split()[:2] for line in ended.out.splitlines()]
    names = ("settings", "model", "state", "calendar", "credentials", "broker", "symbols", "alerts", "clock")
    assert marks == [["ok", name] for name in names]


def test_a_new_model_passes_the_check(home: Home) -> None:
    assert home.run("new", "mean_reversion").out.startswith(f"{home.folder}/models/mean_reversion.py written; ")
    home.choose_model("mean_reversion")
    assert home.run("check").status == 0


def test_a_model_may_be_begun_before_the_settings(home: Home) -> None:
    home.settings.unlink()
    assert "/models/idea.py written; " in home.run("new", "idea").out
    assert "idea" in home.run("models").out
    home.settings.write_text("models_folder: ideas\n")
    assert "/ideas/other.py written; " in home.run("new", "other").out
    home.settings.write_text("modles_folder: ideas\n")
    refused = home.run("new", "third")
    assert refused.status == 78 and "did you mean models_folder?" in refused.log
    assert home.run("new", "third", HFTD_SETTINGS="nowhere.yaml").status == 78


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_exchange_alone_ends_in_order(home: Home, number: int) -> None:
    exchange = ExchangeProcess(home)
    assert set(exchange.told) >= {"rest", "data", "stream", "trades", "key", "secret"}
    assert exchange.get("/v2/account")["status"] == "ACTIVE"
    ended = exchange.running.end(number)
    assert ended.status == 0 and "exchange.stopped" in ended.events
    assert len(ended.out.splitlines()) == 1


INTERRUPTING = """
import os, runpy, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
sys.argv = ["hftd", "settings", "--all"]
runpy.run_module("hftd", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("name", ["hftd.cli", "typer", "hftd.errors", "hftd.cli.service", "hftd.settings"])
def test_interrupted_while_it_imports_it_ends_as_quietly_as_later(place: Home, name: str) -> None:
    """However early: what was imported so far leaves no traceback."""
    script, environment = INTERRUPTING.format(name=name), place.environment()
    ran = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=place.folder, capture_output=True, text=True
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "")


# Mistakes: arguments, environment, exit status, what the last line says --------------------------------------------

HEAD = "timestamp,symbol,open,high,low,close,volume\n"
ROW = "2019-02-11T14:3{minute}:00Z,SPY,{open},101,99,100,1001\n"


def row(minute: int = 0, open: str = "100") -> str:
    return ROW.format(minute=minute, open=open)


MISTAKES: dict[str, tuple[tuple[str, ...], dict[str, str], int, str]] = {
    "no such command": (("rnu",), {}, 2, "No such command 'rnu'. Did you mean 'run'?"),
    "no such option": (("run", "--sped", "6"), {}, 2, "No such option: --sped"),
    "not a number": (("run", "--speed", "fast"), {}, 2, "Invalid value for '--speed'"),
    "no sessions": (("run", "--sessions", "0"), {}, 2, "Invalid value for '--sessions'"),
    "log format of the exchange": (("exchange", "--log-format", "xml"), {}, 2, "Invalid value for '--log-format'"),
    "log level of the exchange": (("exchange", "--log-level", "loud"), {}, 2, "Invalid value for '--log-level'"),
    "speed of the exchange": (
        ("exchange", "--speed", "nan"),
        {},
        78,
        "--speed nan: expected market seconds in a second, above 0 and up to 1000000",
    ),
    "cash of the exchange": (
        ("exchange", "--cash", "lots"),
        {},
        78,
        "--cash lots: expected an amount of dollars, like 100000",
    ),
    "speed zero": (("run", "--speed", "0"), {}, 78, "command line: exchange.speed: found 0.0, expected greater than 0"),
    "log format": (
        ("run", "--log-format", "xml"),
        {},
        78,
        "command line: log.format: found 'xml', expected auto, console, json",
    ),
    "no settings": (
        ("run", "--settings", "nowhere.yaml"),
        {},
        78,
        "nowhere.yaml: no such settings file; give one with --settings FILE",
    ),
    "unknown model": (
        ("run",),
        {"HFTD_MODEL__NAME": "volume_17_32"},
        78,
        "HFTD_MODEL__NAME: no model volume_17_32 in {home}/models; did you mean volume_17_31?",
    ),
    "type of a parameter": (
        ("run",),
        {"HFTD_MODEL__PARAMETERS": '{"quantity": "five"}'},
        78,
        "HFTD_MODEL__PARAMETERS: parameter quantity: found 'five' (str), expected int",
    ),
    "unknown parameter": (
        ("run",),
        {"HFTD_MODEL__PARAMETERS": '{"quantit": 5}'},
        78,
        "HFTD_MODEL__PARAMETERS: parameter quantit: unknown; did you mean quantity?",
    ),
    "unknown variable": (
        ("run",),
        {"HFTD_RISC__MAX": "1"},
        78,
        "HFTD_RISC__MAX: risc: unknown setting; did you mean risk?",
    ),
    "no keys": (
        ("run",),
        {"HFTD_BROKER__NAME": "alpaca"},
        78,
        "no API keys of the broker: looked in the environment (APCA_API_KEY_ID and APCA_API_SECRET_KEY), ",
    ),
    "half a key": (
        ("run",),
        {"HFTD_BROKER__NAME": "alpaca", "APCA_API_KEY_ID": "PK"},
        78,
        "the environment has APCA_API_KEY_ID but not APCA_API_SECRET_KEY; both are needed",
    ),
    "speed at a real broker": (
        ("run", "--speed", "60"),
        {"HFTD_BROKER__NAME": "alpaca", "APCA_API_KEY_ID": "PK", "APCA_API_SECRET_KEY": "secret"},
        78,
        "command line: exchange.speed is for a simulated exchange that hftd starts itself, but the broker is alpaca",
    ),
    "name of a new model": (
        ("new", "1x"),
        {},
        78,
        "'1x' cannot be a model's name: expected letters, digits and underscores, like mean_reversion",
    ),
    "state that cannot be made": (
        ("run", "--state", "/proc/none"),
        {},
        1,
        "state directory /proc/none: cannot be made: No such file or directory; give another with --state DIR",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_gets_its_sentence_and_its_exit_status(place: Home, name: str) -> None:
    arguments, variables, status, sentence = MISTAKES[name]
    ended = place.run(*arguments, **variables)
    assert ended.status == status, ended
    assert sentence.format(home=place.folder) in ended.log
    assert (ended.out, "Traceback" in ended.log) == ("", False)
    if status != 2:
        assert ended.log.splitlines()[-1].startswith("hftd: ")


TAPES: dict[str, tuple[str, str]] = {
    "columns": ("timestamp,symbol,open,high,low,close\n", "no column 'volume'; "),
    "no rows": (HEAD, "no rows"),
    "unsorted": (
        HEAD + row(1) + row(0),
        "row 2, column 'timestamp': SPY at 2019-02-11T14:30:00Z comes after 2019-02-11T14:31:00Z; "
        "rows of a symbol are expected in order of time: hftd data import sorts them",
    ),
    "duplicated": (
        HEAD + row(0) + row(0),
        "row 2, column 'timestamp': a second row for SPY at 2019-02-11T14:30:00Z; one a minute is expected",
    ),
    "NaN": (HEAD + row(0, "nan"), "row 1, column 'open': is "),
    "negative": (HEAD + row(0, "-100"), "row 1, column 'open': is "),
    "words": (HEAD + row(0, "much"), "row 1, column 'open': is 'much'; a number is expected"),
    "night": (HEAD + row(0).replace("T14", "T04"), "no row lies in a session of calendar NYSE"),
}


@pytest.mark.parametrize("name", TAPES)
def test_a_bad_tape_is_refused_with_its_row(place: Home, tmp_path: Path, name: str) -> None:
    content, sentence = TAPES[name]
    tape = tmp_path / "tape.csv"
    tape.write_text(content)
    ended = place.run("exchange", "--tape", tape)
    assert (ended.status, ended.out) == (78, "")
    assert ended.log.startswith(f"hftd: {tape}") and sentence in ended.log
    assert len(ended.log.splitlines()) == 1


def test_a_daemon_repeats_what_its_exchange_says_of_the_tape(place: Home, tmp_path: Path) -> None:
    for tape, sentence in (
        (tmp_path / "none.csv", "no such file or folder"),
        (place.settings, "expected a file named .parquet or .csv, found .yaml"),
    ):
        ended = place.run("run", "--tape", tape)
        assert ended.status == 78
        assert ended.log.splitlines()[-2:] == [
            f"hftd: {tape}: {sentence}",
            "hftd: the simulated exchange could not be started; its reason stands above",
        ]


def test_check_reads_the_tape_as_the_exchange_will(place: Home, tmp_path: Path) -> None:
    tape = write_tape(tmp_path / "tape.csv", [("2019-02-11T14:30:00Z", 100.0, 1001)])
    ended = place.run("check", "--tape", tape)
    assert ended.status == 0 and f"playing {tape}: 1 session, 2019-02-11 to 2019-02-11\n" in ended.out
    (tmp_path / "empty").mkdir()
    ended = place.run("check", "--tape", tmp_path / "empty")
    assert ended.status == 78 and "no file in this folder is named .parquet, .csv" in ended.out


def test_a_locale_without_a_character_costs_that_character(home: Home) -> None:
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": 0, "PYTHONCOERCECLOCALE": 0, "PYTHONIOENCODING": "ascii"}
    ended = home.run("new", "größe", **ascii_only)
    assert (ended.status, "Traceback" in ended.log) == (78, False)
    (home.folder / "models" / "sized.py").write_text(SIZED)
    ended = home.run("models", **ascii_only)
    assert ended.status == 0 and "Gr??e" in ended.out


SIZED = """
from hftd import Model


class Sized(Model):
    \"\"\"Größe.\"\"\"

    def on_bar(self, bar):
        pass
"""


def test_a_file_that_is_no_parquet_is_told(place: Home, tmp_path: Path) -> None:
    tape = tmp_path / "tape.parquet"
    tape.write_text(HEAD)
    ended = place.run("exchange", "--tape", tape)
    assert ended.status == 78 and ended.log.startswith(f"hftd: {tape}: not readable as parquet: ")


def test_a_setting_of_the_file_is_told_with_its_line(home: Home) -> None:
    with home.settings.open("a") as file:
        file.write("risc: {}\n")
    line = len(home.settings.read_text().splitlines())
    ended = home.run("run")
    assert (ended.status, ended.out) == (78, "")
    assert ended.log == f"hftd: settings.yaml:{line}: risc: unknown setting; did you mean risk?\n"


def test_a_model_with_a_syntax_error_is_told_with_its_line(home: Home) -> None:
    file = home.use_model("broken", "from hftd import Model\n\nclass Broken(Model:\n    pass\n")
    for command in ("run", "check"):
        ended = home.run(command)
        assert ended.status == 78, ended
        assert f"{file}:3: " in ended.log + ended.out
        assert "Traceback" not in ended.log + ended.out


def test_wrong_keys_end_the_daemon_at_once(home: Home) -> None:
    exchange = ExchangeProcess(home)
    ended = home.run("run", **exchange.broker(APCA_API_SECRET_KEY="wrong"))
    assert ended.status == 78, ended
    assert "Traceback" not in ended.log and "wrong" not in ended.log
    checked = home.run("check", **exchange.broker(APCA_API_SECRET_KEY="wrong"))
    assert checked.status == 78 and "Traceback" not in checked.log
    checked = home.run("check", **exchange.broker())
    assert checked.status == 0 and "keeps time of its own" in checked.out and "SPY are traded" in checked.out, checked
    checked = home.run("check", **exchange.broker(HFTD_SYMBOLS="[SPY, NOPE]"))
    assert checked.status == 78 and "HFTD_SYMBOLS: symbols[1]: the broker does not know NOPE" in checked.out, checked
    assert exchange.running.end().status == 0


def test_keys_may_stand_in_a_file_beside_the_settings(home: Home) -> None:
    exchange = ExchangeProcess(home)
    there, file = exchange.broker(), home.settings.parent / ".env"
    url = {"HFTD_BROKER__URL": there.pop("HFTD_BROKER__URL")}
    assert "the file .env" in home.run("check", **url).out
    file.write_text("".join(f"{name}={value}\n" for name, value in there.items()))
    file.chmod(0o644)
    assert "chmod 600" in home.run("check", **url).out
    file.chmod(0o600)
    checked = home.run("check", **url)
    assert checked.status == 0 and "found in .env" in checked.out, checked


def test_a_port_in_use_is_told(place: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        alone = place.run("exchange", "--port", port)
        within = place.run("run", HFTD_EXCHANGE__PORT=port)
    for ended in (alone, within):
        assert ended.status == 1, ended
        assert f"{port}" in ended.lines("hftd: ")[0] and "in use" in ended.lines("hftd: ")[0]
        assert "Traceback" not in ended.log


def test_an_exchange_that_is_away_is_waited_for(home: Home) -> None:
    exchange = ExchangeProcess(home, "--speed", 60)
    exchange.running.end()
    running = home.start("run", **exchange.broker())
    running.wait_for("broker.unreachable")
    exchange.start()
    running.wait_for("session.opened")
    assert running.end().status == 0


def test_a_state_directory_that_may_not_be_written_is_refused(home: Home) -> None:
    if os.geteuid() == 0:
        home.through = ("setpriv", "--bounding-set", "-all")  # root without its privileges
        if shutil.which("setpriv") is None:
            pytest.skip("root may write everywhere, and there is no setpriv (Debian: util-linux) to take that from it")
    home.state.mkdir(mode=0o500)
    ended = home.run("run")
    assert ended.status == 1
    assert ended.log == (
        f"hftd: state directory {home.state}: cannot be written to by this user; give another with --state DIR\n"
    )


def test_a_journal_of_a_newer_hftd_is_left_alone(home: Home, tmp_path: Path) -> None:
    tape = write_tape(tmp_path / "tape.csv", [("2019-02-11T14:30:00Z", 100.0, 1001)])
    run: tuple[Any, ...] = ("run", "--tape", tape, "--speed", 3600, "--sessions", 1)
    assert home.run(*run).status == 0
    (journal,) = home.journals()
    with sqlite3.connect(journal) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    connection.close()
    before = journal.read_bytes()
    for arguments in (run, ("status",)):
        ended = home.run(*arguments)
        assert ended.status == 1
        assert f"hftd: {journal}: its schema is version 99, this hftd knows versions up to " in ended.log
        assert "Traceback" not in ended.log
    assert journal.read_bytes() == before
