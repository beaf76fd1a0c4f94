"""manage.py mcp_clear: remove sessions, stream events and calls that are over."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from asgiref.sync import async_to_sync
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from ... import conf
from ...backends import journal
from ...backends.stores import Stores, stores
from ...default import servers
from ...server.events import EventLog
from ...server.sessions import SessionStore, StoreUnavailable

#: As many as there are dates for.
MOST_DAYS = 100_000


class Command(BaseCommand):
    """Removes what is over from every store of the project."""

    help = (
        "Removes MCP sessions that expired, or ended more than a day ago, events of streams that "
        "can no longer be resumed, and calls older than AUDIT_LIFETIME. Processes that serve do so "
        "now and then by themselves."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="Only say how many would be removed."
        )
        parser.add_argument(
            "--calls-older-than",
            type=float,
            metavar="DAYS",
            help="Remove calls that are older than this many days, in place of AUDIT_LIFETIME.",
        )

    def handle(
        self, *args: Any, dry_run: bool, calls_older_than: float | None, **options: Any
    ) -> None:
        if calls_older_than is not None and not 0 <= calls_older_than <= MOST_DAYS:
            raise CommandError(
                f"--calls-older-than is a number of days from 0 to {MOST_DAYS:,}, not "
                f"{calls_older_than:g}."
            )
        work = _over if dry_run else _clear
        try:
            sessions, events = async_to_sync(work)(_found())
            calls = _calls(dry_run, calls_older_than)
        except StoreUnavailable as error:
            raise CommandError(error.message) from None
        except DatabaseError as error:
            raise CommandError(f"The calls cannot be removed: {error}") from None
        did = "Would remove" if dry_run else "Removed"
        self.stdout.write(
            f"{did} {_counted(sessions, 'session')}, {_counted(events, 'event')} and "
            f"{_counted(calls, 'call')}."
        )


def _calls(dry_run: bool, days: float | None) -> int:
    """Remove calls, or count them. Without sessions in the database there need be no table."""
    settings = conf.get()
    if not (settings.audit or settings.sessions == "database" or days is not None):
        return 0
    seconds = settings.audit_lifetime if days is None else days * 86_400
    return int(journal.over(seconds).count()) if dry_run else journal.clear(seconds)


def _found() -> list[Stores]:
    """The stores of the settings, and those that servers were given, each once."""
    pairs = [stores(), *((server.sessions, server.events) for server in servers())]
    return list({id(sessions): (sessions, events) for sessions, events in pairs}.values())


async def _clear(found: list[Stores]) -> tuple[int, int]:
    sessions = events = 0
    for store, log in found:
        sessions += await store.clear()
        events += await log.clear()
    return sessions, events


async def _over(found: list[Stores]) -> tuple[int, int]:
    sessions = events = 0
    for store, log in found:
        sessions += await _over_in(store)
        events += await _over_in(log)
    return sessions, events


async def _over_in(store: SessionStore | EventLog) -> int:
    count = getattr(store, "over", None)
    if count is None:
        raise CommandError(
            f"{type(store).__name__} cannot say what is over: --dry-run is for sessions in the "
            "database."
        )
    number: int = await count()
    return number


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
