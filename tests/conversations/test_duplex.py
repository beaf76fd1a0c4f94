"""Sessions on one connection: what is the same on every transport that has them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from django_mcp import Context, MCPServer, Principal
from django_mcp.authentication import Refused
from django_mcp.server.sessions import Session
from django_mcp.transports import duplex, staying, websocket, wire
from django_mcp.transports.http import responses
from tests.conversations.talk import DECLINED, accepted, by_name
from tests.lines import (
    INITIALIZED,
    KINDS,
    OVER_HTTP,
    PATIENCE,
    STATEFUL,
    calling,
    cancelling,
    introduction,
    line_to,
    notification,
    request,
)


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    """Every transport of this sort, one after the other."""
    return str(request.param)


over_http = pytest.mark.parametrize("kind", OVER_HTTP)

ASKABLE = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}


class Calls:
    """Tools that say when they have begun, wait until they are let go, and say how they ended."""

    def __init__(self, server: MCPServer) -> None:
        self.begun: asyncio.Queue[str] = asyncio.Queue()
        self.ended: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.go = asyncio.Event()
        server.add_tool(self.wait)

    async def wait(self, name: str) -> str:
        """Wait."""
        self.begun.put_nowait(name)
        outcome = "cancelled"
        try:
            await self.go.wait()
            outcome = "finished"
        finally:
            self.ended.put_nowait((name, outcome))
        return name


def text_of(answer: Any) -> str:
    text: str = answer["result"]["content"][0]["text"]
    return text


async def soon(what: Any) -> Any:
    """`what`, as long as it does not take for ever."""
    return await asyncio.wait_for(what, PATIENCE)


# ---------------------------------------------------------------------------------- the handshake


@pytest.mark.parametrize("version", STATEFUL)
async def test_client_and_server_come_to_know_each_other(
    kind: str, version: str, server: MCPServer
) -> None:
    @server.tool
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    async with line_to(kind, server, version=None) as line:
        result = await line.initialize(version)
        assert result["protocolVersion"] == version
        assert result["serverInfo"] == {"name": "test", "version": "1.0"}
        assert result["capabilities"]["tools"] == {"listChanged": True}
        listed = await line.result("tools/list")
        assert [tool["name"] for tool in listed["tools"]] == ["add"]
        assert (await line.tool("add", {"a": 1, "b": 2}))["content"] == [
            {"type": "text", "text": "3"}
        ]


@pytest.mark.parametrize("version", ["2026-07-28", "1999-01-01"])
async def test_another_version_is_answered_with_the_newest_that_has_a_handshake(
    kind: str, version: str, server: MCPServer
) -> None:
    async with line_to(kind, server, version=None) as line:
        assert (await line.initialize(version))["protocolVersion"] == "2025-11-25"


async def test_before_initialize_only_ping_is_answered(kind: str, server: MCPServer) -> None:
    async with line_to(kind, server, version=None) as line:
        assert await line.result("ping") == {}
        error = await line.error("tools/list")
        assert error["code"] == -32600
        assert "initialize comes first" in error["message"]
        await line.say(INITIALIZED)
        assert (await line.error("tools/list"))["code"] == -32600
        assert (await line.initialize())["protocolVersion"] == "2025-11-25"
        assert await line.result("tools/list") == {"tools": []}


async def test_initialize_may_fail_and_be_tried_again(kind: str, server: MCPServer) -> None:
    async with line_to(kind, server, version=None) as line:
        assert (await line.error("initialize", {"protocolVersion": 7}))["code"] == -32602
        assert (await line.error("tools/list"))["code"] == -32600
        assert (await line.initialize("2025-03-26"))["protocolVersion"] == "2025-03-26"


async def test_a_second_initialize_is_refused_and_changes_nothing(
    kind: str, server: MCPServer
) -> None:
    async with line_to(kind, server, version="2025-06-18") as line:
        await line.say(introduction("2025-11-25", id=5))
        answer = await line.hear()
        assert (answer["id"], answer["error"]["code"]) == (5, -32600)
        assert await line.result("tools/list") == {"tools": []}


async def test_a_client_may_say_everything_at_once(kind: str, server: MCPServer) -> None:
    async with line_to(kind, server, version=None) as line:
        for message in (introduction(), INITIALIZED, request("tools/list", id=1)):
            await line.say(message)
        assert [(await line.hear())["id"] for _ in range(2)] == [0, 1]


async def test_a_session_is_told_of_when_it_begins_and_ends(
    kind: str, server: MCPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, str]] = []

    def hears_of(what: str) -> Any:
        async def hear(session: Session) -> None:
            seen.append((what, session.client_info.get("name")))

        return hear

    monkeypatch.setattr(server, "session_opened", hears_of("opened"))
    monkeypatch.setattr(server, "session_closed", hears_of("closed"))
    async with line_to(kind, server, version=None) as line:
        assert await line.result("ping") == {}
    assert seen == []
    async with line_to(kind, server):
        assert seen == [("opened", "test")]
    assert seen == [("opened", "test"), ("closed", "test")]


# ------------------------------------------------------------------------------------ hostile text

NO_MESSAGES = [
    (b"", -32700),
    (b"nonsense", -32700),
    (b'{"jsonrpc":"2.0",', -32700),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping"}x', -32700),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":NaN}}', -32700),
    (b"[" * 100 + b"]" * 100, -32700),
    (b"7", -32600),
    (b"null", -32600),
    (b"[]", -32600),
    (b"{}", -32600),
    (b'{"jsonrpc":"1.0","method":"ping"}', -32600),
    (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
    (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600),
    (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600),
    (b'{"jsonrpc":"2.0","id":1,"result":{},"error":{}}', -32600),
    (b'{"jsonrpc":"2.0","id":"' + b"x" * 2000 + b'","method":"ping"}', -32600),
]


@pytest.mark.parametrize("initialized", [False, True])
async def test_what_is_no_message_is_refused_and_the_next_one_served(
    kind: str, initialized: bool, server: MCPServer
) -> None:
    async with line_to(kind, server, version="2025-03-26" if initialized else None) as line:
        for body, code in NO_MESSAGES:
            if kind == "stdio" and not body:
                continue  # An empty line says nothing.
            if line.answers_at_once:
                reply = await line.post(body)
                assert reply.status == 400
                answer = reply.json
            else:
                await line.send(body)
                answer = await line.hear()
            assert set(answer) == {"jsonrpc", "error"}, body
            assert answer["error"]["code"] == code, body
            assert await line.result("ping") == {}


async def test_a_refused_request_is_answered_with_its_id(kind: str, server: MCPServer) -> None:
    async with line_to(kind, server) as line:
        body = b'{"jsonrpc":"2.0","id":4,"method":"ping","params":[]}'
        if line.answers_at_once:
            answer = (await line.post(body)).json
        else:
            await line.send(body)
            answer = await line.hear()
        assert (answer["id"], answer["error"]["code"]) == (4, -32600)


async def test_answers_nobody_waits_for_are_let_go(kind: str, server: MCPServer) -> None:
    async with line_to(kind, server) as line:
        await line.say({"jsonrpc": "2.0", "id": "made up", "result": {}})
        await line.say({"jsonrpc": "2.0", "id": 7, "error": {"code": 1, "message": "no"}})
        await line.say({"jsonrpc": "2.0", "error": {"code": 1, "message": "no"}})
        await line.say(notification("notifications/nobody/knows"))
        await line.say(cancelling("made up"))
        await line.say(notification("notifications/cancelled", {"requestId": [1]}))
        assert await line.result("ping") == {}


async def test_an_unknown_method_is_not_found(kind: str, server: MCPServer) -> None:
    async with line_to(kind, server) as line:
        assert (await line.error("server/discover"))["code"] == -32601
        assert (await line.error("tools/call"))["code"] == -32602


# ------------------------------------------------------------------------------------------- calls


async def test_calls_run_side_by_side_and_are_answered_as_they_end(
    kind: str, server: MCPServer
) -> None:
    calls = Calls(server)
    async with line_to(kind, server) as line:
        await line.say(calling("wait", {"name": "slow"}, id="slow"))
        await soon(calls.begun.get())
        assert await line.result("ping") == {}
        calls.go.set()
        assert (await line.hear())["id"] == "slow"


async def test_an_id_that_is_in_use_is_refused_and_the_first_call_answered(
    kind: str, server: MCPServer
) -> None:
    calls = Calls(server)
    async with line_to(kind, server) as line:
        await line.say(calling("wait", {"name": "first"}, id="x"))
        await line.say(calling("wait", {"name": "second"}, id="x"))
        refused = await line.hear()
        assert "id" not in refused
        assert refused["error"]["code"] == -32600
        assert "'x' is still being answered" in refused["error"]["message"]
        calls.go.set()
        answer = await line.hear()
        assert (answer["id"], text_of(answer)) == ("x", "first")
        await line.say(calling("wait", {"name": "third"}, id="x"))
        assert text_of(await line.hear()) == "third"
    assert calls.begun.qsize() == 2


async def test_no_more_calls_run_than_one_connection_may_have(
    kind: str, server: MCPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MAX_IN_FLIGHT", 2)
    calls = Calls(server)
    async with line_to(kind, server) as line:
        for id in range(2):
            await line.say(calling("wait", {"name": str(id)}, id=id))
        error = await line.error("ping")
        assert error["code"] == -32000
        calls.go.set()
        assert {(await line.hear())["id"] for _ in range(2)} == {0, 1}
        assert await line.result("ping") == {}


async def test_a_cancelled_call_ends_and_nothing_is_said_of_it(
    kind: str, server: MCPServer
) -> None:
    calls = Calls(server)
    async with line_to(kind, server) as line:
        await line.say(calling("wait", {"name": "it"}, id=1))
        await soon(calls.begun.get())
        await line.say(cancelling(1))
        assert await soon(calls.ended.get()) == ("it", "cancelled")
        assert await line.result("ping") == {}
        # The id is free again.
        calls.go.set()
        await line.say(calling("wait", {"name": "again"}, id=1))
        assert text_of(await line.hear()) == "again"


async def test_a_cancellation_may_follow_its_request_at_once(kind: str, server: MCPServer) -> None:
    calls = Calls(server)
    async with line_to(kind, server) as line:
        await asyncio.gather(
            line.say(calling("wait", {"name": "it"}, id=1)), line.say(cancelling(1))
        )
        assert await line.result("ping") == {}
        # Either it was cancelled before it began, or it has ended by now.
        assert calls.begun.qsize() == calls.ended.qsize()


async def test_what_a_call_says_comes_before_its_answer(kind: str, server: MCPServer) -> None:
    @server.tool
    async def work(ctx: Context) -> str:
        """Work."""
        for step in range(1, 4):
            await ctx.report_progress(step, 3)
        await ctx.info("nearly done")
        return "done"

    async with line_to(kind, server) as line:
        await line.say(calling("work", id=1, progressToken="t"))
        heard = [await line.hear() for _ in range(5)]
        assert [message.get("method") for message in heard] == [
            *["notifications/progress"] * 3,
            "notifications/message",
            None,
        ]
        assert [message["params"]["progress"] for message in heard[:3]] == [1, 2, 3]
        assert heard[3]["params"] == {"level": "info", "data": "nearly done"}
        assert text_of(heard[4]) == "done"


async def test_the_log_level_counts_from_the_next_call(kind: str, server: MCPServer) -> None:
    @server.tool
    async def work(ctx: Context) -> str:
        """Work."""
        await ctx.warning("careful")
        await ctx.error("broken")
        return "done"

    async with line_to(kind, server) as line:
        assert await line.result("logging/setLevel", {"level": "error"}) == {}
        await line.say(calling("work"))
        assert (await line.hear())["params"]["level"] == "error"
        assert text_of(await line.hear()) == "done"


# --------------------------------------------------------------------------------------- questions


@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25"])
async def test_a_call_may_ask_the_user(kind: str, version: str, server: MCPServer) -> None:
    @server.tool
    async def remove(ctx: Context, what: str) -> str:
        """Remove."""
        return "removed" if await ctx.confirm(f"Remove {what}?") else "kept"

    async with line_to(kind, server, version=version, capabilities=ASKABLE) as line:
        for answer, outcome in [(accepted(), "removed"), (DECLINED, "kept")]:
            await line.say(calling("remove", {"what": "it"}))
            question = await line.hear()
            assert question["method"] == "elicitation/create"
            assert question["params"]["message"] == "Remove it?"
            assert await line.result("ping") == {}
            await line.say({"jsonrpc": "2.0", "id": question["id"], "result": answer})
            assert text_of(await line.hear()) == outcome


async def test_a_question_may_be_answered_with_an_error(kind: str, server: MCPServer) -> None:
    @server.tool
    async def ask(ctx: Context) -> str:
        """Ask."""
        return str(await ctx.confirm("Well?"))

    async with line_to(kind, server, capabilities=ASKABLE) as line:
        await line.say(calling("ask"))
        question = await line.hear()
        error = {"code": -1, "message": "not now"}
        await line.say({"jsonrpc": "2.0", "id": question["id"], "error": error})
        assert (await line.hear())["result"]["isError"] is True


async def test_the_question_of_a_cancelled_call_is_withdrawn(kind: str, server: MCPServer) -> None:
    @server.tool
    async def ask(ctx: Context) -> str:
        """Ask."""
        return str(await ctx.confirm("Well?"))

    async with line_to(kind, server, capabilities=ASKABLE) as line:
        await line.say(calling("ask", id=1))
        question = await line.hear()
        await line.say(cancelling(1))
        withdrawn = await line.hear()
        assert withdrawn["method"] == "notifications/cancelled"
        assert withdrawn["params"]["requestId"] == question["id"]
        assert await line.result("ping") == {}


async def test_nobody_is_asked_before_the_client_is_ready(kind: str, server: MCPServer) -> None:
    @server.tool
    async def ask(ctx: Context) -> str:
        """Ask."""
        return str(await ctx.confirm("Well?"))

    async with line_to(kind, server, version=None) as line:
        await line.say(introduction(capabilities=ASKABLE))
        assert (await line.hear())["id"] == 0
        assert (await line.tool("ask"))["isError"] is True


# ----------------------------------------------------------------------------------------- changes


async def test_a_client_hears_of_lists_that_change(kind: str, server: MCPServer) -> None:
    async with line_to(kind, server) as line:
        assert await line.result("ping") == {}
        server.notify_tools_changed()
        assert await line.hear() == {
            "jsonrpc": "2.0",
            "method": "notifications/tools/list_changed",
        }
        server.notify_prompts_changed()
        assert (await line.hear())["method"] == "notifications/prompts/list_changed"


async def test_a_client_hears_of_the_resources_it_follows(kind: str, server: MCPServer) -> None:
    server.add_resource("memo://a", "a")
    server.add_resource("memo://b", "b")
    async with line_to(kind, server) as line:
        assert await line.result("resources/subscribe", {"uri": "memo://a"}) == {}
        server.notify_resource_updated("memo://b")
        server.notify_resource_updated("memo://a")
        assert await line.hear() == {
            "jsonrpc": "2.0",
            "method": "notifications/resources/updated",
            "params": {"uri": "memo://a"},
        }
        assert await line.result("resources/unsubscribe", {"uri": "memo://a"}) == {}
        server.notify_resource_updated("memo://a")
        server.notify_resources_changed()
        assert (await line.hear())["method"] == "notifications/resources/list_changed"


async def test_two_subscriptions_made_at_once_both_count(kind: str, server: MCPServer) -> None:
    uris = ["memo://a", "memo://b"]
    for uri in uris:
        server.add_resource(uri, "x")
    async with line_to(kind, server) as line:
        for number, uri in enumerate(uris):
            await line.say(request("resources/subscribe", {"uri": uri}, id=number))
        assert {(await line.hear())["id"] for _ in uris} == {0, 1}
        for uri in uris:
            server.notify_resource_updated(uri)
        assert [(await line.hear())["params"]["uri"] for _ in uris] == uris


async def test_a_client_hears_nothing_before_it_is_ready(kind: str, server: MCPServer) -> None:
    async with line_to(kind, server, version=None) as line:
        await line.say(introduction())
        assert (await line.hear())["id"] == 0
        await line.say(notification("notifications/roots/list_changed"))
        assert await line.result("ping") == {}
        server.notify_tools_changed()
        assert await line.result("ping") == {}


# ----------------------------------------------------------------------------------------- batches


async def test_a_batch_is_answered_with_a_batch(kind: str, server: MCPServer) -> None:
    calls = Calls(server)
    async with line_to(kind, server, version="2025-03-26") as line:
        calls.go.set()
        await line.say(
            [
                request("ping", id=1),
                notification("notifications/roots/list_changed"),
                calling("wait", {"name": "it"}, id=2),
                7,
                introduction(id=3),
                {"jsonrpc": "2.0", "id": "made up", "result": {}},
                request("nobody/knows", id=4),
            ]
        )
        answers = await line.hear()
        assert [answer.get("id") for answer in answers] == [1, 2, None, 3, 4]
        assert answers[0]["result"] == {}
        assert text_of(answers[1]) == "it"
        assert [answer["error"]["code"] for answer in answers[2:]] == [-32600, -32600, -32601]


async def test_a_cancelled_member_is_left_out_of_the_answer(kind: str, server: MCPServer) -> None:
    calls = Calls(server)
    async with line_to(kind, server, version="2025-03-26") as line:
        await line.say(
            [
                calling("wait", {"name": "a"}, id=1),
                calling("wait", {"name": "b"}, id=2),
                cancelling(1),
            ]
        )
        assert {await soon(calls.begun.get()), await soon(calls.begun.get())} == {"a", "b"}
        assert await soon(calls.ended.get()) == ("a", "cancelled")
        calls.go.set()
        assert [answer["id"] for answer in await line.hear()] == [2]


async def test_a_batch_of_nothing_to_answer_is_not_answered(kind: str, server: MCPServer) -> None:
    calls = Calls(server)
    async with line_to(kind, server, version="2025-03-26") as line:
        await line.say([INITIALIZED, INITIALIZED])
        await line.say([calling("wait", {"name": "it"}, id=1), cancelling(1)])
        assert await soon(calls.ended.get()) == ("it", "cancelled")
        assert await line.result("ping") == {}


@pytest.mark.parametrize("version", [None, "2024-11-05", "2025-06-18", "2025-11-25"])
async def test_other_revisions_have_no_batches(
    kind: str, version: str | None, server: MCPServer
) -> None:
    async with line_to(kind, server, version=version) as line:
        await line.say([request("ping", id=1)])
        answer = await line.hear()
        assert "id" not in answer
        assert answer["error"]["code"] == -32600
        assert await line.result("ping") == {}


# ------------------------------------------------------------------------------------- the end


async def test_a_client_that_goes_away_takes_everything_with_it(
    kind: str, server: MCPServer
) -> None:
    calls = Calls(server)

    @server.tool
    async def ask(ctx: Context) -> str:
        """Ask."""
        return str(await ctx.confirm("Well?"))

    before = asyncio.all_tasks()
    async with line_to(kind, server, capabilities=ASKABLE) as line:
        await line.say(calling("wait", {"name": "it"}, id=1))
        await line.say(calling("ask", id=2))
        assert (await line.hear())["method"] == "elicitation/create"
        (key,) = server.hub._lines
        await line.leave()
        assert await soon(calls.ended.get()) == ("it", "cancelled")
    assert asyncio.all_tasks() == before
    assert server.hub.lines == []
    assert await server.sessions.find(key) is None


async def test_a_client_may_go_away_before_it_has_said_anything(
    kind: str, server: MCPServer
) -> None:
    before = asyncio.all_tasks()
    async with line_to(kind, server, version=None) as line:
        await line.leave()
    assert asyncio.all_tasks() == before
    assert server.hub.lines == []


async def test_a_session_that_is_ended_elsewhere_ends_the_connection(
    kind: str, server: MCPServer
) -> None:
    calls = Calls(server)
    async with line_to(kind, server) as line:
        await line.say(calling("wait", {"name": "it"}))
        await soon(calls.begun.get())
        (key,) = server.hub._lines
        server.hub.ended(key)
        with pytest.raises(EOFError):
            await line.hear()
        await line.ended()
    assert await soon(calls.ended.get()) == ("it", "cancelled")


async def test_connections_end_with_the_server(kind: str, server: MCPServer) -> None:
    async with line_to(kind, server) as line:
        await server.shutdown()
        await line.ended()


@over_http
async def test_a_client_that_reads_nothing_is_given_up(
    kind: str, server: MCPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "WRITE_TIMEOUT", 0.05)
    monkeypatch.setattr(responses, "WRITE_TIMEOUT", 0.05)
    said = 0
    over = asyncio.Event()

    @server.tool
    async def chatter(ctx: Context) -> None:
        """Go on and on."""
        nonlocal said
        try:
            while True:
                await ctx.info("x" * 100_000)
                said += 1
        finally:
            over.set()

    async with line_to(kind, server) as line:
        line.reads.clear()
        await line.say(calling("chatter"))
        await soon(over.wait())
        await line.ended()
    assert 0 < said < 30
    assert server.hub.lines == []


async def test_a_slow_client_slows_its_calls_down_and_hears_everything(
    kind: str, server: MCPServer
) -> None:
    @server.tool
    async def chatter(ctx: Context) -> str:
        """Say more than is kept for a slow client."""
        for number in range(30):
            await ctx.info(f"{number} " + "x" * 100_000)
        return "done"

    async with line_to(kind, server) as line:
        line.reads.clear()
        await line.say(calling("chatter"))
        await soon(line.blocked.wait())
        line.reads.set()
        numbers = [(await line.hear())["params"]["data"].split()[0] for _ in range(30)]
        assert numbers == [str(number) for number in range(30)]
        assert text_of(await line.hear()) == "done"


async def test_no_more_calls_begin_while_their_answers_are_not_read(
    kind: str, server: MCPServer
) -> None:
    begun = 0

    @server.tool
    async def large() -> str:
        """Say much."""
        nonlocal begun
        begun += 1
        return "x" * 600_000

    async with line_to(kind, server) as line:
        line.reads.clear()
        for id in range(20):
            await line.say(calling("large", id=id))
        await soon(line.blocked.wait())
        for _ in range(1_000):
            await asyncio.sleep(0)
        # Those that had begun when the first answer found no room, and none since.
        assert 3 <= begun < 20
        line.reads.set()
        assert [(await line.hear())["id"] for _ in range(20)] == list(range(20))


@over_http
async def test_a_caller_may_have_only_so_many_connections(
    kind: str, server: MCPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplex, "MAX_OF_ONE", 1)

    async with line_to(kind, server, authenticate=by_name, **{"x-caller": "ada"}):
        with pytest.raises(AssertionError):
            async with line_to(kind, server, authenticate=by_name, **{"x-caller": "ada"}):
                pass
        async with line_to(kind, server, authenticate=by_name, **{"x-caller": "bob"}) as other:
            assert await other.result("ping") == {}
    async with line_to(kind, server, authenticate=by_name, **{"x-caller": "ada"}) as again:
        assert await again.result("ping") == {}


async def test_a_function_knows_who_calls(kind: str, server: MCPServer) -> None:
    @server.tool
    def who(ctx: Context) -> str:
        """Who calls."""
        return f"{ctx.principal.id} {ctx.headers['x-caller']}"

    async def authenticate(request: Any) -> Principal | None:
        return by_name(request)

    headers = {"x-caller": "ada"}
    async with line_to(kind, server, authenticate=authenticate, **headers) as line:
        assert text_of({"result": await line.tool("who")}) == "name:ada ada"


@pytest.mark.parametrize("outcome", ["none", "refused", "another"])
async def test_a_caller_who_may_be_connected_no_longer_is_disconnected(
    kind: str, server: MCPServer, asked_often: None, outcome: str
) -> None:
    calls, disabled = Calls(server), asyncio.Event()

    def authenticate(request: Any) -> Principal | None:
        if not disabled.is_set():
            return Principal(id="user:1")
        if outcome == "refused":
            raise Refused(403, "disabled")
        return Principal(id="user:2") if outcome == "another" else None

    async with line_to(kind, server, authenticate=authenticate) as line:
        await line.say(calling("wait", {"name": "it"}))
        await soon(calls.begun.get())
        disabled.set()
        with pytest.raises(EOFError):
            await line.hear()
        await line.ended()
    assert await soon(calls.ended.get()) == ("it", "cancelled")


async def test_the_rights_of_a_caller_are_those_of_now(
    kind: str,
    server: MCPServer,
    asked_often: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(staying, "DOUBTS", 1_000_000)
    asked: asyncio.Queue[None] = asyncio.Queue()
    scopes: list[str] | None = ["write"]

    async def authenticate(request: Any) -> Principal:
        if request.method == "GET":  # Not one that only brings a message.
            asked.put_nowait(None)
            if scopes is None:
                raise OSError("the database is away")
        return Principal(id="user:1", scopes=frozenset(scopes or ()))

    @server.tool(permission=lambda principal: "write" in principal.scopes)
    async def write() -> str:
        """Write."""
        return "written"

    async def renewed() -> None:
        """What is asked for from now on has been answered once."""
        while not asked.empty():
            asked.get_nowait()
        for _ in range(2):
            await soon(asked.get())

    async with line_to(kind, server, authenticate=authenticate) as line:
        assert text_of({"result": await line.tool("write")}) == "written"
        scopes = None
        await renewed()
        assert text_of({"result": await line.tool("write")}) == "written"
        scopes = []
        await renewed()
        params = {"name": "write", "arguments": {}}
        assert (await line.error("tools/call", params))["message"] == "Unknown tool: write"
    assert caplog.text.count("It cannot be told whether those who are connected may stay") == 1
