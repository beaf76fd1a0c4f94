"""An HTTP server on the loopback of which a test writes every answer: right, wrong, late, or none.

`Fake` speaks just enough of the protocol to open a conversation; what comes then is given to the
test, as what was `Seen` and the `Reply` to write.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from django_mcp.protocol import sse

HOST: Final = "127.0.0.1"
SESSION: Final = "session-1"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def rpc(self) -> str:
        """The method of the message in it; "" where there is none."""
        return str(self.json.get("method", "")) if self.body else ""

    @property
    def id(self) -> Any:
        return self.json.get("id")

    @property
    def arguments(self) -> Any:
        return self.json["params"]["arguments"]


class Reply:
    """What is written for a request; nothing at all where nothing is called."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.is_open = False

    async def whole(
        self, status: int, body: bytes = b"", headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """A response in one piece."""
        self._head(status, [("content-length", str(len(body))), *headers])
        self._writer.write(body)
        await self._drain()

    async def part(self, status: int, body: bytes, size: int) -> None:
        """The beginning of a response in JSON, whose whole body has `size` bytes."""
        length = ("content-length", str(size))
        self._head(status, [("content-type", "application/json"), length])
        self._writer.write(body)
        await self._drain()

    async def json(self, value: Any, status: int = 200, **headers: str) -> None:
        given = [(name.replace("_", "-"), text) for name, text in headers.items()]
        await self.whole(
            status, json.dumps(value).encode(), [("content-type", "application/json"), *given]
        )

    async def result(self, seen: Seen, result: Any, **headers: str) -> None:
        """The answer to a request, as JSON."""
        await self.json({"jsonrpc": "2.0", "id": seen.id, "result": result}, **headers)

    async def text(self, seen: Seen, text: str) -> None:
        """The answer of a tool, as JSON."""
        await self.result(seen, says(text))

    async def stream(self, status: int = 200) -> None:
        """Begin a stream of events."""
        self.is_open = True
        self._head(
            status, [("content-type", "text/event-stream"), ("transfer-encoding", "chunked")]
        )
        await self._drain()

    async def event(self, value: Any, **more: Any) -> None:
        """An event: bytes as they are, anything else as JSON."""
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        await self.raw(sse.encode(data, **more))

    async def answer(self, seen: Seen, text: str, **more: Any) -> None:
        """The answer of a tool, as an event."""
        await self.event({"jsonrpc": "2.0", "id": seen.id, "result": says(text)}, **more)

    async def raw(self, data: bytes) -> None:
        """A piece of the stream."""
        self._writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await self._drain()

    async def end(self) -> None:
        """End the stream."""
        self.is_open = False
        self._writer.write(b"0\r\n\r\n")
        await self._drain()

    def cut(self) -> None:
        """Break the connection off, without a word."""
        self._writer.transport.abort()

    async def gone(self) -> None:
        """Return once the client has left."""
        with suppress(ConnectionError):
            await self._reader.read(1)

    def _head(self, status: int, headers: Iterable[tuple[str, str]]) -> None:
        lines = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in headers)]
        self._writer.write("\r\n".join([*lines, "", ""]).encode())

    async def _drain(self) -> None:
        with suppress(ConnectionError):
            await self._writer.drain()


Answer = Callable[[Seen, Reply], Awaitable[None]]


def says(text: str) -> dict[str, Any]:
    """The result of a tool."""
    return {"content": [{"type": "text", "text": text}], "resultType": "complete"}


class Fake:
    """A server in `revision`; `call` answers requests after the opening, `listen` answers GET.

    `connections` were made, of which so many are `open`.
    """

    def __init__(
        self,
        call: Answer | None = None,
        *,
        revision: str = "2025-11-25",
        listen: Answer | None = None,
        every: Answer | None = None,
        ssl: Any = None,
    ) -> None:
        self._call = call
        self._listen = listen
        self._every = every
        self._ssl = ssl
        self.revision = revision
        self.session: str | None = SESSION
        self.seen: list[Seen] = []
        self.connections = 0
        self.open = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._news = asyncio.Event()

    async def __aenter__(self) -> Fake:
        self._server = await asyncio.start_server(self._connected, HOST, 0, ssl=self._ssl)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"{'https' if self._ssl else 'http'}://{HOST}:{self.port}/mcp"

    def count(self, rpc: str) -> int:
        """How many messages of that method came."""
        return sum(1 for seen in self.seen if seen.rpc == rpc)

    def methods(self) -> list[str]:
        """What came, one word each."""
        return [seen.rpc or seen.method for seen in self.seen]

    async def until(self, is_so: Callable[[], Any]) -> None:
        """Return once what came makes it so."""
        while not is_so():
            self._news.clear()
            await self._news.wait()

    # One connection

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while (seen := await _read(reader)) is not None:
                self.seen.append(seen)
                self._news.set()
                reply = Reply(reader, writer)
                await self._answer(seen, reply)
                if reply.is_open:
                    break
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._tasks.discard(task)
            self.open -= 1
            self._news.set()

    async def _answer(self, seen: Seen, reply: Reply) -> None:
        if self._every is not None:
            await self._every(seen, reply)
        elif seen.method == "GET":
            await (self._listen or _not_there)(seen, reply)
        elif seen.method == "DELETE":
            await reply.whole(200)
        elif seen.rpc == "server/discover":
            await self._discover(seen, reply)
        elif seen.rpc == "initialize":
            await self._initialize(seen, reply)
        elif seen.rpc == "notifications/initialized" or self._call is None:
            await reply.whole(202)
        else:
            await self._call(seen, reply)

    async def _discover(self, seen: Seen, reply: Reply) -> None:
        if self.revision != "2026-07-28":
            await reply.whole(400)
            return
        await reply.result(
            seen,
            {
                "resultType": "complete",
                "supportedVersions": [self.revision],
                "capabilities": {"tools": {}},
                "ttlMs": 0,
                "cacheScope": "public",
            },
        )

    async def _initialize(self, seen: Seen, reply: Reply) -> None:
        result = {
            "protocolVersion": self.revision,
            "capabilities": {"tools": {}, "logging": {}},
            "serverInfo": {"name": "fake", "version": "1"},
        }
        more = {} if self.session is None else {"mcp_session_id": self.session}
        await reply.result(seen, result, **more)


async def _not_there(seen: Seen, reply: Reply) -> None:
    await reply.whole(405)


async def _read(reader: asyncio.StreamReader) -> Seen | None:
    """The next request of a connection; None at its end."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(": ")
        headers[name.lower()] = value
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    method, path, _ = first.split(" ")
    return Seen(method=method, path=path, headers=headers, body=body)
