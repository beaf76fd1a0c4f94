"""What the conversations have in common: whole results, answers to questions, dialogues.

A `Dialogue` is one request that is sent again, with answers, for as long as the server asks;
`Departing` is a client that breaks off, `Client` one that has a session. How a request travels is
`tests.doors`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any, NamedTuple

from django_mcp import MCPServer, Principal
from django_mcp.authentication import anonymous
from django_mcp.routing import MCPRouter, mount
from tests.doors import META, AsgiDoor, Door, Reply, Request, envelope, headers_for

#: What every result of the fixture `server` says about it.
STAMP = {META + "serverInfo": {"name": "test", "version": "1.0"}}

#: A client that can be asked everything.
ASKABLE = {"elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}}, "roots": {}}

#: The revisions that have sessions, and those of them whose streams resume.
STATEFUL = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
RESUMABLE = STATEFUL[1:]

PATIENCE = 10  # Seconds after which what never happens fails the test.


def complete(**fields: Any) -> dict[str, Any]:
    """A whole result of the fixture `server`."""
    return {"resultType": "complete", **fields, "_meta": STAMP}


def texts(*lines: str) -> list[dict[str, str]]:
    """Content that is text, a block for each line."""
    return [{"type": "text", "text": line} for line in lines]


def said(*lines: str) -> dict[str, Any]:
    """The whole result of a tool that returned nothing but text, without a schema for it."""
    return complete(content=texts(*lines))


def failed(line: str) -> dict[str, Any]:
    """The whole result of a tool that failed."""
    return complete(content=texts(line), isError=True)


def listed(scope: str = "public", **members: Any) -> dict[str, Any]:
    """A whole page of a list, which is also its last."""
    return complete(**members, ttlMs=0, cacheScope=scope)


def read(uri: str, text: str, mime_type: str = "text/plain") -> dict[str, Any]:
    """The whole result of reading one text."""
    contents = [{"uri": uri, "mimeType": mime_type, "text": text}]
    return complete(contents=contents, ttlMs=0, cacheScope="private")


def consumer_of(server: MCPServer, route: str = "mcp", authenticate: Any = anonymous) -> AsgiDoor:
    """A way in to a server of the test's own, or at a route of its own."""
    router = MCPRouter([mount(route, server, authenticate=authenticate)], _nobody)
    return AsgiDoor("consumer", router)


async def _nobody(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"nothing is here"})


def by_name(request: Any) -> Principal | None:
    """An authentication that believes whatever name a caller gives."""
    name = request.headers.get("x-caller")
    return None if name is None else Principal(id=f"name:{name}")


# Answers to questions


def accepted(**content: Any) -> dict[str, Any]:
    """A user who filled in a form, or agreed."""
    return {"action": "accept", "content": content}


DECLINED = {"action": "decline"}
DISMISSED = {"action": "cancel"}


def completion(text: str) -> dict[str, Any]:
    """What a client's model wrote."""
    return {
        "role": "assistant",
        "content": {"type": "text", "text": text},
        "model": "a-model",
        "stopReason": "endTurn",
    }


#: The properties of a form that asks for one text.
NAME = {"value": {"type": "string"}}


def form_for(message: str, properties: Any = None, required: Iterable[str] = ()) -> Any:
    """The question for a form, as a client gets it."""
    schema: dict[str, Any] = {"type": "object", "properties": properties or {}}
    if required:
        schema["required"] = list(required)
    params = {"mode": "form", "message": message, "requestedSchema": schema}
    return {"method": "elicitation/create", "params": params}


