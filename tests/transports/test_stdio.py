"""Lines on streams in memory: what a line is, and which era the first request opens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from django_mcp import Context, MCPServer, Principal
from django_mcp.protocol.errors import ProtocolError
from django_mcp.server.broker import InMemoryBroker
from django_mcp.server.exchange import Caller
from django_mcp.transports import wire
from django_mcp.transports.http.types import Refused
from django_mcp.transports.staying import Stay, Stays
from django_mcp.transports.stdio import Stdio, lines
from tests.conversations.talk import nothing_is_left
from tests.lines import (
    PATIENCE,
    PipeLine,
    calling,
    cancelling,
    introduction,
    notification,
    request,
)
from tests.pipes import CAPABILITIES, VERSION, envelope

LOCAL = Caller(Principal(id="local"))


@pytest.fixture
def server() -> MCPServer:
    """A server that adds."""
    server = MCPServer("test", version="1.0")

    @server.tool
    async def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    return server


@asynccontextmanager
async def client(server: MCPServer, **options: Any) -> AsyncIterator[PipeLine]:
    """A client of `server`, that has said nothing yet."""
    options = {"stay": Stay(LOCAL), "grace": 0, **options}
    line = PipeLine(Stdio(server=server, **options), {})
    await line.connect()
    try:
        yield line
    finally:
        line.reads.set()
        assert line.task is not None
        if not line.task.done():
            await line.leave()


def stateless(method: str, params: Any = None, id: Any = 1, **changed: Any) -> dict[str, Any]:
    """A request with its envelope."""
    meta = {key: value for key, value in {**envelope(), **changed}.items() if value is not None}
    return request(method, {**(params or {}), "_meta": meta}, id)


async def soon(what: Any) -> Any:
    return await asyncio.wait_for(what, PATIENCE)


# ------------------------------------------------------------------------------------------- lines


async def split(*chunks: bytes, limit: int = 10) -> list[bytes | int]:
    """The lines of what comes in these chunks; the code in place of what cannot be read."""
    waiting = [*chunks, b""]

    async def read() -> bytes:
        return waiting.pop(0)

    return [
        found.code if isinstance(found, ProtocolError) else found
        async for found in lines(read, limit)
    ]


@pytest.mark.parametrize(
    ("chunks", "found"),
    [
        ((), []),
        ((b"a\nb\n",), [b"a", b"b"]),
        ((b"a\nb",), [b"a", b"b"]),
        ((b"a", b"b", b"\n", b"c"), [b"ab", b"c"]),
        ((b"a\r\nb\r\n",), [b"a\r", b"b\r"]),
        ((b"\n\n \t\r\na\n\n",), [b"a"]),
        ((b"0123456789\n",), [b"0123456789"]),
        ((b"01234567890\na\n",), [-32600, b"a"]),
        ((b"0123456789", b"0\na"), [-32600, b"a"]),
        ((b"01234", b"56789", b"012", b"3", b"\na\n"), [-32600, b"a"]),
        ((b"01234567890",), [-32600]),
        (("☕\n".encode(),), ["☕".encode()]),
        (("a\u2028b\n".encode(),), ["a\u2028b".encode()]),
    ],
)
async def test_a_line_ends_with_a_line_feed(chunks: Any, found: Any) -> None:
    assert await split(*chunks) == found


async def test_what_is_too_long_is_not_kept() -> None:
    """As long as it goes on, no part of the line is in memory."""
    kept: list[int] = []
    more = iter([*[b"x" * 100] * 50, b"\nok\n", b""])

    async def read() -> bytes:
        kept.append(len(found.ag_frame.f_locals["kept"]))
        return next(more)

    found: Any = lines(read, 1_000)
    too_long, line = [line async for line in found]
    assert (too_long.code, line) == (-32600, b"ok")
    assert kept[-1] == 0
    assert max(kept) == 1_000


# ----------------------------------------------------------------------------------------- the eras


async def test_a_probe_opens_the_era_without_sessions(server: MCPServer) -> None:
    async with client(server) as line:
        await line.say(stateless("server/discover"))
        assert (await line.hear())["result"]["supportedVersions"][0] == "2026-07-28"
        await line.say(introduction())
        assert (await line.hear())["error"]["code"] == -32602
        await line.say(stateless("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}}))
        assert (await line.hear())["result"]["structuredContent"] == 3


async def test_what_comes_before_a_request_decides_nothing(server: MCPServer) -> None:
    async with client(server) as line:
        await line.say(b"garbage")
        assert (await line.hear())["error"]["code"] == -32700
        await line.say(b"[]")
        assert (await line.hear())["error"]["code"] == -32600
        await line.say([request("ping")])
        assert (await line.hear())["error"]["code"] == -32600
        await line.say(b'{"jsonrpc":"2.0","id":4,"method":"ping","params":[]}')
        refused = await line.hear()
        assert (refused["id"], refused["error"]["code"]) == (4, -32600)
        await line.say(notification("notifications/initialized"))
        await line.say({"jsonrpc": "2.0", "id": 1, "result": {}})
        assert await line.result("ping") == {}
        assert "initialize comes first" in (await line.error("tools/list"))["message"]
        await line.say(stateless("tools/list"))
        assert (await line.hear())["result"]["resultType"] == "complete"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({VERSION: "2999-01-01"}, -32022),
        ({VERSION: "2025-11-25"}, -32022),
        ({CAPABILITIES: None}, -32602),
        ({VERSION: None}, -32602),
    ],
)
async def test_a_probe_that_fails_leaves_the_choice(
    changed: Any, code: int, server: MCPServer
) -> None:
    """Its client is told what is served here, and that may well have a handshake."""
    async with client(server) as line:
        await line.say(stateless("server/discover", **changed))
        error = (await line.hear())["error"]
        assert error["code"] == code
        if code == -32022:
            assert "2025-06-18" in error["data"]["supported"]
        assert (await line.initialize("2025-06-18"))["protocolVersion"] == "2025-06-18"


async def test_a_session_is_in_no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    def stores() -> None:
        raise AssertionError("stdio keeps its session itself")

    monkeypatch.setattr("django_mcp.default.stores", stores)
    async with client(MCPServer("test", broker=InMemoryBroker())) as line:
        await line.initialize()
        assert await line.result("tools/list") == {"tools": []}


# ------------------------------------------------------------------------ requests that share one


class Calls:
    """A tool that says when it has begun, and waits until it is let go."""

    def __init__(self, server: MCPServer) -> None:
        self.begun: asyncio.Queue[str] = asyncio.Queue()
        self.ended: asyncio.Queue[str] = asyncio.Queue()
        self.go = asyncio.Event()
        server.add_tool(self.wait)

    async def wait(self, ctx: Context, name: str) -> str:
        """Wait."""
        self.begun.put_nowait(name)
        try:
            await self.go.wait()
        finally:
            self.ended.put_nowait(name)
            await ctx.report_progress(1)
        return name


def wait(name: str, id: Any, **meta: Any) -> dict[str, Any]:
    return stateless("tools/call", {"name": "wait", "arguments": {"name": name}}, id, **meta)


async def test_requests_are_answered_as_they_end(server: MCPServer) -> None:
    calls = Calls(server)
    async with client(server) as line:
        await line.say(wait("slow", "slow"))
        await soon(calls.begun.get())
        await line.say(stateless("tools/list", id="quick"))
        assert (await line.hear())["id"] == "quick"
        calls.go.set()
        assert (await line.hear())["id"] == "slow"


async def test_of_a_cancelled_request_nothing_more_is_said(server: MCPServer) -> None:
    calls = Calls(server)
    async with client(server) as line:
        await line.say(wait("it", 1, progressToken="t"))
        await soon(calls.begun.get())
        for id in (1, 1, "1", None, [1], {"a": 1}):
            await line.say(notification("notifications/cancelled", {"requestId": id}))
        await line.say(notification("notifications/cancelled"))
        assert await soon(calls.ended.get()) == "it"
        # A cancellation may follow its request at once.
        await line.send(json.dumps(wait("never", 2)).encode())
        await line.say(cancelling(2))
        await line.say(stateless("tools/list", id=3))
        assert (await line.hear())["id"] == 3


async def test_an_id_that_is_in_use_is_refused(server: MCPServer) -> None:
    calls = Calls(server)
    async with client(server) as line:
        await line.say(wait("first", "x"))
        await line.say(wait("second", "x"))
        refused = await line.hear()
        assert "id" not in refused
        assert "'x' is still being answered" in refused["error"]["message"]
        calls.go.set()
        assert (await line.hear())["result"]["structuredContent"] == "first"


async def test_no_more_requests_run_than_one_connection_may_have(
    server: MCPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MAX_IN_FLIGHT", 2)
    calls = Calls(server)
    async with client(server) as line:
        for id in range(3):
            await line.say(wait(str(id), id))
        refused = await line.hear()
        assert (refused["id"], refused["error"]["code"]) == (2, -32000)
        calls.go.set()
        assert {(await line.hear())["id"] for _ in range(2)} == {0, 1}


async def test_each_request_says_for_itself_what_it_is(server: MCPServer) -> None:
    async with client(server) as line:
        await line.say(stateless("server/discover"))
        await line.hear()
        for message, code in [
            (request("tools/list", id=5), -32602),
            (stateless("tools/list", id=5, **{VERSION: "1999-01-01"}), -32022),
            (stateless("ping", id=5), -32601),
            (stateless("nobody/knows", id=5), -32601),
            (calling("add", {"a": 1, "b": 2}, id=5), -32602),
        ]:
            await line.say(message)
            answer = await line.hear()
            assert (answer["id"], answer["error"]["code"]) == (5, code)
        await line.say([stateless("tools/list")])
        refused = await line.hear()
        assert "id" not in refused
        assert refused["error"]["code"] == -32600
        # Nobody asked for it.
        await line.say({"jsonrpc": "2.0", "id": 5, "result": {}})
        await line.say(stateless("tools/list", id=6))
        assert (await line.hear())["id"] == 6


async def test_a_client_that_reads_nothing_makes_calls_wait(server: MCPServer) -> None:
    said = 0

    @server.tool
    async def chatter(ctx: Context) -> str:
        """Say more than is kept for a client."""
        nonlocal said
        for number in range(1, 31):
            await ctx.report_progress(number, message="x" * 100_000)
            said += 1
        return "done"

    params = {"name": "chatter", "arguments": {}}
    async with client(server) as line:
        line.reads.clear()
        await line.say(stateless("tools/call", params, progressToken="t"))
        await soon(line.blocked.wait())
        for _ in range(1_000):
            await asyncio.sleep(0)
        assert 0 < said < 20
        line.reads.set()
        heard = [(await line.hear())["params"]["progress"] for _ in range(30)]
        assert heard == list(range(1, 31))
        assert (await line.hear())["result"]["content"][0]["text"] == "done"


# ------------------------------------------------------------------------------------------ the end


@pytest.mark.parametrize("era", ["stateful", "stateless"])
async def test_at_the_end_of_input_calls_have_a_grace(era: str, server: MCPServer) -> None:
    calls = Calls(server)
    async with client(server, grace=PATIENCE) as line:
        if era == "stateful":
            await line.initialize()
            await line.say(calling("wait", {"name": "it"}))
        else:
            await line.say(wait("it", 1))
        line.to_app.put_nowait(b"")
        await soon(calls.begun.get())
        calls.go.set()
        assert (await line.hear())["result"]["content"][0]["text"] == "it"
        await line.ended()


@pytest.mark.parametrize("era", ["stateful", "stateless"])
async def test_after_that_they_are_cancelled(era: str, server: MCPServer) -> None:
    calls = Calls(server)
    async with client(server, grace=0.01) as line:
        if era == "stateful":
            await line.initialize()
            await line.say(calling("wait", {"name": "it"}))
        else:
            await line.say(wait("it", 1))
        await soon(calls.begun.get())
        await line.leave()
        assert await soon(calls.ended.get()) == "it"
        with pytest.raises(EOFError):
            await line.hear()
    await nothing_is_left(server)


async def test_everything_that_came_is_answered_at_the_end(server: MCPServer) -> None:
    """However long it takes to look at it all: the grace is for what has begun."""
    async with client(server, grace=0.1) as line:
        for id in range(3_000):
            params = {"name": "add", "arguments": {"a": id, "b": 0}}
            await line.say(stateless("tools/call", params, id))
        line.to_app.put_nowait(b"")
        answers = [await line.hear() for _ in range(3_000)]
        assert {a["id"]: a["result"]["structuredContent"] for a in answers} == {
            id: id for id in range(3_000)
        }
        await line.ended()


async def test_a_user_who_is_disabled_is_disconnected(server: MCPServer) -> None:
    calls = Calls(server)

    async def ask() -> Caller:
        raise Refused(403, "disabled")

    async with client(server, stay=Stays(0.01).stay(LOCAL, ask)) as line:
        await line.say(wait("it", 1))
        await soon(calls.begun.get())
        await line.ended()
    assert await soon(calls.ended.get()) == "it"
