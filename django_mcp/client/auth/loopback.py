"""A browser on this machine: it is opened, and what it brings back is heard on a loopback port.

RFC 8252, section 7.3. The port is free for one visit and closed after it. Who visits is not known,
so an answer counts only with the `state` of the request; everything else is told that there is
nothing here, and the wait goes on. Whether the answer is to be believed is decided by `code_flow`.
"""

from __future__ import annotations

import secrets
import sys
import webbrowser
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

import anyio
from anyio import to_thread
from anyio.abc import Listener, SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from .code_flow import AuthorizationResponse
from .errors import AuthorizationTimeout, OAuthError
from .interaction import Visit
from .urls import check_url

#: Seconds a user may take, and a connection until it has sent its request.
TIMEOUT = 300.0
REQUEST_TIMEOUT = 10.0

#: Bytes of a request's head.
LARGEST_REQUEST = 16 * 1024

_PAGE = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>Authorization</title>"
    "<style>body{font:1.1em sans-serif;margin:4em auto;max-width:30em}</style><p>%s</p>"
)
_RECEIVED = "The answer has arrived. You can close this window; the program says how it went on."
_NOTHING = "There is nothing here."


async def open_in_browser(url: str) -> None:
    """Open `url` in the user's browser; where there is none, write it to standard error."""
    if not await to_thread.run_sync(webbrowser.open, url):
        print(f"Open this page in a browser to go on:\n{url}", file=sys.stderr)


class LoopbackBrowser:
    """Asks the user of this machine.

    `open_url` shows a URL to the user. `port` is fixed where an authorization server wants the
    redirect URI to stay the same; 0 takes one that is free. `host` is "127.0.0.1", or "localhost"
    for an authorization server that takes no address. `timeout` is how many seconds there are.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        path: str = "/callback",
        timeout: float = TIMEOUT,
        open_url: Callable[[str], Awaitable[None]] = open_in_browser,
    ) -> None:
        self._port = port
        self._host = host
        self._path = path
        self._timeout = timeout
        self._open_url = open_url

    @asynccontextmanager
    async def visit(self) -> AsyncIterator[Visit]:
        try:
            listener = await anyio.create_tcp_listener(
                local_host="127.0.0.1", local_port=self._port
            )
        except OSError as error:
            raise OAuthError(
                f"Port {self._port} of this machine cannot be listened on: {error}. Choose another,"
                " or 0 for one that is free."
            ) from error
        async with listener:
            port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - of AnyIO
            yield _LoopbackVisit(
                listener=listener,
                authority=f"{self._host}:{port}",
                path=self._path,
                timeout=self._timeout,
                open_url=self._open_url,
            )


class _LoopbackVisit:
    """One visit; it has the port while it lasts."""

    def __init__(
        self,
        *,
        listener: Listener[SocketStream],
        authority: str,
        path: str,
        timeout: float,
        open_url: Callable[[str], Awaitable[None]],
    ) -> None:
        self.redirect_uri = f"http://{authority}{path}"
        self._listener = listener
        self._authority = authority
        self._path = path
        self._timeout = timeout
        self._open_url = open_url
        self._state = ""
        self._response: AuthorizationResponse | None = None
        self._received = anyio.Event()

    async def authorize(self, url: str) -> AuthorizationResponse:
        check_url(url, "The URL for the browser")
        self._state = "".join(parse_qs(urlsplit(url).query).get("state", []))
        with anyio.move_on_after(self._timeout):
            await self._open_url(url)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._listener.serve, self._handle)
                await self._received.wait()
                tasks.cancel_scope.cancel()
        if self._response is None:
            raise AuthorizationTimeout(
                f"Nobody came back from the authorization server within {self._timeout:g} seconds."
                " Try again."
            )
        return self._response

    async def _handle(self, stream: SocketStream) -> None:
        """One connection: one request, one page."""
        async with stream:
            try:
                with anyio.fail_after(REQUEST_TIMEOUT):
                    head = await BufferedByteReceiveStream(stream).receive_until(
                        b"\r\n\r\n", LARGEST_REQUEST
                    )
                    response = self._answer_in(head)
                    await stream.send(_page(response is not None))
                    await stream.send_eof()
            except (TimeoutError, OSError, anyio.ClosedResourceError, anyio.BrokenResourceError):
                return
            except (anyio.IncompleteRead, anyio.DelimiterNotFound, anyio.EndOfStream):
                return
        if response is not None and self._response is None:
            self._response = response
            self._received.set()

    def _answer_in(self, head: bytes) -> AuthorizationResponse | None:
        """The answer to this visit's request; None for everything else that comes by."""
        lines = head.decode("latin-1").split("\r\n")
        method, _, rest = lines[0].partition(" ")
        target = urlsplit(rest.partition(" ")[0])
        headers = [line.partition(":") for line in lines[1:]]
        hosts = [value.strip() for name, _, value in headers if name.strip().lower() == "host"]
        # A page elsewhere may have a name that leads to this machine.
        if method != "GET" or target.path != self._path or hosts != [self._authority]:
            return None
        try:
            response = AuthorizationResponse.from_url(f"?{target.query}")
        except OAuthError:
            return None
        expected = self._state.encode()
        same = secrets.compare_digest((response.state or "").encode(), expected)
        return response if same else None


def _page(found: bool) -> bytes:
    status = HTTPStatus.OK if found else HTTPStatus.NOT_FOUND
    body = (_PAGE % (_RECEIVED if found else _NOTHING)).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "Content-Type: text/html; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\n"
        "Referrer-Policy: no-referrer\r\n"
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
