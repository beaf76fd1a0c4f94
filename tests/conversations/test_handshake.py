"""initialize and what follows it: the revision, the session, and what may be said before."""

from __future__ import annotations

from typing import Any

import pytest

from django_mcp import Context, MCPServer
from django_mcp.server import conversations
from django_mcp.server.sessions import NoSessions
from tests.conversations.talk import STATEFUL, Client, texts
from tests.doors import Door

pytestmark = pytest.mark.usefixtures("leaves_nothing")


@pytest.fixture(autouse=True)
def _add(server: MCPServer) -> None:
    @server.tool
    async def add(a: int, b: int) -> int:
        return a + b

    @server.tool
    async def about(ctx: Context) -> list[str]:
        """Who the client is."""
        info = ctx.client_info
        assert info is not None
        return [
            ctx.protocol_version,
            info.name,
            *ctx.client_capabilities.model_dump(exclude_none=True),
        ]


@pytest.mark.parametrize("revision", STATEFUL)
async def test_initialize_settles_the_revision_that_was_asked_for(
    door: Door, revision: str
) -> None:
    client = Client(door, revision)
    reply = await client.initialize()

    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    changes = {"listChanged": True} if door.streams else {}
    assert reply.json == {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {
            "protocolVersion": revision,
            "capabilities": {**({"logging": {}} if door.streams else {}), "tools": changes},
            "serverInfo": {"name": "test", "version": "1.0"},
        },
    }
    assert client.session is not None
    assert client.session.isascii()
    assert len(client.session) >= 43


@pytest.mark.parametrize("asked", ["2026-07-28", "2099-01-01", "1.0", ""])
async def test_a_revision_without_a_handshake_is_answered_with_the_newest_that_has_one(
    door: Door, asked: str
) -> None:
    client = Client(door)

    reply = await client.initialize(protocolVersion=asked)

    assert reply.result["protocolVersion"] == "2025-11-25"
    assert (await client.request("ping")).result == {}


@pytest.mark.parametrize("revision", STATEFUL)
async def test_every_call_of_a_session_knows_what_initialize_said(
    door: Door, revision: str
) -> None:
    client = await Client(door, revision, capabilities={"roots": {}}).begin()

    result = await client.tool("about")

    assert result["content"] == texts(f'["{revision}","client","roots"]')


@pytest.mark.parametrize("revision", STATEFUL)
async def test_a_client_may_ask_before_it_says_that_it_is_initialized(
    door: Door, revision: str
) -> None:
    client = Client(door, revision)
    await client.initialize()

    assert (await client.request("ping")).result == {}
    assert (await client.tool("add", a=1, b=2))["content"] == texts("3")


@pytest.mark.parametrize("times", [2, 3])
async def test_initialized_may_be_said_more_than_once(door: Door, times: int) -> None:
    client = Client(door)
    await client.initialize()

    for _ in range(times):
        reply = await client.notify("notifications/initialized")
        assert (reply.status, reply.body) == (202, b"")


async def test_a_second_initialize_is_refused_and_changes_nothing(door: Door) -> None:
    client = await Client(door, "2025-06-18").begin()
    message = client.message("initialize", {"protocolVersion": "2025-11-25"}, id="again")

    reply = await client.post(message)

    assert (reply.status, reply.error["code"], reply.json["id"]) == (400, -32600, "again")
    assert "mcp-session-id" not in reply.headers
    assert (await client.tool("about"))["content"][0]["text"].startswith('["2025-06-18"')


async def test_initialize_with_a_session_that_is_over_is_not_found(door: Door) -> None:
    client = await Client(door).begin()
    await client.end()

    assert (await client.initialize()).status == 404


@pytest.mark.parametrize(
    "params",
    [
        {"protocolVersion": None},
        {"protocolVersion": 20251125},
        {"capabilities": []},
        {"capabilities": {"roots": 5}},
        {"clientInfo": None},
        {"clientInfo": {"name": "client"}},
    ],
)
async def test_params_of_initialize_that_do_not_fit_open_no_session(
    door: Door, params: Any
) -> None:
    reply = await Client(door).initialize(**params)

    assert (reply.status, reply.error["code"], reply.json["id"]) == (200, -32602, 1)
    assert "mcp-session-id" not in reply.headers


async def test_only_so_much_is_remembered_of_what_a_client_says_of_itself(
    door: Door, server: MCPServer
) -> None:
    long = {"name": "client", "version": "1", "title": "x" * conversations.MAX_REMEMBERED}

    reply = await Client(door).initialize(clientInfo=long)

    assert reply.error["code"] == -32602
    assert "16,384" in reply.error["message"]
    assert "mcp-session-id" not in reply.headers
    server.sessions = NoSessions()
    assert "result" in (await Client(door).initialize(clientInfo=long)).json


