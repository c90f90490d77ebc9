"""A REST request as its handler sees it, and the answers it may give.

What a client sends is read here and nowhere else: every reader either returns a value of the right kind or raises
`Refusal` with Alpaca's code and a message that names the field.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from aiohttp import web

from hftd.domain.convert import ns_of_rfc3339
from hftd.exchange.server.timeframes import midnight_ns
from hftd.exchange.venue.refusals import Refusal

if TYPE_CHECKING:
    from hftd.exchange.server.exchange import Exchange

MALFORMED = 40010001
"""Alpaca's code for a request that is not well formed."""

DIGITS_MAX = 30
MAGNITUDE_MAX = 15
"""Numbers are refused beyond so many digits, or powers of ten either way."""

TRUE = frozenset({"true", "1", "t", "yes"})
FALSE = frozenset({"false", "0", "f", "no", ""})

Word = TypeVar("Word", bound=StrEnum)
Fields = Mapping[str, Any]

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Call:
    """One authenticated request of `account` (its name) with `account_id`, at exchange time `now_ns`."""

    exchange: "Exchange"
    request: web.Request
    account: str
    account_id: str
    now_ns: int

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query

    def path(self, name: str) -> str:
        """The part of the path that the route calls `name`."""
        return self.request.match_info[name]

    async def body(self) -> Fields:
        """The request's JSON object; numbers with a point are Decimal. Raises Refusal for anything else."""
        data = await self.request.read()
        try:
            body = _decode(data) if data else {}
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError) as error:
            raise malformed(f"request body format is invalid: {error}") from error
        if not isinstance(body, dict):
            raise malformed("request body format is invalid: an object is expected")
        return body


Handler = Callable[[Call], Awaitable[web.StreamResponse]]


def malformed(message: str) -> Refusal:
    """422: the request is not well formed."""
    return Refusal(422, MALFORMED, message)


def answer(content: object, status: int = 200) -> web.Response:
    """`content` as JSON."""
    return web.Response(body=_encode(content), status=status, content_type="application/json")


def nothing() -> web.Response:
    """204: done, and nothing to say."""
    return web.Response(status=204)


def error_body(refusal: Refusal) -> dict[str, Any]:
    """A refusal as Alpaca writes it."""
    code = {} if refusal.code is None else {"code": refusal.code}
    return {**code, "message": refusal.message, **refusal.extra}


def error_answer(refusal: Refusal) -> web.Response:
    return answer(error_body(refusal), refusal.status)


# Reading fields of a query or a body


def text(fields: Fields, name: str) -> str | None:
    """A text; None when it is missing, null or empty."""
    value = fields.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or "\x00" in value:
        raise malformed(f"invalid {name}: a text is expected")
    return value


def number(fields: Fields, name: str) -> Decimal | None:
    """A number, as a JSON number or as text; None when it is missing or null."""
    value = fields.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise malformed(f"invalid {name}: a number is expected")
    try:
        found = Decimal(value)
    except ArithmeticError as error:
        raise malformed(f"invalid {name}: a number is expected") from error
    if not found.is_finite() or len(found.as_tuple().digits) > DIGITS_MAX or abs(found.adjusted()) > MAGNITUDE_MAX:
        raise malformed(f"invalid {name}: out of range")
    return found


def whole(fields: Fields, name: str, least: int, most: int, default: int) -> int:
    """A whole number from `least` to `most`."""
    found = number(fields, name)
    if found is None:
        return default
    if found != int(found) or not least <= found <= most:
        raise malformed(f"invalid {name}: a whole number from {least} to {most} is expected")
    return int(found)


def flag(fields: Fields, name: str, default: bool = False) -> bool:
    """A yes or no, as JSON or as text in any case."""
    value = fields.get(name)
    if value is None:
        return default
    word = str(value).lower() if isinstance(value, str | bool | int) else "?"
    if word not in TRUE | FALSE:
        raise malformed(f"invalid {name}: true or false is expected")
    return word in TRUE


def word(fields: Fields, name: str, kind: type[Word]) -> Word | None:
    """One of the words of `kind`; None when it is missing."""
    found = text(fields, name)
    if found is None:
        return None
    try:
        return kind(found.lower())
    except ValueError as error:
        raise malformed(f"invalid {name}: {found[:50]}; expected one of {', '.join(kind)}") from error


def moment(fields: Fields, name: str, *, end_of_day: bool = False) -> int | None:
    """A time in nanoseconds since 1970 UTC: RFC 3339, or a day, which stands for New York's midnight.

    With `end_of_day` a day stands for its last nanosecond. A time before 1970 stands for 1970: nothing is older.
    """
    found = text(fields, name)
    if found is None:
        return None
    return max(_moment(found, name, end_of_day), 0)


def _moment(found: str, name: str, end_of_day: bool) -> int:
    try:
        if len(found) == len("2019-02-11"):
            day = date.fromisoformat(found)
            return midnight_ns(date.fromordinal(day.toordinal() + 1)) - 1 if end_of_day else midnight_ns(day)
        return ns_of_rfc3339(found.replace(" ", "+"))
    except (ValueError, OverflowError) as error:
        raise malformed(f"invalid {name}: {found[:50]} is not a time such as 2019-02-11T14:30:00Z") from error


def day(fields: Fields, name: str) -> date | None:
    """A day, which may be written as a time in it."""
    found = text(fields, name)
    if found is None:
        return None
    try:
        return date.fromisoformat(found[: len("2019-02-11")])
    except ValueError as error:
        raise malformed(f"invalid {name}: {found[:50]} is not a day such as 2019-02-11") from error


def names(fields: Fields, name: str) -> list[str]:
    """A list of names between commas, each once, in their order."""
    found = text(fields, name)
    return list(dict.fromkeys(item.strip() for item in found.split(",") if item.strip())) if found else []
