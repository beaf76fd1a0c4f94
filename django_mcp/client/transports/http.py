"""Streamable HTTP: each message is a POST, answered with JSON or with a stream of its own.

Owns requests and answers of HTTP as both eras use them: which status means what, what a session id
does, which stream is taken up again and how often, and where a redirect may lead. What is in the
messages is the conversation's, what a header repeats of them too.

Source: 2025-11-25, basic/transports#streamable-http; 2026-07-28,
basic/transports/streamable-http.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from typing import Any, Final

import httpx

from ...protocol import jsonrpc, sse
from ...protocol.errors import InvalidRequest, ProtocolError, from_wire
from ...protocol.headers import LAST_EVENT_ID, MCP_METHOD, MCP_SESSION_ID
from ...protocol.jsonrpc import ErrorResponse, Message, RequestId, Response
from ..channels import Inbox, Outgoing
from ..connecting import Transport
from ..errors import (
    ClientError,
    ConnectionFailed,
    ConnectionLost,
    InvalidAnswer,
    SessionLost,
    UnexpectedStatus,
    is_about_http,
)
from .endpoint import EVENTS, JSON, LARGEST, Endpoint, chunks_of, media_type

logger = logging.getLogger("django_mcp.client")

#: Times that a stream is taken up again with nothing new on it, before a request is given up.
MOST_ATTEMPTS: Final = 5
#: Seconds before the first attempt where the server names none, and the longest that becomes.
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 30.0
#: Seconds after which a stream that ended is one that worked.
LONG_ENOUGH: Final = 1.0
#: Seconds that the end of a session may take to be said.
GOODBYE: Final = 2.0


class HttpTransport:
    """A server at a URL.

    `headers` go with every request, `auth` is httpx's; `client` is an httpx client to use instead
    of an own one, which is then not closed here. A redirect is followed on the same origin only:
    what is sent has credentials in it.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        auth: httpx.Auth | None = None,
        client: httpx.AsyncClient | None = None,
        largest: int = LARGEST,
    ) -> None:
        self.url = httpx.URL(url)
        if self.url.scheme not in ("http", "https") or not self.url.host:
            raise ValueError(f"An MCP endpoint has an http:// or https:// URL, not {url!r}.")
        self.headers = dict(headers or {})
        self.auth = auth
        self.client = client
        self.largest = largest

    @property
    def key(self) -> str | None:
        return str(self.url.copy_with(query=None, fragment=None, username=None, password=None))

    async def open(self, inbox: Inbox) -> HttpChannel:
        return HttpChannel(self, inbox)

    def older(self) -> Transport | None:
        return None


