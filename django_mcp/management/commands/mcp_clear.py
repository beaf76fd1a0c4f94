"""manage.py mcp_clear: remove sessions and stream events that are over."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from asgiref.sync import async_to_sync
from django.core.management.base import BaseCommand, CommandError

from ...backends.stores import Stores, stores
from ...default import servers
from ...server.events import EventLog
from ...server.sessions import SessionStore, StoreUnavailable


class Command(BaseCommand):
    """Removes what is over from every store of the project."""

    help = (
        "Removes MCP sessions that expired, or ended more than a day ago, and events of streams "
        "that can no longer be resumed. Processes that serve do so now and then by themselves."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="Only say how many would be removed."
        )

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        work = _over if dry_run else _clear
        try:
            sessions, events = async_to_sync(work)(_found())
        except StoreUnavailable as error:
            raise CommandError(error.message) from None
        did = "Would remove" if dry_run else "Removed"
        self.stdout.write(f"{did} {_counted(sessions, 'session')} and {_counted(events, 'event')}.")


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
