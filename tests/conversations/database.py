"""A database in a file, for what a test has to see of connections and transactions.

The one in memory, which the other tests use, is never closed, and inside a test it is inside that
test's transaction.
"""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import SyncToAsync, sync_to_async
from django.contrib.auth.models import Group
from django.db import connections

ALIAS = "disk"


@pytest.fixture
def disk(
    tmp_path: Path, django_db_blocker: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    """The settings of the database, which hold for connections made from now on."""
    options = copy.deepcopy(connections.settings["default"])
    # SQLite also where the project's database is another one.
    options.update(ENGINE="django.db.backends.sqlite3", OPTIONS={}, NAME=tmp_path / "disk.sqlite3")
    options.update(CONN_MAX_AGE=0, ATOMIC_REQUESTS=False)
    monkeypatch.setitem(connections.settings, ALIAS, options)
    with django_db_blocker.unblock():
        with connections[ALIAS].schema_editor() as editor:
            editor.create_model(Group)
        connections[ALIAS].close()
        del connections[ALIAS]
        yield options


def write(name: str) -> None:
    """Add a row."""
    Group.objects.using(ALIAS).create(name=name)


async def awrite(name: str) -> None:
    """Add a row."""
    await Group.objects.using(ALIAS).acreate(name=name)


async def rows() -> list[str]:
    """What is written for good, seen from a connection of its own."""

    def read() -> list[str]:
        try:
            return list(Group.objects.using(ALIAS).order_by("name").values_list("name", flat=True))
        finally:
            connections[ALIAS].close()
            del connections[ALIAS]

    return await asyncio.to_thread(read)


class Watched:
    """The connection of the thread it is made on, and when it is closed."""

    def __init__(self) -> None:
        self.thread: ThreadPoolExecutor | None = None
        self._connection: Any = connections[ALIAS]
        self._connection.ensure_connection()
        self.inner = self._connection.connection
        self._closed = threading.Event()
        close = self._connection.close

        def closing() -> None:
            close()
            self._closed.set()

        self._connection.close = closing

    @property
    def is_open(self) -> bool:
        return self._connection.connection is self.inner

    async def closed(self) -> bool:
        """Wait until it is closed."""
        return await asyncio.to_thread(self._closed.wait, 10)

    async def idle(self) -> None:
        """Wait until its thread has done all that it was given so far."""
        if self.thread is not None:
            await asyncio.wrap_future(self.thread.submit(int))


async def awatched() -> Watched:
    """The connection that the queries of the running call go to."""
    lane: Any = SyncToAsync.thread_sensitive_context.get()
    watched = await sync_to_async(Watched)()
    watched.thread = lane.thread
    return watched
