"""Drives a server with the official SDK 1.x, in an environment where that is installed.

`python driver.py BASE TRANSPORT [STEP…]` talks to the test project's endpoints below the URL BASE,
step by step, and prints what every step saw as one JSON object. Over "stdio" BASE is the
interpreter that each connection starts a server with. Imports nothing of this repository: what
ought to be seen is known by `test_sdk_1x` and `test_stdio`.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import anyio
import httpx
import mcp.types as types
from mcp import ClientSession, McpError
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamablehttp_client
from mcp.shared.message import ClientMessageMetadata
from pydantic import AnyUrl

#: Seconds for an answer, and for everything.
ANSWERED = 10.0
PATIENCE = 100.0
ACCEPT = {"accept": "application/json, text/event-stream"}


class Peer:
    """One session, with everything its client is told and asked."""

    session: ClientSession
    initialized: types.InitializeResult
    id: Callable[[], str | None]

    def __init__(self) -> None:
        self.lines: list[Any] = []
        self.asked: list[Any] = []
        self.news_in, self.news = anyio.create_memory_object_stream[Any](100)
        self.listens = anyio.Event()

    def http(
        self, headers: dict[str, str] | None = None, timeout: Any = None, auth: Any = None
    ) -> httpx.AsyncClient:
        hooks = {"response": [self.look_at]}
        return httpx.AsyncClient(headers=headers, timeout=timeout, event_hooks=hooks)

    async def look_at(self, response: httpx.Response) -> None:
        if response.request.method == "GET" and response.status_code == 200:
            self.listens.set()

    async def log(self, params: types.LoggingMessageNotificationParams) -> None:
        self.lines.append([params.level, params.data, params.logger])

    async def hear(self, message: Any) -> None:
        if isinstance(message, types.ServerNotification):
            await self.news_in.send(dump(message))

    async def answer(self, context: Any, params: Any) -> types.ElicitResult:
        self.asked.append(dump(params))
        if params.mode == "url":
            return types.ElicitResult(action="accept")
        schema = params.requestedSchema
        answers = {"string": "Zoë", "integer": 5}
        wanted = schema.get("required", [])
        content = {name: answers[schema["properties"][name]["type"]] for name in wanted}
        return types.ElicitResult(action="accept", content=content)

    async def model(self, context: Any, params: Any) -> types.CreateMessageResult:
        self.asked.append(dump(params))
        content = types.TextContent(type="text", text="in short")
        return types.CreateMessageResult(role="assistant", content=content, model="m-1")

    async def roots(self, context: Any) -> types.ListRootsResult:
        return types.ListRootsResult(roots=[types.Root(uri="file:///home/zoe", name="home")])

    async def call(self, tool: str, note: Any = None, /, **arguments: Any) -> Any:
        return dump(await self.session.call_tool(tool, arguments, progress_callback=note))


@dataclass(frozen=True, kw_only=True)
class Way:
    """Where the endpoints are, and over which transport: "mcp" (streamable HTTP), "sse" or
    "stdio"."""

    base: str
    transport: str

    def url(self, prefix: str = "") -> str:
        return f"{self.base}/{prefix}{self.transport}"

    @asynccontextmanager
    async def open(self, url: str, peer: Peer) -> AsyncIterator[tuple[Any, ...]]:
        """The streams of the transport; what is read, what is written, and more."""
        if self.transport == "stdio":
            peer.listens.set()
            server = StdioServerParameters(
                command=self.base, args=["-m", "django", "mcp_stdio"], env=dict(os.environ)
            )
            async with stdio_client(server) as streams:
                yield streams
        elif self.transport == "sse":
            peer.listens.set()  # its one stream carries everything
            async with sse_client(url, timeout=ANSWERED) as streams:
                yield streams
        else:
            async with streamablehttp_client(
                url, timeout=ANSWERED, httpx_client_factory=peer.http
            ) as streams:
                yield streams


@asynccontextmanager
async def connected(way: Way, prefix: str = "") -> AsyncIterator[Peer]:
    """A client that has initialized, and listens."""
    peer = Peer()
    timeout = timedelta(seconds=ANSWERED)
    async with (
        way.open(way.url(prefix), peer) as streams,
        ClientSession(
            streams[0],
            streams[1],
            read_timeout_seconds=timeout,
            logging_callback=peer.log,
            message_handler=peer.hear,
            elicitation_callback=peer.answer,
            sampling_callback=peer.model,
            list_roots_callback=peer.roots,
            client_info=types.Implementation(name="sdk-1", version="1"),
        ) as peer.session,
    ):
        peer.id = streams[2] if len(streams) > 2 else lambda: None
        peer.initialized = await peer.session.initialize()
        await peer.listens.wait()
        yield peer


def dump(value: Any) -> Any:
    return value.model_dump(mode="json", by_alias=True, exclude_none=True)


async def failure(awaitable: Awaitable[Any]) -> Any:
    """The error a request fails with."""
    try:
        return ["no error", dump(await awaitable)]
    except McpError as error:
        return dump(error.error)


# ------------------------------------------------------------------------------------------- steps


async def initialize(way: Way) -> Any:
    async with connected(way) as peer:
        return dump(peer.initialized)


async def ping(way: Way) -> Any:
    async with connected(way) as peer:
        return [dump(await peer.session.send_ping()), await peer.call("is_there")]


async def lists(way: Way) -> Any:
    """Every list of the server with more than a page of everything."""
    found: dict[str, list[str]] = {}
    async with connected(way, "other/") as peer:
        for kind, method, name in [
            ("tools", peer.session.list_tools, "name"),
            ("resources", peer.session.list_resources, "uri"),
            ("resourceTemplates", peer.session.list_resource_templates, "uriTemplate"),
            ("prompts", peer.session.list_prompts, "name"),
        ]:
            found[kind] = []
            page = dump(await method())
            found[kind] += [each[name] for each in page[kind]]
            while "nextCursor" in page:
                params = types.PaginatedRequestParams(cursor=page["nextCursor"])
                page = dump(await method(params=params))
                found[kind] += [each[name] for each in page[kind]]
    return found


async def tools(way: Way) -> Any:
    async with connected(way) as peer:
        listed = {tool.name: dump(tool) for tool in (await peer.session.list_tools()).tools}
        return {
            "add": listed["add"],
            # The client checks structured content against the schema it has listed.
            "integer": await peer.call("add", a=1, b=2),
            "object": await peer.call("measure", text="aab"),
            "list": await peer.call("publish", book={"title": "Emma", "authors": []}, copies=2),
            "blocks": await peer.call("mixed_blocks"),
            "refused": await peer.call("refuse", reason="no more ☕"),
            "wrong": (await peer.call("add", a="x", b=1))["isError"],
            "unknown": await failure(peer.call("nope")),
        }


async def progress(way: Way) -> Any:
    heard: list[Any] = []

    async def note(step: float, total: float | None, message: str | None) -> None:
        heard.append([step, total, message])

    async with connected(way) as peer:
        await peer.call("count", note, to=3)
    return heard


async def log(way: Way) -> Any:
    found = []
    async with connected(way) as peer:
        await peer.call("talk")
        found.append(list(peer.lines))
        for level in ("error", "debug"):
            peer.lines.clear()
            await peer.session.set_logging_level(level)
            await peer.call("talk")
            found.append(list(peer.lines))
    return found


async def questions(way: Way) -> Any:
    async with connected(way) as peer:
        found = {
            "form": await peer.call("register"),
            "thread": await peer.call("register_in_a_thread"),
            "url": await peer.call("pay", amount=7),
            "model": await peer.call("summarize", text="much"),
            "roots": await peer.call("look_around"),
            "prompt": dump(await peer.session.get_prompt("personal")),
            "resource": dump(await peer.session.read_resource(AnyUrl("memo://private"))),
        }
        asked = list(peer.asked)
        everything = await peer.call("ask_everything")
    return {"found": found, "asked": asked, "everything": everything}


async def required(way: Way) -> Any:
    async with connected(way) as peer, connected(way) as place:
        error = await failure(peer.call("pay_first"))
        await place.call("paid")
        return [error, await peer.news.receive()]


async def resources(way: Way) -> Any:
    async with connected(way) as peer:
        read = peer.session.read_resource
        return {
            "text": dump(await read(AnyUrl("memo://text"))),
            "bytes": len(dump(await read(AnyUrl("memo://bytes")))["contents"][0]["blob"]),
            "template": dump(await read(AnyUrl("memo://notes/1999/todo"))),
            "missing": await failure(read(AnyUrl("memo://nope"))),
        }


async def changes(way: Way) -> Any:
    found: list[Any] = []
    name = f"new-{uuid.uuid4().hex}"
    async with (
        connected(way, "changing/") as peer,
        connected(way, "changing/") as other,
    ):
        await peer.session.subscribe_resource(AnyUrl("memo://a"))
        await other.call("touch", uri="memo://a")
        found.append(await peer.news.receive())
        await peer.session.unsubscribe_resource(AnyUrl("memo://a"))
        await other.call("touch", uri="memo://a")
        await other.call("add_tool", name=name)
        found.append(await peer.news.receive())
        await other.call("add_prompt", name=name)
        found.append(await peer.news.receive())
        await other.call("add_resource", uri=f"memo://{name}")
        found.append(await peer.news.receive())
    return found


async def prompts(way: Way) -> Any:
    reference = types.PromptReference(type="ref/prompt", name="shelve")
    template = types.ResourceTemplateReference(
        type="ref/resource", uri="memo://notes/{year}/{+path}"
    )
    async with connected(way) as peer:
        session = peer.session
        listed = {prompt.name: dump(prompt) for prompt in (await session.list_prompts()).prompts}
        arguments = {"with_whom": "Zoë", "minutes": "5"}
        return {
            "listed": listed["☕ break"],
            "got": dump(await session.get_prompt("☕ break", arguments)),
            "missing": await failure(session.get_prompt("nope")),
            "author": dump(
                await session.complete(
                    reference, {"name": "author", "value": "A"}, {"genre": "novel"}
                )
            ),
            "year": dump(await session.complete(template, {"name": "year", "value": "199"})),
        }


async def cancellation(way: Way) -> Any:
    found: list[Any] = []
    numbers: list[int] = []
    key = uuid.uuid4().hex
    async with connected(way) as peer, anyio.create_task_group() as tasks:

        async def hang() -> None:
            numbers.append(peer.session._request_id)  # nothing public tells
            found.append(await failure(peer.call("hang", key=key)))

        tasks.start_soon(hang)
        await peer.call("sign", key=f"{key} begun")
        params = types.CancelledNotificationParams(requestId=numbers[0], reason="enough")
        await peer.session.send_notification(
            types.ClientNotification(types.CancelledNotification(params=params))
        )
        ended = await peer.call("sign", key=f"{key} ended")
    return {"answer": found, "ended": json.loads(ended["content"][0]["text"])["outcome"]}


async def polling(way: Way) -> Any:
    """A call closes its connection, and the client comes back for the rest."""
    heard: list[float] = []
    key = uuid.uuid4().hex
    result: list[Any] = []

    async def note(step: float, total: float | None, message: str | None) -> None:
        heard.append(step)

    async with connected(way) as peer, anyio.create_task_group() as tasks:

        async def call() -> None:
            result.append(await peer.call("later", note, key=key, hangs_up=True))

        tasks.start_soon(call)
        await peer.call("sign", key=f"{key} begun")
        await peer.call("give_sign", key=f"{key} go")
    return [heard, result]


async def resumption(way: Way) -> Any:
    """A client goes away in the middle of a call; another connection gets the rest."""
    tokens: list[str] = []
    key = uuid.uuid4().hex
    request = types.ClientRequest(
        types.CallToolRequest(
            params=types.CallToolRequestParams(
                name="later",
                arguments={"key": key},
                _meta=types.RequestParams.Meta(progressToken="it"),
            )
        )
    )
    left = anyio.Event()
    async with connected(way) as other:
        async with (
            streamablehttp_client(way.url(), terminate_on_close=False) as (read, write, get_id),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            id_, version = get_id(), "2025-11-25"

            async def remember(token: str) -> None:
                tokens.append(token)
                if len(tokens) == 2:  # the beginning of the stream, and the first progress
                    left.set()

            async with anyio.create_task_group() as tasks:
                metadata = ClientMessageMetadata(on_resumption_token_update=remember)
                tasks.start_soon(
                    lambda: session.send_request(request, types.CallToolResult, metadata=metadata)
                )
                await left.wait()
                tasks.cancel_scope.cancel()
        await other.call("sign", key=f"{key} begun")
        await other.call("give_sign", key=f"{key} go")
    heard: list[Any] = []

    async def hear(message: Any) -> None:
        if isinstance(message, types.ServerNotification):
            heard.append(dump(message))

    headers = {"mcp-session-id": id_ or "", "mcp-protocol-version": version}
    async with (
        streamablehttp_client(way.url(), headers=headers) as (read, write, _),
        ClientSession(read, write, message_handler=hear) as session,
    ):
        metadata = ClientMessageMetadata(resumption_token=tokens[-1])
        result = await session.send_request(request, types.CallToolResult, metadata=metadata)
    return [heard, dump(result)]


async def termination(way: Way) -> Any:
    async with connected(way) as peer:
        used = peer.id() or ""
    message = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    async with httpx.AsyncClient() as http:
        headers = {**ACCEPT, "mcp-session-id": used}
        gone = await http.post(way.url(), json=message, headers=headers)
    async with connected(way) as peer:
        async with httpx.AsyncClient() as http:
            headers = {"mcp-session-id": peer.id() or ""}
            ended = await http.delete(way.url(), headers=headers)
        error = await failure(peer.session.send_ping())
    return [gone.status_code, ended.status_code, error]


STEPS: dict[str, Callable[[Way], Awaitable[Any]]] = {
    step.__name__: step
    for step in (
        initialize,
        ping,
        lists,
        tools,
        progress,
        log,
        questions,
        required,
        resources,
        changes,
        prompts,
        cancellation,
        polling,
        resumption,
        termination,
    )
}


async def main(base: str, transport: str, *names: str) -> None:
    found = {}
    way = Way(base=base, transport=transport)
    with anyio.fail_after(PATIENCE):
        for name in names or STEPS:
            found[name] = await STEPS[name](way)
    print(json.dumps(found))


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:])