async def test_middleware_that_refuses_initialize_opens_no_session(
    door: Door, server: MCPServer
) -> None:
    async def refuse(ctx: Context, call_next: Any) -> Any:
        raise PermissionError(ctx.method)

    server.middleware = (refuse,)

    reply = await Client(door).initialize()

    assert reply.error == {"code": -32603, "message": "Internal error"}
    assert "mcp-session-id" not in reply.headers


async def test_a_request_that_names_neither_session_nor_version_is_told_to_initialize(
    door: Door,
) -> None:
    for method in ("tools/list", "ping", "server/discover"):
        reply = await Client(door).request(method, mcp_protocol_version=None)

        assert (reply.status, reply.error["code"]) == (400, -32600)
        assert "initialize first" in reply.error["message"]


@pytest.mark.parametrize("revision", STATEFUL)
async def test_methods_are_those_of_the_revision(door: Door, revision: str) -> None:
    client = await Client(door, revision).begin()

    for method in ("server/discover", "subscriptions/listen", "nope", "initialized"):
        reply = await client.request(method)
        # What HTTP calls not found is the session, and that is not so.
        assert (reply.status, reply.error["code"]) == (200, -32601)


@pytest.mark.parametrize("revision", STATEFUL)
async def test_an_error_of_a_request_is_no_error_of_http(door: Door, revision: str) -> None:
    client = await Client(door, revision).begin()

    reply = await client.request("tools/call", {"name": 5})
    unknown = await client.request("resources/read", {"uri": "x://nothing"})

    assert (reply.status, reply.error["code"]) == (200, -32602)
    assert (unknown.status, unknown.error["code"]) == (200, -32002)


# A server that keeps no sessions


@pytest.fixture
def _forgetful(server: MCPServer) -> None:
    server.sessions = NoSessions()


@pytest.mark.usefixtures("_forgetful")
@pytest.mark.parametrize("revision", STATEFUL)
async def test_without_sessions_a_client_is_served_by_the_version_it_names(
    door: Door, revision: str
) -> None:
    client = Client(door, revision)
    reply = await client.initialize()

    assert reply.result["protocolVersion"] == revision
    assert reply.result["capabilities"] == {"tools": {}}
    assert client.session is None
    assert (await client.notify("notifications/initialized")).status == 202
    assert (await client.tool("add", a=1, b=2))["content"] == texts("3")
    assert (await client.request("ping")).result == {}


@pytest.mark.usefixtures("_forgetful")
async def test_without_sessions_what_needs_one_is_not_there(door: Door, server: MCPServer) -> None:
    @server.tool
    async def ask(ctx: Context) -> str:
        return str(await ctx.confirm("Sure?"))

    server.add_resource("x://one", "1")
    client = Client(door)

    level = await client.request("logging/setLevel", {"level": "info"})
    follow = await client.request("resources/subscribe", {"uri": "x://one"})
    asked = await client.request("tools/call", {"name": "ask"})
    answered = await client.answer({"id": "x"}, {})

    assert (level.error["code"], follow.error["code"]) == (-32601, -32601)
    assert "result" not in asked.json
    assert asked.error["code"] == -32021
    assert answered.status == 400


@pytest.mark.usefixtures("_forgetful")
async def test_without_sessions_the_id_of_one_is_ignored(door: Door) -> None:
    client = Client(door)
    client.session = "anything"

    reply = await client.request("ping")

    assert (reply.status, reply.result) == (200, {})
    assert "mcp-session-id" not in reply.headers


@pytest.mark.usefixtures("_forgetful")
async def test_without_sessions_a_batch_is_answered_in_the_revision_that_has_them(
    door: Door,
) -> None:
    client = Client(door, "2025-03-26")
    batch = [
        client.message("ping"),
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        5,
        client.message("initialize", id="x"),
        client.call("add", a=1, b=2),
    ]

    reply = await client.post(batch)
    silent = await client.post(batch[1:2])
    later = await client.post(batch, mcp_protocol_version="2025-06-18")

    answers = {each.get("id"): each for each in reply.json}
    assert list(answers) == [1, None, "x", 2]
    assert answers[1]["result"] == {}
    assert answers[2]["result"]["content"] == texts("3")
    assert answers["x"]["error"]["code"] == answers[None]["error"]["code"] == -32600
    assert (silent.status, silent.body) == (202, b"")
    assert (later.status, later.error["code"]) == (400, -32600)


async def test_a_notification_in_a_version_nobody_knows_is_not_taken_for_received(
    door: Door,
) -> None:
    client = await Client(door).begin()

    reply = await client.notify("notifications/x", mcp_protocol_version="2099-01-01")

    assert (reply.status, reply.error["code"]) == (400, -32022)


async def test_a_server_that_is_open_to_nobody_opens_no_session(guarded: Any) -> None:
    door = guarded(lambda request: None)

    reply = await Client(door).initialize()

    assert reply.status == 401
    assert "mcp-session-id" not in reply.headers
