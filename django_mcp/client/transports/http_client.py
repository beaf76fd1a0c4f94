"""The httpx client of who gives none: its connections, its time, and the cookies it keeps.

It is httpx's but for three things that cost more than they are for here. Its transport takes its
connections from `pool`; a request is not put together from the defaults of a client that has
none; and cookies are looked for only where a response sets one. The proxies that the environment
names are httpx's, and used through its own transport.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Callable
from http.cookiejar import Cookie
from typing import Any, Final
from urllib.request import getproxies

import httpcore
import httpx

from ..errors import ConnectionFailed
from .pool import Pool

#: Seconds for a connection to be made, and for a piece of a request to be taken.
CONNECT_TIMEOUT: Final = 10.0
WRITE_TIMEOUT: Final = 30.0
#: Connections without a request on them that are kept, and seconds for which they are.
MOST_IDLE: Final = 32
LONGEST_IDLE: Final = 5.0
#: Cookies that are kept, and characters of one: as many as RFC 6265, section 6.1, asks for.
MOST_COOKIES: Final = 50
LONGEST_COOKIE: Final = 4096
_UNUSABLE: Final = (
    "A proxy that the environment names cannot be used (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY)"
)


def new_client() -> httpx.AsyncClient:
    """An HTTP client that waits as long as a request may take: how long that is, is said above.

    Raises ConnectionFailed for certificates or a proxy of the environment that cannot be used.
    """
    try:
        context = httpx.create_ssl_context()
    except OSError as error:  # ssl.SSLError is one.
        raise ConnectionFailed(
            f"The certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read: {error}"
        ) from error
    try:
        return HttpClient(context)
    except ImportError as error:
        raise ConnectionFailed(f"{_UNUSABLE}: {error}") from error
    except (httpx.InvalidURL, ValueError):
        # What httpx says of it may repeat a part of a password.
        raise ConnectionFailed(
            f"{_UNUSABLE}, or a host in NO_PROXY. A proxy has an http://, https:// or socks5:// "
            "URL, in which what is special in a password is written with %."
        ) from None


class HttpClient(httpx.AsyncClient):
    """httpx's client, to which every request gives all that is in it."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._kept = _Cookies()
        super().__init__(
            verify=context,
            # What is more particular, a scheme or a host that the environment names, goes first.
            mounts={} if "all" in getproxies() else {"all://": PooledTransport(context)},
            # A stream holds a connection for as long as it is open.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=MOST_IDLE),
            timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT, write=WRITE_TIMEOUT),
            follow_redirects=False,
        )

    @property
    def cookies(self) -> httpx.Cookies:
        return self._kept

    @cookies.setter
    def cookies(self, cookies: Any) -> None:
        self._kept = _Cookies(cookies)

    def build_request(self, method: str, url: httpx.URL | str, **options: Any) -> httpx.Request:
        timeout: httpx.Timeout = options.pop("timeout")
        return httpx.Request(
            method,
            url,
            cookies=self._kept or None,
            extensions={"timeout": timeout.as_dict()},
            **options,
        )


class _Cookies(httpx.Cookies):
    """Cookies that are looked for only where a response sets one, as hardly any does: otherwise
    each is copied, with its request, into the shapes that the standard library's jar reads.

    There is an end to how much of them a server has kept, and sent back with each request.
    """

    def extract_cookies(self, response: httpx.Response) -> None:
        if "set-cookie" not in response.headers:
            return
        super().extract_cookies(response)
        found = [each for each in self.jar if _can_be_sent(each)]
        self.jar.clear()
        for cookie in found[-MOST_COOKIES:]:
            self.jar.set_cookie(cookie)


def _can_be_sent(cookie: Cookie) -> bool:
    """False for one that no request could take back: RFC 6265, section 4.1.1, has ASCII alone."""
    text = f"{cookie.name}{cookie.value or ''}"
    return len(text) <= LONGEST_COOKIE and text.isascii() and text.isprintable()


class PooledTransport(httpx.AsyncBaseTransport):
    """The connections of `pool`."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._pool = Pool(
            context,
            most_idle=MOST_IDLE,
            longest_idle=LONGEST_IDLE,
            socket_options=_keep_alive(),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        sent = httpcore.Request(
            request.method,
            httpcore.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        try:
            response, put_back = await self._pool.send(sent)
        except _ERRORS as error:
            raise _as_httpx(error) from error
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(response.stream, put_back),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    """What a response holds, as it comes."""

    def __init__(self, stream: Any, put_back: Callable[[], None]) -> None:
        self._stream = stream
        self._put_back = put_back

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._stream:
                yield piece
        except _ERRORS as error:
            raise _as_httpx(error) from error

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._put_back()


#: What httpcore raises: each has a namesake in httpx.
_ERRORS: Final = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)


def _as_httpx(error: Exception) -> httpx.TransportError:
    """What httpcore raised, as httpx's error of the same name."""
    namesake: type[httpx.TransportError] = getattr(httpx, type(error).__name__)
    return namesake(str(error))


def _keep_alive() -> list[httpcore.SOCKET_OPTION]:
    """Options by which a quiet connection notices that the other side is gone."""
    options: list[httpcore.SOCKET_OPTION] = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, seconds in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), seconds))
    return options
