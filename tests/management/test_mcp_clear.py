"""manage.py mcp_clear, and the tables it clears."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_mcp import MCPServer, models
from django_mcp.server.events import InMemoryEvents
from django_mcp.server.sessions import InMemorySessions


def clear(*arguments: str) -> str:
    """What the command says."""
    said = io.StringIO()
    call_command("mcp_clear", *arguments, stdout=said)
    return said.getvalue()


@pytest.fixture(autouse=True)
def servers(monkeypatch: pytest.MonkeyPatch) -> list[MCPServer]:
    """The servers the command sees: only those of the test."""
    found: list[MCPServer] = []
    monkeypatch.setattr("django_mcp.management.commands.mcp_clear.servers", lambda: found)
    return found


@pytest.fixture
def over(db: Any, settings: Any) -> None:
    """A session that is open, one that expired, and two events and a call that are too old."""
    settings.DJANGO_MCP = {"SESSIONS": "database", "SESSION_IDLE": 3600, "EVENT_LIFETIME": 600}
    now = timezone.now()
    for key, age in [("open", 0), ("expired", 2)]:
        used = now - timedelta(hours=age)
        models.Session.objects.create(
            key=key,
            server="library",
            owner="user:1",
            revision="2025-11-25",
            client_info={"name": "test"},
            stage="ready",
            created=used,
            used=used,
        )
    for position in range(3):
        models.StreamEvent.objects.create(
            session_id="open",
            stream="c0123456789abcdef",
            position=position,
            data=b"{}",
            created=now - timedelta(hours=1 if position < 2 else 0),
        )
    for days in (89, 91):
        models.Call.objects.create(
            called=now - timedelta(days=days),
            server="library",
            method="tools/call",
            target=f"{days}",
            principal="user:1",
            outcome="ok",
            milliseconds=1,
            step=40,
            hour=0,
            received=1,
            sent=1,
        )


@pytest.mark.usefixtures("over")
def test_what_is_over_is_removed_and_counted() -> None:
    # The beginning of a stream that goes on is not over.
    assert clear() == "Removed 1 session, 1 event and 1 call.\n"

    assert [session.key for session in models.Session.objects.all()] == ["open"]
    assert [event.position for event in models.StreamEvent.objects.all()] == [0, 2]
    assert [call.target for call in models.Call.objects.all()] == ["89"]
    assert clear() == "Removed 0 sessions, 0 events and 0 calls.\n"


@pytest.mark.usefixtures("over")
def test_a_dry_run_only_counts() -> None:
    assert clear("--dry-run") == "Would remove 1 session, 1 event and 1 call.\n"

    assert models.Session.objects.count() == 2
    assert models.StreamEvent.objects.count() == 3
    assert models.Call.objects.count() == 2


@pytest.mark.usefixtures("over")
def test_calls_may_be_removed_earlier() -> None:
    assert "and 2 calls." in clear("--calls-older-than", "88.5")
    assert models.Call.objects.count() == 0


@pytest.mark.parametrize("days", ["-1", "nan", "1e9"])
def test_a_number_of_days_that_is_none_is_refused(days: str) -> None:
    with pytest.raises(CommandError, match="is a number of days"):
        clear("--calls-older-than", days)


@pytest.mark.usefixtures("over")
def test_stores_that_servers_were_given_are_cleared_too(servers: list[MCPServer]) -> None:
    cleared = []

    class Own(InMemorySessions):
        async def clear(self) -> int:
            cleared.append("sessions")
            return 1_000

    servers += [MCPServer("own", sessions=Own(), events=InMemoryEvents()), MCPServer("other")]

    assert clear() == "Removed 1,001 sessions, 1 event and 1 call.\n"
    assert cleared == ["sessions"]


def test_a_store_that_cannot_count_has_no_dry_run(settings: Any) -> None:
    settings.DJANGO_MCP = {"SESSIONS": "memory"}

    with pytest.raises(CommandError, match="InMemorySessions cannot say what is over"):
        clear("--dry-run")


def test_a_database_that_is_away_is_said_in_a_sentence(
    settings: Any, django_db_blocker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DJANGO_MCP = {"SESSIONS": "database"}
    monkeypatch.setattr(models.Session._meta, "db_table", "elsewhere")

    with django_db_blocker.unblock(), pytest.raises(CommandError, match="is away"):
        clear()


@pytest.mark.usefixtures("over")
def test_rows_have_names_for_people() -> None:
    session, event = models.Session.objects.get(key="open"), models.StreamEvent.objects.first()
    call = models.Call.objects.get(target="91")

    assert str(session) == "test (user:1)"
    assert str(event) == "c0123456789abcdef-0"
    assert str(call) == "tools/call 91"
