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
from ..connecting import MODERN, Transport
from ..errors import (
    ClientError,
    ConnectionFailed,
    ConnectionLost,
    InvalidAnswer,
    SessionLost,
    is_about_http,
)
from .endpoint import EVENTS, JSON, UrlTransport, chunks_of, finish, media_type
from .http_sse import SseTransport

logger = logging.getLogger("django_mcp.client")

#: Times that a stream is taken up again with nothing new on it, before a request is given up.
MOST_ATTEMPTS: Final = 5
#: Seconds before the first attempt where the server names none, and the longest that becomes.
FIRST_PAUSE: Final = 0.2
LEAST_PAUSE: Final = 0.02
LONGEST_PAUSE: Final = 30.0
#: Seconds after which a stream that ended is one that worked.
LONG_ENOUGH: Final = 1.0
#: Seconds that the end of a session may take to be said.
GOODBYE: Final = 2.0


class HttpTransport(UrlTransport):
    """A server at a URL.

    `headers` go with every request, `auth` is httpx's; `client` is an httpx client to use instead
    of an own one, which is then not closed here. A redirect is followed on the same origin only:
    what is sent has credentials in it.
    """

    @property
    def key(self) -> str | None:
        return str(self.url.copy_with(query=None, fragment=None, username=None, password=None))

    async def open(self, inbox: Inbox) -> HttpChannel:
        return HttpChannel(self, inbox)

    def older(self) -> Transport | None:
        return SseTransport(
            str(self.url),
            headers=self.headers,
            auth=self.auth,
            client=self.client,
            largest=self.largest,
        )


