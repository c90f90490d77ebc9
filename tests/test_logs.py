"""Telling goes on as well as it can, and never stops what it tells of."""

import io
import sys

import pytest
import structlog

from hftd import logs


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_log_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = structlog.get_config()
    try:
        monkeypatch.setattr(sys, "stderr", Full())
        logs.configure("console")
        structlog.get_logger().info("bar.received")
        monkeypatch.setattr(sys, "stderr", kept := io.StringIO())
        logs.configure("console")
        structlog.get_logger().info("bar.received", symbol="SPY")
    finally:
        structlog.configure(**before)
    assert kept.getvalue().endswith("  bar.received          symbol=SPY\n")