class Dialogue:
    """One request, sent again with answers for as long as the server asks."""

    def __init__(
        self,
        door: Door,
        method: str,
        params: Mapping[str, Any],
        *,
        capabilities: Mapping[str, Any] = ASKABLE,
        **headers: str | None,
    ) -> None:
        self.door = door
        self.method = method
        self.params = dict(params)
        self.capabilities = capabilities
        self.headers = headers
        self.state: str | None = None
        self.rounds = 0

    async def send(self, responses: Any = None) -> Reply:
        """Send the request, with `responses` and the state that came with the questions."""
        self.rounds += 1
        params = dict(self.params)
        if responses is not None:
            params["inputResponses"] = responses
        if self.state is not None:
            params["requestState"] = self.state
        message = envelope(self.method, params, id=self.rounds, capabilities=self.capabilities)
        return await self.door.post(message, **self.headers)

    async def asked(self, responses: Any = None) -> dict[str, Any]:
        """The questions the server has, by their keys; fails where it has none."""
        result = (await self.send(responses)).result
        assert result["resultType"] == "input_required", result
        assert set(result) == {"resultType", "inputRequests", "requestState", "_meta"}
        self.state = result["requestState"]
        questions: dict[str, Any] = result["inputRequests"]
        return questions

    async def ended(self, responses: Any = None) -> Any:
        """The result at the end; fails where the server asks something more."""
        result = (await self.send(responses)).result
        assert result["resultType"] == "complete", result
        return result

    async def refused(self, responses: Any = None) -> Any:
        """The error the request ends with."""
        return (await self.send(responses)).error


def calling(door: Door, tool: str, **more: Any) -> Dialogue:
    """A dialogue that calls a tool; `arguments` are the tool's, the rest is the dialogue's."""
    params = {"name": tool, "arguments": more.pop("arguments", {})}
    return Dialogue(door, "tools/call", params, **more)


# Clients that do not wait


class Departing:
    """A client that sends a request and may go away before anything has come back."""

    def __init__(self, door: AsgiDoor, message: Any, **headers: str) -> None:
        body = json.dumps(message).encode()
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._incoming.put_nowait({"type": "http.request", "body": body})
        self.sent: list[dict[str, Any]] = []
        every = headers_for(message, **headers)
        scope = door.scope(Request(headers=every, body=body))
        self.task = asyncio.ensure_future(door.application(scope, self._incoming.get, self._send))

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    async def leave(self) -> None:
        """Break the connection, and wait until the application has nothing more to do for it."""
        self._incoming.put_nowait({"type": "http.disconnect"})
        await asyncio.wait([self.task])
        assert self.task.cancelled() or self.task.exception() is None


# Clients that have a session


