"""Whoever knocks with junk is refused, and nothing is logged of it."""

import asyncio

import pytest
from aiohttp import web

from hftd.dashboard import door


@pytest.mark.parametrize(
    ("token", "head", "status"),
    [
        ("secret", b"Host: 127.0.0.1\r\nAuthorization: Bearer \xff", b"401"),
        ("secret", b"Host: 127.0.0.1\r\nCookie: hftd_token=\xff", b"401"),
        ("secret", b"Host: [\r\nAuthorization: Bearer secret", b"200"),
        (None, b"Host: [", b"421"),
        (None, b"Host: \xff", b"421"),
        (None, b"Host: 127.0.0.1", b"200"),
    ],
)
async def test_junk_in_a_head_is_refused(
    token: str | None, head: bytes, status: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def look(_request: web.Request) -> web.Response:
        return web.Response(text="the page")

    app = web.Application(middlewares=[door.guard(token)])
    app.router.add_get("/", look)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1])
        writer.write(b"GET / HTTP/1.1\r\n" + head + b"\r\nConnection: close\r\n\r\n")
        assert (await reader.readline()).split()[1] == status
        writer.close()
        await writer.wait_closed()
    finally:
        await runner.cleanup()
    assert not caplog.records
