"""Objects of a model → values of the types that are announced, without a query for each of them.

A `Shape` is built once for a selection: the type of a row, what has to be loaded with an object,
and how a row is made. Which objects those are is the caller's business; what a caller sees at the
end of a relation, `scope`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.db.models import F, Prefetch, QuerySet, Window
from django.db.models.functions import RowNumber

from .annotations import described, record
from .kinds import FileLink
from .scope import Scope
from .selection import SEPARATOR, Exposed, Selection

#: Objects at the end of one relation of one object that are shown.
MANY: Final = 100

Reader = Callable[[Any], Any]


class Shape:
    """How objects of a selection become rows."""

    def __init__(
        self,
        selection: Selection,
        name: str,
        *,
        select_related: Sequence[str] = (),
        prefetch_related: Sequence[str] = (),
    ) -> None:
        """`name` is what the type of a row is called; the two lists are loaded besides what is
        shown, for what computed members and the names of objects need."""
        self._selection = selection
        self._join, self._prefetch = tuple(select_related), tuple(prefetch_related)
        self._known_columns: dict[tuple[str, ...], list[str]] = {}
        members = {member.name: _annotated(member) for member in selection.members}
        self.type = record(name, members)

    def load(
        self, queryset: QuerySet[Any], scope: Scope, *, whole: bool = False
    ) -> tuple[QuerySet[Any], Callable[[Any], dict[str, Any]]]:
        """`queryset` with everything that rows need, and what makes a row of one of its objects.

        `whole` objects come with all their fields, for their names.
        """
        ways = _Ways(self._selection, scope)
        readers = [(member.name, ways.reader(member)) for member in self._selection.members]
        if joins := [*self._join, *ways.joins]:
            queryset = queryset.select_related(*joins)
        if not (whole or self._selection.computes or self._join):
            queryset = queryset.only(*self._columns(tuple(ways.joins)))
        if prefetches := [*self._prefetch, *ways.prefetches]:
            queryset = queryset.prefetch_related(*prefetches)

        def row(obj: Any) -> dict[str, Any]:
            return {name: read(obj) for name, read in readers}

        return queryset, row

    def _columns(self, joins: tuple[str, ...]) -> list[str]:
        """Every column that is shown: others may be long."""
        if joins in self._known_columns:
            return self._known_columns[joins]
        model = self._selection.model
        columns = {model._meta.pk.name}
        for member in self._selection.members:
            field = model._meta.get_field(member.name.partition(SEPARATOR)[0])
            if field.concrete and not field.many_to_many:
                columns.add(field.name)
        for path in joins:
            related = model
            for part in path.split(SEPARATOR):
                related = related._meta.get_field(part).related_model  # type: ignore[assignment]
            columns.update(f"{path}{SEPARATOR}{f.attname}" for f in related._meta.concrete_fields)
        return self._known_columns.setdefault(joins, sorted(columns))


@dataclass(frozen=True, slots=True)
class _Way:
    """How an object comes with those at the end of a relation: the attributes that lead there."""

    attributes: str
    joined: bool


class _Ways:
    """How the objects of one query reach what their relations lead to."""

    def __init__(self, selection: Selection, scope: Scope) -> None:
        self.joins: list[str] = []
        self.prefetches: list[Any] = []
        self._selection, self._scope = selection, scope
        self._known: dict[str, _Way] = {}

    def reader(self, member: Exposed) -> Reader:
        """What takes the value of `member` from an object."""
        if member.compute is not None:
            return member.compute
        for path, model in member.hops:
            if path not in self._known:
                self._known[path] = self._lead(path, model, member)
        if not member.hops:
            if isinstance(member.field, models.FileField):
                return _file(member.field.attname)
            return _plainly(attrgetter(member.field.attname), member)
        may_view = self._scope.may_view
        path = member.hops[-1][0]
        reach = _following(self._known[path].attributes, may_view)
        if member.many:
            return _references(reach, may_view, member)
        if member.is_relation:
            own = "pk" if member.field.auto_created else member.field.target_field.attname
            return _reference(reach, own, member)
        return _beyond(reach, member)

    def _lead(self, path: str, model: type[models.Model], member: Exposed) -> _Way:
        parent, _, name = path.rpartition(SEPARATOR)
        before = self._known.get(parent, _Way("", joined=True))
        several = member.many and path == member.name
        if several and member.field.auto_created:
            name = member.field.get_accessor_name()
        attributes = f"{before.attributes}{SEPARATOR}{name}" if parent else name
        limit = self._scope.limit(model)
        if several:
            objects = self._scope.all(model) if limit is None else limit
            objects = _first(objects.order_by("pk"), member.field)
        elif limit is None:
            if before.joined:
                self.joins.append(path)
            else:
                self.prefetches.append(attributes)
            return _Way(attributes, joined=before.joined)
        else:
            objects = limit
        to = f"mcp_{name}"
        self.prefetches.append(Prefetch(attributes, queryset=objects, to_attr=to))
        return _Way(f"{before.attributes}{SEPARATOR}{to}" if parent else to, joined=False)


def _first(objects: QuerySet[Any], relation: Any) -> QuerySet[Any]:
    """The first objects that each of several leads to by `relation`."""
    if not hasattr(relation, "content_type_field_name"):
        return objects[:MANY]
    # What a generic relation loads cannot be a slice: Django numbers those of others by itself.
    own = [F(relation.content_type_field_name), F(relation.object_id_field_name)]
    number = Window(RowNumber(), partition_by=own, order_by="pk")
    numbered: QuerySet[Any] = objects.annotate(mcp_number=number)
    return numbered.filter(mcp_number__lte=MANY)


def _following(attributes: str, may_view: Callable[[Any], bool]) -> Reader:
    """What goes from an object along `attributes`, to None where one of them leads nowhere, or to
    an object the caller may not see. Several objects are left as they are."""
    names = attributes.split(SEPARATOR)

    def reach(obj: Any) -> Any:
        for name in names:
            try:
                obj = getattr(obj, name)
            except ObjectDoesNotExist:  # the other side of a one-to-one relation
                return None
            if obj is None or not (isinstance(obj, list) or may_view(obj)):
                return None
        return obj

    return reach


def _plainly(read: Reader, member: Exposed) -> Reader:
    plain = member.kind.plain
    return read if plain is None else lambda obj: plain(read(obj))


def _reference(reach: Reader, own: str, member: Exposed) -> Reader:
    key = _plainly(attrgetter(own), member)

    def read(obj: Any) -> Any:
        found = reach(obj)
        return None if found is None else {"id": key(found), "label": str(found)}

    return read


def _references(reach: Reader, may_view: Callable[[Any], bool], member: Exposed) -> Reader:
    key = _plainly(attrgetter("pk"), member)

    def read(obj: Any) -> Any:
        # A project's own model between the two may join them more than once.
        found = {each.pk: each for each in reach(obj) if may_view(each)}
        return [{"id": key(each), "label": str(each)} for each in found.values()]

    return read


def _beyond(reach: Reader, member: Exposed) -> Reader:
    attname = member.field.attname
    if isinstance(member.field, models.FileField):
        own = _file(attname)
    else:
        own = _plainly(attrgetter(attname), member)

    def read(obj: Any) -> Any:
        found = reach(obj)
        return None if found is None else own(found)

    return read


def _file(attname: str) -> Reader:
    def read(obj: Any) -> FileLink | None:
        file = getattr(obj, attname)
        if not file:
            return None
        try:
            url = file.url
        except (NotImplementedError, ValueError):  # a storage that has no addresses
            url = None
        return FileLink(name=file.name, url=url)

    return read


def _annotated(member: Exposed) -> Any:
    title = "" if member.title == member.name.replace("_", " ") else member.title
    return described(member.kind.shown, title, member.description)
