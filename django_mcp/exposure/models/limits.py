"""How long a query may take, and how much of an answer is sent.

The time is kept by the database: `statement_timeout` on PostgreSQL, a progress handler on SQLite,
`max_execution_time` on MySQL, `max_statement_time` on MariaDB. Others know no such limit, and there
only rows and bytes are counted. It is the time of each statement; on SQLite of all together.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final
from weakref import WeakKeyDictionary

from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from pydantic_core import to_json

from ...server.errors import ToolError

#: Instructions of SQLite's machine between two looks at the clock. Most take nanoseconds, a LIKE
#: over a long text takes a millisecond; each look waits for Python's lock.
STEPS: Final = 1_000

#: What a database says of a statement it has stopped: PostgreSQL's SQLSTATE, and the error numbers
#: of MySQL (ER_QUERY_TIMEOUT) and MariaDB (ER_STATEMENT_TIMEOUT).
QUERY_CANCELED: Final = "57014"
STOPPED: Final = (3024, 1969)

#: The deadlines of a connection of SQLite, which keeps one handler and does not tell which.
_deadlines: WeakKeyDictionary[BaseDatabaseWrapper, list[float]] = WeakKeyDictionary()
_lock = threading.Lock()


class TookTooLong(ToolError):
    """The database stopped a statement."""


@contextmanager
def limited(using: str, seconds: float | None) -> Iterator[None]:
    """Within it, a statement on the database `using` that takes longer is stopped.

    That raises TookTooLong, and leaves the connection as it was: usable, in the transaction it was
    in, with its own limit. A shorter limit that is there already stays. None is no limit.
    """
    connection = connections[using]
    keep = _KEEPERS.get(connection.vendor)
    if keep is None or not seconds:
        yield
        return
    try:
        with keep(connection, seconds):
            yield
    except DatabaseError as error:
        if not _was_stopped(error):
            raise
        raise TookTooLong(
            f"This took longer than {seconds:g} seconds and was stopped: ask for less, with a "
            "filter or fewer groups, or by fields that have an index."
        ) from error


def fitting(
    rows: Iterable[dict[str, Any]], max_rows: int, max_bytes: int
) -> tuple[list[dict[str, Any]], bool]:
    """As many `rows` as fit, in number and as JSON, and whether more were there.

    They are read no further than that. Raises ToolError where not even the first fits.
    """
    found: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        if len(found) == max_rows:
            return found, True
        size += len(to_json(row)) + 1
        if size > max_bytes:
            if not found:
                raise ToolError(
                    f"One row alone has more than the {max_bytes} bytes an answer may have: ask "
                    "for fewer fields."
                )
            return found, True
        found.append(row)
    return found, False


# ------------------------------------------------------------------------------------- by database


#: Sets the shorter of two limits, and tells the one before; nought is none.
_SET_TIMEOUT: Final = """
WITH present AS MATERIALIZED (SELECT current_setting('statement_timeout') AS before)
SELECT before, set_config(
    'statement_timeout',
    CASE
        WHEN extract(epoch FROM before::interval) * 1000 BETWEEN 1 AND %(wanted)s THEN before
        ELSE %(wanted)s::text
    END,
    true
)
FROM present
"""


@contextmanager
def _postgresql(connection: Any, seconds: float) -> Iterator[None]:
    # Local to a transaction, so that it is never left behind, with a pooler between as well.
    nested = connection.in_atomic_block
    with transaction.atomic(using=connection.alias):
        with connection.cursor() as cursor:
            cursor.execute(_SET_TIMEOUT, {"wanted": _milliseconds(seconds)})
            before, _ = cursor.fetchone()
        yield
        if nested:
            # A savepoint that is rolled back takes it back, one that is released keeps it.
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [before])


@contextmanager
def _sqlite(connection: Any, seconds: float) -> Iterator[None]:
    connection.ensure_connection()
    raw = connection.connection
    with _lock:
        deadlines = _deadlines.setdefault(connection, [])
        deadline = time.monotonic() + seconds
        deadlines.append(deadline)
        _watch(raw, deadlines)
    try:
        yield
    finally:
        with _lock:
            deadlines.remove(deadline)
            if raw is connection.connection:
                _watch(raw, deadlines)


def _watch(raw: Any, deadlines: list[float]) -> None:
    if not deadlines:
        raw.set_progress_handler(None, STEPS)
        return
    deadline = min(deadlines)
    raw.set_progress_handler(lambda: time.monotonic() > deadline, STEPS)


@contextmanager
def _mysql(connection: Any, seconds: float) -> Iterator[None]:
    if connection.mysql_is_mariadb:
        name, wanted = "max_statement_time", seconds
    else:
        name, wanted = "max_execution_time", _milliseconds(seconds)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT @@SESSION.{name}")
        (before,) = cursor.fetchone()
        if 0 < before <= wanted:
            wanted = before
        cursor.execute(f"SET SESSION {name} = %s", [wanted])
    try:
        yield
    finally:
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"SET SESSION {name} = %s", [before])
        except DatabaseError:
            # The connection is lost, or in a state that is not to be handed on with our limit.
            connection.close()


_KEEPERS: Final[dict[str, Callable[[Any, float], AbstractContextManager[None]]]] = {
    "postgresql": _postgresql,
    "sqlite": _sqlite,
    "mysql": _mysql,
}


def _milliseconds(seconds: float) -> int:
    # Nought would be no limit at all.
    return max(1, round(seconds * 1000))


def _was_stopped(error: DatabaseError) -> bool:
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return (
        state == QUERY_CANCELED
        or getattr(cause, "sqlite_errorname", None) == "SQLITE_INTERRUPT"
        or (bool(error.args) and error.args[0] in STOPPED)
    )
