"""What a database finds by an index, as far as the models tell.

Such a look takes as long as what it finds. It is not watched by `limits`, whose own statements
would take longer than it does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Final

from django.db import models
from django.db.models import QuerySet

from .filters import Filter
from .pages import Order
from .selection import Exposed

#: Comparisons that an index of the usual kind answers.
_ANSWERED: Final = frozenset({"exact", "gt", "gte", "in", "isnull", "lt", "lte", "range"})


def by_index(objects: QuerySet[Any], filters: Iterable[Filter], order: Order) -> bool:
    """Whether each filter on `objects`, and the order, goes by a column that an index begins with.

    Never where the project has already asked something of the objects: what that costs is unknown.
    """
    return (
        is_plain(objects)
        and has_index(order.keys[0].member)
        and all(each.lookup in _ANSWERED and has_index(each.member) for each in filters)
    )


def is_plain(objects: QuerySet[Any]) -> bool:
    """Whether nothing is asked of the objects yet."""
    query = objects.query
    return not (
        query.where or query.annotations or query.extra or query.combinator or query.distinct
    )


def has_index(member: Exposed) -> bool:
    """Whether an index begins with the column; never for what is computed, or behind a relation."""
    field = member.field
    if member.compute is not None or not isinstance(field, models.Field) or not field.concrete:
        return False
    return len(member.hops) == int(member.is_relation) and _begins_an_index(field)


@lru_cache(1024)
def _begins_an_index(field: models.Field[Any, Any]) -> bool:
    if field.primary_key or field.unique or getattr(field, "db_index", False):
        return True
    return any(names and names[0] == field.name for names in _indexes(field.model))


def _indexes(model: type[models.Model]) -> Iterator[list[str]]:
    """The fields of each index that holds every row."""
    meta = model._meta
    for index in meta.indexes:
        if index.condition is None:
            yield [name.removeprefix("-") for name in index.fields]
    for constraint in meta.constraints:
        if isinstance(constraint, models.UniqueConstraint) and constraint.condition is None:
            yield list(constraint.fields)
    for names in meta.unique_together:
        yield list(names)
