"""REST: watchlists, named lists of symbols that an account keeps."""

from uuid import uuid4

from aiohttp import web
from msgspec import Struct
from msgspec.structs import replace

from hftd.domain.convert import rfc3339_of
from hftd.exchange.server.call import Call, Fields, answer, malformed, nothing, text
from hftd.exchange.server.render import Json, asset_json
from hftd.exchange.venue.refusals import Refusal

KIND = "watchlist"
NAME_MAX = 64
WATCHLISTS_MAX = 200


class Watchlist(Struct, frozen=True):
    """One list, as it is kept."""

    id: str
    name: str
    created_at_ns: int
    updated_at_ns: int
    symbols: tuple[str, ...] = ()


async def listing(call: Call) -> web.Response:
    """GET /v2/watchlists"""
    return answer([_without_assets(call, watchlist) for watchlist in _kept(call)])


async def create(call: Call) -> web.Response:
    """POST /v2/watchlists"""
    body = await call.body()
    name, kept = _name(body), _kept(call)
    if name is None:
        raise malformed("name is required")
    if len(kept) >= WATCHLISTS_MAX:
        raise Refusal(422, 42210000, f"at most {WATCHLISTS_MAX} watchlists")
    _check_name(kept, name, None)
    watchlist = Watchlist(str(uuid4()), name, call.now_ns, call.now_ns, _symbols(call, body) or ())
    return _keep(call, watchlist)


async def show(call: Call) -> web.Response:
    """GET /v2/watchlists/{id}, GET /v2/watchlists:by_name"""
    return answer(_whole(call, _found(call)))


async def change(call: Call) -> web.Response:
    """PUT /v2/watchlists/{id}, PUT /v2/watchlists:by_name"""
    body, watchlist = await call.body(), _found(call)
    name, symbols = _name(body), _symbols(call, body)
    _check_name(_kept(call), name, watchlist.id)
    return _keep(call, replace(watchlist, name=name or watchlist.name, symbols=symbols or watchlist.symbols))


async def add(call: Call) -> web.Response:
    """POST /v2/watchlists/{id}, POST /v2/watchlists:by_name"""
    body, watchlist = await call.body(), _found(call)
    symbol = _listed(call, text(body, "symbol") or "")
    if symbol in watchlist.symbols:
        raise Refusal(422, 40010001, "duplicate symbol")
    return _keep(call, replace(watchlist, symbols=(*watchlist.symbols, symbol)))


async def remove(call: Call) -> web.Response:
    """DELETE /v2/watchlists/{id}, DELETE /v2/watchlists:by_name"""
    call.exchange.store.put_document(KIND, call.account_id, _found(call).id, None)
    return nothing()


async def remove_symbol(call: Call) -> web.Response:
    """DELETE /v2/watchlists/{id}/{symbol}"""
    watchlist, symbol = _found(call), call.path("symbol").upper()
    if symbol not in watchlist.symbols:
        raise Refusal(404, 40410000, f"asset not found for {symbol[:50]}")
    return _keep(call, replace(watchlist, symbols=tuple(kept for kept in watchlist.symbols if kept != symbol)))


def _kept(call: Call) -> list[Watchlist]:
    kept = call.exchange.store.documents(KIND, call.account_id, Watchlist)
    return sorted(kept, key=lambda watchlist: watchlist.created_at_ns)


def _keep(call: Call, watchlist: Watchlist) -> web.Response:
    kept = replace(watchlist, updated_at_ns=call.now_ns)
    call.exchange.store.put_document(KIND, call.account_id, kept.id, kept)
    return answer(_whole(call, kept))


def _found(call: Call) -> Watchlist:
    """The watchlist that the path or the query names. Raises Refusal."""
    wanted, name = call.request.match_info.get("id"), text(call.query, "name")
    for watchlist in _kept(call):
        if watchlist.id == wanted or (wanted is None and watchlist.name == name):
            return watchlist
    raise Refusal(404, 40410000, "watchlist not found")


def _name(body: Fields) -> str | None:
    name = text(body, "name")
    if name is not None and len(name) > NAME_MAX:
        raise malformed(f"name must be no more than {NAME_MAX} characters")
    return name


def _check_name(kept: list[Watchlist], name: str | None, own_id: str | None) -> None:
    if any(watchlist.name == name and watchlist.id != own_id for watchlist in kept):
        raise malformed("watchlist name must be unique")


def _symbols(call: Call, body: Fields) -> tuple[str, ...] | None:
    symbols = body.get("symbols")
    if symbols is None:
        return None
    if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
        raise malformed("invalid symbols: a list of symbols is expected")
    return tuple(dict.fromkeys(_listed(call, symbol) for symbol in symbols))


def _listed(call: Call, symbol: str) -> str:
    if symbol.upper() not in call.exchange.assets:
        raise Refusal(404, 40410000, f"asset not found for {symbol[:50]}")
    return symbol.upper()


def _without_assets(call: Call, watchlist: Watchlist) -> Json:
    return {
        "id": watchlist.id,
        "account_id": call.account_id,
        "name": watchlist.name,
        "created_at": rfc3339_of(watchlist.created_at_ns),
        "updated_at": rfc3339_of(watchlist.updated_at_ns),
    }


def _whole(call: Call, watchlist: Watchlist) -> Json:
    traded = call.exchange.assets
    assets = [asset_json(traded[symbol]) for symbol in watchlist.symbols if symbol in traded]
    return {**_without_assets(call, watchlist), "assets": assets}
