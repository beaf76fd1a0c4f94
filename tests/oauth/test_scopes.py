"""What a token may do of what its user may do: scopes, permissions, and how more is got."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from django_mcp import Context, MCPServer, Principal
from django_mcp.server.errors import RegistrationError
from django_mcp.server.scopes import ScopePolicy
from tests.conversations.talk import consumer_of
from tests.doors import Reply, envelope
from tests.oauth.conftest import Door, SessionClient, grant
from tests.oauth.people import Person, Program

Connected = Callable[..., Awaitable[str]]


@pytest.fixture
def with_scopes(anna: Person, program: Program) -> Connected:
    """A token that anna gives the program with these scopes."""

    async def connect(scope: str) -> str:
        return str((await sync_to_async(program.connect)(anna, scope=scope))["access_token"])

    return connect


def challenged(reply: Reply) -> dict[str, str]:
    """The parameters of the challenge that came with a 403."""
    assert reply.status == 403, reply.body
    return dict(re.findall(r'(\w+)="([^"]*)"', reply.headers["www-authenticate"]))


# 23, 25


async def test_what_only_reads_needs_the_scope_to_read(door: Door, with_scopes: Connected) -> None:
    token = await with_scopes("mcp:read")

    assert (await door.calling(token, "look")).result["content"][0]["text"] == "seen"
    said = challenged(await door.calling(token, "write", text="x"))
    assert said == {
        "error": "insufficient_scope",
        "error_description": "This needs the scope mcp:write.",
        "scope": "mcp:write",
        "resource_metadata": "http://testserver/.well-known/oauth-protected-resource/mcp",
    }


async def test_one_challenge_names_every_scope_and_keeps_those_there_are(
    door: Door, with_scopes: Connected
) -> None:
    reply = await door.calling(await with_scopes("mcp:read"), "lend")

    assert challenged(reply)["scope"] == "mcp:read desk:lend desk:stamp"
    assert reply.error == {
        "code": -32600,
        "message": "Insufficient scope: this needs desk:lend desk:stamp. Ask the user to "
        "authorize it.",
        "data": {"requiredScopes": ["desk:lend", "desk:stamp"]},
    }


async def test_a_scope_brings_those_it_implies(door: Door, with_scopes: Connected) -> None:
    token = await with_scopes("mcp:write")

    assert (await door.calling(token, "look")).status == 200


async def test_a_tool_without_scopes_needs_none(door: Door, with_scopes: Connected) -> None:
    token = await with_scopes("desk:open")

    assert (await door.calling(token, "hello")).status == 200


async def test_after_a_step_up_the_call_goes_through(
    door: Door, anna: Person, program: Program, with_scopes: Connected
) -> None:
    before = challenged(await door.calling(await with_scopes("mcp:read"), "lend"))
    token = await with_scopes(before["scope"])

    assert (await door.calling(token, "lend")).result["content"][0]["text"] == "lent"
    assert (await door.calling(token, "look")).status == 200


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("resources/read", {"uri": "desk://drawer"}),
        ("resources/read", {"uri": "desk://pages/3"}),
        ("prompts/get", {"name": "tidy", "arguments": {"what": "drawer"}}),
        (
            "completion/complete",
            {
                "ref": {"type": "ref/prompt", "name": "tidy"},
                "argument": {"name": "what", "value": ""},
            },
        ),
    ],
    ids=["resource", "template", "prompt", "completion"],
)
async def test_everything_else_has_scopes_as_well(
    door: Door, with_scopes: Connected, method: str, params: Any
) -> None:
    refused = await door.asking(await with_scopes("mcp:read"), method, params)
    allowed = await door.asking(await with_scopes("desk:open"), method, params)

    assert challenged(refused)["scope"] == "mcp:read desk:open"
    assert allowed.status == 200


async def test_what_is_followed_is_no_more_than_what_may_be_read(
    door: Door, with_scopes: Connected
) -> None:
    token = await with_scopes("mcp:read")
    wanted = {"resourceSubscriptions": ["desk://paper", "desk://drawer"]}
    message = envelope("subscriptions/listen", {"notifications": wanted})
    async with door.opened(message, authorization=f"Bearer {token}") as stream:
        acknowledged = await stream.message()

    assert acknowledged["params"]["notifications"] == {"resourceSubscriptions": ["desk://paper"]}


# 24


async def test_a_list_keeps_what_a_step_up_would_bring_and_not_what_the_user_may_not(
    door: Door, anna: Person, with_scopes: Connected
) -> None:
    token = await with_scopes("mcp:read")

    async def names() -> list[str]:
        reply = await door.asking(token, "tools/list")
        return [tool["name"] for tool in reply.result["tools"]]

    assert await names() == ["look", "write", "lend", "hello"]
    assert (await door.calling(token, "people")).error["message"] == "Unknown tool: people"
    await sync_to_async(grant)(anna, "change_user")
    assert await names() == ["look", "write", "lend", "hello", "people"]
    assert (await door.calling(token, "people")).status == 200
    await anna.user.user_permissions.aclear()
    assert (await door.calling(token, "people")).error["message"] == "Unknown tool: people"


async def test_a_scope_gives_nobody_what_their_user_may_not(
    door: Door, with_scopes: Connected
) -> None:
    reply = await door.calling(await with_scopes("mcp:write"), "people")

    assert (reply.status, "www-authenticate" in reply.headers) == (400, False)


# Sessions


async def test_in_a_session_a_call_is_challenged_by_http_too(
    door: Door, with_scopes: Connected
) -> None:
    token = await with_scopes("mcp:read")
    client = await SessionClient(door, token).begin()
    reply = await client.post(client.call("lend"))

    assert challenged(reply)["scope"] == "mcp:read desk:lend desk:stamp"
    assert reply.error["code"] == -32600


# Without tokens


async def test_where_nobody_was_granted_scopes_they_limit_nobody(server: MCPServer) -> None:
    reply = await consumer_of(server).tool("lend")

    assert reply["content"][0]["text"] == "lent"


async def test_an_authentication_of_the_projects_own_may_grant_scopes(server: MCPServer) -> None:
    def known(request: Any) -> Principal:
        return Principal(id="program:1", scopes=frozenset({"desk:lend"}), limits=ScopePolicy())

    reply = await consumer_of(server, authenticate=known).call(
        "tools/call", {"name": "lend", "arguments": {}}
    )

    assert (reply.status, "www-authenticate" in reply.headers) == (403, False)
    assert reply.error["data"] == {"requiredScopes": ["desk:lend", "desk:stamp"]}


@pytest.mark.parametrize("scopes", ["desk:lend", ["a b"], ["*"], ["mcp:*"], ['"'], [""]])
def test_what_is_no_scope_is_refused_when_it_is_registered(server: MCPServer, scopes: Any) -> None:
    with pytest.raises(RegistrationError, match="scope"):
        server.add_tool(lambda: "x", "odd", scopes=scopes)


# 21, 22: sessions and states belong to one user at one client


async def test_a_session_belongs_to_one_user_and_one_client(
    door: Door, anna: Person, ben: Person, program: Program, tokens: dict[str, Any]
) -> None:
    client = await SessionClient(door, tokens["access_token"]).begin()
    others = [
        await sync_to_async(program.connect)(ben),
        await sync_to_async(Program().connect)(anna),
    ]

    for other in others:
        client.token = other["access_token"]
        assert (await client.request("tools/list")).status == 404
    client.token = tokens["access_token"]
    assert (await client.request("tools/list")).status == 200


async def test_a_session_goes_on_with_a_token_that_was_refreshed(
    door: Door, program: Program, tokens: dict[str, Any]
) -> None:
    client = await SessionClient(door, tokens["access_token"]).begin()
    refreshed = await sync_to_async(program.refresh)(tokens["refresh_token"])
    client.token = refreshed.json()["access_token"]

    assert (await client.request("tools/list")).status == 200


async def test_a_state_belongs_to_one_user_and_one_client(
    server: MCPServer, door: Door, anna: Person, ben: Person, program: Program, tokens: Any
) -> None:
    @server.tool(scopes=[])
    async def sure(ctx: Context) -> bool:
        """Ask."""
        return await ctx.confirm("Sure?")

    async def answer(token: str, state: str | None) -> Reply:
        params: dict[str, Any] = {"name": "sure", "arguments": {}}
        if state is not None:
            yes = {"action": "accept", "content": {}}
            params |= {"requestState": state, "inputResponses": dict.fromkeys(keys, yes)}
        message = envelope("tools/call", params, capabilities={"elicitation": {"form": {}}})
        return await door.post(message, authorization=f"Bearer {token}")

    keys: list[str] = []
    asked = (await answer(tokens["access_token"], None)).result
    keys += asked["inputRequests"]
    others = [
        await sync_to_async(program.connect)(ben),
        await sync_to_async(Program().connect)(anna),
    ]

    for other in others:
        assert (await answer(other["access_token"], asked["requestState"])).status == 400
    own = (await answer(tokens["access_token"], asked["requestState"])).result
    assert own["structuredContent"] == {"result": True} or own["structuredContent"] is True
