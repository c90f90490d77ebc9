"""Running hftd as its users do: as a process, in a home and state directory of its own.

Nothing here sleeps: a test waits for a line that the process writes, or for its end. A process that keeps a test
waiting longer than `PATIENCE_S` is killed, and the test fails with all that it has written.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from hftd.domain.events import OrderReported
from hftd.domain.orders import ExecutionReport, ReportKind
from hftd.engine.order_states import FILLS
from hftd.journal import Journal
from hftd.live.recovery import Step, steps_of

Kind = TypeVar("Kind")

PROJECT = Path(__file__).parents[1]
PATIENCE_S = 180.0
FOREIGN = ("HFTD_", "APCA_", "ALPACA_", "STATE_DIRECTORY", "RUNTIME_DIRECTORY", "CREDENTIALS_", "NOTIFY_", "JOURNAL_")
"""Beginnings of variables of the machine that would tell hftd something which a test has not said."""


class Ended:
    """How a process ended: its exit status and what it wrote."""

    def __init__(self, status: int, out: str, log: str) -> None:
        self.status = status
        self.out = out
        self.log = log

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON document and nothing else."""
        return json.loads(self.out)

    @property
    def events(self) -> list[str]:
        """The names of the logged events, in order."""
        return [event_of(line) for line in self.log.splitlines() if is_log_line(line)]

    def lines(self, fragment: str) -> list[str]:
        """The log's lines that contain `fragment`."""
        return [line for line in self.log.splitlines() if fragment in line]

    def __repr__(self) -> str:
        return f"exit status {self.status}\n-- standard output\n{self.out}\n-- log\n{self.log}"


class Running:
    """A process that goes on. `log` is what it has written to standard error and was read so far."""

    def __init__(self, process: subprocess.Popen[str], out: Path) -> None:
        self.process = process
        self.log = ""
        self._out = out

    @contextmanager
    def _kept_waiting(self) -> Iterator[None]:
        """Kill it if what is waited for meanwhile does not come."""
        alarm = threading.Timer(PATIENCE_S, self.process.kill)
        alarm.daemon = True
        alarm.start()
        try:
            yield
        finally:
            alarm.cancel()

    def wait_for(self, fragment: str) -> str:
        """Read on until a line of the log contains `fragment`, and return that line."""
        assert self.process.stderr is not None
        with self._kept_waiting():
            for line in self.process.stderr:
                self.log += line
                if fragment in line:
                    return line
        raise AssertionError(f"it ended before it logged {fragment!r}: {self.ended()}")

    def wait_for_each(self, *fragments: str) -> None:
        """Read on until each fragment has been logged since the start, in whatever order."""
        for fragment in fragments:
            if fragment not in self.log:
                self.wait_for(fragment)

    def first_line(self) -> str:
        """The first line of standard output, as soon as it is there."""
        self.wait_for("exchange.started")  # logged just after
        return self._out.read_text().splitlines()[0]

    def first_printed(self) -> str:
        """The first line of standard output of a process that logs nothing before it."""
        deadline = threading.Event()
        with self._kept_waiting():
            while self.process.poll() is None:
                if "\n" in (printed := self._out.read_text()):
                    return printed.splitlines()[0]
                deadline.wait(0.02)
        raise AssertionError(f"it ended before it printed anything: {self.ended()}")

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    @property
    def is_over(self) -> bool:
        """Whether its end has been waited for."""
        return self.process.stderr is None or self.process.stderr.closed

    def ended(self) -> Ended:
        """Wait for the end, of this process and of those that write to the same log."""
        assert self.process.stderr is not None
        with self._kept_waiting():
            self.log += self.process.stderr.read()
            status = self.process.wait()
        self.process.stderr.close()
        return Ended(status, self._out.read_text(), self.log)

    def end(self, number: int = signal.SIGTERM) -> Ended:
        """Send a signal and wait for the end."""
        self.send(number)
        return self.ended()


