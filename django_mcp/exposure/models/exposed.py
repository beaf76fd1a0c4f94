"""A model that is exposed on a server: everything that is made of it once.

`ExposedModel` joins what the project says (`options`) with what that means (`selection`, `rows`,
`pages`, `filters`). The modules that make tools and resources take it from here; `registry` finds
the one of a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db import DataError, OperationalError, models
from django.db.models import QuerySet

from ...protocol.uri_templates import UriTemplate
from ...server.access import Principal
from ...server.errors import RegistrationError, ToolError
from .filters import Filter, filters_of
from .indexes import has_index, is_plain
from .limits import limited
from .options import Caller, ModelResource
from .pages import Order, orders_of
from .rows import Shape
from .scope import Scope
from .selection import Exposed, Selection

MakeRow = Callable[[Any], dict[str, Any]]


class _Visitor:
    """A caller of whom no more is known than who they are."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.user = principal.user


@dataclass(frozen=True, slots=True)
class _Rule:
    """Lets those pass whom each of `permissions` lets, which are methods of a resource."""

    permissions: tuple[Callable[[Caller], bool], ...]

    def __call__(self, principal: Principal) -> bool:
        visitor = _Visitor(principal)
        for has_permission in self.permissions:
            verdict = has_permission(visitor)
            if verdict is not True:  # What is no bool at all is the caller's to refuse.
                return verdict
        return True

    def __str__(self) -> str:
        return " and ".join(map(_called, self.permissions))


def _called(has_permission: Any) -> str:
    owner = getattr(has_permission, "__self__", None)
    name = getattr(has_permission, "__name__", repr(has_permission))
    return name if owner is None else f"{type(owner).__name__}.{name}"


