"""alpaca-py's REST clients, made safe for a daemon.

alpaca-py blocks, waits without a limit, repeats what failed by itself and reads numbers through floats. Here its
clients run in threads of their own, with time limits on connecting, on reading and on the whole; its own repetition is
off; and its answers are handed over as the bytes that came, to be read with exact decimals and whole nanoseconds.

Importing alpaca-py (and with it pandas) takes a third of a second: `preload` does it ahead of need.
"""

import asyncio
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from tenacity import AsyncRetrying, Retrying, retry_if_exception_type, stop_after_attempt

from hftd.broker.answers import error_of, question_refused
from hftd.broker.credentials import Keys
from hftd.broker.endpoints import Endpoints, Patience
from hftd.broker.rest import patient_wait_s
from hftd.errors import BrokerUnavailable

if TYPE_CHECKING:
    from alpaca.common.rest import RESTClient
    from alpaca.data.historical.stock import StockHistoricalDataClient
    from alpaca.trading.client import TradingClient
    from requests import Response

Client = TypeVar("Client", bound="RESTClient")

THREADS_MAX = 4
"""Requests under way at once. One that hangs keeps its place until its own time limit ends it."""

WHOLE_REQUEST_FACTOR = 2.0
"""A request may take this many times `Patience.request_s` in all: the limit of `requests` is only between bytes."""


_loading = threading.Lock()


@cache
def _load() -> None:
    with warnings.catch_warnings():
        # alpaca-py imports a deprecated part of websockets, for streams that are not used here.
        warnings.simplefilter("ignore", DeprecationWarning)
        import alpaca.data.historical.stock
        import alpaca.data.requests
        import alpaca.trading.client
        import alpaca.trading.requests  # noqa: F401


def preload() -> None:
    """Import alpaca-py, once. Safe in any thread; call it in one at start, before an event loop has to wait for it."""
    with _loading:
        _load()