class Home:
    """A folder in which somebody uses hftd: settings.yaml, models, a state directory, nothing of the machine's."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.settings = folder / "settings.yaml"
        self.through: tuple[str, ...] = ()  # a command that starts hftd in some other way
        self._cache = cache
        self._started: list[Running] = []
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / "settings.yaml", self.settings)
        shutil.copytree(PROJECT / "models", folder / "models", ignore=shutil.ignore_patterns("__pycache__"))

    def environment(self, **variables: object) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        own |= {
            "HOME": str(self.folder),
            "XDG_CACHE_HOME": str(self._cache),
            "HFTD_STATE": str(self.state),
            "HFTD_WEB__PORT": "off",
        }
        return own | {name: str(value) for name, value in variables.items()}

    def start(self, *arguments: object, **variables: object) -> Running:
        """Start `hftd ARGUMENTS` with these environment variables."""
        out = self.folder / f"out-{len(self._started)}"
        with out.open("w") as stream:
            process = subprocess.Popen(
                [*self.through, sys.executable, "-m", "hftd", *map(str, arguments)],
                cwd=self.folder,
                env=self.environment(**variables),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.PIPE,
                text=True,
            )
        self._started.append(Running(process, out))
        return self._started[-1]

    def run(self, *arguments: object, **variables: object) -> Ended:
        """Run `hftd ARGUMENTS` to its end."""
        return self.start(*arguments, **variables).ended()

    def use_model(self, name: str, text: str) -> Path:
        """Write a model into the models folder, and choose it in the settings."""
        file = self.folder / "models" / f"{name}.py"
        file.write_text(text)
        self.choose_model(name)
        return file

    def choose_model(self, name: str) -> None:
        """Name a model in the settings, with its own default parameters."""
        chosen = "  name: volume_17_31 "
        lines = self.settings.read_text().replace(chosen, f"  name: {name} ").splitlines(keepends=True)
        self.settings.write_text("".join(line for line in lines if "parameters:" not in line))

    def journals(self) -> list[Path]:
        return sorted((self.state / "journal").glob("*.sqlite"))

    def steps(self) -> list[Step]:
        """Every event of all journals with the commands that followed from it, in order."""
        steps: list[Step] = []
        for path in self.journals():
            with Journal.read(path) as journal:
                steps += steps_of(journal)
        return steps

    def events(self, kind: type[Kind]) -> list[Kind]:
        """The events of one kind in all journals."""
        return [event for event, _ in self.steps() if isinstance(event, kind)]

    def commands(self, kind: type[Kind]) -> list[Kind]:
        """The commands of one kind in all journals."""
        return [command for _, commands in self.steps() for command in commands if isinstance(command, kind)]

    def fills(self) -> list[ExecutionReport]:
        """The executions in all journals, each once."""
        reports = [event.report for event in self.events(OrderReported) if event.report.kind in FILLS]
        return list({report.execution_id: report for report in reports}.values())

    def given_up(self) -> set[str]:
        """The ids of orders that never reached the broker: too old to be sent after a restart, or lost on the way."""
        reports = [event.report for event in self.events(OrderReported)]
        return {report.client_order_id for report in reports if report.kind is ReportKind.REJECTED}

    def kill_all(self) -> None:
        """End what a failed test has left running."""
        for running in self._started:
            if not running.is_over:
                running.process.kill()
                running.ended()


class ExchangeProcess:
    """A simulated exchange of its own process. Its port stays the same when it is started again."""

    def __init__(self, home: Home, *arguments: object) -> None:
        self._home = home
        self._arguments = arguments
        self.port = 0
        self.start()

    def start(self) -> None:
        """Start it, or start it again where it was."""
        self.running = self._home.start(
            "exchange", "--json", "--port", self.port, "--state", self._home.folder / "exchange", *self._arguments
        )
        self.told = json.loads(self.running.first_line())
        self.port = int(self.told["rest"].rsplit(":", 1)[1])

    def broker(self, **others: object) -> dict[str, object]:
        """The variables that make a daemon trade on it."""
        return {
            "HFTD_BROKER__URL": self.told["rest"],
            "APCA_API_KEY_ID": self.told["key"],
            "APCA_API_SECRET_KEY": self.told["secret"],
            **others,
        }

    def get(self, path: str) -> Any:
        """The body of its answer."""
        return get(self.told, path)


def get(told: Mapping[str, str], path: str) -> Any:
    """The body of an exchange's answer; `told` is its first line of output."""
    headers = {"APCA-API-KEY-ID": told["key"], "APCA-API-SECRET-KEY": told["secret"]}
    asked = urllib.request.Request(told["rest"] + path, headers=headers)
    with urllib.request.urlopen(asked, timeout=PATIENCE_S) as answer:
        return json.load(answer)


@contextmanager
def books(home: Home, tape: Path) -> Iterator[Callable[[str], Any]]:
    """Ask the exchange that a daemon has left behind, whose time stands still."""
    exchange = home.start("exchange", "--json", "--wait", "--tape", tape, "--state", home.state / "exchange")
    told = json.loads(exchange.first_line())
    yield partial(get, told)
    assert exchange.end().status == 0


def signed_quantity(fill: ExecutionReport) -> Decimal:
    """The shares that an execution added to the position."""
    assert fill.side is not None
    return fill.side.sign * fill.quantity


def is_log_line(line: str) -> bool:
    """Whether a line begins with a date and time, as lines of the log do."""
    return line[:2] == "20" and line[4:5] == "-" and line[19:21] == "  "


def event_of(line: str) -> str:
    """The event's name in a line of the log."""
    words = line[21:].split()
    return words[1] if words[0].endswith(":") else words[0]


def write_tape(file: Path, rows: Sequence[tuple[str, float, int]], symbol: str = "SPY") -> Path:
    """A tape of (UTC start of the minute, close, volume): a minute opens where the one before it closed."""
    lines = ["timestamp,symbol,open,high,low,close,volume"]
    before = rows[0][1]
    for start, close, volume in rows:
        lines.append(f"{start},{symbol},{before},{max(before, close)},{min(before, close)},{close},{volume}")
        before = close
    file.write_text("\n".join(lines) + "\n")
    return file
