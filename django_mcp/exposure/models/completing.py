"""Suggestions for the key of an object: keys that begin with what was typed, or whose object does.

Keys are compared as text, in ways an index can answer. Where the model is searched, the objects
whose name begins with the text follow: a number says little to who looks for a book. Nothing is
counted, and nothing suggested that the caller may not see.
"""

from __future__ import annotations

import functools
import operator
import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, Final

from django.db import connections, models
from django.db.models import Q, QuerySet
from django.db.models.functions import Cast

from ...protocol.types import Completion
from ...server.completions import MAX_VALUES
from ...server.context import Context
from ...server.errors import ToolError
from .exposed import ExposedModel
from .pages import LOOKED_AT
from .selection import column_of

#: Digits of the largest number a database keeps as an integer, which is below this.
_DIGITS: Final = 19
_BEYOND: Final = 2**63
_NUMBER: Final = re.compile(r"(-?)(0|[1-9][0-9]{0,18})", re.ASCII)
_HEX: Final = re.compile(r"[0-9a-f]{0,32}", re.ASCII)


def completion_of(exposed: ExposedModel) -> Callable[..., Completion]:
    """What completes the key of an exposed model."""

    def complete(ctx: Context, value: str) -> Completion:
        keys = dict.fromkeys(_keys(exposed, ctx, lambda found: _beginning(exposed, found, value)))
        if value and len(keys) <= MAX_VALUES and exposed.searched:
            keys |= dict.fromkeys(
                _keys(exposed, ctx, lambda found: _named(exposed, ctx, found, value))
            )
        values = list(islice(keys, MAX_VALUES))
        return Completion(values=values, has_more=len(keys) > MAX_VALUES)

    return complete


def _keys(
    exposed: ExposedModel,
    ctx: Context,
    narrow: Callable[[QuerySet[Any]], QuerySet[Any] | None],
) -> list[str]:
    """The keys, as text, of the first objects the caller may see of those that `narrow` leaves."""
    attname, allows = exposed.lookup.field.attname, exposed.allows(ctx)
    queryset = narrow(exposed.objects(ctx).order_by(attname))
    if queryset is None:
        return []
    try:
        with exposed.asking(queryset):
            if allows is None:
                found: Iterable[Any] = queryset.values_list(attname, flat=True)[: MAX_VALUES + 1]
            else:
                looked_at = queryset[:LOOKED_AT]
                found = (exposed.key_of(obj) for obj in looked_at if allows(obj))
            keys = islice(found, MAX_VALUES + 1)
            return [str(exposed.lookup.kind.plainly(key)) for key in keys]
    except ToolError:
        return []


def _named(
    exposed: ExposedModel, ctx: Context, queryset: QuerySet[Any], text: str
) -> QuerySet[Any]:
    scope = exposed.scope(ctx, queryset)
    anywhere = [scope.condition(member, "istartswith", text) for member in exposed.searched]
    return queryset.filter(functools.reduce(operator.or_, anywhere))


def _beginning(exposed: ExposedModel, queryset: QuerySet[Any], text: str) -> QuerySet[Any] | None:
    """The objects whose key begins with `text`; None where none can."""
    if not text:
        return queryset
    attname, field = exposed.lookup.field.attname, column_of(exposed.lookup.field)
    if isinstance(field, models.IntegerField):
        ranges: Sequence[tuple[Any, Any]] = _of_numbers(text)
    elif isinstance(field, models.UUIDField) and _compares_uuids(queryset.db):
        ranges = _of_uuids(text)
    elif isinstance(field, models.CharField | models.TextField):
        return queryset.filter(**{f"{exposed.lookup.name}__startswith": text})
    else:
        written = Cast(attname, models.CharField())
        queryset = queryset.annotate(mcp_written=written)
        return queryset.filter(mcp_written__startswith=text)
    between = [Q(**{f"{attname}__gte": low, f"{attname}__lte": high}) for low, high in ranges]
    return queryset.filter(functools.reduce(operator.or_, between)) if between else None


def _of_numbers(text: str) -> list[tuple[int, int]]:
    """Where the numbers lie whose digits begin with `text`: 12, 120 to 129, 1200 to 1299, …"""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return [(-_BEYOND, -1)] if text == "-" else []
    sign, begin = found[1], int(found[2])
    ranges = [(begin, begin)]
    for more in range(1, _DIGITS + 1 - len(found[2])) if begin else ():
        low = begin * 10**more
        ranges.append((low, min(low + 10**more, _BEYOND) - 1))
    ranges = [(low, high) for low, high in ranges if low < _BEYOND]
    return [(-high, -low) for low, high in ranges] if sign else ranges


def _of_uuids(text: str) -> list[tuple[uuid.UUID, uuid.UUID]]:
    begin = text.lower().replace("-", "")
    if not _HEX.fullmatch(begin):
        return []
    return [(uuid.UUID(begin.ljust(32, "0")), uuid.UUID(begin.ljust(32, "f")))]


def _compares_uuids(using: str) -> bool:
    """True where UUIDs are in the order of their text; MariaDB has one of its own."""
    connection = connections[using]
    return connection.vendor != "mysql" or not connection.features.has_native_uuid_field
