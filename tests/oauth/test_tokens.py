"""Tokens at the MCP endpoint: whom one lets in, and whom not.

The numbers are those of the table in tests/oauth/README.md.
"""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.handlers.asgi import ASGIHandler
from django.utils import timezone
from oauth2_provider.models import (
    get_access_token_model,
    get_application_model,
    get_refresh_token_model,
)

from django_mcp import Context, MCPServer
from django_mcp.oauth import personal
from django_mcp.oauth.authentication import bearer
from django_mcp.oauth.models import Client, Connection
from django_mcp.oauth.tokens import digest_of, verify_all
from django_mcp.routing import MCPRouter, mount
from tests.doors import AsgiDoor, Request, envelope, headers_for
from tests.exposure.depot.server import captured_in
from tests.oauth.conftest import Door, server_named
from tests.oauth.people import MCP, Person, Program

INVALID = (
    'Bearer error="invalid_token", '
    'error_description="The token is unknown, expired or not for here.", scope="mcp:read", '
    'resource_metadata="http://testserver/.well-known/oauth-protected-resource/mcp"'
)


def refused(reply: Any) -> None:
    """The reply tells where to get a token, and nothing else."""
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == INVALID
    assert reply.error == {
        "code": -32600,
        "message": "The token is unknown, expired or not for here.",
    }


AccessToken = get_access_token_model()


async def test_one_query_finds_out_whom_a_token_speaks_for(
    door: Door, tokens: dict[str, Any]
) -> None:
    await door.calling(tokens["access_token"], "look")
    statements = await captured_in(door.calling(tokens["access_token"], "look"))

    assert len(statements) == 1, statements


# 1, 2


async def test_without_a_token_the_client_is_told_where_to_get_one(door: Door) -> None:
    reply = await door.calling(None, "look")

    assert reply.status == 401
    assert reply.headers["www-authenticate"].startswith('Bearer scope="mcp:read", resource_meta')
    assert reply.error == {"code": -32600, "message": "Authentication required"}


async def test_a_client_that_begins_guesses_nothing_and_need_not_wait(
    server: MCPServer, settings: Any
) -> None:
    """A whole office may connect from one address, as long as nobody there sends wrong tokens."""
    settings.DJANGO_MCP = {"THROTTLES": {"authentication": "2/min"}}
    router = MCPRouter([mount("desk", server, authenticate=bearer)], ASGIHandler())
    door = Door("consumer", router)

    async def status(authorization: str | None) -> int:
        message = envelope("tools/list")
        headers = headers_for(message, authorization=authorization)
        body = json.dumps(message).encode()
        return (await door.send(Request(path="/desk", headers=headers, body=body))).status

    assert [await status(None) for _ in range(5)] == [401] * 5
    assert [await status("Bearer x") for _ in range(3)] == [401, 401, 429]
    assert [await status("Basic x"), await status(None)] == [429, 429]


async def test_a_token_nobody_issued_is_refused(door: Door) -> None:
    refused(await door.calling("mcp_at_made_up", "look"))


# 3-6


async def test_an_expired_token_is_refused(door: Door, tokens: dict[str, Any]) -> None:
    past = timezone.now() - timedelta(seconds=1)
    await AccessToken.objects.aupdate(expires=past)

    refused(await door.calling(tokens["access_token"], "look"))


@pytest.mark.parametrize(
    "audience",
    [
        [],
        ["http://testserver/mcp-b"],
        ["http://testserver"],
        ["http://testserver/mcp/more"],
        ["http://testserver/mcp", "http://testserver/mcp-b"],
    ],
    ids=["none", "another", "a prefix", "below", "several"],
)
async def test_a_token_for_anything_else_than_this_endpoint_is_refused(
    door: Door, tokens: dict[str, Any], audience: list[str]
) -> None:
    await AccessToken.objects.aupdate(resource=audience)

    refused(await door.calling(tokens["access_token"], "look"))


