"""Looking sessions up by their keys, which is done for every request: rows into values, quickly.

The statement is written once and not composed by the ORM each time, and a row that reads as it did
before is the session it was before. Every lookup asks the database all the same: what is remembered
here is how a row was read, not what the database says.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.dateparse import parse_datetime

from .. import models
from ..protocol import revisions
from ..protocol.handshake import Stage
from ..server.sessions import Session

#: The columns that make a session, in the order `_session_of` takes them.
_COLUMNS: Final = (
    "key",
    "server",
    "owner",
    "place",
    "revision",
    "stage",
    "log_level",
    "client_info",
    "capabilities",
    "followed",
    "elicited",
    "created",
    "used",
    "ended",
)
_JSON: Final = slice(7, 11)
_TIMES: Final = slice(11, 13)
_ENDED: Final = 13
#: How to ask for a time, so that it comes as a number or a text.
_CHEAP_TIMES: Final = {
    "postgresql": "CAST(EXTRACT(EPOCH FROM {}) AS double precision)",
    "sqlite": "CAST({} AS TEXT)",
}
_STAGES: Final = {stage.value: stage for stage in Stage}

#: Rows that are remembered with the sessions they are, and characters of JSON in each.
_MAX_SEEN: Final = 2_048
_LONGEST_SEEN: Final = 4_096


class Lookup:
    """Finds sessions that have not ended."""

    def __init__(self) -> None:
        self._statements: dict[tuple[str, int, bool], str] = {}
        self._seen: dict[str, tuple[Sequence[Any], Session | None]] = {}

    def find(self, using: str, keys: Collection[str], *, lock: bool = False) -> list[Session]:
        """The sessions under `keys`, in the database with the alias `using`.

        With `lock`, nobody else can change or end them before the transaction ends.
        """
        connection = connections[using]
        asked = list(keys)
        if not asked:
            return []
        # Few statements, for 1, 2, 4, … keys: the last one is asked for again to fill them up.
        number = 1 << (len(asked) - 1).bit_length()
        asked += asked[-1:] * (number - len(asked))
        statement = self._statements.get((using, number, lock))
        if statement is None:
            statement = _statement(connection, number, lock)
            self._statements[using, number, lock] = statement
        with connection.cursor() as cursor:
            cursor.execute(statement, asked)
            rows = cursor.fetchall()
        found = [self._read(row, connection) for row in rows if row[_ENDED] is None]
        return [session for session in found if session is not None]

    def _read(self, row: Sequence[Any], connection: BaseDatabaseWrapper) -> Session | None:
        seen = self._seen.get(row[0])
        if seen is not None and seen[0] == row:
            return seen[1]
        session = _session_of(_decoded(row, connection))
        if sum(len(text) for text in row[_JSON] if isinstance(text, str)) <= _LONGEST_SEEN:
            if len(self._seen) >= _MAX_SEEN:
                self._seen = {}
            self._seen[row[0]] = (row, session)
        return session


def _session_of(row: Sequence[Any]) -> Session | None:
    """The session in a row of _COLUMNS; None where another version of this package wrote it."""
    revision, stage = revisions.find(row[4]), _STAGES.get(row[5])
    if revision is None or stage is None:
        return None
    return Session(
        key=row[0],
        server=row[1],
        owner=row[2],
        place=row[3] or "",
        revision=revision,
        stage=stage,
        log_level=row[6] or None,
        client_info=row[7],
        capabilities=row[8],
        followed=frozenset(row[9]),
        elicited=tuple(row[10]),
        created=row[11],
        used=row[12],
    )


def _statement(connection: BaseDatabaseWrapper, number: int, lock: bool) -> str:
    meta, quote = models.Session._meta, connection.ops.quote_name
    names = [quote(name) for name in _COLUMNS]
    # Drivers spend longer on making a datetime of each than on all the rest of the row.
    cheap = _CHEAP_TIMES.get(connection.vendor, "{}")
    names[_TIMES] = [cheap.format(name) for name in names[_TIMES]]
    columns = ", ".join(names)
    places = ", ".join(["%s"] * number)
    # Not by `ended` as well: there is an index for that, and SQLite would use it instead.
    statement = (
        f"SELECT {columns} FROM {quote(meta.db_table)} "  # noqa: S608 - names of our own
        f"WHERE {quote('key')} IN ({places})"
    )
    if lock and connection.features.has_select_for_update:
        # In one order everywhere, so that no two processes wait for each other.
        return f"{statement} ORDER BY {quote('key')} {connection.ops.for_update_sql()}"
    return statement


def _decoded(row: Sequence[Any], connection: BaseDatabaseWrapper) -> Sequence[Any]:
    """A row with its JSON read and its times in seconds."""
    decoded = list(row)
    decoded[_JSON] = [
        json.loads(value) if isinstance(value, str | bytes) else value for value in row[_JSON]
    ]
    decoded[_TIMES] = [_seconds(value, connection) for value in row[_TIMES]]
    return decoded


def _seconds(value: Any, connection: BaseDatabaseWrapper) -> float:
    """Seconds since the epoch, from a time as the database has it."""
    if isinstance(value, float):
        return value
    moment = parse_datetime(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime):
        raise TypeError(f"the database has {value!r} for a time")
    if moment.tzinfo is None and connection.timezone is not None:
        moment = moment.replace(tzinfo=connection.timezone)
    return moment.timestamp()
