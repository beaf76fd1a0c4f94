"""What one caller may see of one model, as parts of a query.

The only place where an exposed field becomes an expression, a condition or a join. Where a relation
leads to a model that is exposed itself, the caller sees of the other side what they would see
there, and nothing of the rest: such a relation reads as null, in what is shown as in filters,
orderings and groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from django.db import models
from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce, NullIf

from .options import Caller
from .selection import Exposed


class Visible(Protocol):
    """What a scope asks another exposed model for."""

    @property
    def object_permissions(self) -> bool:
        """Whether it depends on the object who may see it."""

    def visible(self, ctx: Caller) -> QuerySet[Any] | None:
        """The objects the caller may see; None for all there are."""

    def may_view(self, ctx: Caller, obj: Any) -> bool:
        """Whether the caller may see `obj`, which is one of the `visible`."""


class Scope:
    """The exposed fields of a model, for one caller and one call.

    That of another model, reached through a relation, is `beyond` it.
    """

    def __init__(
        self,
        ctx: Caller,
        others: Callable[[type[models.Model]], Visible | None],
        using: str,
        *,
        prefix: str = "",
        seen: Q | None = None,
    ) -> None:
        """`others` finds the model that a relation leads to, where it is exposed; `using` is the
        database that is asked. `prefix` is the way from what is queried to the model, `seen` is
        true where the caller sees all the way."""
        self._ctx, self._others, self._using = ctx, others, using
        self._prefix, self._before = prefix, seen
        self._limits: dict[type[models.Model], QuerySet[Any] | None] = {}

    def beyond(self, member: Exposed) -> Scope:
        """The exposed fields of the one object that `member`, a relation, leads to."""
        return self._at(self._path(member.name), self._seen(member))

    def each(self, queryset: QuerySet[Any], member: Exposed) -> tuple[QuerySet[Any], Scope, Any]:
        """A row for each of the objects at the end of `member`, a relation to several, that each
        object of `queryset` has; the scope for those rows, and the key of the one of a row.

        What is summed up in groups of these counts each object once in a group.
        """
        rows, here, there = self._pairs(member)
        rows = rows.filter(**{f"{here}__pk__in": queryset.values("pk")})
        limit = self._comparable_limit(member.related)
        if limit is not None:
            rows = rows.filter(**{f"{there}__in": limit.values("pk")})
        if not member.field.one_to_many and not rows.model._meta.auto_created:
            # A project's own model between the two may join them more than once.
            once = rows.order_by().values(f"{here}__pk", there).annotate(mcp_once=Min("pk"))
            rows = rows.filter(pk__in=once.values("mcp_once"))
        return rows.order_by(), self._at(here, None), F(there)

    def all(self, model: type[models.Model]) -> QuerySet[Any]:
        """The objects of `model`, whoever asks."""
        return model._default_manager.using(self._using).order_by()

    def limit(self, model: type[models.Model]) -> QuerySet[Any] | None:
        """The objects of `model` the caller may see; None for all there are."""
        if model not in self._limits:
            other = self._others(model)
            found = None if other is None else other.visible(self._ctx)
            self._limits[model] = None if found is None else found.using(self._using).order_by()
        return self._limits[model]

    def may_view(self, obj: Any) -> bool:
        """Whether the caller may see `obj` at the end of a relation, which is in its `limit`.

        A manager may return objects of a class that inherits from the exposed model's.
        """
        kin = [self._others(model) for model in type(obj).__mro__]
        return all(
            other is None or not other.object_permissions or other.may_view(self._ctx, obj)
            for other in kin
        )

    def expression(self, member: Exposed) -> Any:
        """What `member`, which is one value, is ordered and grouped by: null where it is hidden."""
        seen = self._seen(member)
        column = F(self._path(_column(member)))
        if seen is None:
            return column
        # A null of its type: PostgreSQL has no sum of a bare one, where nothing at all is seen.
        return Case(When(seen, then=column), default=NullIf(column, column))

    def count(self, member: Exposed) -> Any:
        """How many objects the caller sees at the end of `member`, a relation to several."""
        rows, here, there = self._pairs(member)
        rows = rows.filter(**{f"{here}__pk": OuterRef(self._path("pk"))}).order_by()
        limit = self._comparable_limit(member.related)
        if limit is not None:
            rows = rows.filter(**{f"{there}__in": limit.values("pk")})
        counted = rows.values(f"{here}__pk").annotate(mcp_count=Count(there, distinct=True))
        found = Coalesce(Subquery(counted.values("mcp_count")), 0)
        if self._before is None:
            return found
        return Case(
            When(self._before, then=found), default=Cast(Value(None), models.IntegerField())
        )

    def condition(self, member: Exposed, lookup: str, value: Any) -> Q:
        """The objects whose `member` compares with `value` as `lookup` says."""
        if member.many:
            found = Q(Exists(self._several(member, lookup, value)))
            return found if self._before is None else found & self._before
        seen = self._seen(member)
        if lookup == "isnull":
            null = Q(**{f"{self._path(member.name)}__isnull": True})
            if seen is not None:
                null |= ~seen
            return null if value else ~null
        found = Q(**{f"{self._path(_column(member))}__{lookup}": value})
        return found if seen is None else found & seen

    def related(self, member: Exposed, keys: Iterable[Any]) -> QuerySet[Any]:
        """The objects with these keys that a relation may be led to by the caller."""
        field = member.field
        one = not (member.many or field.auto_created)
        name = field.target_field.name if one else "pk"
        limit = self.limit(member.related)
        queryset = self.all(member.related) if limit is None else limit
        return queryset.filter(**{f"{name}__in": list(keys)})

    def _seen(self, member: Exposed) -> Q | None:
        """True of the objects from which the caller sees all the way to `member`; None for all."""
        seen = self._before
        for path, model in member.hops:
            limit = self._comparable_limit(model)
            if limit is not None:
                here = Q(**{f"{self._path(path)}__in": limit.values("pk")})
                seen = here if seen is None else seen & here
        return seen

    def _comparable_limit(self, model: type[models.Model]) -> QuerySet[Any] | None:
        other = self._others(model)
        if other is not None and other.object_permissions:
            # Who sees which of them only Python knows, so nothing is compared with any of them.
            return self.all(model).none()
        return self.limit(model)

    def _several(self, member: Exposed, lookup: str, value: Any) -> QuerySet[Any]:
        limit = self._comparable_limit(member.related)
        rows, here, there = self._pairs(member)
        own = OuterRef(self._path("pk"))
        found = rows.filter(**{f"{here}__pk": own, f"{there}__{lookup}": value})
        return found if limit is None else found.filter(**{f"{there}__in": limit.values("pk")})

    def _pairs(self, member: Exposed) -> tuple[QuerySet[Any], str, str]:
        """The rows that lead from objects to those at the end of `member`, a relation to several:
        the way from a row to the object, and to the key of the other."""
        field = member.field
        if field.one_to_many:
            rows = member.related._default_manager.using(self._using)
            return rows, field.field.name, "pk"
        if field.auto_created:
            field = field.field
            here, there = field.m2m_reverse_field_name(), field.m2m_field_name()
        else:
            here, there = field.m2m_field_name(), field.m2m_reverse_field_name()
        rows = field.remote_field.through._default_manager.using(self._using)
        return rows, here, f"{there}__pk"

    def _at(self, prefix: str, seen: Q | None) -> Scope:
        found = Scope(self._ctx, self._others, self._using, prefix=prefix, seen=seen)
        found._limits = self._limits
        return found

    def _path(self, name: str) -> str:
        return f"{self._prefix}__{name}" if self._prefix else name


def _column(member: Exposed) -> str:
    """The column that is compared. That of a relation is its own key: its name alone would be
    ordered as the other model is, which may be by what is not exposed."""
    if member.is_relation and not member.field.auto_created:
        prefix, _, _ = member.name.rpartition("__")
        column = str(member.field.attname)
        return f"{prefix}__{column}" if prefix else column
    return f"{member.name}__pk" if member.is_relation else member.name