class ExposedModel:
    """A model as callers see it. `others` finds the exposed models of the same server."""

    def __init__(
        self,
        resource: ModelResource,
        others: Callable[[type[models.Model]], ExposedModel | None],
        never: tuple[str, ...] = (),
    ) -> None:
        self.resource = resource
        self.model = resource.model
        self._others = others
        self.selection = Selection(
            self.model,
            fields=resource.fields,
            exclude=resource.exclude,
            lookup_field=resource.lookup_field,
            owner=resource,
            never=never,
        )
        self.lookup = self.selection.lookup
        self.shape = Shape(
            self.selection,
            "".join(part.title() for part in resource.name.split("_")),
            select_related=resource.select_related,
            prefetch_related=resource.prefetch_related,
        )
        self.filters: dict[str, Filter] = filters_of(self.selection, resource.filter_fields)
        self.orders: dict[str, Order] = orders_of(
            self.selection, resource.ordering, resource.ordering_fields
        )
        self.searched = [self._searchable(name) for name in resource.search_fields]

    def _searchable(self, name: str) -> Exposed:
        member = self.selection.get(name)
        if member is None or "icontains" not in member.kind.lookups:
            raise RegistrationError(
                f"{self.model._meta.label}: search_fields names {name!r}, which is not exposed or "
                "no text: add it to fields."
            )
        return member

    # Who may see what

    @property
    def object_permissions(self) -> bool:
        return self.resource.object_permissions

    def objects(self, ctx: Caller) -> QuerySet[Any]:
        """The objects the caller may see, as far as a query can tell; see `allows`."""
        return self.resource.get_queryset(ctx)

    def allows(self, ctx: Caller) -> Callable[[Any], bool] | None:
        """What says of one of those `objects` whether the caller may see it; None for all."""
        if not self.object_permissions:
            return None
        return lambda obj: self.may_view(ctx, obj)

    def visible(self, ctx: Caller) -> QuerySet[Any] | None:
        """The objects the caller may see at the end of a relation; None for all there are."""
        if not self.may_view_any(ctx):
            return self.model._default_manager.none()
        if type(self.resource).get_queryset is ModelResource.get_queryset:
            return None
        return self.objects(ctx)

    def may_view_any(self, ctx: Caller) -> bool:
        """Whether the caller may see objects at all; what is no bool says no."""
        return self.resource.has_view_permission(ctx) is True

    def may_view(self, ctx: Caller, obj: Any) -> bool:
        """Whether the caller may see `obj`, which is one of the `objects`."""
        if not self.object_permissions:
            return True
        return self.resource.has_view_permission(ctx, obj) is True

    def rule(self, *permissions: Callable[[Caller], bool]) -> Callable[[Principal], bool]:
        """The access rule of a component that is for those whom each of `permissions` lets."""

        return _Rule(permissions)

    def beyond(self, ctx: Caller, name: str) -> ExposedModel | None:
        """The exposed model that a relation to one object leads to, if the caller may view it."""
        member = self.selection.get(name)
        if member is None or not member.is_relation or member.many:
            return None
        other = self._others(member.related)
        if other is None or other.object_permissions:
            return None
        return other if other.may_view_any(ctx) else None

    def other(self, model: type[models.Model]) -> ExposedModel | None:
        """`model` as it is exposed on the same server; None where it is not."""
        return self._others(model)

    def scope(self, ctx: Caller, queryset: QuerySet[Any]) -> Scope:
        """What the caller may see, for queries on the database of `queryset`."""
        return Scope(ctx, self._others, queryset.db)

    # Finding one

    def find(self, ctx: Caller, key: Any, *, shown: bool = True) -> tuple[Any, MakeRow]:
        """The object with this key, and what makes its row; raises ToolError where there is none
        the caller may see. Not `shown`, it comes with all its fields, to be changed."""
        queryset = self.objects(ctx)
        is_quick = is_plain(queryset) and has_index(self.lookup)
        row: MakeRow = dict
        if shown:
            queryset, row = self.shape.load(queryset, self.scope(ctx, queryset))
        return self.one(ctx, queryset, key, is_quick=is_quick), row

    def one(self, ctx: Caller, objects: QuerySet[Any], key: Any, *, is_quick: bool = False) -> Any:
        """The one of `objects` with this key; raises ToolError as `find` does."""
        with self.asking(objects, is_quick=is_quick):
            obj = next(iter(objects.filter(**{self.lookup.name: key})[:1]), None)
        if obj is None or not self.may_view(ctx, obj):
            raise ToolError(f"There is no {self.resource.name} {key}.")
        return obj

    @contextmanager
    def asking(self, queryset: QuerySet[Any], *, is_quick: bool = False) -> Iterator[None]:
        """Where `queryset` is asked for what a caller wants: for no longer than the resource says,
        unless `is_quick`, which is for what an index finds.

        Raises TookTooLong, and ToolError for a value that is out of the database's range.
        """
        seconds = None if is_quick else self.resource.query_timeout
        with limited(queryset.db, seconds), asked_in_range():
            yield

    # Where it stands

    @cached_property
    def template(self) -> UriTemplate:
        """The URIs of the objects."""
        return UriTemplate(f"{self.resource.uri}/{{{self.variable}}}")

    @property
    def variable(self) -> str:
        """What the key is called in `template`, whose names have letters of ASCII alone."""
        return self.lookup.name if self.lookup.name.isascii() else "key"

    def uri_of(self, obj: Any) -> str:
        """Where the object stands."""
        return self.uri(self.key_of(obj))

    def key_of(self, obj: Any) -> Any:
        """What the object is known by."""
        return self.lookup.kind.plainly(getattr(obj, self.lookup.field.attname))

    def uri(self, key: Any) -> str:
        """Where the object with this key stands."""
        return self.template.expand({self.variable: str(self.lookup.kind.plainly(key))})


@contextmanager
def asked_in_range() -> Iterator[None]:
    """Raises ToolError where the database refuses a value it is asked for: a number no column
    holds, a text with a NUL in it, or one that SQLite finds too long to look for."""
    try:
        yield
    except (DataError, OverflowError, ValueError) as error:
        raise ToolError("A value is out of the range the database knows.") from error
    except OperationalError as error:
        if "pattern too complex" not in str(error):
            raise
        raise ToolError("A text is too long to be looked for.") from error
