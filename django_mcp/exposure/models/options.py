"""ModelResource: what a project says of a model it exposes, as ModelAdmin is for the admin.

A class with names of fields and hooks, and nothing of the protocol: what becomes of it is decided
in `reading`, `writing` and their neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from django.contrib.auth import get_permission_codename
from django.db import models
from django.db.models import QuerySet

from ...server.access import Principal
from ...server.errors import RegistrationError

Action = Literal["list", "get", "search", "create", "update", "delete", "aggregate"]
READING: tuple[Action, ...] = ("list", "get", "search")


class Caller(Protocol):
    """Who calls. Inside a call it is the whole Context; where lists are made, only these two."""

    @property
    def principal(self) -> Principal:
        """The authenticated caller."""

    @property
    def user(self) -> Any:
        """The Django user of the caller, None where the caller has none."""


class ModelResource:
    """How a model is exposed. Subclass it and give it to `expose()`; only `fields` is needed.

    Methods that take `ctx` are sync and run in a thread. `ctx.user` is the Django user, None where
    the caller has none.
    """

    #: The model; `expose()` sets it.
    model: type[models.Model]

    #: The fields that exist for callers, or "__all__". A name may cross relations to one object
    #: ("author__name"), or be a method of this class taking the object, or a property of the model.
    #: What is not here can be neither seen, filtered, ordered, searched nor grouped by.
    fields: Sequence[str] | str = ()
    exclude: Sequence[str] = ()

    #: What is registered: of list, get, search, create, update, delete, aggregate.
    tools: Sequence[Action] = READING
    #: True for a tool that takes a small query: filters, groups and measures of the exposed fields.
    query: bool = False

    #: Exposed text fields that are searched; without any, there is no search.
    search_fields: Sequence[str] = ()
    #: Exposed fields that can be filtered by: names, or names with their lookups
    #: ({"published": ["gte", "lte"]}). None for all that hold no free text.
    filter_fields: Sequence[str] | Mapping[str, Sequence[str]] | None = None
    #: The order of lists, of exposed fields, as in ModelAdmin; by the lookup field without any.
    ordering: Sequence[str] = ()
    #: Exposed fields a caller may order by; None for all that have an order.
    ordering_fields: Sequence[str] | None = None
    list_per_page: int = 20
    list_max_per_page: int = 100

    #: The field an object is known by: unique, and not null.
    lookup_field: str = "pk"
    #: What objects are called in names of tools and URIs: "book" and "books".
    name: str = ""
    plural: str = ""
    #: Where the objects stand: "library://books" by default, each at "library://books/{id}".
    uri: str = ""
    #: Whether resources/list shows each object, page by page.
    listed: bool = True

    #: Loaded with the objects besides what is shown, for methods and names that need it.
    select_related: Sequence[str] = ()
    prefetch_related: Sequence[str] = ()

    #: True where it depends on the object who may see it. Each is then asked about, and nothing
    #: that sums up objects (aggregate, query) can be offered.
    object_permissions: bool = False

    #: Seconds after which the database stops a query, where it can; None for no limit.
    query_timeout: float | None = 10.0
    #: The most rows of one answer of aggregate and query, and its most bytes.
    max_rows: int = 500
    max_result_bytes: int = 256 * 1024

    #: Exposed fields that can be written; None for all that are editable.
    write_fields: Sequence[str] | None = None
    #: Whether the user is asked before an object is deleted.
    confirm_delete: bool = True
    #: The most bytes of a file that are sent.
    max_file_bytes: int = 1024 * 1024

    def __init__(self, model: type[models.Model]) -> None:
        self.model = model
        meta = model._meta
        self.name = self.name or str(meta.model_name)
        self.plural = self.plural or _slug(str(meta.verbose_name_plural)) or f"{self.name}s"
        scheme = re.sub(r"[^a-z0-9.+-]", "-", meta.app_label.lower())
        self.uri = self.uri or f"{scheme}://{self.plural}"
        self._check()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.model._meta.label}>"

    # Which objects, and who may do what with them

    def get_queryset(self, ctx: Caller) -> QuerySet[Any]:
        """The objects that exist for this caller."""
        return self.model._default_manager.all()

    def has_view_permission(self, ctx: Caller, obj: Any = None) -> bool:
        """Whether the caller may see objects; with `object_permissions`, whether they may see
        `obj`."""
        return self._has_permission("view", ctx, obj)

    def has_add_permission(self, ctx: Caller) -> bool:
        """Whether the caller may create objects."""
        return self._has_permission("add", ctx)

    def has_change_permission(self, ctx: Caller, obj: Any = None) -> bool:
        """Whether the caller may change objects, and `obj` where there is one."""
        return self._has_permission("change", ctx, obj)

    def has_delete_permission(self, ctx: Caller, obj: Any = None) -> bool:
        """Whether the caller may delete objects, and `obj` where there is one."""
        return self._has_permission("delete", ctx, obj)

    def _has_permission(self, action: str, ctx: Caller, obj: Any = None) -> bool:
        user, meta = ctx.user, self.model._meta
        if user is None or not user.is_active:
            return False
        codename = f"{meta.app_label}.{get_permission_codename(action, meta)}"
        if user.has_perm(codename):
            return True
        if obj is None:
            # Which of them they may, is asked of each; there is none yet to ask that may be added.
            each = self.object_permissions and action != "add"
            return each and bool(user.is_authenticated)
        return bool(user.has_perm(codename, obj))

    # Writing

    def clean_model(self, ctx: Caller, obj: Any, *, created: bool) -> None:
        """Complete or refuse an object that has its new values, before it is validated: set an
        owner, raise ValidationError."""

    def save_model(self, ctx: Caller, obj: Any, *, created: bool) -> None:
        """Save a validated object."""
        # What is to be created never takes the place of what came first.
        obj.save(using=obj._state.db, force_insert=created)

    def delete_model(self, ctx: Caller, obj: Any) -> None:
        """Delete an object."""
        obj.delete(using=obj._state.db)

    # What is wrong with it

    def _check(self) -> None:
        label = self.model._meta.label
        for option in ("name", "plural"):
            if not re.fullmatch(r"[A-Za-z0-9_.-]+", name := getattr(self, option)):
                raise RegistrationError(
                    f"{label}: {option} is {name!r}, and names of tools have no other letters than "
                    f'A to Z, digits, "_", "-" and ".": set {option} to such a word.'
                )
        actions = Action.__args__  # type: ignore[attr-defined]
        if unknown := [tool for tool in self.tools if tool not in actions]:
            raise RegistrationError(
                f"{label}: tools names {', '.join(map(repr, unknown))}; there are "
                f"{', '.join(actions)}."
            )
        if self.object_permissions and ("aggregate" in self.tools or self.query):
            raise RegistrationError(
                f"{label}: what sums up objects cannot ask of each who may see it: scope them with "
                "get_queryset() and leave object_permissions off, or take aggregate and query away."
            )
        if not 1 <= self.list_per_page <= self.list_max_per_page:
            raise RegistrationError(
                f"{label}: list_per_page is {self.list_per_page}, and list_max_per_page "
                f"{self.list_max_per_page}: 1 is the least, and the second is not below the first."
            )
        for name in ("max_rows", "max_result_bytes"):
            if getattr(self, name) < 1:
                raise RegistrationError(
                    f"{label}: {name} is {getattr(self, name)}: 1 is the least."
                )
        if self.query_timeout is not None and self.query_timeout <= 0:
            raise RegistrationError(
                f"{label}: query_timeout is {self.query_timeout}: more than 0 seconds, or None."
            )


def _slug(words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
