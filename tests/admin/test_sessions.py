"""Sessions in the admin: who is there, and an end to it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from django_mcp import Context, MCPServer
from django_mcp.admin import sessions
from django_mcp.authentication import principal_of
from django_mcp.models import Session, StreamEvent
from django_mcp.signals import session_closed
from tests.admin.conftest import Staff, text_of
from tests.conversations.talk import Client as MCPClient
from tests.conversations.talk import consumer_of

LIST = "/admin/django_mcp/session/"


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch) -> MCPServer:
    """The only server there is; its sessions are in the database."""
    made = MCPServer("library")
    monkeypatch.setattr(sessions, "known_servers", lambda: {"library": made})
    return made


def session(key: str = "k", **fields: Any) -> Session:
    now = timezone.now()
    known: dict[str, Any] = {
        "server": "library",
        "owner": "user:7",
        "revision": "2025-11-25",
        "client_info": {"name": "editor", "version": "1.2"},
        "stage": "ready",
        "created": now,
        "used": now,
    }
    return Session.objects.create(key=key, **{**known, **fields})


def events(of: Session, stream: str, count: int, *, ended: bool) -> None:
    for position in range(count):
        StreamEvent.objects.create(
            session=of,
            stream=stream,
            position=position,
            data=b'"confidential"',
            is_last=ended and position == count - 1,
            created=timezone.now(),
        )


def test_the_list_says_who_is_there_with_which_client(root: Client) -> None:
    events(session(user_label="ada"), "a", 3, ended=False)
    session("old", user_label="ada", used=timezone.now() - timedelta(days=3))
    session("ended", user_label="ada", ended=timezone.now())

    response = root.get(LIST)

    page = text_of(response)
    for words in ("editor 1.2", "ada", "2025-11-25"):
        assert words in page
    assert "user:7" not in page
    model_admin = response.context["cl"].model_admin
    states = {row.pk: model_admin.state(row) for row in response.context["cl"].result_list}
    assert states == {"k": "open", "old": "over", "ended": "ended"}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=open", ["k"]),
        ("state=ended", ["x"]),
        ("q=EDIT", ["k"]),
        ("q=user:9", ["x"]),
        ("q=ada", ["k"]),
        ("revision=2025-06-18", ["x"]),
        ("server=library", ["k"]),
    ],
)
def test_the_list_can_be_filtered_and_searched(root: Client, query: str, found: list[str]) -> None:
    session(user_label="ada")
    session(
        "x",
        ended=timezone.now(),
        client_info={"name": "chat"},
        owner="user:9",
        revision="2025-06-18",
        server="other",
    )

    rows = root.get(f"{LIST}?{query}").context["cl"].result_list

    assert [row.pk for row in rows] == found


async def test_a_session_has_the_name_of_who_opened_it(server: MCPServer, root: Client) -> None:
    ada = await get_user_model().objects.acreate(username="ada")

    await MCPClient(consumer_of(server, authenticate=lambda request: principal_of(ada))).begin()

    assert (await Session.objects.aget()).user_label == "ada"


def test_of_events_there_are_only_numbers(root: Client) -> None:
    one = session()
    events(one, "a", 3, ended=True)
    events(one, "b", 2, ended=False)

    page = text_of(root.get(f"{LIST}k/change/"))

    assert "Streams not at their end: 1" in page
    assert "Events kept: 5" in page
    assert "confidential" not in page


def test_the_list_makes_few_queries_however_many_rows(
    root: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        events(session(str(number)), "a", 2, ended=False)

    with django_assert_max_num_queries(5):
        assert root.get(LIST).status_code == 200


async def test_a_session_that_is_ended_is_over_for_its_client_at_once(
    server: MCPServer, root: Client
) -> None:
    waiting, cancelled = asyncio.Event(), asyncio.Event()

    @server.tool
    async def wait(ctx: Context) -> None:
        waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    closed: list[str] = []

    def receive(session: Any, **kwargs: Any) -> None:
        closed.append(session.key)

    session_closed.connect(receive)
    client = await MCPClient(consumer_of(server)).begin()
    key = (await Session.objects.aget()).pk
    async with client.listening() as stream, client.calling("wait") as call:
        await waiting.wait()
        response: Any = await sync_to_async(root.post)(f"{LIST}{key}/end/", follow=True)
        await stream.rest()
        await call.rest()
    session_closed.disconnect(receive)

    assert "1 session was ended." in text_of(response)
    assert cancelled.is_set()
    assert closed == [key]
    assert (await client.request("ping")).status == 404
    assert (await Session.objects.aget()).ended is not None
    assert await StreamEvent.objects.acount() == 0


def test_selected_sessions_are_ended_and_the_log_says_by_whom(root: Client) -> None:
    session("a")
    session("b")
    session("c")

    root.post(LIST, {"action": "end_selected", "_selected_action": ["a", "b"]})

    assert set(Session.objects.filter(ended=None).values_list("pk", flat=True)) == {"c"}
    assert {entry.object_id for entry in LogEntry.objects.all()} == {"a", "b"}


def test_a_session_of_a_server_that_is_gone_can_be_ended(root: Client) -> None:
    session(server="gone")

    root.post(f"{LIST}k/end/")

    assert Session.objects.get().ended is not None


def test_a_session_that_was_over_is_no_error(root: Client) -> None:
    session(ended=timezone.now())

    response = root.post(f"{LIST}k/end/", follow=True)

    assert "No session was open any more." in text_of(response)
    assert LogEntry.objects.count() == 0


def test_ending_needs_the_permission_and_a_post(staff: Staff) -> None:
    session()
    client = staff("view_session")

    assert "End it" not in client.get(f"{LIST}k/change/").content.decode()
    assert client.post(f"{LIST}k/end/").status_code == 403
    assert client.get(f"{LIST}k/end/").status_code == 405
    assert client.post(f"{LIST}unknown/end/").status_code == 403
    assert Session.objects.get().ended is None


def test_ending_needs_the_token_of_the_page(root: Client) -> None:
    session()
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = root.cookies

    assert "End it" in strict.get(f"{LIST}k/change/").content.decode()
    assert strict.post(f"{LIST}k/end/").status_code == 403
    assert Session.objects.get().ended is None


async def test_a_session_that_is_deleted_is_ended_first(server: MCPServer, root: Client) -> None:
    client = await MCPClient(consumer_of(server)).begin()
    key = (await Session.objects.aget()).pk

    async with client.listening() as stream:
        data = {"action": "delete_selected", "_selected_action": [key], "post": "yes"}
        await sync_to_async(root.post)(LIST, data)
        await stream.rest()

    assert await Session.objects.acount() == 0


def test_the_page_before_a_deletion_names_sessions_and_not_their_events(root: Client) -> None:
    events(session(), "a", 20, ended=False)

    response = root.post(LIST, {"action": "delete_selected", "_selected_action": ["k"]})

    assert "editor (user:7)" in text_of(response)
    assert "a-0" not in text_of(response)


def test_nobody_adds_or_changes_a_session(root: Client) -> None:
    session()

    assert root.get(f"{LIST}add/").status_code == 403
    assert root.post(f"{LIST}k/change/", {"owner": "user:1"}).status_code == 403


def test_the_id_of_a_session_stands_nowhere(root: Client) -> None:
    session(followed=["library://1"], capabilities={"roots": {}})

    page = text_of(root.get(f"{LIST}k/change/"))

    assert "library://1" in page
    assert "roots" in page
