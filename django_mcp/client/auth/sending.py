"""The one place that sends requests for authorization: how far, how much, how long.

What is sent here is about a user's access and goes to places a stranger has named, so each request
has a limit for the size of its answer and for its time, goes to https or to this machine, and is
not sent on to another host. Which request comes next is the business of the `steps` that are run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urljoin, urlsplit

import anyio
import httpx

from .addresses import PublicTransport
from .errors import OAuthError, RequestFailed, UnsafeURL
from .steps import Reply, Steps, T
from .urls import check_url, is_loopback, origin

#: Bytes of an answer, and seconds from the request to its last byte.
LARGEST_REPLY = 256 * 1024
TIMEOUT = 20.0

#: Redirects of one request, all on the same host.
MOST_REDIRECTS = 3


class Sender:
    """Runs steps. The hosts of the URLs in `trusted`, which nobody else has named, may be anywhere.

    `http` is a client to send with, as it is set up; without one a client is made for each run. It
    reaches other hosts at private addresses only with `allow_private`, or on this machine where the
    first that is trusted is on this machine too.
    """

    def __init__(
        self,
        *trusted: str,
        http: httpx.AsyncClient | None = None,
        allow_private: bool = False,
        timeout: float = TIMEOUT,
    ) -> None:
        self._trusted = [urlsplit(url).hostname or "" for url in trusted]
        self._http = http
        self._allow_private = allow_private
        self._timeout = timeout

    async def run(self, steps: Steps[T]) -> T:
        """Send what the steps ask for, and return what they come to."""
        async with self._client() as client:
            try:
                request = next(steps)
                while True:
                    try:
                        reply = await self._send(client, request)
                    except OAuthError as error:
                        request = steps.throw(error)
                    else:
                        request = steps.send(reply)
            except StopIteration as finished:
                result: T = finished.value
                return result
            finally:
                steps.close()

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[httpx.AsyncClient]:
        if self._http is not None:
            yield self._http
            return
        transport = None
        if not self._allow_private:
            loopback = is_loopback(self._trusted[0])
            transport = PublicTransport(trusted=self._trusted, loopback=loopback)
        async with httpx.AsyncClient(transport=transport) as client:
            yield client

    async def _send(self, client: httpx.AsyncClient, request: httpx.Request) -> Reply:
        """The reply to `request`, and for a GET to where its host redirects it."""
        for _ in range(MOST_REDIRECTS + 1):
            reply = await self._once(client, request)
            target = _redirect(request, reply)
            if target is None:
                return reply
            request = httpx.Request("GET", target, headers={"Accept": request.headers["Accept"]})
        raise RequestFailed(f"{reply.url!r} is redirected again and again.", url=reply.url)

    async def _once(self, client: httpx.AsyncClient, request: httpx.Request) -> Reply:
        url = str(request.url)
        check_url(url, "A URL of the authorization")
        # What arrives compressed could be a thousand times larger than it is.
        request.headers["Accept-Encoding"] = "identity"
        request.headers.setdefault("User-Agent", "django_mcp")
        try:
            with anyio.fail_after(self._timeout):
                response = await client.send(
                    request, auth=None, follow_redirects=False, stream=True
                )
                try:
                    body = await _read(response, url)
                finally:
                    await response.aclose()
        except (TimeoutError, httpx.TimeoutException):
            raise RequestFailed(
                f"{url!r} did not answer within {self._timeout:g} seconds. Try again later.",
                url=url,
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise RequestFailed(f"{url!r} cannot be reached: {error}.", url=url) from error
        return Reply(url=url, status=response.status_code, headers=response.headers, body=body)


async def _read(response: httpx.Response, url: str) -> bytes:
    body = bytearray()
    async for chunk in _chunks(response):
        body += chunk
        if len(body) > LARGEST_REPLY:
            raise RequestFailed(
                f"{url!r} answers with more than {LARGEST_REPLY // 1024} KiB. That is no answer to"
                " a question of authorization.",
                url=url,
            )
    return bytes(body)


async def _chunks(response: httpx.Response) -> AsyncIterator[bytes]:
    if response.is_stream_consumed:
        # A transport without a network, as in tests, has it all at once.
        yield response.content
        return
    async for chunk in response.aiter_raw():
        yield chunk


def _redirect(request: httpx.Request, reply: Reply) -> str | None:
    """Where the reply sends a GET on the same host; None where it stands as the answer."""
    location = reply.headers.get("location")
    if request.method != "GET" or reply.status not in (301, 302, 303, 307, 308) or not location:
        return None
    try:
        target = urljoin(reply.url, location)
        check_url(target, "A redirect")
        return target if origin(target) == origin(reply.url) else None
    except (UnsafeURL, ValueError):
        return None
