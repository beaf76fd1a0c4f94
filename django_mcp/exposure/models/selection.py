"""Which fields of a model are exposed, under which names, and what each of them is.

A name is a field ("title"), a relation ("author", "subjects"), a field across relations to one
object ("author__name"), or something computed: a method of the resource, or a property or method of
the model. Everything that is not in a `Selection` does not exist for a caller. How its members
become parts of a query is `scope`'s business, how they become JSON `rows`'s.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.utils.functional import Promise

from ...server.errors import RegistrationError
from . import secrets
from .annotations import list_of, record
from .kinds import Kind, kind_of

ALL: Final = "__all__"
SEPARATOR: Final = "__"
RELATION_LOOKUPS: Final = ("exact", "in")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """Something of an object that callers see, by `name`.

    `kind` is what it is in JSON. `hops` are the relations on the way to it, each as the path that
    leads there and the model it leads to; a relation is the last of its own hops. `many` is true
    for a relation to several objects. `compute` takes the object, for what is no column.
    """

    name: str
    kind: Kind
    field: Any = None
    hops: tuple[tuple[str, type[models.Model]], ...] = ()
    many: bool = False
    compute: Callable[[Any], Any] | None = None
    title: str = ""
    description: str = ""

    @property
    def is_relation(self) -> bool:
        return self.compute is None and bool(self.field.is_relation)

    @property
    def related(self) -> type[models.Model]:
        """The model a relation leads to."""
        model: type[models.Model] = self.field.related_model
        return model

    @property
    def stored_as(self) -> Any:
        """The field whose values the column has: of a generated one, what it generates."""
        generated = isinstance(self.field, models.GeneratedField)
        return self.field.output_field if generated else self.field

    @property
    def comparable(self) -> bool:
        """True where it can be filtered, and grouped by."""
        return self.compute is None and self.kind.comparable

    @property
    def sortable(self) -> bool:
        """True where it can be ordered by."""
        return self.comparable and not self.many


class Selection(Mapping[str, Exposed]):
    """The exposed fields of one model, by name; the first is what objects are known by."""

    def __init__(
        self,
        model: type[models.Model],
        *,
        fields: Sequence[str] | str,
        exclude: Sequence[str] = (),
        lookup_field: str = "pk",
        owner: Any = None,
        never: Sequence[str] = (),
    ) -> None:
        """Raises RegistrationError for names that lead nowhere, or to what is never exposed.

        `owner` is whose methods may be named, `never` what the project exposes nowhere.
        """
        self.model = model
        self._owner, self._never = owner, tuple(never)
        self._refuse_model(model)
        self.lookup = self._lookup(lookup_field)
        names = self._names(fields, exclude)
        found = {self.lookup.name: self.lookup}
        for name in names:
            if name not in ("pk", self.lookup.name):
                found[name] = self._expose(name)
        self._found = found

    def __getitem__(self, name: str) -> Exposed:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    @property
    def members(self) -> list[Exposed]:
        return list(self._found.values())

    @cached_property
    def computes(self) -> bool:
        """True where a member is made by code, which may ask for any field of the object."""
        return any(member.compute is not None for member in self._found.values())

    # --------------------------------------------------------------------------------- the names

    def _names(self, fields: Sequence[str] | str, exclude: Sequence[str]) -> list[str]:
        if isinstance(fields, str) and fields != ALL:
            raise RegistrationError(
                f"{self._label}: fields is a list of names, or {ALL!r}, not {fields!r}."
            )
        if not fields:
            raise RegistrationError(
                f"{self._label}: which fields may be seen? Name them, "
                f'fields = ["{self._example}"], or write fields = "{ALL}".'
            )
        if fields == ALL:
            names = [field.name for field in self._every() if self._is_harmless(field)]
        else:
            names = list(fields)
            if len(set(names)) < len(names):
                raise RegistrationError(f"{self._label}: a field is named twice in {names}.")
        known = {*names, *(field.name for field in self._every())}
        for name in exclude:
            if name not in known:
                raise RegistrationError(f"{self._label}: exclude names {name!r}, which is nothing.")
        return [name for name in names if name not in exclude]

    def _every(self) -> list[Any]:
        meta = self.model._meta
        return [*meta.concrete_fields, *meta.many_to_many]

    def _is_harmless(self, field: Any) -> bool:
        if secrets.looks_secret(field.name) or secrets.is_password(field):
            return False
        if secrets.is_denied(self.model, field.name, self._never):
            return False
        if field.is_relation:
            related = field.related_model
            return not (
                related is None
                or secrets.holds_credentials(related)
                or secrets.is_denied(related, None, self._never)
            )
        return kind_of(field) is not None

    @property
    def _label(self) -> str:
        return str(self.model._meta.label)

    @property
    def _example(self) -> str:
        for field in self._every():
            if not field.primary_key and self._is_harmless(field):
                return str(field.name)
        return str(self.model._meta.pk.name)

    # ------------------------------------------------------------------------------- the members

    def _lookup(self, name: str) -> Exposed:
        field = self._field(self.model, "pk" if name == "pk" else name)
        if field is None or not (field.primary_key or field.unique) or field.many_to_many:
            raise RegistrationError(
                f"{self._label}: lookup_field is {name!r}, which does not know an object from "
                'others: use "pk", or a field that is unique and not null.'
            )
        if field.null:
            raise RegistrationError(
                f"{self._label}: lookup_field {name!r} may be null: use a field that is not."
            )
        return self._expose(field.name)

    def _expose(self, name: str) -> Exposed:
        parts = name.split(SEPARATOR)
        model, hops = self.model, []
        for depth, part in enumerate(parts[:-1]):
            relation = self._field(model, part)
            if relation is None or not relation.is_relation:
                break
            self._refuse(model, relation, name)
            if relation.many_to_many or relation.one_to_many:
                raise RegistrationError(
                    f"{self._label}: {name!r} goes through {part!r}, of which an object has "
                    f"several: expose {part!r} itself, or a method that makes of them what is "
                    "wanted."
                )
            model = relation.related_model
            hops.append((SEPARATOR.join(parts[: depth + 1]), model))
        else:
            field = self._field(model, parts[-1])
            if field is not None and getattr(field, "name", "") in (parts[-1], *_aliases(field)):
                return self._of_field(name, model, field, tuple(hops))
        return self._computed(name)

    def _of_field(
        self,
        name: str,
        model: type[models.Model],
        field: Any,
        hops: tuple[tuple[str, type[models.Model]], ...],
    ) -> Exposed:
        self._refuse(model, field, name)
        texts: dict[str, Any] = {
            "title": _text(getattr(field, "verbose_name", "")),
            "description": _text(getattr(field, "help_text", "")),
        }
        if field.is_relation:
            if field.related_model is None:
                raise RegistrationError(
                    f"{self._label}: {name!r} may lead to any model, which has no schema: expose a "
                    "method that says what it leads to."
                )
            if isinstance(field.related_model._meta.pk, models.CompositePrimaryKey):
                raise RegistrationError(
                    f"{self._label}: {name!r} leads to {field.related_model._meta.label}, whose "
                    "objects are known by no one value: expose a method that says what of them is "
                    "to be shown."
                )
            many = bool(field.many_to_many or field.one_to_many)
            hops = (*hops, (name, field.related_model))
            relation = _relation(field, many)
            return Exposed(name=name, kind=relation, field=field, hops=hops, many=many, **texts)
        kind = kind_of(field)
        if kind is None:
            raise RegistrationError(f"{self._label}: {_no_json(name, field)}")
        if hops:
            kind = _perhaps(kind)
        return Exposed(name=name, kind=kind, field=field, hops=hops, **texts)

    def _computed(self, name: str) -> Exposed:
        function: Any = None
        if name.isidentifier() and not name.startswith("_"):
            function = getattr(type(self._owner), name, None)
            compute: Callable[[Any], Any] | None = None
            if callable(function) and self._owner is not None:
                compute = getattr(self._owner, name)
            else:
                function = inspect.getattr_static(self.model, name, None)
                if isinstance(function, property):
                    function, compute = function.fget, _attribute(name)
                elif hasattr(function, "func"):  # functools' and Django's cached_property
                    function, compute = function.func, _attribute(name)
                elif inspect.isfunction(function) and len(_parameters(function)) == 1:
                    compute = _method(name)
            if compute is not None and function is not None:
                text = inspect.getdoc(function) or ""
                kind = Kind(shown=_returned(function), taken=None)
                return Exposed(
                    name=name,
                    kind=kind,
                    compute=compute,
                    title=name.replace("_", " "),
                    description=text.partition("\n")[0],
                )
        for relation in self.model._meta.related_objects:
            if name == relation.get_accessor_name():
                raise RegistrationError(
                    f"{self._label} has no field {name!r} to expose: in queries, and here, that "
                    f"relation is called {relation.name!r}."
                )
        raise RegistrationError(
            f"{self._label} has no {name!r} to expose: name a field, a field across relations "
            '("author__name"), a property or method of the model, or a method of the resource.'
        )

    # --------------------------------------------------------------------------- what is refused

    def _refuse_model(self, model: type[models.Model], name: str | None = None) -> None:
        if secrets.holds_credentials(model):
            what = f"{self._label}: {name!r} leads to" if name else "This is"
            raise RegistrationError(
                f"{what} {model._meta.label}, which holds credentials, and is not exposed. "
                "Expose a function that answers what has to be known of it."
            )
        if secrets.is_denied(model, None, self._never):
            raise RegistrationError(
                f'{model._meta.label} is never exposed: DJANGO_MCP["NEVER_EXPOSE"] says so.'
            )

    def _refuse(self, model: type[models.Model], field: Any, name: str) -> None:
        own = getattr(field, "name", name)
        if secrets.is_password(field):
            raise RegistrationError(
                f"{self._label}: {name!r} is a password, and passwords are not exposed."
            )
        if secrets.is_denied(model, own, self._never):
            raise RegistrationError(
                f'{self._label}: {name!r} is never exposed: DJANGO_MCP["NEVER_EXPOSE"] says so.'
            )
        if field.is_relation and field.related_model is not None:
            self._refuse_model(field.related_model, name)

    @staticmethod
    def _field(model: type[models.Model], name: str) -> Any:
        if name == "pk":
            return model._meta.pk
        try:
            return model._meta.get_field(name)
        except FieldDoesNotExist:
            return None


# ---------------------------------------------------------------------------------------- relations


def _relation(field: Any, many: bool) -> Kind:
    """A relation is shown as the key and the name of what it leads to, and taken as the key."""
    to_pk = many or field.auto_created
    target = field.related_model._meta.pk if to_pk else field.target_field
    key = kind_of(column_of(target))
    taken, stored = (str, str) if key is None else (key.taken, key.stored)
    plain = None if key is None else key.plain
    shown = reference_to(field.related_model, target.name)
    if many:
        # A generic relation has no table between, and no foreign key, that could be asked.
        asked = field.many_to_many or field.auto_created
        return Kind(
            shown=list_of(shown),
            taken=taken,
            stored=stored,
            plain=plain,
            lookups=RELATION_LOOKUPS if asked else (),
            usual=("exact",) if asked else (),
        )
    optional = bool(field.null or field.auto_created)
    lookups = (*RELATION_LOOKUPS, "isnull") if optional else RELATION_LOOKUPS
    # What the caller may not see is null, too.
    return Kind(
        shown=shown | None,
        taken=taken,
        stored=stored,
        plain=plain,
        lookups=lookups,
        usual=lookups,
    )


@functools.cache
def reference_to(model: type[models.Model], key: str) -> Any:
    """What is shown of an object of `model` at the end of a relation that goes by the field `key`.

    It is one type wherever it is shown, so that a schema describes it once.
    """
    kind = kind_of(column_of(model._meta.get_field(key)))
    taken = str if kind is None else kind.taken
    return record(f"{model.__name__}Reference", {"id": taken, "label": str})


def column_of(field: Any) -> Any:
    """The field that holds the value, where a key is a relation itself."""
    while field.is_relation:
        field = field.target_field
    return field


def _perhaps(kind: Kind) -> Kind:
    """`kind` at the end of a relation that may lead nowhere, or where the caller may not look."""
    lookups = kind.lookups
    if lookups and "isnull" not in lookups:
        lookups = (*lookups, "isnull")
    return replace(kind, shown=kind.shown | None, lookups=lookups)


def _aliases(field: Any) -> tuple[str, ...]:
    return ("pk",) if getattr(field, "primary_key", False) else ()


# --------------------------------------------------------------------------------- computed things


def _attribute(name: str) -> Callable[[Any], Any]:
    def read(obj: Any) -> Any:
        return getattr(obj, name)

    return read


def _method(name: str) -> Callable[[Any], Any]:
    def call(obj: Any) -> Any:
        return getattr(obj, name)()

    return call


def _parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


def _returned(function: Callable[..., Any]) -> Any:
    """What a function says it returns; anything, where it does not say, or says it unreadably."""
    try:
        found = typing.get_type_hints(function, include_extras=True).get("return", Any)
    except (NameError, TypeError):
        return Any
    return None if found is type(None) else found


def _no_json(name: str, field: Any) -> str:
    if isinstance(field, models.CompositePrimaryKey):
        parts = " and ".join(map(repr, field.field_names))
        return (
            f"the key is made of {parts}, and an object is known by one value: set lookup_field to "
            "a field that is unique by itself. Without one, write a function with @tool."
        )
    return (
        f"{name!r} is a {type(field).__name__}, which has no JSON: expose a method that makes some "
        "of it."
    )


def _text(value: str | Promise | None) -> str:
    return str(value or "")
