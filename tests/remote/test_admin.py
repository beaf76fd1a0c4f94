"""The admin: servers are set up and tried out, connections are ended, and no secret is shown."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.test import AsyncClient
from django.test import Client as Browser

from django_mcp.remote.models import Connection, RemoteServer, Secrets
from django_mcp.server.access import LOCAL
from django_mcp.testing.live import LiveServer
from tests.client.auth.world import ISSUER, SERVER, World

from .conftest import HOST, Person
from .test_clients import desk
from .test_storage import connected

SERVERS = "/admin/django_mcp_remote/remoteserver/"
CONNECTIONS = "/admin/django_mcp_remote/connection/"
FIELDS = {"name": "desk", "enabled": "on", "url": SERVER, "authorization": "none"}


@pytest.fixture
def staff() -> Browser:
    return browser_of(is_superuser=True)


def browser_of(*codenames: str, **fields: Any) -> Browser:
    user = get_user_model().objects.create_user("staff", is_staff=True, **fields)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    browser = Browser(headers={"host": HOST})
    browser.force_login(user)
    return browser


def post(browser: Browser, path: str, **fields: Any) -> Any:
    return browser.post(path, {**FIELDS, **fields})


def said(answer: Any) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


def kept() -> RemoteServer:
    return RemoteServer.objects.get()


def test_a_server_is_set_up_and_its_secrets_are_not_shown_again(staff: Browser) -> None:
    secrets = {"headers": "X-Key: H-1\nX-Other: H-2", "token": "T-1", "client_secret": "CS-2"}
    made = post(staff, f"{SERVERS}add/", authorization="bearer", **secrets)
    page = staff.get(f"{SERVERS}{kept().pk}/change/").content.decode()

    assert made.status_code == 302, made.content
    assert kept().secrets == Secrets(
        headers={"X-Key": "H-1", "X-Other": "H-2"}, token="T-1", client_secret="CS-2"
    )
    assert "X-Key, X-Other" in page
    for pages in (page, staff.get(SERVERS).content.decode(), logged()):
        assert not any(secret in pages for secret in ("H-1", "H-2", "T-1", "CS-2"))


def logged() -> str:
    return repr(list(LogEntry.objects.values()))


def test_what_is_left_empty_is_kept_and_can_be_forgotten(staff: Browser) -> None:
    post(staff, f"{SERVERS}add/", authorization="bearer", token="T-1", headers="X-Key: H-1")
    change = f"{SERVERS}{kept().pk}/change/"
    post(staff, change, authorization="bearer", title="The Desk", headers="X-Key: H-3")
    assert kept().secrets == Secrets(headers={"X-Key": "H-3"}, token="T-1")

    post(staff, change, drop_secrets="on")
    assert kept().sealed == ""


def test_secrets_do_not_go_to_another_host_because_somebody_changes_the_url(
    staff: Browser,
) -> None:
    post(staff, f"{SERVERS}add/", authorization="bearer", token="T-1")
    change = f"{SERVERS}{kept().pk}/change/"
    evil = {"url": "https://evil.example/mcp", "authorization": "bearer"}
    refused = post(staff, change, **evil)

    assert refused.status_code == 200
    assert "those that are kept do not go there" in refused.content.decode()
    assert kept().url == SERVER
    moved = post(staff, change, **evil, token="T-2", drop_secrets="on")
    assert moved.status_code == 302
    assert kept().secrets == Secrets(token="T-2")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"headers": "no separator"}, "a line without a name"),
        ({"headers": "X: é"}, "not ASCII"),
        ({"headers": "X Y: 1"}, "no name of a header"),
        ({"headers": "Mcp-Session-Id: s-1"}, "leave it out"),
        ({"authorization": "bearer"}, "This field is required"),
        (
            {"authorization": "project", "client_id": "c", "issuer": ISSUER},
            "This field is required",
        ),
        ({"url": "http://mcp.example/mcp", "authorization": "user"}, "not encrypted"),
        ({"url": ""}, "Give either a URL or a command"),
        ({"command": "/bin/sh", "url": ""}, "Give either a URL or a command"),
    ],
)
def test_what_cannot_work_is_refused(staff: Browser, fields: Any, text: str) -> None:
    answer = post(staff, f"{SERVERS}add/", **fields)

    assert answer.status_code == 200
    assert text in answer.content.decode()
    assert not RemoteServer.objects.exists()


def test_a_program_is_named_where_the_project_allows_it(staff: Browser, settings: Any) -> None:
    settings.DJANGO_MCP_REMOTE = {"ALLOW_STDIO": True}
    program = {"command": "python\n-V", "url": "", "environment": "A=1=2"}
    assert post(staff, f"{SERVERS}add/", **program).status_code == 302
    assert kept().arguments == ["python", "-V"]
    assert kept().secrets.environment == {"A": "1=2"}

    settings.DJANGO_MCP_REMOTE = {}
    change = f"{SERVERS}{kept().pk}/change/"
    assert 'name="command"' not in staff.get(change).content.decode()
    assert "ALLOW_STDIO" in post(staff, change, url="").content.decode()


# ------------------------------------------------------------------------------- trying out


def test_a_server_that_answers_shows_what_it_is(staff: Browser) -> None:
    with LiveServer() as live:
        server = RemoteServer.objects.create(name="desk", url=live.url(desk()))
        answer = staff.post(f"{SERVERS}{server.pk}/try/")

    assert answer.status_code == 302
    [text] = said(answer)
    assert text.startswith("desk: desk")
    assert text.endswith("revision 2026-07-28: 1 tool.")
    page = staff.get(f"{SERVERS}{server.pk}/change/").content.decode()
    assert "<strong>headers</strong>" in page
    assert kept().tools == [{"name": "headers", "title": "", "description": "Tell."}]


def test_a_server_that_is_down_is_an_error_with_its_reason(staff: Browser) -> None:
    server = RemoteServer.objects.create(name="desk", url="http://127.0.0.1:9/mcp")
    answer = staff.post(SERVERS, {"action": "try_out", "_selected_action": [server.pk]})

    [text] = said(answer)
    assert "cannot be reached" in text
    assert "cannot be reached" in staff.get(SERVERS).content.decode()


def test_a_server_that_does_not_answer_holds_nobody_up(staff: Browser, settings: Any) -> None:
    settings.DJANGO_MCP_REMOTE = {"TEST_SECONDS": 0.2}
    released = threading.Event()

    def hold(request: Any) -> Any:
        released.wait(30)
        return LOCAL

    with LiveServer() as live:
        server = RemoteServer.objects.create(name="desk", url=live.url(desk(), authenticate=hold))
        answer = staff.post(f"{SERVERS}{server.pk}/try/")
        released.set()

    [text] = said(answer)
    assert "0.2 s" in text


def test_what_a_server_says_is_text(staff: Browser) -> None:
    html = "<script>alert(1)</script>"
    server = desk()
    server.title = html

    @server.tool(name="x", title=html)
    def evil() -> str:
        """<img src=x>"""
        return ""

    with LiveServer() as live:
        row = RemoteServer.objects.create(name="desk", url=live.url(server))
        page = staff.post(f"{SERVERS}{row.pk}/try/", follow=True).content.decode()

    assert "&lt;script&gt;" in page
    assert html not in page
    assert "<img src=x>" not in page


def test_staff_tries_a_server_with_their_own_connection(
    staff: Browser, library: RemoteServer
) -> None:
    answer = staff.post(f"{SERVERS}{library.pk}/try/")

    [text] = said(answer)
    assert '<a href="/remote/library/connect/">' in text


def test_who_is_connected_tries_the_library_out(library: RemoteServer, anna: Person) -> None:
    anna.user.is_staff = anna.user.is_superuser = True
    anna.user.save()
    anna.connect()
    page = anna.get(f"{SERVERS}{library.pk}/change/")
    answer = anna.press(page, f"{SERVERS}{library.pk}/try/")

    assert "The Library" in said(answer)[0]
    assert "count_by_decade" in anna.get(f"{SERVERS}{library.pk}/change/").content.decode()


def test_who_may_only_look_sends_nothing_anywhere() -> None:
    server = RemoteServer.objects.create(name="desk", url="http://127.0.0.1:9/mcp")
    browser = browser_of("view_remoteserver", "view_connection")

    page = browser.get(f"{SERVERS}{server.pk}/change/")
    assert page.status_code == 200
    assert "Test the connection" not in page.content.decode()
    assert 'type="password"' not in page.content.decode()
    assert browser.post(f"{SERVERS}{server.pk}/try/").status_code == 403
    assert browser.get(f"{SERVERS}{server.pk}/try/").status_code == 405
    browser.post(SERVERS, {"action": "try_out", "_selected_action": [server.pk]})
    assert kept().seen is None
    assert browser.get(CONNECTIONS).status_code == 200


def test_who_is_no_staff_sees_nothing(library: RemoteServer, ben: Person) -> None:
    for path in (SERVERS, CONNECTIONS, f"{SERVERS}{library.pk}/change/"):
        assert ben.get(path).status_code == 302


# ------------------------------------------------------------------------------- connections


async def test_tokens_are_masked() -> None:
    world = World()
    server = await RemoteServer.objects.acreate(name="mcp", url=SERVER, authorization="user")
    user = await get_user_model().objects.acreate(username="anna")
    tokens = world.stored("read")
    await connected(server, user, tokens)
    row = await Connection.objects.aget()
    await Connection.objects.acreate(
        server=server, holder="project", url=SERVER, sealed="x", issuer="", changed=row.changed
    )

    browser = await _staff()
    listed = (await browser.get(CONNECTIONS)).content.decode()
    shown = (await browser.get(f"{CONNECTIONS}{row.pk}/change/")).content.decode()
    assert "••• ↻" in listed
    assert "cannot be opened" in listed
    assert "the project" in listed
    for page in (listed, shown):
        assert tokens.access_token not in page
        assert tokens.refresh_token not in page
        assert row.sealed not in page
    assert (await browser.get(f"{CONNECTIONS}?q=anna")).status_code == 200


async def _staff() -> Any:
    user = await get_user_model().objects.acreate(username="s", is_staff=True, is_superuser=True)
    browser = AsyncClient(headers={"host": HOST})
    await browser.aforce_login(user)
    return browser


@pytest.mark.parametrize("way", ["action", "delete"])
def test_staff_ends_the_connection_of_a_user(
    staff: Browser, library: RemoteServer, anna: Person, way: str
) -> None:
    anna.connect()
    row = Connection.objects.get()
    if way == "action":
        answer = staff.post(
            CONNECTIONS, {"action": "delete_selected", "_selected_action": [row.pk]}
        )
    else:
        answer = staff.post(f"{CONNECTIONS}{row.pk}/delete/", {"post": "yes"})

    assert "1 were ended; of these 0 here alone." in said(answer)
    assert not Connection.objects.exists()


def test_staff_without_the_permission_ends_nothing(library: RemoteServer, anna: Person) -> None:
    anna.connect()
    row = Connection.objects.get()
    browser = browser_of("view_connection")
    browser.post(CONNECTIONS, {"action": "delete_selected", "_selected_action": [row.pk]})

    assert browser.post(f"{CONNECTIONS}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Connection.objects.exists()
