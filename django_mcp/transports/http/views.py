"""The adapter for Django's views: an HttpRequest in, an HttpResponse out. It contains no rule.

Under ASGI the answer may be a stream; a client that goes away cancels the view, and the view the
call. Under WSGI Django runs the view in a loop of its own, and the answer is one JSON response.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Final

from django.contrib.auth.decorators import login_not_required
from django.core.handlers.asgi import ASGIRequest
from django.db import connections, transaction
from django.http import HttpRequest as DjangoRequest
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from .endpoint import Endpoint
from .types import BodyTooLarge, Disconnected, Headers, HttpRequest, ReplyHeaders, read_headers

#: Seconds that what has written its last piece has to end, before the response does without it: a
#: function may go on that was to be cancelled.
LAST_WORDS: Final = 1.0
#: Pieces of a stream that may wait for the server to take them.
_BUFFERED: Final = 16


def endpoint_view(endpoint: Callable[[], Endpoint]) -> Callable[..., Any]:
    """A view that serves the endpoint `endpoint()` gives, asked for with the first request.

    It needs no CSRF token and no login of the site's own, because it never looks at cookies, and
    opens no transaction: each call has its own.
    """

    async def mcp(request: DjangoRequest, **url_kwargs: Any) -> HttpResponseBase:
        channel = ViewChannel(request)
        converted = request_from(request, url_kwargs)
        if not converted.streams:
            await endpoint()(converted, channel)
            return channel.whole()
        return await channel.respond(endpoint()(converted, channel))

    view: Callable[..., Any] = csrf_exempt(login_not_required(mcp))
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


def request_from(request: DjangoRequest, url_kwargs: dict[str, Any]) -> HttpRequest:
    """The request of a Django view."""
    return HttpRequest(
        method=request.method or "",
        scheme=request.scheme or "http",
        path=request.path,
        headers=_headers(request),
        url_kwargs=url_kwargs,
        client=request.META.get("REMOTE_ADDR"),
        native=request,
        streams=isinstance(request, ASGIRequest),
        query=request.META.get("QUERY_STRING", ""),
    )


def _headers(request: DjangoRequest) -> Headers:
    headers = read_headers(
        [
            (name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, value in request.headers.items()
        ]
    )
    if isinstance(request, ASGIRequest):
        # Django has joined what came more than once.
        headers.repeated = read_headers(request.scope["headers"]).repeated
    # What HttpRequest.get_host() falls back to; Django's test client sends no Host.
    if "host" not in headers and "SERVER_NAME" in request.META:
        headers["host"] = request.META["SERVER_NAME"]
    return headers


class ViewChannel:
    """Collects what an endpoint writes, and makes a response of it."""

    def __init__(self, request: DjangoRequest) -> None:
        self._request = request
        self.connected = True
        self._on_disconnect: Callable[[], None] | None = None
        self._status = 500
        self._headers: ReplyHeaders = []
        self._body = b""
        self._pieces: asyncio.Queue[bytes | None] | None = None
        self._begun: asyncio.Event = asyncio.Event()
        self._ended = False

    async def read(self, limit: int) -> bytes:
        # Not request.body: DATA_UPLOAD_MAX_MEMORY_SIZE is about forms.
        body: bytes = self._request.read(limit + 1)
        if len(body) > limit:
            raise BodyTooLarge
        if not self.connected:
            raise Disconnected
        return body

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        self._on_disconnect = callback
        if not self.connected:
            self.lose_client()

    def watch(self) -> None:
        return None  # Django cancels the view, or closes the response.

    async def reply(self, status: int, headers: ReplyHeaders, body: bytes) -> None:
        self._on_disconnect = None
        self._status, self._headers, self._body = status, headers, body
        self._begun.set()

    async def start(self, status: int, headers: ReplyHeaders) -> None:
        self._status, self._headers = status, headers
        self._pieces = asyncio.Queue(_BUFFERED)
        self._begun.set()

    async def write(self, data: bytes) -> None:
        if self._pieces is not None:
            await self._pieces.put(data)

    async def end(self) -> None:
        self._on_disconnect = None
        if self._pieces is not None:
            await self._pieces.put(None)
            self._ended = True

    def whole(self) -> HttpResponse:
        """The response that was written in one piece."""
        response = HttpResponse(self._body, status=self._status)
        self._copy_headers(response)
        return response

    async def respond(self, answering: Any) -> HttpResponseBase:
        """The response `answering` writes, as soon as it is known whether it is a stream."""
        task: asyncio.Task[None] = asyncio.ensure_future(answering)
        task.add_done_callback(self._finish)
        try:
            await self._begun.wait()
        except asyncio.CancelledError:
            self.lose_client()
            raise
        if self._pieces is None:
            await task
            return self.whole()
        pieces = Pieces(self._pieces, task, self.lose_client)
        response = StreamingHttpResponse(pieces, status=self._status)
        self._copy_headers(response)
        return response

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._begun.set()
        if self._pieces is not None and not self._ended:
            # The answer broke off, and who still reads it must not wait for the rest.
            if self._pieces.full():
                self._pieces.get_nowait()
            self._pieces.put_nowait(None)

    def lose_client(self) -> None:
        """Have it known that the client has gone away."""
        self.connected = False
        if self._on_disconnect is not None:
            callback, self._on_disconnect = self._on_disconnect, None
            callback()

    def _copy_headers(self, response: HttpResponseBase) -> None:
        del response["Content-Type"]
        for name, value in self._headers:
            response[name.decode("latin-1")] = value.decode("latin-1")


class Pieces:
    """The content of a stream: what `task` puts into a queue, and None at the end.

    Once nobody will ask for more, `lose` is called. Django says so with `close()`, from another
    thread. A response that it drops between the view and the first piece, it drops without a word,
    and then nothing but the end of this object tells.
    """

    def __init__(
        self,
        pieces: asyncio.Queue[bytes | None],
        task: asyncio.Task[None],
        lose: Callable[[], None],
    ) -> None:
        self._pieces = pieces
        self._task = task
        self._lose = lose
        self._loop = asyncio.get_running_loop()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            piece = await self._pieces.get()
        except asyncio.CancelledError:
            self._lose()
            raise
        if piece is None:
            await asyncio.wait([self._task], timeout=LAST_WORDS)
            raise StopAsyncIteration
        return piece

    def close(self) -> None:
        """Say that nobody asks for more; callable from any thread, and more than once."""
        # Where the loop is closed, whatever ran on it is gone too.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._lose)

    def __del__(self) -> None:
        self.close()
