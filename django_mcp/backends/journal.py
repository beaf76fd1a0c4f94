"""The table of calls, written behind the calls' backs.

A finished call leaves its record in a queue and goes on; a thread writes what has come together,
many rows with one statement. Owns the queue and its bound, the thread, and what becomes of rows
while the database is away: no call waits for them or fails because of them. What is in a row is
`models.Call`, what is kept of arguments `call_arguments`.

In a TestCase, where sync code waits for the event loop inside a transaction, a row is written at
once: it belongs to the test, and is gone with it.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import islice
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.apps import apps
from django.db import (
    InterfaceError,
    OperationalError,
    ProgrammingError,
    connections,
    router,
    transaction,
)
from django.utils import timezone

from .. import conf
from ..server.calls import CallRecord
from ..server.exchange import Exchange
from .call_arguments import kept_of
from .connections import close_old_connections, close_stale_connections
from .durations import hour_of, step_of
from .texts import named, storable
from .threads import called_from_sync

logger = logging.getLogger("django_mcp")

#: Rows that are written with one statement.
BATCH: Final = 500
#: Seconds in which what is to be written comes together.
PAUSE: Final = 0.5
#: Seconds until the next attempt while the database is away: at first, and at most.
RETRY: Final = 1.0
LONGEST_RETRY: Final = 30.0
#: Seconds that the end of a process waits for rows that are being written.
LAST_WORDS: Final = 5.0
#: Seconds between two times that calls whose time is over are removed, and how many at a time.
CLEAR_EVERY: Final = 300.0
CHUNK: Final = 500
MOST_CHUNKS: Final = 20


@dataclass(slots=True)
class _Entry:
    """A row to be. The user is asked for its name where queries are allowed."""

    record: CallRecord
    user: Any
    arguments: Any
    ended: datetime


class CallJournal:
    """Writes the calls of this process; callable from any thread.

    `lost` is how many calls have no row: the queue was full, the database refused them, or it was
    away when the process ended.
    """

    def __init__(self) -> None:
        self.lost = 0
        self._told_of = 0
        self.begin()

    def begin(self) -> None:
        """Begin anew, as in a process that was forked: what waits is its parent's to write."""
        self._waiting: deque[_Entry] = deque()
        self._news = threading.Event()
        self._writing = threading.Lock()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._failures = 0
        self._cleared = time.monotonic()

    @property
    def waiting(self) -> int:
        """How many calls are not written yet."""
        return len(self._waiting)

    async def note(self, record: CallRecord, exchange: Exchange) -> None:
        """Have the row of a call written soon."""
        try:
            arguments = kept_of(exchange, conf.get())
        except Exception:
            logger.exception("The arguments of a call could not be kept")
            arguments = None
        entry = _Entry(record, exchange.caller.principal.user, arguments, timezone.now())
        if called_from_sync(asyncio.get_running_loop()):
            await sync_to_async(self._put_or_write)(entry)
        else:
            self._put(entry)

    def _put_or_write(self, entry: _Entry) -> None:
        if connections[_alias()].in_atomic_block:
            self._lose(1 - self._write([entry]))
        else:
            self._put(entry)

    def _put(self, entry: _Entry) -> None:
        if len(self._waiting) >= conf.get().audit_queue:
            self._lose(1)
            return
        self._waiting.append(entry)
        if not self._news.is_set():
            if self._thread is None:
                self._start()
            self._news.set()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="django_mcp_calls", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    return  # The process ends, and has no threads to give: the last flush writes.
                self._thread = thread

    def _run(self) -> None:
        news = self._news
        while news is self._news:
            news.wait()
            time.sleep(PAUSE if not self._failures else self._retry_delay())
            news.clear()
            self.flush()
            if self._waiting:
                news.set()

    def _retry_delay(self) -> float:
        return float(min(RETRY * 2 ** (self._failures - 1), LONGEST_RETRY))

    def flush(self, *, patience: float = LAST_WORDS) -> bool:
        """Write what waits, on this thread; False where the database is away, or another thread
        has been writing for longer than `patience` seconds."""
        if not self._writing.acquire(timeout=patience):
            return False
        try:
            close_stale_connections()
            try:
                return self._flush()
            finally:
                close_old_connections()
        finally:
            self._writing.release()

    def close(self) -> None:
        """The process ends: write what waits, and say what could not be written."""
        if self._waiting and not self.flush():
            self._lose(len(self._waiting))
            self._waiting.clear()
            self._tell("the process has ended, and the database did not take them")

    def _flush(self) -> bool:
        while self._waiting:
            batch = list(islice(self._waiting, BATCH))
            done = self._write(batch)
            for _ in range(done):
                self._waiting.popleft()
            if done < len(batch):
                return False
        self._tell()
        if time.monotonic() - self._cleared > CLEAR_EVERY:
            self._clear()
        return True

    def _write(self, batch: Sequence[_Entry]) -> int:
        """Write rows, the first first; returns how many are done with. The others are to be
        written later: the database is away."""
        try:
            self._insert(batch)
        except Exception as error:
            if isinstance(error, OperationalError | InterfaceError | ProgrammingError):
                self._is_away(error)
                return 0
            if len(batch) > 1:
                # One that the database refuses is no reason to lose the others.
                return self._write_one_by_one(batch)
            self._lose(1)
            logger.exception("The row of a call could not be written")
        self._failures = 0
        return len(batch)

    def _write_one_by_one(self, batch: Sequence[_Entry]) -> int:
        for done, entry in enumerate(batch):
            if not self._write([entry]):
                return done
        return len(batch)

    @staticmethod
    def _insert(batch: Sequence[_Entry]) -> None:
        using, rows = _alias(), [_row_of(entry) for entry in batch]
        with transaction.atomic(using=using):
            _model()._base_manager.using(using).bulk_create(rows)

    def _is_away(self, error: Exception) -> None:
        self._failures += 1
        if self._failures == 1:
            logger.error(
                "Calls cannot be written to the database %r, and wait until they can; if their "
                "table is missing, run manage.py migrate",
                _alias(),
                exc_info=error,
            )
        connection = connections[_alias()]
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()

    def _lose(self, number: int) -> None:
        self.lost += number

    def _tell(self, why: str = "more came than could be written") -> None:
        lost = self.lost - self._told_of
        if lost:
            self._told_of = self.lost
            logger.error("%d calls were not written down: %s", lost, why)

    def _clear(self) -> None:
        self._cleared = time.monotonic()
        try:
            clear(conf.get().audit_lifetime, most=MOST_CHUNKS * CHUNK)
        except Exception:
            logger.exception("Calls whose time is over could not be removed")


