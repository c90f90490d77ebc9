"""Logs: events with fields, on standard error. Readable on a terminal, searchable in the systemd journal, or JSON.

An event's name is `noun.verb`. Times are market time in New York, the time that the daemon trades by; the systemd
journal and JSON have wall time as well.
"""

import atexit
import json
import os
import socket
import sys
from collections import deque
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import Any, TextIO

import structlog

from hftd.calendar import NEW_YORK
from hftd.clock import monotonic_s, wall_ns
from hftd.domain.convert import datetime_of, rfc3339_of

Fields = MutableMapping[str, Any]
JOURNAL_SOCKET = "/run/systemd/journal/socket"
PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
COLOURS = {"debug": "\x1b[2m", "info": "\x1b[32m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31;1m"}
DIM, PLAIN = "\x1b[2m", "\x1b[0m"
EVENT_WIDTH = 20
BURST, WITHIN_S = 200, 10.0

log = structlog.get_logger()


def configure(
    format: str = "auto", level: str = "info", now_ns: Callable[[], int] = wall_ns, tail: "Tail | None" = None
) -> None:
    """Send all logs to standard error in `format`: auto, console, json or journal.

    `auto` is the systemd journal when standard error is connected to it, else console. `now_ns` tells market time;
    `tail` remembers the last lines.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _Limit(),
            structlog.processors.format_exc_info,
            _market_time(now_ns),
            *([tail] if tail is not None else []),
            _renderer(_chosen(format), sys.stderr),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Output(sys.stderr),
        cache_logger_on_first_use=False,
    )


class Tail:
    """The last lines, for somebody who looks in from elsewhere. A line costs a copy of its fields until it is read."""

    def __init__(self, capacity: int = 300) -> None:
        self._lines: deque[tuple[int, Fields]] = deque(maxlen=capacity)
        self._number = 0

    def __call__(self, _logger: Any, _method: str, fields: Fields) -> Fields:
        self._number += 1
        self._lines.append((self._number, dict(fields)))
        return fields

    def after(self, number: int) -> list[dict[str, Any]]:
        """The lines numbered above `number`, oldest first: number, time (New York), level, event, the rest as text."""
        return [_told(line, dict(fields)) for line, fields in self._lines if line > number]


def _told(number: int, fields: Fields) -> dict[str, Any]:
    trace = str(fields.pop("exception", "")).strip().splitlines()[-1:]
    time, level, event = fields.pop("time"), fields.pop("level"), fields.pop("event")
    words = [f"{key}={_shown(value)}" for key, value in fields.items()]
    return {
        "number": number,
        "time": f"{time:%Y-%m-%d %H:%M:%S}",
        "level": level,
        "event": event,
        "text": " ".join([*words, *trace]),
    }


def _chosen(format: str) -> str:
    if format != "auto":
        return format
    return "journal" if "JOURNAL_STREAM" in os.environ and os.path.exists(JOURNAL_SOCKET) else "console"


class _Output:
    """Where a rendered line goes; an empty one has gone elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        if line:
            with suppress(OSError):  # a full disk or a closed terminal: what is traded matters more than what is told
                self._stream.write(f"{line}\n")
                self._stream.flush()

    debug = info = warning = error = critical = exception = log = msg


class _Limit:
    """Keeps a fault from flooding the log: of each event at warning or above, `BURST` lines in `WITHIN_S` wall seconds.

    How many more there were is told at the event's next line after that.
    """

    def __init__(self) -> None:
        self._since: dict[str, tuple[float, int]] = {}

    def __call__(self, _logger: Any, method: str, fields: Fields) -> Fields:
        if fields["level"] in ("debug", "info"):
            return fields
        event, now_s = str(fields["event"]), monotonic_s()
        began_s, count = self._since.get(event, (now_s, 0))
        if now_s - began_s >= WITHIN_S:
            began_s, missed, count = now_s, count - BURST, 0
            if missed > 0:
                self._since[event] = (began_s, 0)
                log.warning("log.suppressed", name=event, lines=missed)
        self._since[event] = (began_s, count + 1)
        if count >= BURST:
            raise structlog.DropEvent
        return fields