class HttpChannel:
    """One server, and one session with it where it opens one."""

    has_headers = True
    needs_session = False

    def __init__(self, transport: HttpTransport, inbox: Inbox) -> None:
        self.leaving_cancels = True
        self._inbox = inbox
        self._largest = transport.largest
        self._endpoint = transport.endpoint()
        self._session: str | None = None
        self._carrying: dict[RequestId, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

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
                error = self._refused(response)
                if isinstance(error, SessionLost):
                    self._inbox.retire(error.again())
                raise error
            async with aclosing(chunks_of(response)) as chunks:
                await finish(chunks)

    def leave(self, id: RequestId) -> None:
        task = self._carrying.pop(id, None)
        if task is not None:
            task.cancel()

    def settle(self, headers: Mapping[str, str]) -> None:
        self._endpoint.headers.update(headers)

    def listen(self) -> None:
        self._start(self._listen())

    async def close(self, *, politely: bool = True) -> None:
        tasks = list(self._tasks)
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
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # A request and its answer

    async def _carry(self, outgoing: Outgoing, id: RequestId) -> None:
        """See a request through; whatever happens to it is the inbox's."""
        try:
            # What says its method in a header has no session, and cannot be taken up again
            # (2026-07-28, basic/transports/streamable-http#receiving-messages,
            # #earlier-streamable-http-revisions).
            stream = _Stream(id, is_of_session=MCP_METHOD not in outgoing.headers)
            async with self._post(outgoing) as response:
                await self._receive(response, stream)
            if not stream.is_answered:
                await self._take_up(stream)
        except Exception as error:
            # What an httpx.Auth of the application raises is for the application, too.
            if isinstance(error, SessionLost):
                self._inbox.retire(error.again())
            self._inbox.fail(id, error)
        finally:
            if self._carrying.get(id) is asyncio.current_task():
                del self._carrying[id]

    async def _receive(self, response: httpx.Response, stream: _Stream) -> None:
        if not response.is_success:
            await self._take_refusal(response, stream)
            return
        if self._session is None and stream.is_of_session:
            self._session = self._session_of(response)
        kind = media_type(response)
        if kind == EVENTS:
            await self._read_events(response, stream)
        elif kind == JSON:
            try:
                messages = _messages(await self._endpoint.body(response))
            except ProtocolError as error:
                raise InvalidAnswer(f"{self._host} answered with no message: {error}") from None
            for message in messages:
                self._take(message, stream, 0)
            if not stream.is_answered:
                raise InvalidAnswer(f"{self._host} sent JSON that is no answer to the request.")
        elif response.status_code == 202:
            raise InvalidAnswer(f"{self._host} accepted a request (202) and did not answer it.")
        else:
            raise InvalidAnswer(
                f"{self._host} answered with {kind or 'no media type'}, which is neither "
                f"{JSON} nor {EVENTS}. Is the URL that of an MCP endpoint?"
            )

    def _session_of(self, response: httpx.Response) -> str | None:
        session: str | None = response.headers.get(MCP_SESSION_ID)
        # 2025-11-25, basic/transports#session-management
        if session is not None and not (session.isascii() and session.isprintable()):
            raise InvalidAnswer(f"{self._host} names a session with what no header may have.")
        return session

    async def _take_refusal(self, response: httpx.Response, stream: _Stream) -> None:
        """An error of the protocol is an answer, unless the status says more than it does.

        One that names no request is what is said beside the status, unless only a server of the
        protocol says it (2026-07-28, basic/transports/streamable-http#backward-compatibility).
        """
        if self._is_end_of_session(response):
            raise self._refused(response)
        said, is_answer = "", not is_about_http(response.status_code)
        if media_type(response) == JSON:
            with suppress(ProtocolError):
                for message in _messages(await self._endpoint.body(response)):
                    if isinstance(message, ErrorResponse):
                        error = from_wire(message.error)
                        if is_answer and (message.id == stream.id or isinstance(error, MODERN)):
                            self._take(message, stream, 0)
                        else:
                            said = error.message
        if not stream.is_answered:
            raise self._refused(response, said)

    def _is_end_of_session(self, response: httpx.Response) -> bool:
        # 2025-11-25, basic/transports#session-management
        return response.status_code == 404 and MCP_SESSION_ID in response.request.headers

    def _refused(self, response: httpx.Response, said: str = "") -> ClientError:
        if self._is_end_of_session(response):
            return SessionLost("The server does not know the session any more.", was_refused=True)
        return self._endpoint.refused(response, said)

    # Streams

    async def _read_events(self, response: httpx.Response, stream: _Stream) -> None:
        """Take what comes until the answer has, or the stream ends or breaks."""
        decoder = sse.Decoder(max_event_size=self._largest)
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
                        await finish(chunks)
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
            self._take(message, stream, len(data))

    def _take(self, message: Message, stream: _Stream, size: int) -> None:
        if isinstance(message, Response | ErrorResponse) and message.id in (stream.id, None):
            stream.is_answered = True
        self._inbox.take(message, stream.id, size=size)

    async def _take_up(self, stream: _Stream) -> None:
        """Go on with a stream that broke, from the last event of it that came."""
        why = ""
        while stream.is_of_session and stream.last_event_id and not stream.is_answered:
            stream.attempts += 1
            if stream.attempts > MOST_ATTEMPTS:
                break
            await asyncio.sleep(stream.pause())
            try:
                async with self._resume(stream) as response:
                    if response.is_success and media_type(response) == EVENTS:
                        # A way that works again, even if it does not last, is not given up.
                        stream.attempts = 0
                        await self._read_events(response, stream)
                    elif self._is_end_of_session(response):
                        # It may have been done before the session went.
                        raise SessionLost("The server forgot the session before the answer came.")
                    elif response.status_code < 500 and response.status_code != 429:
                        why = f" It answers with HTTP {response.status_code} to who goes on."
                        break
            except SessionLost:
                raise
            except (ConnectionFailed, ConnectionLost) as error:
                why = f" {error}"
        if not stream.is_answered:
            raise ConnectionLost(
                f"The connection to {self._host} ended before the answer came. Whether the "
                f"request was done is not known.{why}"
            )

    def _resume(self, stream: _Stream) -> AbstractAsyncContextManager[httpx.Response]:
        headers = {"accept": EVENTS}
        if stream.last_event_id:
            headers[LAST_EVENT_ID] = stream.last_event_id
        return self._request("GET", headers)

    async def _listen(self) -> None:
        """Keep the stream open on which a server of sessions says what belongs to no request."""
        stream = _Stream(None)
        while True:
            try:
                async with self._resume(stream) as response:
                    if response.is_success and media_type(response) == EVENTS:
                        await self._hear(response, stream)
                    elif self._is_end_of_session(response):
                        self._inbox.retire(SessionLost("The server ended the session."))
                        return
                    elif response.status_code < 500 and response.status_code != 429:
                        if not stream.is_broken:
                            return  # Not every server offers it.
                        # What was missed is not kept any more.
                        stream.last_event_id = ""
            except InvalidAnswer as error:
                # It would come again.
                logger.warning("%s", error)
                stream.last_event_id = ""
            except (ClientError, httpx.HTTPError) as error:
                logger.debug("The stream of %s broke: %s", self._host, type(error).__name__)
            except Exception:
                logger.exception("The stream of %s could not be opened", self._host)
            stream.is_broken = True
            stream.attempts = min(stream.attempts + 1, 16)
            await asyncio.sleep(stream.pause())

    async def _hear(self, response: httpx.Response, stream: _Stream) -> None:
        if stream.is_broken and not stream.last_event_id:
            self._inbox.miss()
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self._read_events(response, stream)
        if loop.time() - began > LONG_ENOUGH:
            stream.attempts = 0

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

    def __init__(self, id: RequestId | None, *, is_of_session: bool = True) -> None:
        self.id = id
        #: Whether it belongs to a session, and can be taken up again.
        self.is_of_session = is_of_session
        self.is_answered = False
        self.is_broken = False
        self.last_event_id = ""
        self.attempts = 0
        self._retry: float | None = None

    def remember(self, decoder: sse.Decoder) -> None:
        """What the next connection goes by."""
        self.last_event_id = decoder.last_event_id or self.last_event_id
        if decoder.retry is not None:
            self._retry = decoder.retry / 1000

    def pause(self) -> float:
        """Seconds before the next connection: the server's, or ours, longer each time.

        Never less than the server's (2025-11-25,
        basic/transports#sending-messages-to-the-server).
        """
        least = max(self._retry or 0, LEAST_PAUSE)
        if self._retry is not None and self.attempts <= 1:
            return least
        first = FIRST_PAUSE if self._retry is None else least
        longest = min(first * 2 ** (self.attempts - 1), LONGEST_PAUSE)
        return max(least, random.uniform(longest / 2, longest))  # noqa: S311, no secret


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
