"""A client that says to each process what it wants to: every message names the process it goes to.

A `Client` is one session. A `Stream` is one connection that answers with events, read in a task of
its own; its ids are kept, since that each event comes once is what many tests are about.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any, Final, Protocol

import httpx

from django_mcp.protocol import sse

from .strings import PATIENCE

REVISION: Final = "2025-11-25"
NEWEST: Final = "2026-07-28"
_META: Final = "io.modelcontextprotocol/"


class Place(Protocol):
    """Where a message can be sent: a worker, or the proxy before them."""

    @property
    def url(self) -> str:
        """Of the endpoint."""


class Stream:
    """A connection on which the server writes events; `lines` are the messages, `ids` their ids.

    An answer that comes as plain JSON is a message without an id.
    """

    def __init__(
        self, http: httpx.AsyncClient, method: str, url: str, headers: Mapping[str, str], body: Any
    ) -> None:
        self.status = 0
        self.ids: list[str] = []
        self.is_lost = False
        self._messages: asyncio.Queue[Any] = asyncio.Queue()
        self._has_begun = asyncio.Event()
        content = None if body is None else json.dumps(body).encode()
        request = http.build_request(method, url, headers=headers, content=content, timeout=None)
        self._task = asyncio.get_running_loop().create_task(self._read(http, request))

    @property
    def last_id(self) -> str:
        """The id of the last event."""
        return self.ids[-1]

    async def begun(self) -> Stream:
        """Wait until the first event is there, so that there is something to come back to."""
        async with asyncio.timeout(PATIENCE):
            await self._has_begun.wait()
        return self

    async def next(self) -> Any:
        """The next message; None where the connection has ended."""
        async with asyncio.timeout(PATIENCE):
            return await self._messages.get()

    async def rest(self) -> list[Any]:
        """Every message that is still to come, to the end of the connection."""
        found = []
        while (message := await self.next()) is not None:
            found.append(message)
        return found

    async def drop(self) -> None:
        """Break the connection off."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _read(self, http: httpx.AsyncClient, request: httpx.Request) -> None:
        try:
            response = await http.send(request, stream=True)
            try:
                self.status = response.status_code
                await self._take(response)
            finally:
                await response.aclose()
        except httpx.TransportError:
            self.is_lost = True
        finally:
            self._has_begun.set()
            self._messages.put_nowait(None)

    async def _take(self, response: httpx.Response) -> None:
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            body = await response.aread()
            if body:
                self._messages.put_nowait(json.loads(body))
            return
        decoder = sse.Decoder()
        async for piece in response.aiter_bytes():
            for event in decoder.feed(piece):
                if event.id is not None:
                    self.ids.append(event.id)
                if event.data:
                    self._messages.put_nowait(json.loads(event.data))
                self._has_begun.set()


class Client:
    """One session, and the streams that are open for it."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._numbers = count(1)
        self._streams: list[Stream] = []
        self._headers = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
        }

    async def initialize(self, place: Place) -> None:
        """Open a session that may be asked and wants every log line."""
        params = {
            "protocolVersion": REVISION,
            "capabilities": {"elicitation": {}},
            "clientInfo": {"name": "a client of several processes", "version": "1"},
        }
        response = await self.post(place, self._message("initialize", params))
        assert response.status_code == 200, response.text
        self._headers["mcp-session-id"] = response.headers["mcp-session-id"]
        self._headers["mcp-protocol-version"] = REVISION
        assert (await self.notify(place, "notifications/initialized")).status_code == 202
        assert await self.request(place, "logging/setLevel", level="debug") == {}

    @property
    def session(self) -> str:
        """The id of the session."""
        return self._headers["mcp-session-id"]

    def _message(self, method: str, params: Any) -> dict[str, Any]:
        id = next(self._numbers)
        return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}

    async def post(self, place: Place, message: Any) -> httpx.Response:
        """Send a message, and return the whole response."""
        return await self._http.post(
            place.url, headers=self._headers, content=json.dumps(message), timeout=PATIENCE
        )

    async def reply(self, place: Place, method: str, **params: Any) -> Any:
        """The whole answer to a request, of which nothing else was said."""
        response = await self.post(place, self._message(method, params))
        assert response.status_code == 200, response.text
        return response.json()

    async def request(self, place: Place, method: str, **params: Any) -> Any:
        """The result of a request."""
        reply = await self.reply(place, method, **params)
        assert "result" in reply, reply
        return reply["result"]

    async def call(self, place: Place, tool: str, **arguments: Any) -> str:
        """The text a tool returns."""
        result = await self.request(place, "tools/call", name=tool, arguments=arguments)
        assert not result.get("isError"), result
        text: str = result["content"][0]["text"]
        return text

    async def notify(self, place: Place, method: str, **params: Any) -> httpx.Response:
        """Send a notification."""
        return await self.post(place, {"jsonrpc": "2.0", "method": method, "params": params})

    async def answer(self, place: Place, question: Any, **content: Any) -> httpx.Response:
        """Answer a question that came on a stream."""
        result = {"action": "accept", "content": content}
        return await self.post(place, {"jsonrpc": "2.0", "id": question["id"], "result": result})

    async def delete(self, place: Place) -> httpx.Response:
        """End the session."""
        return await self._http.delete(place.url, headers=self._headers, timeout=PATIENCE)

    def start(self, place: Place, tool: str, **arguments: Any) -> tuple[int, Stream]:
        """Call a tool; return the id of the request, and the stream of its answer."""
        message = self._message("tools/call", {"name": tool, "arguments": arguments})
        return message["id"], self._open("POST", place, self._headers, message)

    async def listen(self, place: Place) -> Stream:
        """Open the stream of what concerns no call."""
        return await self._open("GET", place, self._headers, None).begun()

    def resume(self, place: Place, last_id: str) -> Stream:
        """Go on after the event `last_id`."""
        headers = {**self._headers, "last-event-id": last_id}
        return self._open("GET", place, headers, None)

    async def subscribe(self, place: Place, *uris: str) -> Stream:
        """Listen to resources as clients of the revision without sessions do."""
        meta = {_META + "protocolVersion": NEWEST, _META + "clientCapabilities": {}}
        wanted = {"resourceSubscriptions": list(uris)}
        message = self._message("subscriptions/listen", {"_meta": meta, "notifications": wanted})
        headers = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": NEWEST,
            "mcp-method": "subscriptions/listen",
        }
        stream = self._open("POST", place, headers, message)
        acknowledged = await stream.next()
        assert acknowledged["method"] == "notifications/subscriptions/acknowledged", acknowledged
        return stream

    def _open(self, method: str, place: Place, headers: Mapping[str, str], body: Any) -> Stream:
        stream = Stream(self._http, method, place.url, headers, body)
        self._streams.append(stream)
        return stream

    async def drop(self) -> None:
        """Break every stream off."""
        for stream in self._streams:
            await stream.drop()


@asynccontextmanager
async def client() -> AsyncIterator[Client]:
    """A client whose connections end with the block."""
    # Connections are not kept: of one that is, a client learns too late that its server was killed.
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(limits=limits, trust_env=False) as http:
        one = Client(http)
        try:
            yield one
        finally:
            await one.drop()
