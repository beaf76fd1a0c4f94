"""The table of calls, written behind their backs: by a thread, in a database of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connections
from django.utils import timezone

from django_mcp import MCPServer
from django_mcp.backends import durations, journal
from django_mcp.backends.journal import CallJournal
from django_mcp.models import Call
from tests.backends.conftest import ALIAS, on_disk, tables
from tests.conversations.talk import consumer_of

REPOSITORY = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def _kept(tmp_path: Path, settings: Any, django_db_blocker: Any) -> Iterator[None]:
    settings.DJANGO_MCP = {"SESSIONS": "memory", "AUDIT": True}
    with tables(on_disk(tmp_path), settings, django_db_blocker):
        yield


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> CallJournal:
    """The journal that the servers of a test have, whose thread writes only when it is told."""
    monkeypatch.setattr(journal, "PAUSE", 3600)
    made = CallJournal()
    monkeypatch.setattr("django_mcp.default.journal", lambda: made)
    return made


async def call(*names: str) -> None:
    server = MCPServer("test")

    @server.tool
    async def greet(name: str = "you"):  # type: ignore[no-untyped-def]
        return f"Hello, {name}"

    door = consumer_of(server)
    for name in names:
        await door.call("tools/call", {"name": name})


def targets() -> list[str]:
    try:
        rows = Call.objects.using(ALIAS).order_by("pk")
        return list(rows.values_list("target", flat=True))
    finally:
        connections[ALIAS].close()


def refuse(monkeypatch: pytest.MonkeyPatch, *errors: Exception | None) -> None:
    """Have the next statements fail, but those for which there is None."""
    insert, left = CallJournal._insert, list(errors)

    def inserting(batch: Any) -> None:
        error = left.pop(0) if left else None
        if error is not None:
            raise error
        insert(batch)

    monkeypatch.setattr(CallJournal, "_insert", staticmethod(inserting))


def test_calls_wait_and_are_written_together(kept: CallJournal, monkeypatch: Any) -> None:
    batches: list[int] = []
    insert = CallJournal._insert

    def inserting(batch: Any) -> None:
        batches.append(len(batch))
        insert(batch)

    monkeypatch.setattr(CallJournal, "_insert", staticmethod(inserting))
    asyncio.run(call("greet", "nope", "greet"))

    assert (targets(), kept.waiting) == ([], 3)
    assert kept.flush()
    assert (targets(), kept.waiting) == (["greet", "nope", "greet"], 0)
    assert batches == [3]


def test_a_thread_writes_them_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    written = threading.Event()
    made = CallJournal()
    monkeypatch.setattr("django_mcp.default.journal", lambda: made)
    flush = made.flush

    def flushing() -> bool:
        done = flush()
        written.set()
        return done

    monkeypatch.setattr(made, "flush", flushing)
    monkeypatch.setattr(journal, "PAUSE", 0)
    asyncio.run(call("greet"))

    assert written.wait(10)
    assert targets() == ["greet"]


def test_what_does_not_fit_is_not_kept_and_is_counted(
    kept: CallJournal, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.DJANGO_MCP = {"SESSIONS": "memory", "AUDIT": True, "AUDIT_QUEUE": 2}

    asyncio.run(call("greet", "greet", "late", "late", "late"))
    kept.flush()

    assert targets() == ["greet", "greet"]
    assert kept.lost == 3
    assert caplog.messages == ["3 calls were not written down: more came than could be written"]


def test_while_the_database_is_away_calls_are_answered_and_wait(
    kept: CallJournal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    away = OperationalError("away")
    refuse(monkeypatch, away, away)
    asyncio.run(call("greet"))

    assert not kept.flush()
    assert not kept.flush()
    asyncio.run(call("nope"))
    assert kept.flush()

    assert targets() == ["greet", "nope"]
    assert kept.lost == 0
    assert len(caplog.records) == 1


def test_a_row_that_is_refused_is_lost_alone(
    kept: CallJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The three together, then each: the second is refused, and of the third the database is away.
    refuse(monkeypatch, ValueError(), None, ValueError(), OperationalError())
    asyncio.run(call("first", "second", "third"))

    assert not kept.flush()
    assert (targets(), kept.waiting, kept.lost) == (["first"], 1, 1)
    assert kept.flush()
    assert (targets(), kept.waiting, kept.lost) == (["first", "third"], 0, 1)


def test_what_waits_at_the_end_is_written(kept: CallJournal) -> None:
    asyncio.run(call("greet"))

    kept.close()

    assert targets() == ["greet"]


def test_what_cannot_be_written_at_the_end_is_counted(
    kept: CallJournal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(monkeypatch, OperationalError())
    asyncio.run(call("greet"))

    kept.close()

    assert (targets(), kept.waiting, kept.lost) == ([], 0, 1)
    assert caplog.messages[-1] == (
        "1 calls were not written down: the process has ended, and the database did not take them"
    )


def test_a_server_that_shuts_down_writes_what_waits(kept: CallJournal) -> None:
    async def life() -> None:
        await call("greet")
        await MCPServer("other").shutdown()

    asyncio.run(life())

    assert targets() == ["greet"]


def test_a_process_that_ends_writes_what_waits(tmp_path: Path) -> None:
    """As one without a lifespan does, in which the thread is still collecting."""
    script = """
import asyncio, django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django_mcp"], USE_TZ=True, SECRET_KEY="x" * 50, ALLOWED_HOSTS=["testserver"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "file.sqlite3"}},
    DJANGO_MCP={"SESSIONS": "memory", "AUDIT": True},
)
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django_mcp.backends import journal
journal.PAUSE = 3600
from tests.backends.test_journal import call
asyncio.run(call("greet"))
"""
    environment = {"PYTHONPATH": str(REPOSITORY), "PATH": ""}
    subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True, timeout=60
    )

    connections.settings[ALIAS]["NAME"] = tmp_path / "file.sqlite3"
    assert targets() == ["greet"]


def test_a_process_that_was_forked_begins_with_nothing(kept: CallJournal) -> None:
    asyncio.run(call("greet"))

    kept.begin()

    assert kept.waiting == 0
    assert kept.flush()
    assert targets() == []


def test_rows_whose_time_is_over_are_removed_a_piece_at_a_time(
    kept: CallJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "CHUNK", 2)
    asyncio.run(call("greet", "greet", "greet", "greet", "greet", "new"))
    kept.flush()
    old = timezone.now() - timedelta(days=2)
    Call.objects.using(ALIAS).filter(target="greet").update(called=old)

    assert journal.clear(86_400, most=2) == 2
    assert journal.clear(86_400) == 3
    assert targets() == ["new"]


def test_a_step_of_the_scale_is_close_to_the_duration() -> None:
    for milliseconds in (0.01, 0.5, 1, 3.3, 250, 9_999, 1_000_000):
        found = durations.milliseconds_of(durations.step_of(milliseconds))
        assert found == pytest.approx(milliseconds, rel=0.095)
    assert durations.step_of(0) == 0
    assert durations.step_of(1e12) == durations.LAST


def test_percentiles_are_read_off_the_steps() -> None:
    counts = {durations.step_of(ms): 1 for ms in (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024)}

    assert durations.percentile(counts, 0.5) == 16
    assert durations.percentile(counts, 0.95) == 1024
    assert durations.percentile({}, 0.5) == 0
