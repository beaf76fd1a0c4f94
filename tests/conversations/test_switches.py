"""A server that was closed: whom it keeps out, and that it costs no query for each request."""

from __future__ import annotations

import io
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.test import Client as Browser
from django.urls import path

from django_mcp import MCPServer
from django_mcp.backends import switches
from django_mcp.models import Switch
from tests.conversations.talk import Client, consumer_of
from tests.doors import AsgiDoor, Door
from tests.lines import KINDS, line_to

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def known(settings: Any, monkeypatch: pytest.MonkeyPatch) -> switches.Switches:
    """The switches of this process, which read nothing before they are told to."""
    settings.DJANGO_MCP = {"SESSIONS": "memory", "KILL_SWITCH": True}
    monkeypatch.setattr(switches, "REFRESH", 3600)
    made = switches.Switches()
    made.forget()
    for place in ("default", "admin.switches", "management.commands.mcp_switch"):
        monkeypatch.setattr(f"django_mcp.{place}.switches", lambda: made)
    return made


async def close(known: switches.Switches, **fields: Any) -> None:
    await Switch.objects.aupdate_or_create(server="test", defaults={"closed": True, **fields})
    known.forget()


async def test_a_closed_server_answers_when_to_come_again(
    door: Door, known: switches.Switches
) -> None:
    await close(known, reason="Back at noon.", retry_after=90)

    reply = await door.call("tools/list")

    assert (reply.status, reply.headers["retry-after"]) == (503, "90")
    assert reply.error == {"code": -32000, "message": "Back at noon.", "data": {"retryAfter": 90}}

    await Switch.objects.aupdate(closed=False)
    known.forget()
    assert (await door.call("tools/list")).status == 200


async def test_a_session_is_kept_out_and_comes_back(
    streaming: AsgiDoor, known: switches.Switches
) -> None:
    client = await Client(streaming).begin()
    await close(known)

    assert (await client.request("ping")).status == 503
    assert (await client.get()).status == 503
    assert (await Client(streaming).initialize()).status == 503

    await Switch.objects.all().adelete()
    known.forget()
    assert (await client.request("ping")).status == 200


@pytest.mark.parametrize("kind", KINDS)
async def test_connections_that_are_open_get_the_error_too(
    kind: str, server: MCPServer, known: switches.Switches
) -> None:
    async with line_to(kind, server) as line:
        await close(known)
        if kind == "sse":
            # There each message is a request of its own, which the door keeps out.
            reply = await line.post({"jsonrpc": "2.0", "id": 1, "method": "ping"})
            assert reply.status == 503
        else:
            assert (await line.error("ping"))["code"] == -32000


async def test_other_servers_stay_open(known: switches.Switches) -> None:
    await close(known)

    assert (await consumer_of(MCPServer("other")).call("tools/list")).status == 200


async def test_requests_within_some_seconds_make_one_query(
    door: Door, known: switches.Switches, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    reading = known._read

    def counted() -> None:
        read.append("")
        reading()

    monkeypatch.setattr(known, "_read", counted)
    for _ in range(5):
        await door.call("tools/list")

    assert len(read) == 1
    monkeypatch.setattr(switches, "REFRESH", 0)
    await door.call("tools/list")
    assert len(read) > 1


async def test_while_the_database_is_away_what_was_known_holds(
    door: Door, known: switches.Switches, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    await close(known)
    assert (await door.call("tools/list")).status == 503

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise DatabaseError

    monkeypatch.setattr(Switch._base_manager, "using", fail)
    for _ in range(2):
        known.forget()
        assert (await door.call("tools/list")).status == 503

    assert len([line for line in caplog.messages if "what was known holds" in line]) == 1


async def test_unless_they_are_asked_for_there_are_no_switches(
    door: Door, known: switches.Switches, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DJANGO_MCP = {"SESSIONS": "memory"}
    await close(known)

    assert (await door.call("tools/list")).status == 200


# ---------------------------------------------------------------------------------- who turns them


def turn(*arguments: Any, **options: Any) -> str:
    said = io.StringIO()
    call_command("mcp_switch", *arguments, stdout=said, **options)
    return said.getvalue()


async def test_the_command_closes_and_opens(door: Door, server: MCPServer) -> None:
    command = sync_to_async(turn)

    said = await command("test", "--close", "--reason", "Moving.", "--retry-after", "5")
    assert said == "test is closed.\n"
    reply = await door.call("tools/list")
    assert (reply.status, reply.headers["retry-after"]) == (503, "5")
    assert reply.error["message"] == "Moving."
    assert "test: closed\n" in await command()

    assert await command("test", "--open") == "test is open.\n"
    assert (await door.call("tools/list")).status == 200
    assert "test: open\n" in await command()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nope", "--close"], "no MCP server 'nope'"),
        (["--close"], "Which server"),
        (["test"], "--close or --open"),
        (["test", "--close", "--retry-after", "0"], "1 to 86,400"),
        (["test", "--close", "--reason", "x" * 256], "255"),
    ],
)
def test_what_the_command_cannot_do_it_says(
    server: MCPServer, arguments: list[str], words: str
) -> None:
    with pytest.raises(CommandError, match=words):
        turn(*arguments)
    assert Switch.objects.count() == 0


def test_where_switches_are_not_heeded_the_command_says_so(
    server: MCPServer, settings: Any
) -> None:
    settings.DJANGO_MCP = {"SESSIONS": "memory"}

    with pytest.raises(CommandError, match="KILL_SWITCH"):
        turn("test", "--close")


async def test_the_admin_closes_and_opens(server: MCPServer, settings: Any) -> None:
    door = consumer_of(server)
    settings.ROOT_URLCONF = (path("admin/", admin.site.urls),)
    settings.STATIC_URL = "/static/"
    browser = Browser()
    root = await sync_to_async(User.objects.create_superuser)("root")
    await sync_to_async(browser.force_login)(root)
    post, list_page = sync_to_async(browser.post), "/admin/django_mcp/switch/"

    form = {"server": "test", "closed": "on", "reason": "Now.", "retry_after": "7"}
    assert (await post(f"{list_page}add/", form)).status_code == 302
    assert (await door.call("tools/list")).status == 503

    switch = await Switch.objects.aget()
    chosen = {"action": "open", "_selected_action": [switch.pk]}
    await post(list_page, chosen)
    assert (await door.call("tools/list")).status == 200
    await post(list_page, {**chosen, "action": "close"})
    assert (await door.call("tools/list")).status == 503
    await post(f"{list_page}{switch.pk}/delete/", {"post": "yes"})
    assert (await door.call("tools/list")).status == 200
    other = await post(f"{list_page}add/", {**form, "server": "nope"})
    assert other.status_code == 200


def test_what_the_settings_say_holds_for_a_server_that_is_there(settings: Any) -> None:
    settings.DJANGO_MCP = {}
    server = MCPServer("there", version="1.0")
    assert (server.gate, server.door, server.journal) == (None, None, None)

    settings.DJANGO_MCP = {"KILL_SWITCH": True, "AUDIT": True}
    assert None not in (server.gate, server.door, server.journal)

    settings.DJANGO_MCP = {}
    assert (server.gate, server.door, server.journal) == (None, None, None)
