"""The admin's pages in another language: words, numbers and dates."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from django_mcp import MCPServer
from django_mcp.admin import switches
from django_mcp.models import Session
from tests.admin.conftest import call, text_of

LIST = "/admin/django_mcp/call/"
SESSIONS = "/admin/django_mcp/session/"
pytestmark = pytest.mark.usefixtures("heeds_the_browser")

GERMAN = {"Accept-Language": "de"}


def german(client: Client, path: str, **query: str) -> str:
    response = client.get(path, query, headers=GERMAN)
    assert response.status_code == 200
    return text_of(response)


def test_the_list_of_calls_is_german(root: Client) -> None:
    row = call(outcome="timed_out", received=300, sent=1200, milliseconds=1540.0)
    call(outcome="tool_error", called=datetime(2024, 3, 5, tzinfo=UTC))

    listed, one = german(root, LIST), german(root, f"{LIST}{row.pk}/change/")

    for words in ("Aufrufe", "300 / 1.200", "1,5 s", "Zeit überschritten", "März 2024", "Dauer"):
        assert words in listed
    for words in ("Wer", "Korrelations-ID", "Nicht aufbewahrt."):
        assert words in one
    for words in ("timed out", "Summary", "Export", "called", "outcome", "took", "over 1 s"):
        assert words not in listed


def test_the_summary_is_german(root: Client) -> None:
    for outcome in ("ok", "ok", "error"):
        call(outcome=outcome, milliseconds=2340.0)

    page = german(root, f"{LIST}summary/", period="week")

    for words in (
        "33,3 %",
        "2,4 s",
        "95. Perzentil",
        "Aufrufe, höchstens 3",
        "jetzt",
        "Nach Client",
    ):
        assert words in page
    for words in ("Median error", "Errors", "now", "By client", "calls", "Week"):
        assert words not in page


def test_the_bars_of_the_chart_say_when_and_how_many_in_german(root: Client) -> None:
    call()
    response = root.get(f"{LIST}summary/", {"period": "month"}, headers=GERMAN)
    last = response.context["summary"].bars[-1]

    assert last.title.endswith(" UTC: 1 Aufruf, 0 Fehler")
    assert f"{timezone.now():%d}. " in last.title


def test_the_inspector_is_german(root: Client) -> None:
    page = german(root, f"{LIST}inspector/", user="", name="nope")

    for words in (
        "Inspektor",
        "Als Benutzer",
        "Ressourcenvorlagen",
        "Hier gibt es &#x27;nope&#x27;",
    ):
        assert words in page
    for words in ("Show", "As the user", "Resource templates", "nobody", "Kind"):
        assert words not in page


def test_sessions_and_their_end_are_german(root: Client) -> None:
    now = timezone.now()
    Session.objects.create(
        key="k",
        server="library",
        owner="user:7",
        created=now,
        used=now,
        revision="2025-11-25",
        stage="ready",
    )

    listed, one = german(root, SESSIONS), german(root, f"{SESSIONS}k/change/")
    ended = root.post(f"{SESSIONS}k/end/", headers=GERMAN, follow=True)

    assert "MCP-Sitzungen" in listed
    assert "offen" in listed
    assert "Noch nicht beendete Streams" in one
    assert "1 Sitzung wurde beendet." in text_of(ended)


def test_a_server_is_closed_in_german(
    root: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = MCPServer("library")
    monkeypatch.setattr(switches, "known_servers", lambda: {library.name: library})
    settings.DJANGO_MCP = {**settings.DJANGO_MCP, "KILL_SWITCH": True}
    form = german(root, "/admin/django_mcp/switch/add/")
    page = root.post(
        "/admin/django_mcp/switch/add/",
        {"server": "library", "closed": "on", "retry_after": "60", "reason": ""},
        headers=GERMAN,
        follow=True,
    )

    assert "Was den Clients gesagt wird." in form
    assert "library: geschlossen" in text_of(page)
