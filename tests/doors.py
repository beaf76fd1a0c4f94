"""The doors a request can come in by, all with one handle: Channels' consumer, Django's view, WSGI.

A test that is about the protocol takes the fixture `door` (tests/conversations/conftest.py) and
runs once through each. What comes out is a `Reply`, or a `Stream` while it is still open.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from asgiref.sync import sync_to_async

from django_mcp.protocol import sse

VERSION = "2026-07-28"
META = "io.modelcontextprotocol/"
NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A whole response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def messages(self) -> list[Any]:
        """The JSON-RPC messages in the order they were written, in either form of a response."""
        if self.headers.get("content-type") != "text/event-stream":
            return [self.json]
        decoder = sse.Decoder()
        return [json.loads(event.data) for event in decoder.feed(self.body) if event.data]

    @property
    def result(self) -> Any:
        """The result of the last message; fails with the error where there is one."""
        message = self.messages[-1]
        assert "result" in message, message
        return message["result"]

    @property
    def error(self) -> Any:
        message = self.messages[-1]
        assert "error" in message, message
        return message["error"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """An HTTP request as a test writes it down."""

    method: str = "POST"
    path: str = "/mcp"
    headers: Iterable[tuple[str, str]] = ()
    body: bytes = b""


def envelope(
    method: str,
    params: Mapping[str, Any] | None = None,
    *,
    id: Any = 1,
    capabilities: Mapping[str, Any] | None = None,
    meta: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A request of 2026-07-28 with everything it must carry."""
    own = {
        META + "protocolVersion": VERSION,
        META + "clientInfo": {"name": "test", "version": "1"},
        META + "clientCapabilities": dict(capabilities or {}),
        **(meta or {}),
    }
    return {
        "jsonrpc": "2.0",
        "id": id,
        "method": method,
        "params": {**(params or {}), "_meta": own},
    }


def headers_for(message: Any, **extra: str | None) -> list[tuple[str, str]]:
    """The headers a conforming client sends with `message`; None takes one away."""
    found: dict[str, str | None] = {
        "host": "testserver",
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": VERSION,
    }
    if isinstance(message, dict) and isinstance(message.get("method"), str):
        found["mcp-method"] = message["method"]
        name = message.get("params", {}).get(NAMED.get(message["method"], ""))
        if isinstance(name, str):
            found["mcp-name"] = name
    found.update({key.replace("_", "-").lower(): value for key, value in extra.items()})
    return [(key, value) for key, value in found.items() if value is not None]


class Door:
    """A way in. `streams` is False where a response can only be whole."""

    streams = True

    def __init__(self, name: str) -> None:
        self.name = name

    async def send(self, request: Request) -> Reply:
        raise NotImplementedError

    async def post(self, message: Any, **headers: str | None) -> Reply:
        """Send `message` as a conforming client would, `headers` changing what is sent along."""
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        return await self.send(Request(headers=headers_for(message, **headers), body=body))

    async def call(
        self, method: str, params: Mapping[str, Any] | None = None, **more: Any
    ) -> Reply:
        """Send one request of 2026-07-28."""
        return await self.post(envelope(method, params, **more))

    async def tool(self, name: str, arguments: Mapping[str, Any] | None = None, **more: Any) -> Any:
        """The result of tools/call."""
        params = {"name": name, "arguments": dict(arguments or {})}
        return (await self.call("tools/call", params, **more)).result


