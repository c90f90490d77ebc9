"""The only conversions between kinds of number and of time.

Rules: money and quantities are Decimal and come from text, never through binary float arithmetic; a float from market
data becomes a Decimal by its shortest text, so that 271.34 is exactly 271.34; the book counts in integer ticks.
"""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from numbers import Real

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
DAY_NS = 86_400 * SECOND_NS

CENT = Decimal("0.01")
BILLIONTH = Decimal("0.000000001")
TICKS_PER_DOLLAR = 10_000
"""The book's tick is $0.0001, the finest increment a US share trades in (SEC Rule 612)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def decimal_of(value: str | int | float | Decimal) -> Decimal:
    """`value` as an exact Decimal; a float by its shortest text, one of numpy's too. Raises ValueError unless it is a
    finite number."""
    try:
        number = value if isinstance(value, Decimal) else Decimal(_exact(value))
    except (ArithmeticError, TypeError, ValueError) as error:
        raise ValueError(f"{value!r} is not a number") from error
    if not number.is_finite():
        raise ValueError(f"{value!r} is not a finite number")
    return number


def _exact(value: str | int | float) -> str | int:
    """What Decimal takes as it is. numpy's numbers are no int, and when printed by repr name their type."""
    if isinstance(value, float):
        return float.__repr__(value)
    return value if isinstance(value, int | str) or not isinstance(value, Real) else str(value)


def text_of(number: Decimal) -> str:
    """Plain decimal text without exponent or trailing zeros: 5, 0.25, 100000."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def billionths(number: Decimal) -> Decimal:
    """`number` with up to nine decimals, halves to even: as amounts and quantities are told by the broker."""
    exponent = number.as_tuple().exponent
    return (
        number.quantize(BILLIONTH, rounding=ROUND_HALF_EVEN) if isinstance(exponent, int) and exponent < -9 else number
    )


def cents(amount: Decimal) -> Decimal:
    """`amount` dollars to the nearest cent, halves to even: for showing and summing up, not for the ledger."""
    return amount.quantize(CENT, rounding=ROUND_HALF_EVEN)


def ticks_of(price: float | Decimal) -> int:
    """A dollar price in ticks of $0.0001, to the nearest tick."""
    return (
        round(decimal_of(price) * TICKS_PER_DOLLAR) if isinstance(price, Decimal) else round(price * TICKS_PER_DOLLAR)
    )


def price_of(ticks: int) -> float:
    """Ticks of $0.0001 as float dollars: the float nearest to the exact price."""
    return ticks / TICKS_PER_DOLLAR


def datetime_of(time_ns: int) -> datetime:
    """UTC datetime, cut to microseconds."""
    return _EPOCH + timedelta(microseconds=time_ns // 1000)


def ns_of(moment: datetime) -> int:
    """Nanoseconds since 1970 UTC of an aware datetime. Raises ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * SECOND_NS + delta.microseconds * 1000


def rfc3339_of(time_ns: int) -> str:
    """RFC 3339 text in UTC with as many fractional digits as needed: 2019-02-11T14:30:00Z."""
    seconds, fraction = divmod(time_ns, SECOND_NS)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{fraction:09d}".rstrip("0") + "Z" if fraction else f"{text}Z"


def ns_of_rfc3339(text: str) -> int:
    """Nanoseconds since 1970 UTC of RFC 3339 text with up to nine fractional digits. Raises ValueError."""
    head, dot, tail = text.partition(".")
    if not dot:
        return ns_of(datetime.fromisoformat(text))
    digits = len(tail) - len(tail.lstrip("0123456789"))
    zone = tail[digits:]
    if not 1 <= digits <= 9 or not zone:
        raise ValueError(f"{text!r} is not an RFC 3339 time with a zone")
    return ns_of(datetime.fromisoformat(head + zone)) + int(tail[:digits].ljust(9, "0"))