class HttpChannel:
    """One server, and one session with it where it opens one."""

    has_headers = True

    def __init__(self, transport: HttpTransport, inbox: Inbox) -> None:
        self.leaving_cancels = True
        self._inbox = inbox
        self._largest = transport.largest
        self._endpoint = Endpoint(
            transport.url,
            headers=transport.headers,
            auth=transport.auth,
            client=transport.client,
            largest=transport.largest,
        )
        self._session: str | None = None
        self._carrying: dict[RequestId, asyncio.Task[None]] = {}
        self._listening: asyncio.Task[None] | None = None

    @property
    def _host(self) -> str:
        return self._endpoint.url.host

    # A channel

    async def send(self, outgoing: Outgoing) -> None:
        if outgoing.id is not None:
            self._carrying[outgoing.id] = self._start(self._carry(outgoing, outgoing.id))
            return
        async with self._post(outgoing) as response:
            if not response.is_success:
                raise await self._refused(response)

    def leave(self, id: RequestId) -> None:
        task = self._carrying.pop(id, None)
        if task is not None:
            task.cancel()

    def settle(self, headers: Mapping[str, str]) -> None:
        self._endpoint.headers.update(headers)

    def listen(self) -> None:
        self._listening = self._start(self._listen())

    async def close(self, *, politely: bool = True) -> None:
        tasks = [*self._carrying.values()]
        if self._listening is not None:
            tasks.append(self._listening)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if politely and self._session is not None:
            with suppress(ClientError, httpx.HTTPError, TimeoutError):
                async with asyncio.timeout(GOODBYE), self._request("DELETE", {}):
                    pass
        await self._endpoint.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work)

    # A request and its answer

    async def _carry(self, outgoing: Outgoing, id: RequestId) -> None:
        """See a request through; whatever happens to it is the inbox's."""
        try:
            stream = _Stream(id)
            async with self._post(outgoing) as response:
                await self._receive(response, stream)
            if not stream.is_answered:
                await self._take_up(stream)
        except (ClientError, ValueError) as error:
            self._inbox.fail(id, error)
            if isinstance(error, SessionLost):
                self._inbox.lose(error)
        except Exception as error:
            # What an httpx.Auth of the application raises is for the application.
            self._inbox.fail(id, error)
        finally:
            if self._carrying.get(id) is asyncio.current_task():
                del self._carrying[id]

    async def _receive(self, response: httpx.Response, stream: _Stream) -> None:
        if not response.is_success:
            await self._take_refusal(response, stream)
            return
        # What says its method in a header has no session (2026-07-28,
        # basic/transports/streamable-http#earlier-streamable-http-revisions).
        if self._session is None and MCP_METHOD not in response.request.headers:
            self._session = response.headers.get(MCP_SESSION_ID)
        kind = media_type(response)
        if kind == EVENTS:
            await self._read_events(response, stream)
        elif kind == JSON:
            try:
                messages = _messages(await self._endpoint.body(response))
            except ProtocolError as error:
                raise InvalidAnswer(f"{self._host} answered with no message: {error}") from None
            for message in messages:
                self._take(message, stream)
            if not stream.is_answered:
                raise InvalidAnswer(f"{self._host} sent JSON that is no answer to the request.")
        elif response.status_code == 202:
            raise InvalidAnswer(f"{self._host} accepted a request (202) and did not answer it.")
        else:
            raise InvalidAnswer(
                f"{self._host} answered with {kind or 'no media type'}, which is neither "
                f"{JSON} nor {EVENTS}. Is the URL that of an MCP endpoint?"
            )

    async def _take_refusal(self, response: httpx.Response, stream: _Stream) -> None:
        """An error of the protocol is an answer, unless the status says more than it does."""
        if self._is_end_of_session(response):
            raise SessionLost("The server does not know the session any more.", was_refused=True)
        said = await self._error_in(response)
        if said is None or is_about_http(response.status_code):
            raise await self._refused(response, said)
        self._take(said, stream)
        if not stream.is_answered:
            raise await self._refused(response)

    async def _error_in(self, response: httpx.Response) -> ErrorResponse | None:
        if media_type(response) == JSON:
            with suppress(ProtocolError):
                for message in _messages(await self._endpoint.body(response)):
                    if isinstance(message, ErrorResponse):
                        return message
        return None

    def _is_end_of_session(self, response: httpx.Response) -> bool:
        # 2025-11-25, basic/transports#session-management
        return response.status_code == 404 and MCP_SESSION_ID in response.request.headers

    async def _refused(
        self, response: httpx.Response, said: ErrorResponse | None = None
    ) -> ClientError:
        status = response.status_code
        if self._is_end_of_session(response):
            return SessionLost("The server does not know the session any more.", was_refused=True)
        hint = {
            401: "It wants to know who is asking: give auth= or an Authorization header.",
            403: "It does not let this client in.",
            404: "Is the URL that of an MCP endpoint?",
            405: "Is the URL that of an MCP endpoint?",
            429: "It is asked too often.",
        }.get(status, "")
        if said is not None:
            hint = f"It says: {from_wire(said.error).message} {hint}"
        return UnexpectedStatus(
            status, f"{self._host} answered with HTTP {status}. {hint}".rstrip()
        )

    # Streams

    async def _read_events(self, response: httpx.Response, stream: _Stream) -> None:
        """Take what comes until the answer has, or the stream ends or breaks."""
        # A stream that goes on is read by the same decoder: the id in force is its.
        stream.decoder = decoder = sse.Decoder(max_event_size=self._largest)
        try:
            async with aclosing(chunks_of(response)) as chunks:
                async for chunk in chunks:
                    for event in decoder.feed(chunk):
                        # An empty one only brings the id to go on from (2025-11-25,
                        # basic/transports#sending-messages-to-the-server).
                        if event.event == "message" and event.data:
                            self._take_event(event.data, stream)
                    stream.remember(decoder)
                    if stream.is_answered:
                        return
        except sse.EventTooLarge as error:
            raise InvalidAnswer(f"{self._host}: {error}") from None
        except httpx.HTTPError as error:
            stream.remember(decoder)
            logger.debug("A stream of %s broke: %s", self._host, type(error).__name__)

    def _take_event(self, data: bytes, stream: _Stream) -> None:
        try:
            messages = _messages(data)
        except ProtocolError as error:
            # One damaged message does not end a stream with others on it.
            logger.warning("%s sent an event that is no message: %s", self._host, error)
            return
        for message in messages:
            self._take(message, stream)

    def _take(self, message: Message, stream: _Stream) -> None:
        if isinstance(message, Response | ErrorResponse) and message.id in (stream.id, None):
            stream.is_answered = True
        self._inbox.take(message, stream.id)

    async def _take_up(self, stream: _Stream) -> None:
        """Go on with a stream that broke, from the last event of it that came."""
        while stream.last_event_id and not stream.is_answered:
            stream.attempts += 1
            if stream.attempts > MOST_ATTEMPTS:
                break
            await asyncio.sleep(stream.pause())
            try:
                async with self._request(
                    "GET", {"accept": EVENTS, LAST_EVENT_ID: stream.last_event_id}
                ) as response:
                    if not response.is_success:
                        error = await self._refused(response)
                        if isinstance(error, SessionLost):
                            # It may have been done before the session went.
                            error.was_refused = False
                        if response.status_code < 500:
                            raise error
                    elif media_type(response) == EVENTS:
                        # A way that works again, even if it does not last, is not given up.
                        stream.attempts = 0
                        await self._read_events(response, stream)
            except ConnectionFailed as error:
                if isinstance(error, UnexpectedStatus):
                    raise
        if not stream.is_answered:
            raise ConnectionLost(
                f"The connection to {self._host} ended before the answer came. Whether the "
                "request was done is not known."
            )

    async def _listen(self) -> None:
        """Keep the stream open on which a server of sessions says what belongs to no request."""
        stream = _Stream(None)
        loop = asyncio.get_running_loop()
        while True:
            headers = {"accept": EVENTS}
            if stream.last_event_id:
                headers[LAST_EVENT_ID] = stream.last_event_id
            try:
                async with self._request("GET", headers) as response:
                    if response.is_success and media_type(response) == EVENTS:
                        if stream.is_broken and not stream.last_event_id:
                            self._inbox.miss()
                        began = loop.time()
                        await self._read_events(response, stream)
                        if loop.time() - began > LONG_ENOUGH:
                            stream.attempts = 0
                    elif self._is_end_of_session(response):
                        self._inbox.lose(SessionLost("The server ended the session."))
                        return
                    elif response.status_code < 500 and response.status_code != 429:
                        if stream.is_broken and stream.last_event_id:
                            # What was missed is not kept any more: begin anew.
                            stream.last_event_id = ""
                            continue
                        return  # Not every server offers it.
            except (ClientError, httpx.HTTPError) as error:
                logger.debug("The stream of %s broke: %s", self._host, type(error).__name__)
            stream.is_broken = True
            stream.attempts = min(stream.attempts + 1, 16)
            await asyncio.sleep(stream.pause())

    # HTTP

    def _post(self, outgoing: Outgoing) -> AbstractAsyncContextManager[httpx.Response]:
        headers = {
            "content-type": JSON,
            "accept": f"{JSON}, {EVENTS}",
            **outgoing.headers,
        }
        return self._request("POST", headers, outgoing.body)

    def _request(
        self, method: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> AbstractAsyncContextManager[httpx.Response]:
        if self._session is not None:
            headers = {**headers, MCP_SESSION_ID: self._session}
        return self._endpoint.request(method, headers, body)


class _Stream:
    """What is known of one stream of events, over the connections it takes."""

    def __init__(self, id: RequestId | None) -> None:
        self.id = id
        self.is_answered = False
        self.is_broken = False
        self.last_event_id = ""
        self.attempts = 0
        self.decoder: sse.Decoder | None = None
        self._retry: int | None = None

    def remember(self, decoder: sse.Decoder) -> None:
        """What the next connection goes by."""
        self.last_event_id = decoder.last_event_id or self.last_event_id
        self._retry = decoder.retry if decoder.retry is not None else self._retry

    def pause(self) -> float:
        """Seconds before the next connection: the server's, or ours, longer each time."""
        if self._retry is not None and self.attempts <= 1:
            return self._retry / 1000
        first = FIRST_PAUSE if self._retry is None else self._retry / 1000
        longest = min(first * 2 ** (self.attempts - 1), LONGEST_PAUSE)
        return random.uniform(longest / 2, longest)  # noqa: S311, no secret


def _messages(body: bytes) -> list[Message]:
    """The messages in a body. Raises ProtocolError for what is none."""
    found = jsonrpc.parse(body)
    if not isinstance(found, list):
        return [found]
    messages = []
    for message in found:
        if isinstance(message, InvalidRequest):
            logger.warning("A member of a batch is no message: %s", message)
        else:
            messages.append(message)
    return messages
