"""Clients of the transports on which one connection carries a whole session: HTTP+SSE, WebSocket,
stdio.

A test that is about the session opens `line_to` a server, and runs once over each of KINDS. The
first two are ASGI applications, called in this process; the third has streams in memory.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from inspect import isawaitable
from itertools import count
from typing import Any, ClassVar

from django_mcp import MCPServer, conf
from django_mcp.authentication import anonymous
from django_mcp.protocol import sse
from django_mcp.routing import MCPRouter, mount
from django_mcp.server.exchange import Caller
from django_mcp.transports.http.types import HttpRequest, Refused, read_headers
from django_mcp.transports.staying import Stays
from django_mcp.transports.stdio import Stdio
from tests.doors import AsgiDoor, Reply, Request

#: Seconds after which what never happens fails a test.
PATIENCE = 10

STATEFUL = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")


def request(method: str, params: Mapping[str, Any] | None = None, id: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": dict(params or {})}


def notification(method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": dict(params or {})}


def calling(tool: str, arguments: Mapping[str, Any] | None = None, id: Any = 1, **meta: Any) -> Any:
    params: dict[str, Any] = {"name": tool, "arguments": dict(arguments or {})}
    if meta:
        params["_meta"] = meta
    return request("tools/call", params, id)


def cancelling(id: Any) -> Any:
    return notification("notifications/cancelled", {"requestId": id})


def introduction(
    version: str = "2025-11-25", capabilities: Mapping[str, Any] | None = None, id: Any = 0
) -> dict[str, Any]:
    params = {
        "protocolVersion": version,
        "capabilities": dict(capabilities or {}),
        "clientInfo": {"name": "test", "version": "1"},
    }
    return request("initialize", params, id)


INITIALIZED = notification("notifications/initialized")


class Line:
    """A connection as its client sees it. `headers` are sent with whatever it sends."""

    #: True where text that is no message is refused by the request that brought it.
    answers_at_once = False

    def __init__(self, application: Callable[..., Any], headers: Mapping[str, str]) -> None:
        self.application = application
        self.headers = {"host": "testserver", **headers}
        self.written: asyncio.Queue[Any] = asyncio.Queue()
        self.to_app: asyncio.Queue[Any] = asyncio.Queue()
        #: While this is not set, the client takes nothing of what is written.
        self.reads = asyncio.Event()
        self.reads.set()
        self.blocked = asyncio.Event()
        self.task: asyncio.Task[Any] | None = None
        self._ids = count(1000)

    # What is said

    async def say(self, message: Any) -> None:
        """Send one message: bytes as they are, anything else as JSON."""
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        await self.send(body)

    async def send(self, body: bytes) -> None:
        raise NotImplementedError

    async def hear(self) -> Any:
        """The next message of the server; EOFError when there will be none."""
        raise NotImplementedError

    async def ask(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Send a request, and return the next message, which has to be its answer."""
        id = next(self._ids)
        await self.say(request(method, params, id))
        answer = await self.hear()
        assert answer.get("id") == id, answer
        return answer

    async def result(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        answer = await self.ask(method, params)
        assert "result" in answer, answer
        return answer["result"]

    async def error(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        answer = await self.ask(method, params)
        assert "error" in answer, answer
        return answer["error"]

    async def tool(self, name: str, arguments: Mapping[str, Any] | None = None) -> Any:
        return await self.result("tools/call", {"name": name, "arguments": dict(arguments or {})})

    async def initialize(
        self, version: str = "2025-11-25", capabilities: Mapping[str, Any] | None = None
    ) -> Any:
        """Come to know the server, and be ready."""
        await self.say(introduction(version, capabilities))
        answer = await self.hear()
        await self.say(INITIALIZED)
        return answer["result"]

    # The connection

    def scope(self, kind: str, path: str, **more: Any) -> dict[str, Any]:
        route, _, query = path.partition("?")
        return {
            "type": kind,
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "path": route,
            "raw_path": route.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [
                (k.encode("latin-1"), v.encode("latin-1")) for k, v in self.headers.items()
            ],
            "client": ("127.0.0.1", 40000),
            "server": ("testserver", 80),
            **more,
        }

    def start(self, scope: dict[str, Any]) -> None:
        self.task = asyncio.ensure_future(self.application(scope, self.to_app.get, self._write))

    async def _write(self, message: Any) -> None:
        if not self.reads.is_set():
            self.blocked.set()
            await self.reads.wait()
        self.written.put_nowait(message)

    async def next(self) -> Any:
        """The next thing the application writes; EOFError once it has returned."""
        assert self.task is not None
        getter = asyncio.ensure_future(self.written.get())
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([getter, self.task], return_when=asyncio.FIRST_COMPLETED)
        if getter.done():
            return getter.result()
        getter.cancel()
        if not self.written.empty():
            return self.written.get_nowait()
        self.task.result()
        raise EOFError

    async def ended(self) -> None:
        """Wait until the application has nothing more to do for this connection."""
        assert self.task is not None
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([self.task])
        self.task.result()

    async def leave(self) -> None:
        """Break the connection, and wait for the application to be done with it."""
        self.to_app.put_nowait(self.departure)
        await self.ended()

    departure: ClassVar[Any]


class SocketLine(Line):
    """A WebSocket."""

    departure: ClassVar[dict[str, Any]] = {"type": "websocket.disconnect", "code": 1005}

    async def open(self, path: str = "/line", **more: Any) -> dict[str, Any]:
        """Ask for the socket, and return the first thing that is answered."""
        more = {"subprotocols": ["mcp"], "scheme": "ws", **more}
        self.to_app.put_nowait({"type": "websocket.connect"})
        self.start(self.scope("websocket", path, **more))
        return await self.next()

    async def connect(self) -> SocketLine:
        accepted = await self.open()
        assert accepted == {"type": "websocket.accept", "subprotocol": "mcp"}, accepted
        return self

    async def send(self, body: bytes) -> None:
        self.to_app.put_nowait({"type": "websocket.receive", "text": body.decode()})

    async def hear(self) -> Any:
        frame = await self.next()
        if frame["type"] != "websocket.send":
            raise EOFError(frame)
        return json.loads(frame["text"])


class StreamLine(Line):
    """A stream of HTTP+SSE, and POSTs to it."""

    departure: ClassVar[dict[str, Any]] = {"type": "http.disconnect"}
    answers_at_once = True

    def __init__(self, application: Callable[..., Any], headers: Mapping[str, str]) -> None:
        super().__init__(application, headers)
        self._decoder = sse.Decoder()
        self._events: list[sse.Event] = []
        self.raw = b""
        self.status = 0
        self.reply_headers: dict[str, str] = {}
        self.uri = ""

    async def open(self, path: str = "/line", **more: Any) -> int:
        """Ask for the stream, and return the status of the answer."""
        more = {"method": "GET", "scheme": "http", **more}
        self.to_app.put_nowait({"type": "http.request", "body": b""})
        self.start(self.scope("http", path, **more))
        first = await self.next()
        self.status = first["status"]
        self.reply_headers = {k.decode(): v.decode() for k, v in first["headers"]}
        return self.status

    async def connect(self) -> StreamLine:
        assert await self.open() == 200
        first = await self.event()
        assert first.event == "endpoint", first
        self.uri = first.data.decode()
        return self

    async def event(self) -> sse.Event:
        """The next event; EOFError at the end of the stream."""
        while not self._events:
            part = await self.next()
            self.raw += part["body"]
            self._events += self._decoder.feed(part["body"])
            if not part.get("more_body") and not self._events:
                raise EOFError
        return self._events.pop(0)

    async def hear(self) -> Any:
        event = await self.event()
        assert event.event == "message", event
        return json.loads(event.data)

    async def send(self, body: bytes) -> None:
        reply = await self.post(body)
        assert (reply.status, reply.body) == (202, b""), reply

    async def post(
        self,
        body: bytes,
        uri: str | None = None,
        method: str = "POST",
        application: Callable[..., Any] | None = None,
        **headers: str | None,
    ) -> Reply:
        """Send a POST, by default what a conforming client would."""
        given = {**self.headers, "content-type": "application/json", "accept": "*/*"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        door = AsgiDoor("post", application or self.application)
        sent = [(name, value) for name, value in given.items() if value is not None]
        return await door.send(
            Request(method=method, path=uri or self.uri, headers=sent, body=body)
        )


class PipeLine(Line):
    """Two streams in memory, a message on each line; also what the server sees of them.

    `application` serves streams. `departure` is the end of what the client writes.
    """

    departure: ClassVar[Any] = b""

    def __init__(self, application: Callable[..., Any], headers: Mapping[str, str]) -> None:
        super().__init__(application, headers)
        self._text = b""

    async def connect(self) -> PipeLine:
        self.task = asyncio.ensure_future(self.application(self))
        return self

    async def send(self, body: bytes) -> None:
        self.to_app.put_nowait(body + b"\n")

    async def hear(self) -> Any:
        return json.loads(await self.line())

    async def line(self) -> bytes:
        """The next line of the server; EOFError when there will be none."""
        while b"\n" not in self._text:
            self._text += await self.next()
        line, _, self._text = self._text.partition(b"\n")
        return line

    # The streams

    async def read(self) -> bytes:
        return await self.to_app.get()

    async def write(self, data: bytes) -> None:
        await self._write(data)

    async def flush(self) -> None:
        return None


KINDS: Mapping[str, type[Line]] = {
    "sse": StreamLine,
    "websocket": SocketLine,
    "stdio": PipeLine,
}
#: Those on which a client comes with a request of HTTP.
OVER_HTTP = ("sse", "websocket")


@asynccontextmanager
async def line_to(
    kind: str,
    server: MCPServer,
    *,
    version: str | None = "2025-11-25",
    capabilities: Mapping[str, Any] | None = None,
    authenticate: Any = anonymous,
    **headers: str,
) -> AsyncIterator[Any]:
    """A connection to `server`; initialized with `version`, unless that is None."""
    line = KINDS[kind](application_of(kind, server, authenticate), headers)
    await line.connect()
    try:
        if version is not None:
            await line.initialize(version, capabilities)
        yield line
    finally:
        line.reads.set()
        if line.task is not None and not line.task.done():
            await line.leave()


def application_of(kind: str, server: MCPServer, authenticate: Any = anonymous) -> Any:
    """An application with `server` at /line, and nothing else."""
    if kind == "stdio":
        return partial(_serve_streams, server, authenticate)
    mounted = mount("line", server, transport=kind, authenticate=authenticate)
    return MCPRouter([mounted], nobody)


async def _serve_streams(server: MCPServer, authenticate: Any, line: PipeLine) -> None:
    """Serve what a client says on two streams, and ask who it is as of a request."""
    raw = [(name.encode(), value.encode()) for name, value in line.headers.items()]
    request = HttpRequest("GET", "http", "/", read_headers(raw))

    async def caller() -> Caller:
        principal = authenticate(request)
        principal = await principal if isawaitable(principal) else principal
        if principal is None:
            raise Refused
        return Caller(principal, request.headers)

    every = conf.get().reauthenticate_every or 0
    stay = Stays(every).stay(await caller(), caller)
    await Stdio(server=server, stay=stay, grace=0)(line)


async def nobody(scope: Any, receive: Any, send: Any) -> None:
    """The application that gets what is for nobody else."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"nothing is here"})
