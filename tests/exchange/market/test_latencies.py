"""Latency as settings write it."""

from pathlib import Path

import pytest

from hftd.errors import DataError, SettingsError
from hftd.exchange.market.latencies import latency_of
from hftd.exchange.venue.latency import Constant, Normal, Recorded

MS = 1_000_000


@pytest.mark.parametrize(
    ("text", "latency"),
    [
        ("none", None),
        ("constant:5ms", Constant(5 * MS)),
        ("constant:1.5s", Constant(1500 * MS)),
        ("constant:250", Constant(250)),
        ("normal:5ms,2ms", Normal(5 * MS, 2 * MS)),
        ("normal:5ms, 2ms, 900us", Normal(5 * MS, 2 * MS, 900_000)),
    ],
)
def test_texts(text: str, latency: object) -> None:
    assert latency_of(text) == latency


@pytest.mark.parametrize("text", ["", "fast", "none:5ms", "constant", "constant:-5ms", "constant:5min", "normal:5ms"])
def test_what_is_no_latency_is_refused_with_the_forms_that_are(text: str) -> None:
    with pytest.raises(
        SettingsError, match=r"latency .*expected none, constant:5ms, normal:5ms,2ms,1ms .* or recorded"
    ):
        latency_of(text)


def test_a_recorded_file(tmp_path: Path) -> None:
    file = tmp_path / "delays.txt"
    file.write_text("250us\n1ms\n\n300\n")
    assert latency_of(f"recorded:{file}") == Recorded((250_000, MS, 300))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "it is empty"),
        (b"1ms\nslow\n", "line 2: 'slow' is no duration; expected one like 250us"),
        (b"\xff\xfe", "can't decode"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, content: bytes, problem: str) -> None:
    file = tmp_path / "delays.txt"
    file.write_bytes(content)
    with pytest.raises(DataError, match=problem):
        latency_of(f"recorded:{file}")
    with pytest.raises(DataError, match="No such file"):
        latency_of(f"recorded:{tmp_path / 'none'}")