async def test_a_token_for_one_server_is_none_for_its_neighbour(
    server: MCPServer, door: Door, tokens: dict[str, Any]
) -> None:
    mounts = [
        mount("mcp", server, authenticate=bearer),
        mount("mcp-b", server_named("other"), authenticate=bearer),
    ]
    both = AsgiDoor("both", MCPRouter(mounts, ASGIHandler()))
    message = envelope("tools/list")
    headers = headers_for(message, authorization=f"Bearer {tokens['access_token']}")

    for path, status in [("/mcp", 200), ("/mcp/", 200), ("/mcp-b", 401)]:
        body = json.dumps(message).encode()
        reply = await both.send(Request(path=path, headers=headers, body=body))
        assert reply.status == status, path


# 7


@pytest.mark.parametrize("host", ["testserver:80", "TESTSERVER", "testserver"])
async def test_the_same_endpoint_written_in_another_way_is_the_same(
    door: Door, tokens: dict[str, Any], host: str
) -> None:
    message = envelope("tools/list")
    reply = await door.post(message, authorization=f"Bearer {tokens['access_token']}", host=host)

    assert reply.status == 200


async def test_a_token_for_one_host_is_none_for_another(door: Door, tokens: dict[str, Any]) -> None:
    reply = await door.post(
        envelope("tools/list"),
        authorization=f"Bearer {tokens['access_token']}",
        host="localhost",
    )

    assert reply.status == 401


# 8, 9


@pytest.mark.parametrize("body", [True, False], ids=["body", "query"])
async def test_a_token_is_looked_for_in_the_header_alone(
    door: Door, tokens: dict[str, Any], body: bool, caplog: Any
) -> None:
    token = tokens["access_token"]
    caplog.set_level(logging.DEBUG)
    message = {**envelope("tools/list"), **({"access_token": token} if body else {})}
    raw = json.dumps(message).encode()
    path = "/mcp" if body else f"/mcp?access_token={token}"
    reply = await door.send(Request(path=path, headers=headers_for(message), body=raw))

    assert reply.status == 401
    assert token not in caplog.text


# 10, 11, 27


@pytest.mark.parametrize(
    "header",
    [
        "Bearer a b",
        "Bearer a, Bearer b",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "DPoP token",
        "Bearer " + "a" * 20_000,
        "Bearer a\x00b",
        "Bearer tök€n".encode().decode("latin-1"),
        'Bearer "quoted"',
    ],
    ids=range(10),
)
async def test_what_is_no_bearer_token_is_refused(door: Door, header: str) -> None:
    reply = await door.post(envelope("tools/list"), authorization=header)

    assert reply.status == 401
    assert "www-authenticate" in reply.headers


async def test_two_headers_are_refused(door: Door, tokens: dict[str, Any]) -> None:
    message = envelope("tools/list")
    headers = [
        *headers_for(message, authorization=f"Bearer {tokens['access_token']}"),
        ("authorization", "Bearer other"),
    ]
    body = json.dumps(message).encode()
    reply = await door.send(Request(headers=headers, body=body))

    assert reply.status == 400


# 12-15


async def test_a_registration_token_of_the_toolkit_is_refused(
    door: Door, anna: Person, tokens: dict[str, Any]
) -> None:
    """What RFC 7592 leaves behind in the toolkit: no audience, good until the year 9999."""
    application = await get_application_model().objects.aget()
    row = AccessToken(
        user=anna.user,
        application=application,
        expires=timezone.now() + timedelta(days=1),
        scope="oauth2_registration",
        token="registration",
    )
    await row.asave()

    refused(await door.calling("registration", "look"))


async def test_an_id_token_is_refused(door: Door) -> None:
    refused(await door.calling("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", "look"))


async def test_a_refresh_token_is_no_access_token(door: Door, tokens: dict[str, Any]) -> None:
    refused(await door.calling(tokens["refresh_token"], "look"))


async def test_a_code_is_no_access_token(door: Door, anna: Person, program: Program) -> None:
    code = (await sync_to_async(lambda: anna.allow(program.register().request()))())["code"]

    refused(await door.calling(code, "look"))


# 16