class Library:
    """Calls of alpaca-py. Each gives the answer's bytes; failures are errors of ours."""

    def __init__(self, endpoints: Endpoints, keys: Keys, patience: Patience) -> None:
        self._endpoints = endpoints
        self._keys = keys
        self._patience = patience
        self._places = asyncio.Semaphore(THREADS_MAX)
        self._idle: dict[Callable[[], Any], list[Any]] = {}

    async def trading(self, what: str, call: "Callable[[TradingClient], Any]") -> bytes:
        """What `call` gets from the trading API. `what` is asked, in words."""
        return await self._patiently(what, self.trading_client, call)

    async def history(self, what: str, call: "Callable[[StockHistoricalDataClient], Any]") -> bytes:
        """What `call` gets from the market-data API."""
        return await self._patiently(what, self.history_client, call)

    def history_now(
        self,
        what: str,
        call: "Callable[[StockHistoricalDataClient], Any]",
        client: "StockHistoricalDataClient",
    ) -> bytes:
        """As `history`, blocking the caller's thread: for notebooks. `client` is one that `history_client` made."""
        return Retrying(**self._manners())(translate, what, call, client)

    def trading_client(self) -> "TradingClient":
        """alpaca-py's trading client, tamed."""
        preload()
        from alpaca.trading.client import TradingClient

        key_id, secret = self._keys.key_id.reveal(), self._keys.secret.reveal()
        client = TradingClient(key_id, secret, raw_data=True, url_override=self._endpoints.trading)
        return _tamed(client, self._patience)

    def history_client(self) -> "StockHistoricalDataClient":
        """alpaca-py's history client, tamed."""
        preload()
        from alpaca.data.historical.stock import StockHistoricalDataClient

        key_id, secret = self._keys.key_id.reveal(), self._keys.secret.reveal()
        client = StockHistoricalDataClient(key_id, secret, raw_data=True, url_override=self._endpoints.data)
        return _tamed(client, self._patience)

    def close(self) -> None:
        """Close the connections that are idle; those in use end by their own limits."""
        for clients in self._idle.values():
            for client in clients:
                client._session.close()
        self._idle.clear()

    def _manners(self) -> dict[str, Any]:
        """How a question is repeated: questions change nothing, so that any failure may be asked again, a few times."""
        return {
            "stop": stop_after_attempt(self._patience.request_attempts),
            "wait": lambda state: patient_wait_s(state, self._patience),
            "retry": retry_if_exception_type(BrokerUnavailable),
            "reraise": True,
        }

    async def _patiently(self, what: str, make: Callable[[], Client], call: Callable[[Client], Any]) -> bytes:
        return await AsyncRetrying(**self._manners())(self._in_thread, what, make, call)

    async def _in_thread(self, what: str, make: Callable[[], Client], call: Callable[[Client], Any]) -> bytes:
        limit_s = self._patience.request_s * WHOLE_REQUEST_FACTOR
        try:
            async with asyncio.timeout(limit_s):
                await self._places.acquire()
                return await self._start_thread(what, make, call)
        except TimeoutError:
            raise BrokerUnavailable(f"the broker did not answer in {limit_s:g} s when asked to {what}") from None

    def _start_thread(
        self, what: str, make: Callable[[], Client], call: Callable[[Client], Any]
    ) -> "asyncio.Future[bytes]":
        """Start a thread that does the call; a daemon thread, so that one that hangs cannot hold up our exit."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bytes] = loop.create_future()
        idle = self._idle.setdefault(make, [])
        client = idle.pop() if idle else None

        def work() -> None:
            mine, content, error = client, b"", None
            try:
                mine = mine or make()
                content = translate(what, call, mine)
            except Exception as raised:
                error = raised
            with suppress(RuntimeError):  # the loop may have ended meanwhile
                loop.call_soon_threadsafe(finish, mine, content, error)

        def finish(mine: Client | None, content: bytes, error: Exception | None) -> None:
            self._places.release()
            if mine is not None:
                idle.append(mine)
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(content)

        threading.Thread(target=work, name=f"hftd: {what}", daemon=True).start()
        return future


def translate(what: str, call: Callable[[Client], Any], client: Client) -> bytes:
    """Do `call` and give its bytes. Raises the error of ours that an error of alpaca-py or requests stands for."""
    from alpaca.common.exceptions import APIError
    from requests.exceptions import RequestException, Timeout

    try:
        content: bytes = call(client) or b""
        return content
    except APIError as error:
        response = error.response
        status = response.status_code if response is not None else 0
        retry_after = response.headers.get("Retry-After") if response is not None else None
        text = response.text if response is not None else str(error)
        raise question_refused(what, error_of(what, status, text, retry_after)) from None
    except Timeout:
        raise BrokerUnavailable(f"the broker did not answer in time when asked to {what}") from None
    except RequestException as error:
        raise BrokerUnavailable(f"the broker cannot be reached to {what}: {_plain(error)}") from None
    except OSError as error:  # such as certificates that are not where they should be, which requests leaves as it is
        raise BrokerUnavailable(f"the broker cannot be asked to {what}: {error}") from None


def _plain(error: Exception) -> str:
    """The innermost cause of a requests error, without its layers of quotation."""
    reason = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    return str(reason).rsplit(": ", 1)[-1].rstrip(")'")


def _tamed(client: Client, patience: Patience) -> Client:
    """`client` with time limits, without repetitions, and with answers handed over as bytes."""
    from requests.adapters import HTTPAdapter

    class TimedAdapter(HTTPAdapter):
        def send(self, *arguments: Any, **options: Any) -> "Response":
            options["timeout"] = (patience.connect_s, patience.request_s)
            return super().send(*arguments, **options)

    session = client._session
    session.mount("http://", TimedAdapter())
    session.mount("https://", TimedAdapter())
    session.hooks["response"].append(_as_bytes)
    client._retry = 0
    return client


def _as_bytes(response: "Response", *arguments: Any, **options: Any) -> "Response":
    """A hook of requests: the answer's `json()` gives its bytes, and its text is not guessed at but UTF-8."""
    response.encoding = "utf-8"
    response.json = lambda **_: response.content  # type: ignore[method-assign]
    return response