def over(lifetime: float) -> Any:
    """The rows that are older than so many seconds."""
    oldest = timezone.now() - timedelta(seconds=lifetime)
    return _model()._base_manager.using(_alias()).filter(called__lt=oldest)


def clear(lifetime: float, most: int | None = None) -> int:
    """Remove rows older than `lifetime` seconds, a piece at a time so that others have their turn,
    and `most` in all; returns how many."""
    removed = 0
    while most is None or removed < most:
        keys = list(over(lifetime).order_by("called").values_list("pk", flat=True)[:CHUNK])
        if keys:
            _model()._base_manager.using(_alias()).filter(pk__in=keys).delete()
        removed += len(keys)
        if len(keys) < CHUNK:
            break
    return removed


def _model() -> Any:
    # Not imported: servers are made before models can be.
    return apps.get_model("django_mcp", "Call")


def _alias() -> str:
    return router.db_for_write(_model())


def _row_of(entry: _Entry) -> Any:
    record, model = entry.record, _model()
    key, label = named(entry.user)
    milliseconds = record.seconds * 1000
    texts = {
        name: storable(str(value), model._meta.get_field(name).max_length)
        for name, value in (
            ("server", record.server),
            ("method", record.method),
            ("target", record.target),
            ("principal", record.principal),
            ("user_key", key),
            ("user_label", label),
            ("client", record.client),
            ("client_version", record.client_version),
            ("client_id", record.client_id),
            ("session", record.session),
            ("request_id", record.request_id),
        )
    }
    called = entry.ended - timedelta(seconds=record.seconds)
    return model(
        **texts,
        called=called,
        hour=hour_of(called),
        revision=record.revision,
        outcome=record.outcome,
        code=record.code,
        milliseconds=milliseconds,
        step=step_of(milliseconds),
        received=record.received,
        sent=record.sent,
        correlation=record.correlation,
        arguments=entry.arguments,
    )


@cache
def journal() -> CallJournal:
    """The journal of this process, which all of its servers share."""
    made = CallJournal()
    atexit.register(made.close)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=made.begin)
    return made