class Stream:
    """A response that is still being written."""

    def __init__(self) -> None:
        self._sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._decoder = sse.Decoder()
        self._events: list[sse.Event] = []
        self.raw = b""
        self.status = 0
        self.headers: dict[str, str] = {}
        self.task: asyncio.Task[Any] | None = None
        self.ended = False

    async def begin(self) -> None:
        """Wait for the response's status and headers."""
        start = await self._next()
        self.status = start["status"]
        self.headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in start["headers"]
        }

    async def event(self) -> sse.Event:
        """The next event, with data or without; EOFError at the end."""
        while not self._events:
            if self.ended:
                raise EOFError
            await self._read()
        return self._events.pop(0)

    async def message(self) -> Any:
        """The next JSON-RPC message; EOFError at the end."""
        while True:
            event = await self.event()
            if event.data:
                return json.loads(event.data)

    async def events(self) -> list[sse.Event]:
        """What is left, to the end."""
        await self.rest()
        left, self._events = self._events, []
        return left

    async def messages(self) -> list[Any]:
        """The JSON-RPC messages that are left, to the end, in either form of a response."""
        return [json.loads(event.data) for event in await self.events() if event.data]

    async def rest(self) -> bytes:
        """Everything up to the end, as bytes."""
        while not self.ended:
            await self._read()
        return self.raw

    async def until(self, text: bytes) -> None:
        """Wait until `text` has been written."""
        while text not in self.raw:
            assert not self.ended, self.raw
            await self._read()

    async def disconnect(self) -> None:
        """Go away, as a client whose connection breaks, and wait for the application to notice."""
        self._to_app.put_nowait({"type": "http.disconnect"})
        assert self.task is not None
        await asyncio.wait([self.task])

    async def cut(self) -> None:
        """Go away where the server cancels the application for it, as daphne does."""
        assert self.task is not None
        self.task.cancel()
        await asyncio.wait([self.task])

    async def _read(self) -> None:
        part = await self._next()
        data = part.get("body", b"")
        self.raw += data
        self.ended = not part.get("more_body")
        if self.headers.get("content-type") == "text/event-stream":
            self._events += self._decoder.feed(data)
        elif self.ended:
            self._events.append(sse.Event(data=self.raw))

    async def _next(self) -> dict[str, Any]:
        getter = asyncio.ensure_future(self._sent.get())
        assert self.task is not None
        await asyncio.wait([getter, self.task], return_when=asyncio.FIRST_COMPLETED)
        if getter.done():
            return getter.result()
        if not self._sent.empty():
            getter.cancel()
            return self._sent.get_nowait()
        getter.cancel()
        self.task.result()
        raise EOFError("the application returned without finishing its response")


class AsgiDoor(Door):
    """An ASGI application, called in this process."""

    def __init__(self, name: str, application: Callable[..., Any]) -> None:
        super().__init__(name)
        self.application = application

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[Stream]:
        """Send `request` and look at the response while it is written."""
        stream = Stream()
        stream._to_app.put_nowait({"type": "http.request", "body": request.body})

        async def send(message: dict[str, Any]) -> None:
            stream._sent.put_nowait(message)

        stream.task = asyncio.ensure_future(
            self.application(self.scope(request), stream._to_app.get, send)
        )
        try:
            await stream.begin()
            yield stream
        finally:
            # What a server says when a response is done, and when its client goes away.
            stream._to_app.put_nowait({"type": "http.disconnect"})
            await asyncio.wait([stream.task])

    async def send(self, request: Request) -> Reply:
        async with self.open(request) as stream:
            body = await stream.rest()
            return Reply(status=stream.status, headers=stream.headers, body=body)

    def opened(self, message: Any, **headers: str | None) -> Any:
        """`open`, for a message a conforming client sends."""
        body = json.dumps(message).encode()
        return self.open(Request(headers=headers_for(message, **headers), body=body))

    @staticmethod
    def scope(request: Request) -> dict[str, Any]:
        path, _, query = request.path.partition("?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [
                (name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers
            ],
            "client": ("127.0.0.1", 40000),
            "server": ("testserver", 80),
        }


@dataclass
class WsgiDoor(Door):
    """A WSGI application, called in a thread of this process."""

    name: str
    application: Callable[..., Any] = field(repr=False)
    streams = False

    async def send(self, request: Request) -> Reply:
        return await sync_to_async(self._send)(request)

    def _send(self, request: Request) -> Reply:
        path, _, query = request.path.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": request.method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SCRIPT_NAME": "",
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_LENGTH": str(len(request.body)),
            "wsgi.input": io.BytesIO(request.body),
            "wsgi.errors": io.StringIO(),
            "wsgi.url_scheme": "http",
            "wsgi.version": (1, 0),
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        for name, value in request.headers:
            key = name.upper().replace("-", "_")
            if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                key = f"HTTP_{key}"
            environ[key] = (
                f"{environ[key]},{value}" if key in environ and key != "CONTENT_LENGTH" else value
            )
        started: list[Any] = []
        response = self.application(
            environ, lambda status, headers: started.append((status, headers))
        )
        try:
            body = b"".join(response)
        finally:
            response.close()
        status, headers = started[0]
        return Reply(
            status=int(status.split()[0]),
            headers={name.lower(): value for name, value in headers},
            body=body,
        )
