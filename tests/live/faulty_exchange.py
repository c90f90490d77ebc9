"""A simulated exchange as a process of its own on which things go wrong: by a schedule, and when asked for."""

import json
import signal
import urllib.request
from collections.abc import Iterable
from pathlib import Path

from tests.running import PATIENCE_S, ExchangeProcess, Home


class FaultyExchange(ExchangeProcess):
    """`faults` is its schedule."""

    def __init__(self, home: Home, tape: Path, speed: float, faults: Iterable[dict[str, object]] = ()) -> None:
        schedule = home.folder / "faults.jsonl"
        schedule.write_text("".join(json.dumps(fault) + "\n" for fault in faults))
        options = {"--tape": tape, "--speed": speed, "--faults": schedule, "--control-port": 0}
        super().__init__(home, "--wait", *(word for option in options.items() for word in option))

    def kill(self) -> None:
        self.running.end(signal.SIGKILL)

    def arm(self, **fault: object) -> None:
        """Let this go wrong from now on."""
        self._ask("POST", json.dumps(fault).encode())

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._ask("DELETE", None)

    def _ask(self, method: str, body: bytes | None) -> None:
        asked = urllib.request.Request(self.told["control"] + "/faults", body, method=method)
        with urllib.request.urlopen(asked, timeout=PATIENCE_S):
            pass