async def test_a_personal_token_lets_in_where_it_was_made_for(door: Door, anna: Person) -> None:
    def issue(**changed: Any) -> str:
        said = {"name": "cron", "resource": MCP, "scopes": ["mcp:read"], "days": 30, **changed}
        return personal.issue(anna.user, **said)[1]

    secret = await sync_to_async(issue)()
    elsewhere = await sync_to_async(issue)(resource="http://testserver/mcp-b")

    assert secret.startswith("mcp_pat_")
    assert (await door.calling(secret, "look")).status == 200
    assert (await door.calling(secret, "write", text="x")).status == 403
    refused(await door.calling(elsewhere, "look"))
    refused(await door.calling(secret[:-1], "look"))


@pytest.mark.parametrize("field", ["expires", "revoked"])
async def test_a_personal_token_ends(door: Door, anna: Person, field: str) -> None:
    def issue() -> str:
        token, secret = personal.issue(
            anna.user, name="cron", resource=MCP, scopes=["mcp:read"], days=30
        )
        setattr(token, field, timezone.now())
        token.save()
        return secret

    refused(await door.calling(await sync_to_async(issue)(), "look"))


# 17-19


async def test_a_user_who_is_deactivated_is_out_at_once(
    door: Door, anna: Person, program: Program, tokens: dict[str, Any]
) -> None:
    anna.user.is_active = False
    await anna.user.asave()

    refused(await door.calling(tokens["access_token"], "look"))
    refreshed = await sync_to_async(program.refresh)(tokens["refresh_token"])
    assert (refreshed.status_code, refreshed.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "change",
    [
        lambda: get_user_model().objects.update(is_active=False),
        lambda: get_user_model().objects.all().delete(),
        lambda: Client.objects.update(status=Client.Status.BLOCKED),
        lambda: Client.objects.all().delete(),
        lambda: Connection.objects.update(revoked=timezone.now()),
        lambda: Connection.objects.update(resource=f"{MCP}/elsewhere"),
        lambda: AccessToken.objects.update(expires=timezone.now() - timedelta(seconds=1)),
        lambda: AccessToken.objects.update(resource=[]),
        lambda: AccessToken.objects.all().delete(),
    ],
    ids=lambda change: "",
)
async def test_what_was_good_a_moment_ago_is_good_for_nothing_after(
    door: Door, tokens: dict[str, Any], change: Any
) -> None:
    """What a row was read as is remembered; that the database has it, is not."""
    for _ in range(2):
        assert (await door.calling(tokens["access_token"], "look")).status == 200
    await sync_to_async(change)()

    refused(await door.calling(tokens["access_token"], "look"))


def test_of_several_that_are_asked_for_at_once_each_speaks_for_its_own_user(
    door: Door, django_assert_num_queries: Any
) -> None:
    sent = {}
    for name in ("dora", "bert", "carl"):
        sent[name] = Program().connect(Person(name))["access_token"]
    sent["nobody"] = "mcp_at_" + "x" * 43
    asked = [(token, MCP) for token in sent.values()]
    asked += [("another", MCP), (sent["dora"], f"{MCP}/elsewhere"), (sent["dora"], MCP)]
    verify_all([(sent["dora"], MCP)])

    with django_assert_num_queries(1):
        said = verify_all(asked)

    names = [principal and principal.user.get_username() for principal in said]
    assert names == ["dora", "bert", "carl", None, None, None, "dora"]
    assert said[0] is not None
    assert said[-1] is not None
    assert said[0].user is not said[-1].user


async def test_each_request_has_a_user_of_its_own(
    server: MCPServer, door: Door, anna: Person, tokens: dict[str, Any]
) -> None:
    seen: list[Any] = []

    @server.tool(scopes=[])
    def look_around(ctx: Context) -> bool:
        """Look around."""
        seen.append(ctx.principal.user)
        return bool(ctx.principal.user.has_perm("auth.view_group"))

    before = await door.calling(tokens["access_token"], "look_around")
    permission = await Permission.objects.aget(codename="view_group")
    await anna.user.user_permissions.aadd(permission)
    after = await door.calling(tokens["access_token"], "look_around")

    assert [reply.result["structuredContent"] for reply in (before, after)] == [False, True]
    assert seen[0] == seen[1] == anna.user
    assert len({id(user) for user in (*seen, anna.user)}) == 3


