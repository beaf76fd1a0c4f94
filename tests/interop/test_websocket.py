"""WebSocket over real servers. The official SDK has no client for it: the peer is `websockets`."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from tests.lines import INITIALIZED, calling, cancelling, introduction, request

from .servers import ANSWERED, COMPLAINTS, PATIENCE, Servers, Site

PREFIX = "/some/prefix"


@pytest.fixture(params=["daphne", "uvicorn"])
def serving(request: pytest.FixtureRequest, servers: Servers) -> Site:
    """The project on each server that has this transport."""
    return servers.get(request.param)


def asking(site: Site, path: str = "ws", **options: Any) -> Any:
    """A socket that is asked for."""
    options.setdefault("subprotocols", ["mcp"])
    url = site.url(path).replace("http://", "ws://")
    return connect(url, open_timeout=ANSWERED, close_timeout=ANSWERED, proxy=None, **options)


async def say(socket: ClientConnection, message: Any) -> None:
    await socket.send(json.dumps(message))


async def hear(socket: ClientConnection) -> Any:
    async with asyncio.timeout(ANSWERED):
        return json.loads(await socket.recv())


@asynccontextmanager
async def opened(
    site: Site, path: str = "ws", version: str = "2025-11-25", **capabilities: Any
) -> AsyncIterator[ClientConnection]:
    """A socket whose client has initialized."""
    async with asking(site, path) as socket:
        assert socket.subprotocol == "mcp"
        await say(socket, introduction(version, capabilities))
        assert (await hear(socket))["result"]["protocolVersion"] == version
        await say(socket, INITIALIZED)
        yield socket


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_a_client_lists_and_calls(serving: Site, version: str) -> None:
    async with opened(serving, version=version) as socket:
        await say(socket, request("tools/list"))
        names = {tool["name"] for tool in (await hear(socket))["result"]["tools"]}
        assert "add" in names
        await say(socket, calling("add", {"a": 1, "b": 2}))
        assert (await hear(socket))["result"]["content"][0]["text"] == "3"


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_the_project_may_be_served_below_a_prefix(servers: Servers, kind: str) -> None:
    async with opened(servers.get(kind, prefix=PREFIX)) as socket:
        await say(socket, calling("add", {"a": 1, "b": 2}))
        assert (await hear(socket))["result"]["content"][0]["text"] == "3"


async def test_a_call_says_something_and_asks_before_it_answers(serving: Site) -> None:
    async with opened(serving, elicitation={}) as socket:
        await say(socket, calling("count", {"to": 100}, progressToken="t"))
        steps = [(await hear(socket))["params"]["progress"] for _ in range(100)]
        assert steps == list(range(1, 101))
        assert (await hear(socket))["result"]["content"][0]["text"] == "100"
        await say(socket, calling("agree", {"what": "Well?"}))
        question = await hear(socket)
        answer = {"action": "accept", "content": {}}
        await say(socket, {"jsonrpc": "2.0", "id": question["id"], "result": answer})
        assert (await hear(socket))["result"]["content"][0]["text"] == "true"


async def test_a_client_hears_of_changes(serving: Site) -> None:
    async with opened(serving, "changing/ws") as socket:
        await say(socket, request("resources/subscribe", {"uri": "memo://a"}))
        assert (await hear(socket))["result"] == {}
        await say(socket, calling("touch", {"uri": "memo://a"}))
        heard = [await hear(socket) for _ in range(2)]
        assert [m["params"] for m in heard if "method" in m] == [{"uri": "memo://a"}]


async def test_a_cancelled_call_is_not_answered(serving: Site) -> None:
    key = uuid.uuid4().hex
    async with opened(serving) as socket:
        await say(socket, calling("hang", {"key": key}, id=1))
        await say(socket, cancelling(1))
        await say(socket, calling("sign", {"key": f"{key} ended"}, id=2))
        answer = await hear(socket)
        assert answer["id"] == 2
        assert '"cancelled"' in answer["result"]["content"][0]["text"]


async def test_a_client_that_breaks_off_takes_its_calls_with_it(serving: Site) -> None:
    key = uuid.uuid4().hex
    async with opened(serving) as other:
        async with opened(serving) as socket:
            await say(socket, calling("hang", {"key": key}))
            await say(other, calling("sign", {"key": f"{key} begun"}))
            await hear(other)
            socket.transport.abort()
        await say(other, calling("sign", {"key": f"{key} ended"}))
        assert '"cancelled"' in (await hear(other))["result"]["content"][0]["text"]


@pytest.mark.parametrize(
    ("kind", "origin", "offered", "status"),
    [
        ("uvicorn", "https://evil.example", ["mcp"], 403),
        ("uvicorn", None, ["other"], 400),
        ("uvicorn", None, None, 400),
        # What daphne answers with, whatever it is told.
        ("daphne", "https://evil.example", ["mcp"], 403),
        ("daphne", None, ["other"], 403),
    ],
)
async def test_who_is_not_let_in_gets_no_socket(
    servers: Servers, kind: str, origin: Any, offered: Any, status: int
) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with asking(servers.get(kind), origin=origin, subprotocols=offered):
            pass
    assert refused.value.response.status_code == status


async def test_a_path_without_a_socket_is_refused(serving: Site) -> None:
    for path in ("mcp", "sse", "nothing"):
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with asking(serving, path):
                pass
        assert refused.value.response.status_code in (403, 404)


async def test_a_frame_that_is_no_message_is_refused(serving: Site) -> None:
    async with opened(serving) as socket:
        await socket.send("nonsense")
        assert (await hear(socket))["error"]["code"] == -32700
        await say(socket, request("ping"))
        assert (await hear(socket))["result"] == {}
        await socket.send(b"{}")
        await asyncio.wait_for(socket.wait_closed(), ANSWERED)
        # daphne lets no application use the former.
        assert socket.close_code in (1003, 4003)


async def test_a_frame_that_is_too_large_closes_the_socket(serving: Site) -> None:
    async with opened(serving) as socket:
        # daphne has a limit of its own, and breaks off.
        with suppress(websockets.ConnectionClosed):
            await socket.send(" " * (5 * 1024 * 1024))
        await asyncio.wait_for(socket.wait_closed(), ANSWERED)
        assert socket.close_code in (1009, 1006)


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_a_server_that_ends_closes_its_sockets(servers: Servers, kind: str) -> None:
    site = servers.start(kind)
    try:
        async with asyncio.timeout(PATIENCE), opened(site) as socket:
            await say(socket, calling("hang", {"key": uuid.uuid4().hex}))
            site.ask_to_end()
            await socket.wait_closed()
            await asyncio.to_thread(site.wait_until_it_ends)
        assert not any(word in site.log for word in COMPLAINTS), site.log
    finally:
        site.end()
