"""The table of calls: what is in it after a conversation, and what it never holds.

Inside a test's transaction rows are written at once. How they are written otherwise, by a thread
and many at a time, is `tests.backends.test_journal`.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from pydantic import BaseModel, SecretStr

from django_mcp import Context, MCPServer, Principal, ToolError
from django_mcp.models import Call
from tests.conversations.talk import ASKABLE, Client, accepted, by_name, calling
from tests.doors import Door
from tests.lines import KINDS, line_to

pytestmark = pytest.mark.django_db

TRACE = "0af7651916cd43dd8448eb211c80319c"


def audit(settings: Any, **more: Any) -> None:
    settings.DJANGO_MCP = {"SESSIONS": "memory", "AUDIT": True, **more}


class Account(BaseModel):
    name: str
    key: SecretStr
    pin: int = 0


@pytest.fixture(autouse=True)
def _kept(settings: Any) -> None:
    audit(settings)


@pytest.fixture(autouse=True)
def _fill(server: MCPServer) -> None:
    @server.tool
    async def greet(name: str = "you"):  # type: ignore[no-untyped-def]
        return f"Hello, {name}"

    @server.tool
    async def lend() -> None:
        raise ToolError("Not today.")

    @server.tool
    async def crash() -> None:
        raise ValueError("the password is swordfish")

    @server.tool(timeout=0.01)
    async def sleep(ctx: Context) -> None:
        await ctx.ask("Go on?")

    @server.tool
    async def ask(ctx: Context):  # type: ignore[no-untyped-def]
        return str(await ctx.confirm("Sure?"))

    @server.tool
    def open_account(
        account: Account,
        others: list[Account] | None = None,
        api_key: str = "",
        home_address: str = "",
        note: str = "",
        code: SecretStr | None = None,
    ):  # type: ignore[no-untyped-def]
        return "opened"

    @server.prompt
    def review(book: str) -> str:
        return f"Review {book}"


async def rows(**chosen: Any) -> list[Call]:
    """The table, in the order in which it was written."""

    def read() -> list[Call]:
        return list(Call.objects.filter(**chosen).order_by("pk"))

    return await sync_to_async(read)()


async def the_row(**chosen: Any) -> Call:
    (row,) = await rows(**chosen)
    return row


@pytest.mark.parametrize(
    ("method", "params", "outcome", "code"),
    [
        ("tools/call", {"name": "greet"}, "ok", None),
        ("tools/call", {"name": "lend"}, "tool_error", None),
        ("tools/call", {"name": "crash"}, "internal_error", None),
        ("tools/call", {"name": "ask"}, "input_required", None),
        ("tools/call", {"name": "nope"}, "error", -32602),
        ("prompts/get", {"name": "review", "arguments": {"book": "Emma"}}, "ok", None),
        ("resources/read", {"uri": "x://y"}, "error", -32602),
        ("tools/list", {}, "ok", None),
        ("nope", {}, "error", -32601),
    ],
)
async def test_each_call_has_a_row(
    door: Door, method: str, params: Any, outcome: str, code: int | None
) -> None:
    reply = await door.call(method, params, id="r-1", capabilities=ASKABLE)

    row = await the_row()
    assert (row.server, row.method, row.outcome, row.code) == ("test", method, outcome, code)
    assert row.target == params.get("name", params.get("uri", ""))
    assert (row.principal, row.user_key, row.user_label) == ("anonymous", "", "")
    assert (row.client, row.client_version, row.client_id) == ("test", "1", "")
    assert (row.session, row.revision, row.request_id) == ("", "2026-07-28", "r-1")
    assert row.sent == len(reply.body)
    assert row.received > 100
    assert 0 < row.milliseconds < 60_000
    assert re.fullmatch("[0-9a-f]{32}", row.correlation)
    assert row.arguments is None
    assert "swordfish" not in str(vars(row))


async def test_without_the_setting_there_is_no_row(door: Door, settings: Any) -> None:
    audit(settings, AUDIT=False)

    await door.tool("greet")

    assert await rows() == []


async def test_a_row_outlives_the_user_it_names(guarded: Any) -> None:
    ada = await User.objects.acreate(username="ada")
    door = guarded(lambda request: Principal(id="user:1", user=ada, client_id="app-7"))

    await door.tool("greet")
    await User.objects.filter(pk=ada.pk).adelete()

    row = await the_row()
    assert (row.principal, row.user_key, row.user_label) == ("user:1", str(ada.pk), "ada")
    assert row.client_id == "app-7"


async def test_a_tool_that_takes_too_long_has_timed_out(streaming: Any) -> None:
    client = await Client(streaming).begin()

    async with client.calling("sleep") as stream:
        await stream.messages()

    row = await the_row(method="tools/call")
    assert (row.outcome, row.target) == ("timed_out", "sleep")
    assert row.milliseconds >= 10


async def test_a_call_of_a_session_names_it(door: Door, server: MCPServer) -> None:
    client = await Client(door).begin()
    await client.tool("greet")

    opened, called = await rows()
    assert (opened.method, called.method) == ("initialize", "tools/call")
    session = await server.sessions.find(called.session)
    assert session is not None
    assert opened.session == called.session
    assert (called.client, called.revision) == ("client", "2025-11-25")
    assert client.session not in str(vars(called))


@pytest.mark.parametrize("kind", KINDS)
async def test_calls_of_every_connection_have_rows(kind: str, server: MCPServer) -> None:
    async with line_to(kind, server) as line:
        await line.tool("greet")

    opened, called = await rows()
    assert (opened.method, called.method) == ("initialize", "tools/call")
    assert (called.target, called.outcome, called.client) == ("greet", "ok", "test")
    assert called.received > 0
    assert called.sent > 0


async def test_members_of_a_batch_have_rows_with_their_own_sizes(door: Door) -> None:
    client = await Client(door, "2025-03-26").begin()
    long = client.call("greet")
    long["params"]["arguments"] = {"name": "x" * 1000}

    await client.post(json.dumps([long, client.call("greet")]).encode())

    first, second = await rows(method="tools/call")
    assert first.received > 1000 > second.received > 0


# ------------------------------------------------------------------------------- what joins them


async def test_the_client_s_trace_is_the_correlation_id(door: Door, server: MCPServer) -> None:
    seen: list[str] = []

    @server.tool
    async def look(ctx: Context) -> None:
        seen.append(ctx.correlation_id)

    trace = f"00-{TRACE}-00f067aa0ba902b7-01"
    await door.tool("look", meta={"traceparent": trace})

    assert seen == [TRACE]
    assert (await the_row()).correlation == TRACE


@pytest.mark.parametrize(
    "trace", ["", 7, None, "00-x", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"00-{TRACE}-00-01\n"]
)
async def test_a_trace_that_is_none_is_passed_over(door: Door, trace: Any) -> None:
    await door.tool("greet", meta={"traceparent": trace})

    row = await the_row()
    assert row.outcome == "ok"
    assert re.fullmatch("[0-9a-f]{32}", row.correlation)
    assert row.correlation != TRACE


async def test_each_round_of_a_call_has_a_row_and_all_have_one_correlation(door: Door) -> None:
    call = calling(door, "ask")
    (key,) = await call.asked()
    await call.ended({key: accepted()})
    again = calling(door, "ask")
    await again.asked()

    first, second, other = await rows()
    assert [first.outcome, second.outcome, other.outcome] == [
        "input_required",
        "ok",
        "input_required",
    ]
    assert first.correlation == second.correlation != other.correlation


# ------------------------------------------------------------------------------------- arguments

GIVEN = {
    "account": {"name": "Ada", "key": "k-1", "pin": 1234},
    "others": [{"name": "Bob", "key": "k-2"}],
    "api_key": "k-3",
    "home_address": "Street 1",
    "note": "n" * 600,
    "code": "k-4",
}
HIDDEN = "•••"


async def arguments_kept(door: Door, settings: Any, policy: Any, **more: Any) -> Any:
    audit(settings, AUDIT_ARGUMENTS=policy, **more)
    await door.tool("open_account", GIVEN)
    row = await the_row()
    assert row.outcome == "ok"
    assert not re.search("k-[124]", str(row.arguments))
    return row.arguments


async def test_of_arguments_only_the_names_may_be_kept(door: Door, settings: Any) -> None:
    assert await arguments_kept(door, settings, "names") == list(GIVEN)


async def test_redacted_arguments_are_without_secrets(door: Door, settings: Any) -> None:
    kept = await arguments_kept(door, settings, "redacted", AUDIT_REDACT=["*_address"])

    assert kept == {
        "account": {"name": "Ada", "key": HIDDEN, "pin": HIDDEN},
        "others": [{"name": "Bob", "key": HIDDEN}],
        "api_key": HIDDEN,
        "home_address": HIDDEN,
        "note": "n" * 500 + "…",
        "code": HIDDEN,
    }


async def test_full_arguments_are_without_what_the_tool_declares_secret(
    door: Door, settings: Any
) -> None:
    kept = await arguments_kept(door, settings, "full")

    assert kept["account"] == {"name": "Ada", "key": HIDDEN, "pin": 1234}
    assert (kept["api_key"], kept["home_address"]) == ("k-3", "Street 1")
    assert kept["code"] == HIDDEN


async def test_each_tool_may_have_its_policy(door: Door, settings: Any) -> None:
    audit(settings, AUDIT_ARGUMENTS={"greet": "full", "*": "names"})

    await door.tool("greet", {"name": "Ada"})
    await door.call("prompts/get", {"name": "review", "arguments": {"book": "Emma"}})

    greeted, reviewed = await rows()
    assert greeted.arguments == {"name": "Ada"}
    assert reviewed.arguments == ["book"]


async def test_arguments_that_are_too_large_are_named(door: Door, settings: Any) -> None:
    audit(settings, AUDIT_ARGUMENTS="full")

    await door.tool("greet", {f"n{number}": "x" * 400 for number in range(50)})

    kept = (await the_row()).arguments
    assert kept["n0"] == "…"
    assert "bytes" in kept["…"]
    assert len(json.dumps(kept)) < 4096


async def test_what_a_database_does_not_take_is_replaced(door: Door, settings: Any) -> None:
    audit(settings, AUDIT_ARGUMENTS="full")

    await door.post(
        b'{"jsonrpc": "2.0", "id": "\\ud800\\u0000", "method": "tools/call", "params": {"name":'
        b' "greet", "arguments": {"name": "a\\u0000b\\udfff"}, "_meta":'
        b' {"io.modelcontextprotocol/protocolVersion": "2026-07-28",'
        b' "io.modelcontextprotocol/clientInfo": {"name": "\\u0000", "version": 7},'
        b' "io.modelcontextprotocol/clientCapabilities": {}}}}',
        mcp_method="tools/call",
        mcp_name="greet",
    )

    row = await the_row()
    assert row.arguments == {"name": "a\ufffdb\ufffd"}
    assert (row.request_id, row.client, row.client_version) == ("\ufffd\ufffd", "\ufffd", "")


async def test_no_token_gets_into_a_row(guarded: Any, settings: Any) -> None:
    audit(settings, AUDIT_ARGUMENTS="full")

    await guarded(by_name).call(
        "tools/call",
        {"name": "greet"},
        meta={"secret": "t0p"},
    )
    reply = await guarded(by_name).post(
        {"jsonrpc": "2.0", "id": 1, "method": "ping"}, authorization="Bearer t0p"
    )

    assert reply.status == 401
    assert await rows() == []


@pytest.fixture
def _broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr("django_mcp.backends.journal.kept_of", fail)


@pytest.mark.usefixtures("_broken")
async def test_what_cannot_be_kept_harms_no_call(door: Door) -> None:
    assert (await door.tool("greet"))["content"][0]["text"] == "Hello, you"

    assert (await the_row()).arguments is None