async def test_a_user_who_is_gone_is_out(door: Door, anna: Person, tokens: dict[str, Any]) -> None:
    await anna.user.adelete()

    refused(await door.calling(tokens["access_token"], "look"))


@pytest.mark.parametrize("status", [Client.Status.BLOCKED, Client.Status.PENDING])
async def test_a_client_that_is_blocked_is_out_at_once(
    door: Door, program: Program, tokens: dict[str, Any], status: str
) -> None:
    await Client.objects.aupdate(status=status)

    refused(await door.calling(tokens["access_token"], "look"))
    refreshed = await sync_to_async(program.refresh)(tokens["refresh_token"])
    assert (refreshed.status_code, refreshed.json()["error"]) == (401, "invalid_client")


async def test_a_client_that_is_gone_is_out(door: Door, tokens: dict[str, Any]) -> None:
    await get_application_model().objects.all().adelete()

    refused(await door.calling(tokens["access_token"], "look"))


async def test_a_token_of_nobody_is_refused(door: Door, tokens: dict[str, Any]) -> None:
    await AccessToken.objects.aupdate(user=None)

    refused(await door.calling(tokens["access_token"], "look"))


async def test_a_token_of_somebody_else_is_not_good_for_the_connection(
    door: Door, ben: Person, tokens: dict[str, Any]
) -> None:
    await AccessToken.objects.aupdate(user=ben.user)

    refused(await door.calling(tokens["access_token"], "look"))


async def test_a_connection_that_was_ended_ends_its_tokens(
    door: Door, tokens: dict[str, Any]
) -> None:
    await Connection.objects.aupdate(revoked=timezone.now())

    refused(await door.calling(tokens["access_token"], "look"))


# 20


async def test_a_session_of_the_site_lets_nobody_in(door: Door, anna: Person) -> None:
    cookie = anna.browser.cookies["sessionid"].value
    reply = await door.post(envelope("tools/list"), cookie=f"sessionid={cookie}")

    assert reply.status == 401


# 28


async def test_a_tool_does_not_see_the_token(
    server: MCPServer, door: Door, tokens: dict[str, Any]
) -> None:
    seen: list[Any] = []

    @server.tool(scopes=[])
    def look_around(ctx: Context) -> str:
        """Look around."""
        seen.append((ctx.principal, ctx.params, ctx.headers))
        return "ok"

    await door.calling(tokens["access_token"], "look_around")

    assert seen
    assert seen[0][2]["host"] == "testserver"
    assert tokens["access_token"] not in repr(seen)


def test_the_database_keeps_no_secret(tokens: dict[str, Any]) -> None:
    access, refresh = AccessToken.objects.get(), get_refresh_token_model().objects.get()

    assert (access.token, refresh.token) == ("", "")
    assert access.token_checksum == digest_of(tokens["access_token"])


# 99, and what stands behind it


async def test_a_token_that_the_toolkit_issued_past_the_consent_is_refused(
    door: Door, anna: Person, program: Program
) -> None:
    """A project that has the toolkit for an API of its own issues tokens with its own views: for
    whatever resource they are asked for."""
    application = await sync_to_async(get_application_model().objects.create)(
        name="API",
        client_type="public",
        authorization_grant_type="authorization-code",
        redirect_uris="https://api.example/cb",
    )
    row = AccessToken(
        user=anna.user,
        application=application,
        expires=timezone.now() + timedelta(days=1),
        scope="mcp:read mcp:write",
        token="for-the-api",
        resource=[MCP],
    )
    await row.asave()
    refused(await door.calling("for-the-api", "look"))

    # A client of this app is no better off: the scopes that count are those that were consented to.
    tokens = await sync_to_async(program.connect)(anna, scope="mcp:read")
    await AccessToken.objects.filter(token_checksum=digest_of(tokens["access_token"])).aupdate(
        scope="mcp:read mcp:write"
    )
    assert (await door.calling(tokens["access_token"], "write", text="x")).status == 403