class Client:
    """A client of a revision with sessions: it remembers its session, and counts its requests.

    `caller` is the name it gives to `by_name`. `initialize()` is only the request; `begin()` is all
    that comes before a client may go on.
    """

    def __init__(
        self,
        door: Any,
        revision: str = STATEFUL[-1],
        *,
        capabilities: Mapping[str, Any] = ASKABLE,
        caller: str | None = None,
        path: str = "/mcp",
    ) -> None:
        self.door = door
        self.revision = revision
        self.capabilities = capabilities
        self.caller = caller
        self.path = path
        self.session: str | None = None
        self.ids = count(1)

    # The session

    async def initialize(self, **params: Any) -> Reply:
        """Send `initialize`, and remember the session it opened."""
        known = {
            "protocolVersion": self.revision,
            "capabilities": self.capabilities,
            "clientInfo": {"name": "client", "version": "1"},
        }
        reply = await self.request("initialize", {**known, **params}, mcp_protocol_version=None)
        self.session = reply.headers.get("mcp-session-id", self.session)
        return reply

    async def begin(self) -> Client:
        """Initialize, and say that it is done."""
        await self.initialize()
        assert (await self.notify("notifications/initialized")).status == 202
        return self

    async def end(self, **headers: str | None) -> Reply:
        """DELETE the session."""
        return await self.door.send(self._http("DELETE", headers))

    def in_place_of(self, other: Client) -> Client:
        """This client, giving the session of `other` for its own."""
        self.session = other.session
        return self

    # Messages

    def headers(self, **changed: str | None) -> list[tuple[str, str]]:
        """What goes along with everything it sends; None takes a header away."""
        named = self.revision if self.revision >= "2025-06-18" else None
        found: dict[str, str | None] = {
            "host": "testserver",
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "mcp-session-id": self.session,
            "mcp-protocol-version": named,
            "x-caller": self.caller,
        }
        found.update({key.replace("_", "-"): value for key, value in changed.items()})
        return [(key, value) for key, value in found.items() if value is not None]

    def message(self, method: str, params: Any = None, *, id: Any = None) -> dict[str, Any]:
        """A request, with the next id unless one is given."""
        id = next(self.ids) if id is None else id
        return {"jsonrpc": "2.0", "id": id, "method": method, "params": params or {}}

    async def post(self, message: Any, **headers: str | None) -> Reply:
        """Send a message, and wait for the whole response."""
        return await self.door.send(self._posted(message, headers))

    def opened(self, message: Any, **headers: str | None) -> Any:
        """Send a message, and look at the response while it is written."""
        return self.door.open(self._posted(message, headers))

    async def request(
        self, method: str, params: Any = None, *, id: Any = None, **headers: str | None
    ) -> Reply:
        return await self.post(self.message(method, params, id=id), **headers)

    async def tool(self, name: str, *, id: Any = None, token: Any = None, **arguments: Any) -> Any:
        """The result of a call."""
        return (await self.post(self.call(name, id=id, token=token, **arguments))).result

    def call(
        self, name: str, *, id: Any = None, token: Any = None, **arguments: Any
    ) -> dict[str, Any]:
        """The request that calls a tool; with `token` it wants progress."""
        params: dict[str, Any] = {"name": name, "arguments": arguments}
        if token is not None:
            params["_meta"] = {"progressToken": token}
        return self.message("tools/call", params, id=id)

    def calling(self, name: str, *, id: Any = None, token: Any = None, **arguments: Any) -> Any:
        """Call a tool, and look at the response while it is written."""
        return self.opened(self.call(name, id=id, token=token, **arguments))

    async def notify(self, method: str, params: Any = None, **headers: str | None) -> Reply:
        return await self.post(
            {"jsonrpc": "2.0", "method": method, "params": params or {}}, **headers
        )

    async def cancel(self, id: Any) -> Reply:
        """Say that nobody wants the answer to the request `id` any more."""
        return await self.notify("notifications/cancelled", {"requestId": id})

    async def answer(self, question: Any, result: Any = None, *, error: Any = None) -> Reply:
        """Answer a question of the server with a result, or with an error."""
        said = {"result": result} if error is None else {"error": error}
        return await self.post({"jsonrpc": "2.0", "id": question["id"], **said})

    # Streams

    def listening(self, last: str | None = None) -> Any:
        """GET a stream, or the rest of the one whose event `last` was received."""
        return self.door.open(self._http("GET", {"last_event_id": last}))

    async def get(self, last: str | None = None, **headers: str | None) -> Reply:
        """GET what ends by itself."""
        return await self.door.send(self._http("GET", {"last_event_id": last, **headers}))

    def _http(self, method: str, headers: Mapping[str, str | None]) -> Request:
        found = self.headers(**{"content_type": None, "accept": "text/event-stream", **headers})
        return Request(method=method, path=self.path, headers=found)

    def _posted(self, message: Any, headers: Mapping[str, str | None]) -> Request:
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        return Request(path=self.path, headers=self.headers(**headers), body=body)


class Departure(NamedTuple):
    """A way in, and the method of `Stream` that is how a client goes away there.

    Django's own handler does not bear being cancelled by its server.
    """

    door: Any
    how: str


async def nothing_is_left(server: MCPServer) -> None:
    """Fail where a task goes on, or the hub of `server` has anything noted."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        _, others = await asyncio.wait(others, timeout=PATIENCE)
    assert not others
    await asyncio.sleep(0)  # What a task that has ended had asked to be called then.
    noted = {
        name: table for name, table in vars(server.hub).items() if isinstance(table, dict | set)
    }
    assert {name: table for name, table in noted.items() if table} == {}