def _market_time(now_ns: Callable[[], int]) -> Callable[[Any, str, Fields], Fields]:
    def add(_logger: Any, _method: str, fields: Fields) -> Fields:
        fields.setdefault("time", datetime_of(now_ns()).astimezone(NEW_YORK))
        return fields

    return add


def _renderer(format: str, stream: TextIO) -> Callable[[Any, str, Fields], str]:
    if format == "json":
        return _as_json
    if format == "journal":
        return _Journal()
    return _as_line(colour=stream.isatty() and "NO_COLOR" not in os.environ)


def _as_json(_logger: Any, _method: str, fields: Fields) -> str:
    time: datetime = fields.pop("time")
    head = {"time": time.isoformat(), "wall_time": rfc3339_of(wall_ns())}
    head |= {key: fields.pop(key) for key in ("level", "event")}
    return json.dumps({**head, **fields}, default=str)


def _as_line(*, colour: bool) -> Callable[[Any, str, Fields], str]:
    def render(_logger: Any, _method: str, fields: Fields) -> str:
        trace = fields.pop("exception", "")
        time: datetime = fields.pop("time")
        level, event = fields.pop("level"), fields.pop("event")
        mark = "" if level in ("debug", "info") else f"{level}: "
        name = f"{mark}{event}".ljust(EVENT_WIDTH)
        words = " ".join(f"{key}={_shown(value)}" for key, value in fields.items())
        if colour:
            line = f"{DIM}{time:%Y-%m-%d %H:%M:%S}{PLAIN}  {COLOURS[level]}{name}{PLAIN}  {words}"
        else:
            line = f"{time:%Y-%m-%d %H:%M:%S}  {name}  {words}"
        return "\n".join(part for part in (line.rstrip(), trace) if part)

    return render


def _shown(value: Any) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if not text or any(c in text for c in ' "=\n\t') else text


class _Journal:
    """The systemd journal's native protocol: fields that can be searched, messages of several lines kept whole.

    https://systemd.io/JOURNAL_NATIVE_PROTOCOL/: KEY=value lines, or KEY, a newline, the length as 64-bit little
    endian, and the value when it has newlines itself. What the socket does not take goes to standard error.
    """

    def __init__(self) -> None:
        self._plain = _as_line(colour=False)

    def __call__(self, logger: Any, method: str, fields: Fields) -> str:
        trace = fields.pop("exception", "")
        line = self._plain(logger, method, {**fields, "time": fields["time"]})
        text = line.split("  ", 1)[1] + (f"\n{trace}" if trace else "")
        own = {key: value for key, value in fields.items() if key not in ("event", "level", "time")}
        message = {
            "MESSAGE": text,
            "PRIORITY": PRIORITIES[fields["level"]],
            "SYSLOG_IDENTIFIER": "hftd",
            "HFTD_EVENT": fields["event"],
            "HFTD_TIME": fields["time"].isoformat(),
            **{f"HFTD_{key.upper()}": value for key, value in own.items()},
        }
        try:
            _channel().sendto(
                b"".join(_journal_field(key, str(value)) for key, value in message.items()), JOURNAL_SOCKET
            )
        except OSError:
            return f"<{message['PRIORITY']}>{text}"
        return ""


@cache
def _channel() -> socket.socket:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    atexit.register(channel.close)
    return channel


def _journal_field(key: str, value: str) -> bytes:
    body = value.encode("utf-8", "replace")  # a log must not end what it tells of
    if b"\n" in body:
        return key.encode() + b"\n" + len(body).to_bytes(8, "little") + body + b"\n"
    return key.encode() + b"=" + body + b"\n"
