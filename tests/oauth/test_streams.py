"""A token that is good no longer ends what it has opened, whoever took it back and however."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.utils import timezone
from oauth2_provider.models import get_access_token_model

from django_mcp import MCPServer
from django_mcp.oauth import personal
from django_mcp.oauth.authentication import bearer
from django_mcp.oauth.connecting import disconnect
from django_mcp.oauth.models import Client, Connection, PersonalToken
from django_mcp.routing import MCPRouter, mount
from tests.doors import envelope
from tests.lines import line_to
from tests.oauth.conftest import Door, SessionClient
from tests.oauth.people import MCP, Person, Program

PATIENCE = 10  # Seconds after which what never happens fails the test.

LISTEN = envelope("subscriptions/listen", {"notifications": {"toolsListChanged": True}})


@pytest.fixture
def door(server: MCPServer, settings: Any) -> Iterator[Door]:
    """The server at /mcp, where who stays is asked again and again."""
    settings.DJANGO_MCP = {**settings.DJANGO_MCP, "REAUTHENTICATE_EVERY": 0.01}
    router = MCPRouter([mount("mcp", server, authenticate=bearer)], ASGIHandler())
    yield Door("consumer", router)
    del router


def _expire(anna: Person, program: Program, tokens: dict[str, Any]) -> None:
    get_access_token_model().objects.update(expires=timezone.now())


def _revoke(anna: Person, program: Program, tokens: dict[str, Any]) -> None:
    assert program.ask("/oauth/revoke", token=tokens["refresh_token"]).status_code == 200


def _disconnect(anna: Person, program: Program, tokens: dict[str, Any]) -> None:
    disconnect(Connection.objects.get())


def _deactivate(anna: Person, program: Program, tokens: dict[str, Any]) -> None:
    anna.user.is_active = False
    anna.user.save()


def _block(anna: Person, program: Program, tokens: dict[str, Any]) -> None:
    Client.objects.update(status=Client.Status.BLOCKED)


@pytest.mark.parametrize("end", [_expire, _revoke, _disconnect, _deactivate, _block])
async def test_what_ends_a_token_ends_its_streams(
    door: Door,
    server: MCPServer,
    anna: Person,
    program: Program,
    tokens: dict[str, Any],
    end: Callable[[Person, Program, dict[str, Any]], None],
) -> None:
    client = await SessionClient(door, tokens["access_token"]).begin()
    header = f"Bearer {tokens['access_token']}"
    listening = door.opened(LISTEN, authorization=header)
    async with client.listening() as of_session, listening as of_subscription:
        await of_session.event()
        await of_subscription.message()
        server.notify_tools_changed()
        for stream in (of_session, of_subscription):
            assert (await stream.message())["method"] == "notifications/tools/list_changed"

        await sync_to_async(end)(anna, program, tokens)
        for stream in (of_session, of_subscription):
            await asyncio.wait_for(stream.rest(), PATIENCE)
    assert (await client.get()).status == 401


async def test_a_token_that_is_replaced_ends_its_streams_and_its_successor_opens_others(
    door: Door, server: MCPServer, program: Program, tokens: dict[str, Any], settings: Any
) -> None:
    settings.DJANGO_MCP_OAUTH = {**settings.DJANGO_MCP_OAUTH, "REFRESH_GRACE_SECONDS": 0}
    client = await SessionClient(door, tokens["access_token"]).begin()
    async with client.listening() as stream:
        last = (await stream.event()).id
        renewed = await sync_to_async(program.refresh)(tokens["refresh_token"])
        await asyncio.wait_for(stream.rest(), PATIENCE)

    server.notify_tools_changed()
    client.token = renewed.json()["access_token"]
    async with client.listening(last) as stream:
        await stream.event()
        server.notify_tools_changed()
        assert (await stream.message())["method"] == "notifications/tools/list_changed"


async def test_a_personal_token_that_is_taken_back_ends_its_streams(
    door: Door, anna: Person
) -> None:
    _, secret = await sync_to_async(personal.issue)(
        anna.user, name="cron", resource=MCP, scopes=["mcp:read"], days=1
    )
    async with door.opened(LISTEN, authorization=f"Bearer {secret}") as stream:
        await stream.message()
        await PersonalToken.objects.aupdate(revoked=timezone.now())
        await asyncio.wait_for(stream.rest(), PATIENCE)


@pytest.mark.parametrize("kind", ["sse", "websocket"])
async def test_what_ends_a_token_ends_connections_with_a_session(
    door: Door, server: MCPServer, anna: Person, kind: str
) -> None:
    _, secret = await sync_to_async(personal.issue)(
        anna.user,
        name="cron",
        resource="http://testserver/line",
        scopes=["mcp:read"],
        days=1,
    )
    headers = {"authorization": f"Bearer {secret}"}
    async with line_to(kind, server, authenticate=bearer, **headers) as line:
        assert await line.result("ping") == {}
        await PersonalToken.objects.aupdate(revoked=timezone.now())
        with pytest.raises(EOFError):
            await line.hear()
        await line.ended()
