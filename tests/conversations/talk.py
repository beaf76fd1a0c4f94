"""What the conversations have in common: whole results, answers to questions, dialogues.

A `Dialogue` is one request that is sent again, with answers, for as long as the server asks;
`Departing` is a client that breaks off. How a request travels is `tests.doors`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any

from django_mcp import MCPServer, Principal
from django_mcp.authentication import anonymous
from django_mcp.routing import MCPRouter, mount
from tests.doors import META, AsgiDoor, Door, Reply, Request, envelope, headers_for

#: What every result of the fixture `server` says about it.
STAMP = {META + "serverInfo": {"name": "test", "version": "1.0"}}

#: A client that can be asked everything.
ASKABLE = {"elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}}, "roots": {}}


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

    def __init__(self, door: AsgiDoor, message: Any) -> None:
        body = json.dumps(message).encode()
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._incoming.put_nowait({"type": "http.request", "body": body})
        self.sent: list[dict[str, Any]] = []
        scope = door.scope(Request(headers=headers_for(message), body=body))
        self.task = asyncio.ensure_future(door.application(scope, self._incoming.get, self._send))

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    async def leave(self) -> None:
        """Break the connection, and wait until the application has nothing more to do for it."""
        self._incoming.put_nowait({"type": "http.disconnect"})
        await asyncio.wait([self.task])
        assert self.task.cancelled() or self.task.exception() is None
