"""HTTP+SSE, the transport of 2024-11-05: a stream on which everything comes, a POST for all else.

Owns the two URLs, and what becomes of a message that is not taken. The session is the stream: it
ends with it, and cannot be taken up again.

Source: 2024-11-05, basic/transports#http-with-sse.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final, Never

import httpx

from ...protocol import sse
from ..channels import Inbox
from ..connecting import Transport
from ..errors import (
    ClientError,
    ConnectionFailed,
    ConnectionLost,
    InvalidAnswer,
    SessionLost,
)
from .endpoint import (
    EVENTS,
    JSON,
    Endpoint,
    UrlTransport,
    chunks_of,
    finish,
    media_type,
    origin_of,
)
from .pipes import NotTaken, PipeChannel

#: Seconds for the first event, and for one message to be taken.
OPENING: Final = 10.0
POSTING: Final = 30.0


class SseTransport(UrlTransport):
    """A server at the URL of a stream of HTTP+SSE. The arguments are those of `HttpTransport`."""

    key = None  # There is nothing to find out: it is not asked what it speaks.

    async def open(self, inbox: Inbox) -> PipeChannel:
        pipe = SsePipe(self.endpoint(), self.largest)
        try:
            await pipe.open()
        except BaseException:
            await pipe.close(politely=False)
            raise
        return PipeChannel(pipe, inbox, needs_session=True)

    def older(self) -> Transport | None:
        return None


class SsePipe:
    """A stream, and the URL that its first event names."""

    def __init__(self, stream: Endpoint, largest: int) -> None:
        self._stream = stream
        self._largest = largest
        self._events = self._read_events()

    async def open(self) -> None:
        """Open the stream, and learn where to POST. Raises ConnectionFailed."""
        host = self._stream.url.host
        try:
            async with asyncio.timeout(OPENING):
                first = await self._next()
        except TimeoutError:
            raise ConnectionFailed(f"{host} does not say where to POST messages.") from None
        except (ConnectionLost, InvalidAnswer) as error:
            raise ConnectionFailed(f"{host} cannot be reached: {error}") from error
        if first.event != "endpoint":
            raise ConnectionFailed(
                f"{host} opened a stream with {first.event[:40]!r}: one of HTTP+SSE begins with "
                "'endpoint'."
            )
        self._post = self._stream.at(self._url_in(first.data))

    def _url_in(self, data: bytes) -> httpx.URL:
        here = self._stream.url
        try:
            url = here.join(data.decode())
        except (httpx.InvalidURL, ValueError) as error:
            raise ConnectionFailed(f"{here.host} has messages sent to no URL: {error}") from None
        if origin_of(url) != origin_of(here):
            raise ConnectionFailed(
                f"{here.host} has messages sent to {url.scheme}://{url.netloc.decode()}, which is "
                "not done: credentials would go with them."
            )
        return url

    async def carry(self, take: Callable[[bytes], None]) -> Never:
        while True:
            event = await self._next()
            if event.event == "message":
                take(event.data)

    def write_now(self, body: bytes) -> bool:
        return False

    async def _next(self) -> sse.Event:
        try:
            return await anext(self._events)
        except StopAsyncIteration:
            raise ConnectionLost(f"The stream of {self._stream.url.host} ended.") from None

    async def _read_events(self) -> AsyncGenerator[sse.Event, None]:
        host = self._stream.url.host
        decoder = sse.Decoder(max_event_size=self._largest)
        try:
            async with self._stream.request("GET", {"accept": EVENTS}) as response:
                if not response.is_success:
                    raise self._stream.refused(response)
                if media_type(response) != EVENTS:
                    raise ConnectionFailed(f"{host} did not answer with a stream of events.")
                async with aclosing(chunks_of(response)) as chunks:
                    async for chunk in chunks:
                        for event in decoder.feed(chunk):
                            yield event
        except sse.EventTooLarge as error:
            raise ConnectionLost(f"{host}: {error}") from None
        except httpx.HTTPError as error:
            raise ConnectionLost(f"The stream of {host} broke: {type(error).__name__}") from error

    async def write(self, body: bytes) -> None:
        try:
            async with (
                asyncio.timeout(POSTING),
                self._post.request("POST", {"content-type": JSON}, body) as response,
            ):
                if response.status_code == 404:
                    gone = "The server does not know the session any more."
                    raise SessionLost(gone, was_refused=True)
                if not response.is_success:
                    raise self._post.refused(response)
                async with aclosing(chunks_of(response)) as chunks:
                    await finish(chunks)
        except TimeoutError:
            host = self._post.url.host
            error = ConnectionLost(f"{host} did not take a message within {POSTING:g} s.")
            raise NotTaken(error) from None
        except ClientError as error:
            # The stream goes on, and so do the others on it.
            raise NotTaken(error) from None

    async def close(self, *, politely: bool) -> None:
        await self._events.aclose()
        await self._stream.close()
