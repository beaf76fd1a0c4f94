"""One URL over httpx: requests to it, where they are redirected to, and what comes back.

Owns what is the same for every transport over HTTP: which failures are ConnectionFailed (nothing
was done) and which ConnectionLost (it is not known), where a redirect may lead, and how large an
answer may be. Which requests there are is the transport's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Final

import httpx

from ...protocol.problems import shown_url
from ..errors import ConnectionFailed, ConnectionLost, InvalidAnswer, UnexpectedStatus
from .headers import given

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"
#: Bytes that one message may have.
LARGEST: Final = 16 * 1024 * 1024
#: Seconds and bytes that the rest of a response is waited for and read, to keep its connection.
MOST_PATIENCE: Final = 0.5
MOST_LEFT: Final = 64 * 1024
#: Characters of what a server says beside a status, or in place of HTTP, that go into an error.
MOST_SAID: Final = 500
#: Redirects that one request follows.
MOST_REDIRECTS: Final = 3


class UrlTransport:
    """What transports to a URL have in common: where they lead, and what goes with each request."""

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        auth: httpx.Auth | None = None,
        client: httpx.AsyncClient | None = None,
        largest: int = LARGEST,
    ) -> None:
        self.url = url_of(url)
        self.headers = given(headers)
        self.auth = auth
        self.client = client
        self.largest = largest

    def endpoint(self) -> Endpoint:
        """The URL, to send requests to."""
        return Endpoint(
            self.url,
            headers=self.headers,
            auth=self.auth,
            client=self.client,
            largest=self.largest,
        )


class Endpoint:
    """A URL, with the headers and the authentication of everything that is sent there.

    `client` is an httpx client to use instead of an own one, which is then not closed here. A
    redirect is followed on the same origin only: what is sent has credentials in it.
    """

    def __init__(
        self,
        url: httpx.URL,
        *,
        headers: Mapping[str, str],
        auth: httpx.Auth | None,
        client: httpx.AsyncClient | None,
        largest: int,
    ) -> None:
        self.url = url
        self._auth = auth
        self._owns_client = client is None
        self._client = client or _new_client()
        # An event stream that a proxy compresses is one that it holds back.
        self.headers = {"accept-encoding": "identity", **_in_lower_case(headers)}
        if self._owns_client:
            self.headers.setdefault("user-agent", self._client.headers["user-agent"])
        # How long an answer may take is the request's own time. A client that was handed in may
        # have another opinion, and httpx's own default is five seconds.
        self._timeout = httpx.Timeout(self._client.timeout)
        self._timeout.read = self._timeout.pool = None
        self._largest = largest

    async def close(self) -> None:
        """Close the connections there are."""
        if self._owns_client:
            await self._client.aclose()

    @asynccontextmanager
    async def request(
        self, method: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> AsyncIterator[httpx.Response]:
        """Send one request, and again where it is redirected to.

        Raises ConnectionFailed, or ConnectionLost where it is not known what became of it.
        """
        # In UTF-8, as the id of an event that a server chose is (HTML, section 9.2.3).
        sent = httpx.Headers({**self.headers, **_in_lower_case(headers or {})}, encoding="utf-8")
        for _ in range(MOST_REDIRECTS + 1):
            request = self._client.build_request(
                method, self.url, headers=sent, content=body, timeout=self._timeout
            )
            response = await self._sent(request)
            try:
                if not (response.is_redirect and response.has_redirect_location):
                    yield response
                    return
                self.url = self._redirected(response)
            finally:
                await response.aclose()
        raise ConnectionFailed(f"{self.url.host} redirects more than {MOST_REDIRECTS} times.")

    async def _sent(self, request: httpx.Request) -> httpx.Response:
        auth = httpx.USE_CLIENT_DEFAULT if self._auth is None else self._auth
        where = self.url.host
        try:
            return await self._client.send(request, stream=True, auth=auth, follow_redirects=False)
        except (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.ProxyError,  # It opened no way to the server.
            httpx.UnsupportedProtocol,
        ) as error:
            raise ConnectionFailed(f"{where} cannot be reached: {_why(error)}") from error
        except httpx.HTTPError as error:
            raise ConnectionLost(
                f"The connection to {where} ended before an answer came: {_why(error)}"
            ) from error

    def _redirected(self, response: httpx.Response) -> httpx.URL:
        # A POST is sent again with its body: a server that only moved its endpoint means that,
        # whichever of the statuses it uses.
        try:
            target = self.url.join(response.headers["location"])
        except (httpx.InvalidURL, ValueError) as error:
            raise ConnectionFailed(f"{self.url.host} redirects to no URL: {error}") from None
        if response.status_code == 303 or origin_of(target) != origin_of(self.url):
            raise ConnectionFailed(
                f"{self.url.host} redirects ({response.status_code}) to {target.host}"
                f"{target.path}, which is not followed: credentials would go with it. Use the URL "
                "of the endpoint itself."
            )
        return target

    def at(self, url: httpx.URL) -> Endpoint:
        """Another URL of the same server, over the same connections; this one closes them."""
        return Endpoint(
            url,
            headers=self.headers,
            auth=self._auth,
            client=self._client,
            largest=self._largest,
        )

    def refused(self, response: httpx.Response, said: str = "") -> UnexpectedStatus:
        """The error that a response is whose status says so, with what the server said of it."""
        status = response.status_code
        hint = {
            401: "It wants to know who is asking: give auth= or an Authorization header.",
            403: "It does not let this client in.",
            404: "Is the URL that of an MCP endpoint?",
            405: "Is the URL that of an MCP endpoint?",
            429: "It is asked too often.",
        }.get(status, "")
        said = f": {said[:MOST_SAID]}" if said else ""
        if not said.endswith((".", "!", "?")):
            said += "."
        return UnexpectedStatus(
            status, f"{self.url.host} answered with HTTP {status}{said} {hint}".rstrip()
        )

    async def body(self, response: httpx.Response) -> bytes:
        """What the response holds. Raises InvalidAnswer for more than is taken."""
        body = bytearray()
        try:
            async with aclosing(chunks_of(response)) as chunks:
                async for chunk in chunks:
                    body += chunk
                    if len(body) > self._largest:
                        raise InvalidAnswer(
                            f"{self.url.host} sent a message of more than {self._largest} bytes."
                        )
        except httpx.HTTPError as error:
            raise ConnectionLost(
                f"The connection to {self.url.host} ended within an answer: {_why(error)}"
            ) from error
        return bytes(body)


def _new_client() -> httpx.AsyncClient:
    # Here, because httpcore takes 40 ms to import, and most processes that could call a server do
    # not.
    from .http_client import new_client

    return new_client()


def url_of(url: str) -> httpx.URL:
    """The URL that is written there. Raises ValueError for what is none over HTTP."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        # What httpx says of it may repeat a part of a password.
        why = "" if "@" in url else f": {error}"
        raise ValueError(f"{shown_url(url)} is no URL{why}.") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError(f"An MCP endpoint has an http:// or https:// URL, not {shown_url(url)}.")
    if parsed.port is not None and not 0 < parsed.port < 65536:
        # The operating system would take what is left of it modulo 65536.
        raise ValueError(f"The URL names a port that there is not, {parsed.port}: 1 to 65535.")
    return parsed


def _in_lower_case(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def media_type(response: httpx.Response) -> str:
    """The media type of what the response holds, without its parameters; "" where none is named."""
    value: str = response.headers.get("content-type", "")
    return value.partition(";")[0].strip().lower()


async def chunks_of(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """The pieces of a response as they come; to be closed by who stops in the middle."""
    async for chunk in response.aiter_bytes():
        yield chunk


async def finish(chunks: AsyncIterator[bytes]) -> None:
    """Read what is left of a response, if that is little and there: its connection can then be
    used again, which otherwise ends with it."""
    left = MOST_LEFT
    with suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(MOST_PATIENCE):
            async for chunk in chunks:
                left -= len(chunk)
                if left < 0:
                    return


def _why(error: httpx.HTTPError) -> str:
    said = str(error)
    if said.lower().startswith(("illegal header value", "illegal header line")):
        return "a header has a value that HTTP does not allow."  # h11 repeats it: a token, say.
    return said[:MOST_SAID] or type(error).__name__


def origin_of(url: httpx.URL) -> tuple[str, str, int | None]:
    """What credentials are for: scheme, host and port."""
    return url.scheme, url.host, url.port
