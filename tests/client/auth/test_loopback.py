"""A browser on this machine, which here is one or two requests."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from urllib.parse import quote

import anyio
import httpx
import pytest

from django_mcp.client.auth import (
    AuthorizationResponse,
    AuthorizationTimeout,
    LoopbackBrowser,
    OAuthError,
    UnsafeURL,
)
from django_mcp.client.auth import loopback as module

from .world import ISSUER, SERVER, World, oauth

URL = "https://auth.example/authorize?state=the-state"

Page = Callable[[str], Awaitable[None]]


async def visit(
    come_back: Callable[[httpx.AsyncClient, str], Awaitable[None]], **arguments: object
) -> AuthorizationResponse:
    """What a visit comes to in which the browser does `come_back` with the redirect URI."""
    async with httpx.AsyncClient() as browser, anyio.create_task_group() as tasks:
        uri = ""

        async def open_url(url: str) -> None:
            assert url == URL
            tasks.start_soon(come_back, browser, uri)

        async with LoopbackBrowser(open_url=open_url, **arguments).visit() as visiting:
            uri = visiting.redirect_uri
            return await visiting.authorize(URL)


async def test_the_answer_is_what_the_browser_brings_and_the_user_gets_a_page() -> None:
    pages: list[httpx.Response] = []

    async def come_back(browser: httpx.AsyncClient, uri: str) -> None:
        assert uri.startswith("http://127.0.0.1:")
        query = f"?code=the+code&state=the-state&iss={quote(ISSUER)}"
        pages.append(await browser.get(uri + query))

    response = await visit(come_back)

    assert response == AuthorizationResponse(code="the code", state="the-state", iss=ISSUER)
    [page] = pages
    assert page.status_code == 200
    assert "close this window" in page.text
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "the code" not in page.text


async def test_an_error_is_an_answer_too() -> None:
    async def come_back(browser: httpx.AsyncClient, uri: str) -> None:
        await browser.get(f"{uri}?error=access_denied&state=the-state")

    assert (await visit(come_back)).error == "access_denied"


async def test_what_else_comes_by_is_told_that_nothing_is_here_and_the_wait_goes_on() -> None:
    statuses: list[int] = []

    async def come_back(browser: httpx.AsyncClient, uri: str) -> None:
        good = f"{uri}?code=c&state=the-state"
        requests = (
            browser.build_request("GET", uri.replace("/callback", "/favicon.ico")),
            browser.build_request("GET", uri),
            browser.build_request("GET", f"{uri}?code=evil&state=another"),
            browser.build_request("GET", f"{uri}?code=evil"),
            browser.build_request("GET", f"{good}&code=evil"),
            browser.build_request("POST", good),
            browser.build_request("GET", good, headers={"host": "evil.example"}),
            browser.build_request("GET", good, headers={"host": "127.0.0.1"}),
            browser.build_request("GET", good),
        )
        statuses.extend([(await browser.send(each)).status_code for each in requests])

    response = await visit(come_back)

    assert response.code == "c"
    assert statuses == [404] * 8 + [200]


async def test_what_is_no_request_does_not_end_the_visit() -> None:
    async def come_back(browser: httpx.AsyncClient, uri: str) -> None:
        port = int(uri.split(":")[2].partition("/")[0])
        for nonsense in (b"", b"\r\n\r\n", b"GET\r\n\r\n", b"\xff\xfe\x00 \r\n\r\n", b"x" * 20_000):
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                try:
                    await stream.send(nonsense or b" ")
                    await stream.send_eof()
                    await stream.receive()
                except (anyio.EndOfStream, anyio.BrokenResourceError, OSError):
                    pass
        await browser.get(f"{uri}?code=c&state=the-state")

    assert (await visit(come_back)).code == "c"


async def test_a_connection_that_says_nothing_does_not_keep_the_others() -> None:
    async def come_back(browser: httpx.AsyncClient, uri: str) -> None:
        port = int(uri.split(":")[2].partition("/")[0])
        async with await anyio.connect_tcp("127.0.0.1", port):
            await browser.get(f"{uri}?code=c&state=the-state")

    assert (await visit(come_back)).code == "c"


async def test_a_user_who_does_not_come_back_is_not_waited_for() -> None:
    async def open_url(url: str) -> None:
        pass

    async with LoopbackBrowser(open_url=open_url, timeout=0.05).visit() as visiting:
        with pytest.raises(AuthorizationTimeout, match=r"0\.05 seconds"):
            await visiting.authorize(URL)


async def test_the_port_is_closed_after_the_visit() -> None:
    async with LoopbackBrowser().visit() as visiting:
        port = int(visiting.redirect_uri.split(":")[2].partition("/")[0])

    with pytest.raises(OSError, match="connect"):
        await anyio.connect_tcp("127.0.0.1", port)


async def test_the_port_and_the_name_may_be_fixed() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    async with LoopbackBrowser(port=port, host="localhost", path="/cb").visit() as visiting:
        assert visiting.redirect_uri == f"http://localhost:{port}/cb"


async def test_a_port_that_is_taken_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(OAuthError, match=f"Port {port}"):
            async with LoopbackBrowser(port=port).visit():
                pass


async def test_a_browser_is_not_sent_to_what_is_no_web_page() -> None:
    opened: list[str] = []

    async def open_url(url: str) -> None:
        opened.append(url)

    async with LoopbackBrowser(open_url=open_url).visit() as visiting:
        with pytest.raises(UnsafeURL):
            await visiting.authorize("file:///etc/passwd?state=s")

    assert not opened


async def test_where_there_is_no_browser_the_user_is_given_the_url(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module.webbrowser, "open", lambda url: False)

    await module.open_in_browser(URL)

    assert URL in capsys.readouterr().err


async def test_a_whole_authorization_through_the_browser() -> None:
    world = World()

    async with httpx.AsyncClient() as browser, anyio.create_task_group() as tasks:

        async def open_url(url: str) -> None:
            tasks.start_soon(browser.get, world.authorize(url))

        auth = oauth(world, interaction=LoopbackBrowser(open_url=open_url))
        async with world.http(auth=auth) as client:
            response = await client.post(SERVER)

    assert response.status_code == 200
    [registration] = world.registrations
    assert registration["application_type"] == "native"
    assert registration["redirect_uris"] == [world.visits[0]["redirect_uri"]]
