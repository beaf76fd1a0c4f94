"""Pages of objects in an order, each found by the last object of the page before.

Never by an offset, so that a page far down costs what the first one does, and never with a count.
A cursor holds the values the last object had in the fields it is ordered by, all of them exposed;
who forges one sees no more than another page. Where only code knows which objects the caller may
see, the others have no part in it: a page is followed by another where that has an object the
caller may see, or where too many had to be looked at to know. The cursor then counts those that
were passed by, and is signed, since whoever could count otherwise would find them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.core import signing
from django.db import connections, models
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Cast
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from ...server.errors import RegistrationError, ToolError
from .scope import Scope
from .selection import Exposed, Selection

#: Objects that are looked at for one page, where only code knows which the caller may see.
LOOKED_AT: Final = 1_000
_SALT: Final = "django_mcp.exposure.pages"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One field of an order."""

    member: Exposed
    descending: bool

    @property
    def name(self) -> str:
        return f"-{self.member.name}" if self.descending else self.member.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Objects, and the cursor to those that follow."""

    objects: list[Any]
    next_cursor: str | None


class Order:
    """One order of the objects of a selection, in which no two are equal."""

    def __init__(self, selection: Selection, names: Sequence[str]) -> None:
        """Raises RegistrationError for names that are not exposed, or have no order."""
        keys: list[Key] = []
        for name in names:
            descending = name.startswith("-")
            bare = name.removeprefix("-")
            bare = selection.lookup.name if bare == "pk" and "pk" not in selection else bare
            member = selection.get(bare)
            if member is None or not member.sortable:
                raise RegistrationError(
                    f"{selection.model._meta.label}: ordering names {name!r}, which is not exposed "
                    "or has no order: name exposed fields that hold one value."
                )
            keys.append(Key(member=member, descending=descending))
        if all(key.member is not selection.lookup for key in keys):
            descending = bool(keys) and keys[0].descending
            keys.append(Key(member=selection.lookup, descending=descending))
        self.keys = tuple(keys)
        self._values = [TypeAdapter(key.member.kind.stored | None) for key in self.keys]

    def page(
        self,
        queryset: QuerySet[Any],
        scope: Scope,
        *,
        limit: int,
        cursor: str | None,
        allows: Callable[[Any], bool] | None = None,
    ) -> Page:
        """The page of at most `limit` objects that follows `cursor`.

        `allows` says of each object whether the caller may see it; where that leaves few, a page
        may be shorter than asked for, and still not the last. Raises ToolError for a cursor that
        is none of this order.
        """
        rounds = connections[queryset.db].vendor == "sqlite"
        columns = [_Column.of(number, key, scope, rounds) for number, key in enumerate(self.keys)]
        if made := {column.name: column.made for column in columns if column.made is not None}:
            queryset = queryset.annotate(**made)
        queryset = queryset.order_by(
            *[f"{'-' if column.descending else ''}{column.name}" for column in columns]
        )
        after, passed = (None, 0) if cursor is None else self._decode(cursor)
        begin = _further(queryset, columns, after, passed) if passed else after
        if passed and begin is None:
            return Page(objects=[], next_cursor=None)
        found: list[Any] = []
        looked_at = 0
        for obj in _behind(queryset, columns, begin, limit + 1):
            if looked_at == LOOKED_AT and allows is not None:
                return Page(objects=found, next_cursor=self._encode(after, passed))
            looked_at, passed = looked_at + 1, passed + 1
            if allows is None or allows(obj):
                if len(found) == limit:
                    return Page(objects=found, next_cursor=self._encode(after))
                found.append(obj)
                after, passed = [column.read(obj) for column in columns], 0
        return Page(objects=found, next_cursor=None)

    # ------------------------------------------------------------------------------------- cursors

    def _encode(self, values: Sequence[Any] | None, passed: int = 0) -> str:
        """The cursor to what follows `values`, and `passed` objects after them."""
        known = None if values is None else to_jsonable_python(list(values))
        parts = [",".join(key.name for key in self.keys), known]
        if passed:
            return signing.dumps([*parts, passed], salt=_SALT)
        text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
        return base64.urlsafe_b64encode(text.encode()).decode("ascii").rstrip("=")

    def _decode(self, cursor: str) -> tuple[list[Any] | None, int]:
        """The values, and how many objects after them were passed by."""
        try:
            passed = 0
            if ":" in cursor:
                names, values, passed = signing.loads(cursor, salt=_SALT)
            else:
                padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
                names, values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            if names == ",".join(key.name for key in self.keys):
                if passed and values is None:
                    return None, passed
                return [
                    adapter.validate_json(json.dumps(value))
                    for adapter, value in zip(self._values, values, strict=True)
                ], passed
        except (ValueError, TypeError, RecursionError, ValidationError, signing.BadSignature):
            pass
        raise ToolError(
            "cursor is not of this list: send next_cursor of the page before unchanged, with the "
            "same order_by, or no cursor to start again."
        )


def orders_of(
    selection: Selection, default: Sequence[str], allowed: Sequence[str] | None
) -> dict[str, Order]:
    """The orders a caller may ask for, by name, the first being the default.

    `allowed` names exposed fields, None all that have an order and are the object's own.
    """
    if allowed is None:
        allowed = [m.name for m in selection.members if m.sortable and not m.is_relation]
    found = {}
    first = Order(selection, default)
    found[first.keys[0].name] = first
    for name in allowed:
        for each in (name.removeprefix("-"), f"-{name.removeprefix('-')}"):
            found.setdefault(each, Order(selection, [each]))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """A key of an order in one query: the name it goes by there, and what has to be made for it."""

    name: str
    made: Any
    attribute: str
    convert: Callable[[Any], Any]
    descending: bool
    nullable: bool

    @classmethod
    def of(cls, number: int, key: Key, scope: Scope, rounds: bool) -> _Column:
        """`rounds` is true where the database keeps decimals as floating-point numbers."""
        member, expression = key.member, scope.expression(key.member)
        convert = member.kind.plainly
        if rounds and isinstance(member.stored_as, models.DecimalField):
            # As it is stored: what is shown of it may stand before or behind it.
            expression, convert = Cast(expression, models.FloatField()), _as_it_is
        plain = isinstance(expression, F) and "__" not in member.name
        name = member.field.name if plain and not member.is_relation else f"mcp_key_{number}"
        return cls(
            name=name,
            made=None if name == getattr(member.field, "name", None) else expression,
            attribute=member.field.attname if name == member.field.name else name,
            convert=convert,
            descending=key.descending,
            nullable="isnull" in member.kind.lookups or bool(member.hops),
        )

    def read(self, obj: Any) -> Any:
        return self.convert(getattr(obj, self.attribute))

    def further(self, value: Any, nulls_first: bool) -> Q | None:
        """What stands behind `value` in this order; None where nothing does."""
        first = nulls_first is not self.descending
        if value is None:
            return Q(**{f"{self.name}__isnull": False}) if first else None
        found = Q(**{f"{self.name}__{'lt' if self.descending else 'gt'}": value})
        return found | Q(**{f"{self.name}__isnull": True}) if self.nullable and not first else found

    def equal(self, value: Any) -> Q:
        return Q(**{f"{self.name}__isnull": True} if value is None else {self.name: value})


def _as_it_is(value: Any) -> Any:
    return value


def _behind(
    queryset: QuerySet[Any], columns: Sequence[_Column], values: list[Any] | None, size: int
) -> Iterator[Any]:
    """The objects that follow the one with `values`, fetched `size` at a time."""
    while True:
        last, count = None, 0
        for segment in _segments(queryset, columns, values):
            for obj in segment[: size - count]:
                yield obj
                last, count = obj, count + 1
            if count == size:
                break
        if count < size:
            return
        values = [column.read(last) for column in columns]


def _further(
    queryset: QuerySet[Any], columns: Sequence[_Column], values: list[Any] | None, count: int
) -> list[Any] | None:
    """The values of the object that is `count` further than `values`; None where none is."""
    for segment in _segments(queryset, columns, values):
        for obj in segment[count - 1 : count]:
            return [column.read(obj) for column in columns]
        count -= segment.count()
    return None


def _segments(
    queryset: QuerySet[Any], columns: Sequence[_Column], values: list[Any] | None
) -> list[QuerySet[Any]]:
    """The objects behind `values` as queries that an index of the first column can answer from
    where they begin: nulls, which stand first or last as the database puts them, are a query of
    their own."""
    if values is None:
        return [queryset]
    nulls_first = bool(connections[queryset.db].features.order_by_nulls_first)
    first, value = columns[0], values[0]
    behind, equal = None, first.equal(value)
    for column, each in zip(columns[1:], values[1:], strict=True):
        further = column.further(each, nulls_first)
        if further is not None:
            behind = equal & further if behind is None else behind | (equal & further)
        equal &= column.equal(each)
    nulls = queryset.filter(**{f"{first.name}__isnull": True})
    come_first = nulls_first is not first.descending
    if value is None:
        rest = [nulls.filter(behind)] if behind is not None else []
        if come_first:
            rest.append(queryset.filter(**{f"{first.name}__isnull": False}))
        return rest
    beyond = Q(**{f"{first.name}__{'lt' if first.descending else 'gt'}": value})
    if behind is None:
        rest = [queryset.filter(beyond)]
    else:
        begin = {f"{first.name}__{'lte' if first.descending else 'gte'}": value}
        rest = [queryset.filter(**begin).filter(beyond | behind)]
    if first.nullable and not come_first:
        rest.append(nulls)
    return rest
