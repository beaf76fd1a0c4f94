"""A batch of operations in the database: one thread, one transaction, and what to do if it fails.

What writes is committed together. A batch that fails is done again one operation at a time, so that
a bad one fails alone; without a database all of it fails, as StoreUnavailable. The statements are
`session_rows` and `event_rows`, which hand in what does a group of operations of each type.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from django.conf import settings
from django.db import (
    Error,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    connections,
    router,
    transaction,
)

from ..models import Session
from ..server.sessions import StoreUnavailable
from .batches import Operation, in_groups

logger = logging.getLogger("django_mcp")

#: Seconds between two times that a process removes what is over.
CLEAR_EVERY: Final = 300.0
#: Rows that are removed at a time.
CHUNK: Final = 500

#: Does a group of operations of one type, in the database with this alias.
Handler: TypeAlias = Callable[[str, Any], None]


class Database:
    """Does batches in the database where the router has sessions written.

    They are read there as well: a replica may not know yet what was written a moment ago. `chores`
    are operations to be done now and then, which remove what is over.
    """

    def __init__(
        self,
        handlers: Mapping[type[Operation[Any]], Handler],
        chores: Sequence[type[Operation[Any]]],
    ) -> None:
        self._handlers = handlers
        self._chores = chores
        self._chores_done_at = time.monotonic()
        self._is_away = False

    def execute(self, operations: Sequence[Operation[Any]]) -> None:
        """Do `operations`, and leave in each its result or its error."""
        using = router.db_for_write(Session)
        try:
            self._together(using, operations)
        except Exception as error:
            if len(operations) == 1 or _is_lost(using):
                self._fail(using, operations, error)
            else:
                self._one_by_one(using, operations)
        else:
            self._is_away = False
        if time.monotonic() - self._chores_done_at > CLEAR_EVERY:
            self._do_chores(using)

    def _together(self, using: str, operations: Sequence[Operation[Any]]) -> None:
        groups = in_groups(operations)
        # What only reads, and follows nothing that writes, waits for no lock.
        while groups and not groups[0][0].writes:
            self._do(using, groups.pop(0))
        if groups:
            with transaction.atomic(using=using):
                _begin_writing(using)
                for group in groups:
                    self._do(using, group)

    def _do(self, using: str, group: list[Operation[Any]]) -> None:
        self._handlers[type(group[0])](using, group)

    def _one_by_one(self, using: str, operations: Sequence[Operation[Any]]) -> None:
        for number, operation in enumerate(operations):
            operation.result = operation.error = None
            try:
                self._together(using, [operation])
            except (OperationalError, InterfaceError) as error:
                # As of a lock that cannot be had: the others would wait for it one after another.
                self._fail(using, operations[number:], error)
                return
            except Exception as error:
                self._fail(using, [operation], error)

    def _fail(self, using: str, operations: Sequence[Operation[Any]], error: Exception) -> None:
        # A table that is missing is a ProgrammingError in some databases.
        away = isinstance(error, OperationalError | InterfaceError | ProgrammingError)
        if away and not self._is_away:
            # Once, and not for every request until it is back.
            self._is_away = True
            if _lacks_tables(using):
                what = f"has no table {Session._meta.db_table}: run manage.py migrate"
            else:
                what = "is away"
            logger.error("The database %r that keeps the sessions %s", using, what, exc_info=error)
        for operation in operations:
            operation.failed(_unavailable() if away else error)

    def _do_chores(self, using: str) -> None:
        self._chores_done_at = time.monotonic()
        for chore in self._chores:
            try:
                self._together(using, [chore()])
            except Exception:
                logger.exception("What is over could not be removed from the database")
                return


def _unavailable() -> StoreUnavailable:
    return StoreUnavailable("What keeps the sessions of this server is away. Try again later.")


def _is_lost(using: str) -> bool:
    """True where there is no connection, which is closed so that the next attempt makes one."""
    connection = connections[using]
    if connection.connection is None:
        return True
    if connection.in_atomic_block or connection.is_usable():
        return False
    connection.close()
    return True


def _lacks_tables(using: str) -> bool:
    """True where the database can be reached, and was not migrated."""
    connection = connections[using]
    if connection.connection is None:
        return False
    try:
        return Session._meta.db_table not in connection.introspection.table_names()
    except Error:
        return False


def _begin_writing(using: str) -> None:
    # SQLite lets no transaction that has read wait for its turn to write: it fails with "database
    # is locked". One that begins with a write waits (https://www.sqlite.org/lang_transaction.html).
    connection = connections[using]
    if connection.vendor == "sqlite":
        table = connection.ops.quote_name(Session._meta.db_table)
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE {table} SET stage = stage WHERE 0")  # noqa: S608 - it is ours


def moment(seconds: float) -> datetime:
    """What a DateTimeField holds, from seconds since the epoch; `timestamp()` is the way back."""
    return datetime.fromtimestamp(seconds, UTC if settings.USE_TZ else None)
