"""Latency as settings write it: `none`, `constant:5ms`, `normal:5ms,2ms,1ms` or `recorded:FILE`."""

import re
from pathlib import Path

from hftd.domain.convert import SECOND_NS
from hftd.errors import DataError, SettingsError
from hftd.exchange.venue.latency import Constant, Latency, Normal, Recorded

EXPECTED = "expected none, constant:5ms, normal:5ms,2ms,1ms (mean, deviation, least) or recorded:FILE"
_UNITS_NS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": SECOND_NS}


def latency_of(text: str) -> Latency | None:
    """The policy that `text` names; None for none.

    A recorded file has one duration in nanoseconds, or with a unit (250us), on each line. Raises SettingsError for a
    text of another form and DataError for a file that cannot be used.
    """
    kind, _, rest = text.partition(":")
    words = [word.strip() for word in rest.split(",")]
    try:
        match kind, words:
            case "none", [""]:
                return None
            case "constant", [delay]:
                return Constant(nanoseconds(delay))
            case "normal", [mean, deviation]:
                return Normal(nanoseconds(mean), nanoseconds(deviation))
            case "normal", [mean, deviation, least]:
                return Normal(nanoseconds(mean), nanoseconds(deviation), nanoseconds(least))
            case "recorded", [_] if rest:
                return Recorded(_read(Path(rest)))
    except ValueError as error:
        raise SettingsError(f"latency {text!r}: {error}; {EXPECTED}") from error
    raise SettingsError(f"latency {text!r}: {EXPECTED}")


def nanoseconds(text: str) -> int:
    """Nanoseconds of a duration like 250us, 5ms or 1.5s; a bare number is nanoseconds. Raises ValueError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ns|us|ms|s)?", text)
    if not found:
        raise ValueError(f"{text!r} is no duration")
    return round(float(found[1]) * _UNITS_NS[found[2] or "ns"])


def _read(file: Path) -> tuple[int, ...]:
    try:
        lines = file.read_text("utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"latency file {file}: {error}") from error
    if not lines:
        raise DataError(f"latency file {file}: it is empty; expected a duration on each line, like 250us")
    delays = []
    for number, line in enumerate(lines, start=1):
        try:
            delays.append(nanoseconds(line))
        except ValueError as error:
            raise DataError(f"latency file {file}, line {number}: {error}; expected one like 250us") from error
    return tuple(delays)
