from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hftd.domain.convert import (
    MINUTE_NS,
    SECOND_NS,
    cents,
    datetime_of,
    decimal_of,
    ns_of,
    ns_of_rfc3339,
    price_of,
    rfc3339_of,
    text_of,
    ticks_of,
)

DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**12), max_value=10**12)
TIMES_NS = st.integers(-(10**18), 4 * 10**18)


@pytest.mark.parametrize(
    ("given_", "expected"),
    [(271.34, "271.34"), (0.1, "0.1"), ("5", "5"), (5, "5"), (1e-9, "1E-9"), (Decimal("2.50"), "2.50")],
)
def test_a_number_becomes_a_decimal_by_its_shortest_text(given_, expected):
    assert str(decimal_of(given_)) == expected


@pytest.mark.parametrize("given_", [np.float64(271.34), np.float32(271.34), Decimal("271.34")])
def test_a_number_of_numpy_is_one(given_):
    assert decimal_of(given_) == Decimal("271.34")
    assert decimal_of(np.int64(5)) == 5


@pytest.mark.parametrize(
    "given_", ["five", "", "NaN", float("nan"), float("inf"), Decimal("-Infinity"), "1,5", None, [5], 5j]
)
def test_what_is_no_finite_number_is_refused(given_):
    with pytest.raises(ValueError, match="is not a"):
        decimal_of(given_)


@pytest.mark.parametrize(
    ("number", "text"), [("5.00", "5"), ("0.250", "0.25"), ("1E+5", "100000"), ("0", "0"), ("-0.10", "-0.1")]
)
def test_text_is_plain(number, text):
    assert text_of(Decimal(number)) == text


@given(DECIMALS)
def test_text_is_the_number(number):
    assert Decimal(text_of(number)) == number
    assert "E" not in text_of(number)


def test_halves_of_a_cent_go_to_the_even_one():
    assert [str(cents(Decimal(amount))) for amount in ("1.005", "1.015", "-1.005", "2")] == [
        "1.00",
        "1.02",
        "-1.00",
        "2.00",
    ]


@given(st.integers(0, 10**10))
def test_ticks_and_prices_are_each_other(ticks):
    assert ticks_of(price_of(ticks)) == ticks
    assert ticks_of(Decimal(ticks) / 10_000) == ticks


@given(TIMES_NS)
def test_a_time_is_its_text(time_ns):
    text = rfc3339_of(time_ns)
    assert ns_of_rfc3339(text) == time_ns
    assert text.endswith("Z")
    assert not text.endswith("0Z") or "." not in text


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_datetime_is_its_time(moment):
    assert datetime_of(ns_of(moment)) == moment


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1970-01-01T00:00:00.5Z", SECOND_NS // 2),
        ("1969-12-31T19:01:00-05:00", MINUTE_NS),
        ("1969-12-31T19:01:00.25-05:00", MINUTE_NS + SECOND_NS // 4),
    ],
)
def test_text_with_fractions_and_zones(text, expected_ns):
    assert ns_of_rfc3339(text) == expected_ns


@pytest.mark.parametrize(
    "text",
    [
        "1970-01-01T00:00:00",
        "1970-01-01T00:00:00.5",
        "1970-01-01T00:00:00.1234567890Z",
        "noon",
        "1970-01-01T00:00:00.Z",
    ],
)
def test_text_that_is_no_time_with_a_zone(text):
    with pytest.raises(ValueError):
        ns_of_rfc3339(text)


def test_a_naive_datetime_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        ns_of(datetime(2026, 11, 27))  # noqa: DTZ001 - the point


def test_zones_do_not_matter_to_a_time():
    moment = datetime(2026, 11, 27, 9, 30, tzinfo=timezone(timedelta(hours=-5)))
    assert ns_of(moment) == ns_of(moment.astimezone(UTC))
