"""The control address: faults asked for while the exchange runs. On loopback alone, apart from what clients see.

POST /faults {"kind": "mute", "target": "data", "count": 5}    201 {"number": 1}
GET /faults                                                    what is in force, by number
DELETE /faults                                                 204, nothing goes wrong any more
"""

from collections.abc import Callable

import msgspec
from aiohttp import web

from hftd.errors import HftdError
from hftd.exchange.server.call import answer
from hftd.exchange.server.faults import Fault, Faults

CONTROL_HOST = "127.0.0.1"


def make_control(faults: Faults, arm: Callable[[Fault], int]) -> web.Application:
    """The control address of an exchange; `arm` puts a fault in force and returns its number, 0 if it is over."""

    async def add(request: web.Request) -> web.Response:
        try:
            return answer({"number": arm(msgspec.json.decode(await request.read(), type=Fault))}, 201)
        except (msgspec.DecodeError, HftdError) as error:
            return answer({"message": str(error)}, 422)

    async def active(request: web.Request) -> web.Response:
        return answer(faults.active)

    async def clear(request: web.Request) -> web.Response:
        faults.clear()
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/faults", add)
    app.router.add_get("/faults", active)
    app.router.add_delete("/faults", clear)
    return app
