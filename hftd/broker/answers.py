"""What an HTTP answer of the broker means: an error of ours, or nothing to complain about. Pure.

Formats: `{"code": int, "message": text}` for errors; authentication failures have no code; gateways in between answer
with pages of HTML.
"""

import msgspec
from msgspec import Struct

from hftd.errors import BrokerError, BrokerRefused, BrokerUnavailable, CredentialsError, HftdError

BODY_MAX = 200
"""Characters of a strange body that are quoted."""

NOT_UNIQUE = "client_order_id must be unique"


class _Complaint(Struct):
    code: int = 0
    message: str = ""
    reject_reason: str = ""


class Busy(BrokerUnavailable):
    """The broker asks for patience (429): it has done nothing. `retry_after_s` is its own wish, None if silent."""

    def __init__(self, message: str, retry_after_s: float | None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


def error_of(what: str, status: int, body: str, retry_after: str | None = None) -> BrokerError | CredentialsError:
    """The error that an answer with `status` >= 300 stands for. `what` was asked, in words: "submit order x"."""
    complaint = _complaint_of(body)
    said = complaint.message or _quoted(body)
    if complaint.reject_reason:
        said = f"{said} ({complaint.reject_reason})"
    if status == 401 or (status == 403 and complaint.code == 0 and not _is_html(body)):
        return CredentialsError(f"the broker refused the API keys ({status} {said}) when asked to {what}")
    if status == 429:
        return Busy(f"the broker is too busy to {what} ({status} {said})", _seconds_of(retry_after))
    if status >= 500 or status == 408:
        return BrokerUnavailable(f"the broker failed to {what} ({status} {said})")
    if 300 <= status < 400:
        return BrokerUnavailable(f"something between us and the broker redirects ({status}) when asked to {what}")
    return BrokerRefused(said, status=status, code=complaint.code)


def question_refused(what: str, error: HftdError) -> HftdError:
    """`error`, with what was asked if it is a refusal: "not found" is enough of a reason for an order, and else tells
    nobody anything."""
    if not isinstance(error, BrokerRefused):
        return error
    return BrokerRefused(f"the broker refused to {what} ({error.status} {error})", status=error.status, code=error.code)


def strange(what: str, body: str) -> BrokerUnavailable:
    """The error of a success whose body is not what it should be."""
    return BrokerUnavailable(f"the broker answered with something strange when asked to {what}: {_quoted(body)}")


def _complaint_of(body: str) -> _Complaint:
    try:
        return msgspec.json.decode(body, type=_Complaint)
    except (ValueError, RecursionError):
        return _Complaint()


def _is_html(body: str) -> bool:
    return body.lstrip()[:1] == "<"


def _quoted(body: str) -> str:
    if _is_html(body):
        return "a page of HTML"
    text = " ".join(body.split())[:BODY_MAX]
    return repr(text) if text else "an empty body"


def _seconds_of(retry_after: str | None) -> float | None:
    try:
        return max(0.0, float(retry_after)) if retry_after else None
    except ValueError:
        return None
