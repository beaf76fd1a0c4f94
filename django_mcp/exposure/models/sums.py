"""Rows that the database makes: groups with their measures, or columns of objects.

`Rows` is one such query, and the same for the tools of `aggregates` and of `query`: what it is made
of has been looked up before. It is read piece by piece, and no further than the answer goes.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.db.models import F, Q, QuerySet

from ...server.errors import InvalidArguments, ToolError
from .exposed import asked_in_range
from .limits import fitting, limited
from .scope import Scope
from .selection import Exposed
from .terms import Column, Term, column_of

#: What is wrong with grouping by two relations, which would count each object for every pair.
TOO_MANY: Final = "of relations to several objects, one at most can be grouped by"
#: Rows that are fetched, and keys whose objects are named, at a time.
CHUNK: Final = 100
#: Rows that are read at once where each is short.
FEW: Final = 5_000

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How far a query is read: rows and bytes of the answer, and seconds for each statement."""

    rows: int
    bytes: int
    seconds: float | None
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Columns of the objects of `queryset`; where they are `grouped`, one row for all that are
    alike, with `measures`.

    `order` has columns, and whether they descend. `having` is a condition on the measures, by the
    names that `measure_alias` gives them.
    """

    queryset: QuerySet[Any]
    columns: Sequence[Column]
    measures: Sequence[Column] = ()
    grouped: bool = False
    order: Sequence[tuple[Column, bool]] = ()
    having: Q = field(default_factory=Q)

    def read(self, extent: Extent) -> tuple[list[Row], bool]:
        """The rows, each by the texts of its terms, and whether there are more.

        Raises ToolError where that takes too long, or a value is out of range.
        """
        whole = self.grouped and not self.columns
        rows = self._one() if whole else self._named(self._values(extent))
        with (
            limited(self.queryset.db, extent.seconds),
            asked_in_range(),
            _in_range(),
            # What is not read to its end has a cursor open in the transaction of `limited`.
            closing(rows),
        ):
            return fitting(rows, extent.rows, extent.bytes)

    def _one(self) -> Generator[Row]:
        """The one row of all objects together."""
        made = {measure_alias(n): m.expression for n, m in enumerate(self.measures)}
        values = self.queryset.order_by().aggregate(**made)
        yield {m.term.text: m.json(values[measure_alias(n)]) for n, m in enumerate(self.measures)}

    def _values(self, extent: Extent) -> Generator[tuple[Any, ...]]:
        """The rows as the database has them; it is asked once the first is wanted."""
        columns = {_column_alias(n): c.expression for n, c in enumerate(self.columns)}
        measures = {measure_alias(n): m.expression for n, m in enumerate(self.measures)}
        # The order of the model is cleared: it would be grouped by as well.
        queryset = self.queryset.order_by()
        if measures:
            queryset = queryset.values(**columns).annotate(**measures).filter(self.having)
        elif self.grouped:
            queryset = queryset.values(**columns).distinct()
        else:
            queryset = queryset.annotate(**columns)
        rows = queryset.order_by(*self._order()).values_list(*columns, *measures)
        rows = rows[extent.offset : extent.offset + extent.rows + 1]
        if extent.rows <= FEW and all(
            column.is_short for column in (*self.columns, *self.measures)
        ):
            # A cursor in the database, as iterator() has, would keep PostgreSQL from using several
            # processes (its manual, "When Can Parallel Query Be Used?").
            yield from rows
        else:
            yield from rows.iterator(chunk_size=CHUNK)

    def _order(self) -> list[Any]:
        """An order in which no two rows are equal."""
        aliases = {c.term.text: _column_alias(n) for n, c in enumerate(self.columns)}
        aliases |= {m.term.text: measure_alias(n) for n, m in enumerate(self.measures)}
        found: list[Any] = []
        for column, descending in self.order:
            alias = aliases.get(column.term.text)
            made = column.expression if alias is None else F(alias)
            found.append(made.desc() if descending else made.asc())
        if not self.grouped:
            return [*found, "pk"]
        ordered = {column.term.text for column, _ in self.order}
        return [*found, *(aliases[c.term.text] for c in self.columns if c.term.text not in ordered)]

    def _named(self, rows: Any) -> Generator[Row]:
        """The rows as JSON, with the names of what relations lead to."""
        every = (*self.columns, *self.measures)
        leading = [number for number, column in enumerate(every) if column.leads]
        known: dict[int, dict[Any, Any]] = {number: {} for number in leading}
        with closing(rows):
            while chunk := list(itertools.islice(rows, CHUNK)):
                for number in leading:
                    keys = {row[number] for row in chunk} - known[number].keys() - {None}
                    if keys:
                        known[number].update(every[number].labels(keys))
                for row in chunk:
                    yield {
                        column.term.text: known[number].get(value)
                        if number in known
                        else column.json(value)
                        for number, (column, value) in enumerate(zip(every, row, strict=True))
                    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What sums are made over: a row for each object, or for each of what one of its relations
    leads to, and the scope that reaches fields from there."""

    queryset: QuerySet[Any]
    scope: Scope
    several: Exposed | None = None
    key: Any = None

    def column(self, term: Term, member: Exposed | None, scope: Scope | None = None) -> Column:
        """A term as a column; `scope` where its member is not the objects' own."""
        made = self.key if member is not None and member is self.several else None
        return column_of(term, member, scope or self.scope, made)


def base_of(queryset: QuerySet[Any], scope: Scope, several: Exposed | None) -> Base:
    """What sums over `queryset`, which is `objects_alone`, are made over; `several` is the relation
    to several objects that is grouped by."""
    if several is None:
        return Base(queryset=queryset, scope=scope)
    rows, beyond, key = scope.each(queryset, several)
    return Base(queryset=objects_alone(rows), scope=beyond, several=several, key=key)


def order_of(
    tool: str, names: Sequence[str], columns: Sequence[Column]
) -> list[tuple[Column, bool]]:
    """The order that these names ask for; raises InvalidArguments for one that is no column."""
    known = {column.term.text: column for column in columns}
    found: dict[str, tuple[Column, bool]] = {}
    for number, name in enumerate(names):
        bare = name.removeprefix("-")
        if bare not in known:
            raise InvalidArguments(
                tool,
                [f"order_by[{number}]: should be one of what is asked for: {', '.join(known)}"],
            )
        found.setdefault(bare, (known[bare], name != bare))
    return list(found.values())


def measure_alias(number: int) -> str:
    """What a measure is called within the query."""
    return f"mcp_measure_{number}"


def _column_alias(number: int) -> str:
    return f"mcp_column_{number}"


def objects_alone(queryset: QuerySet[Any]) -> QuerySet[Any]:
    """The same objects from a query that has nothing beside them.

    Joins, duplicates and slices that a project's own queryset may have would count in every sum.
    """
    query = queryset.query
    plain = not (
        query.distinct
        or query.is_sliced
        or query.combinator
        or query.annotations
        or query.extra
        or query.extra_tables
        or query.group_by
        or len(query.alias_map) > 1
    )
    if plain:
        return queryset.order_by()
    keys = queryset if query.is_sliced else queryset.order_by()
    base: QuerySet[Any] = queryset.model._base_manager.using(queryset.db)
    return base.filter(pk__in=keys.values("pk")).order_by()


@contextmanager
def _in_range() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        # Django's words for a MySQL that does not know the current time zone.
        if "time zone definitions" not in str(error):
            raise
        raise ImproperlyConfigured(str(error)) from error
    except OperationalError as error:
        # SQLite says this of a sum that no integer holds.
        if "integer overflow" not in str(error):
            raise
        raise ToolError("A sum is out of the range the database knows.") from error
