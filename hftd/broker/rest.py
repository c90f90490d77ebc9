"""The hot path of REST: one request over aiohttp, its answer as bytes, every failure an error of ours."""

import asyncio
from collections.abc import Mapping

import aiohttp
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt
from yarl import URL

from hftd.broker.answers import Busy, error_of
from hftd.broker.credentials import Keys
from hftd.broker.endpoints import Patience
from hftd.errors import BrokerUnavailable

HARMLESS = frozenset({"GET", "DELETE"})
"""Methods that may be repeated when it is unknown whether they were carried out: questions, and cancelling."""


class Rest:
    """Requests to the trading API. What is not harmless is repeated only after a `Busy` answer: nothing was done."""

    def __init__(self, base: str, keys: Keys, patience: Patience) -> None:
        self._base = f"{base}/v2/"
        self._headers = {**keys.headers(), "Content-Type": "application/json"}
        self._patience = patience
        self._timeout = aiohttp.ClientTimeout(total=patience.request_s, sock_connect=patience.connect_s)

    async def request(
        self,
        session: aiohttp.ClientSession,
        what: str,
        method: str,
        path: str,
        body: bytes | None = None,
        params: Mapping[str, str] | None = None,
    ) -> bytes:
        """The body of a successful answer.

        Raises CredentialsError, BrokerRefused for an answer that says no, BrokerUnavailable for none or a failure: it
        is then unknown whether anything was done, unless it is a `Busy`.
        """
        repeatable = BrokerUnavailable if method in HARMLESS else Busy
        try:
            return await self._once(session, what, method, path, body, params)  # the common case pays for no more
        except repeatable as error:
            await asyncio.sleep(wait_s(error, 1, self._patience))
        asking = AsyncRetrying(
            stop=stop_after_attempt(max(1, self._patience.request_attempts - 1)),
            wait=lambda state: patient_wait_s(state, self._patience),
            retry=retry_if_exception_type(repeatable),
            reraise=True,
        )
        return await asking(self._once, session, what, method, path, body, params)

    async def _once(
        self,
        session: aiohttp.ClientSession,
        what: str,
        method: str,
        path: str,
        body: bytes | None,
        params: Mapping[str, str] | None,
    ) -> bytes:
        url = URL(self._base + path, encoded=True)
        if params:
            url = url.with_query(params)
        try:
            async with session.request(
                method, url, data=body, headers=self._headers, timeout=self._timeout, allow_redirects=False
            ) as answer:
                content = await answer.read()
        except TimeoutError:
            raise BrokerUnavailable(f"the broker did not answer in time when asked to {what}") from None
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as error:
            raise BrokerUnavailable(f"the broker was lost when asked to {what}: {error}") from None
        if answer.status >= 300:
            text = content.decode("utf-8", "replace")
            raise error_of(what, answer.status, text, answer.headers.get("Retry-After"))
        return content


def patient_wait_s(state: RetryCallState, patience: Patience) -> float:
    """Wall seconds before the next attempt of a repeated question."""
    return wait_s(state.outcome.exception() if state.outcome else None, state.attempt_number, patience)


def wait_s(error: BaseException | None, attempt: int, patience: Patience) -> float:
    """Wall seconds to wait after attempt number `attempt`: as long as the broker asked for, else longer each time;
    never longer than the cap."""
    wish_s = error.retry_after_s if isinstance(error, Busy) else None
    return min(patience.backoff_first_s * 2.0**attempt if wish_s is None else wish_s, patience.retry_after_cap_s)
