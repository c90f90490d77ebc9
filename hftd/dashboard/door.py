"""Who may look: this machine's own browsers, or whoever knows the token; and what a browser may do with the page.

Without a token only requests that name this machine are answered: a web site that has its own name point to 127.0.0.1
would else read along (DNS rebinding).
"""

import hmac
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from hftd.hosts import is_loopback

COOKIE = "hftd_token"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def guard(token: str | None) -> Middleware:
    """A middleware that lets in who may look."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if token is None:
            return (
                await handler(request)
                if is_loopback(_host(request))
                else _refused(421, "the page is for this machine alone")
            )
        given = request.query.get("token")
        if given is not None and request.path == "/" and _fits(given, token):
            return _admitted(token)
        if any(_fits(shown, token) for shown in _shown(request)):
            return await handler(request)
        return _refused(401, "a token is needed: open /?token=TOKEN, or send the header Authorization: Bearer TOKEN")

    return guarded


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Every answer says what a browser may load: nothing from elsewhere."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


def _host(request: web.Request) -> str:
    """The name that a request gives this machine; nothing when that is none."""
    try:
        return urlsplit(f"//{request.host}").hostname or ""
    except ValueError:
        return ""


def _fits(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())


def _shown(request: web.Request) -> list[str]:
    """The tokens that a request shows: in a header, or in the cookie that was set at the door."""
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    return [bearer if scheme.lower() == "bearer" else "", request.cookies.get(COOKIE, "")]


def _admitted(token: str) -> web.Response:
    """On to the page, with the token in a cookie and no longer in the address."""
    response = web.Response(status=303, headers={"Location": "/"})
    response.set_cookie(COOKIE, token, httponly=True, samesite="Strict")
    return response


def _refused(status: int, sentence: str) -> web.Response:
    return web.json_response({"error": sentence}, status=status)
