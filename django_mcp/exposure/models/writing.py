"""The tools that create and update objects of a model.

Everything of one call happens in one transaction, or not at all: the object is looked up where the
caller sees it, changed, validated as a form would, saved by the resource's hooks and noted in the
admin's log; and it has to be there for the caller afterwards. What can be written, and as what, is
`inputs`' business; what relations lead to, `references`'; what is said of what is wrong,
`validation`'s. Deleting is `deleting`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import ValidationError
from django.db import (
    DataError,
    IntegrityError,
    OperationalError,
    connections,
    router,
    transaction,
)

from ...server.context import Context
from ...server.errors import InvalidArguments, RegistrationError, ToolError
from ...server.registration import Registration
from . import history
from .exposed import ExposedModel
from .functions import Argument, function_of
from .indexes import is_plain
from .inputs import Input, asked_by, has_default, inputs_of
from .options import ModelResource
from .references import References
from .validation import lines_of, problems_of


def add_create(server: Registration, exposed: ExposedModel) -> None:
    """`create_book`: a new object, which is returned as `get_book` returns it."""
    resource, name = exposed.resource, f"create_{exposed.resource.name}"
    inputs = _inputs(exposed)
    _refuse_what_nobody_fills(exposed, inputs)

    def create(ctx: Context, given: dict[str, Any]) -> Any:
        using = database_of(exposed, ctx)
        with written(using):
            obj = exposed.model()
            obj._state.db = using
            change = _Change(exposed, ctx, obj, name)
            change.fill(inputs, given)
            change.save()
            history.added(ctx, obj)
            row = _row(exposed, ctx, obj, using)
            if row is None:
                raise ToolError(
                    f"This {resource.name} would not be visible to you. Nothing was created."
                )
        return row

    server.add_tool(
        function_of(
            create,
            name,
            f"Create a {resource.name}. What is left out is as the model has it.",
            {each.name: each.argument(creates=True) for each in inputs.values()},
            exposed.shape.type,
        ),
        read_only=False,
        destructive=False,
        idempotent=False,
        open_world=False,
        permission=exposed.rule(resource.has_view_permission, resource.has_add_permission),
    )


def add_update(server: Registration, exposed: ExposedModel) -> None:
    """`update_book`: changes what is given of an object, and nothing else."""
    resource, lookup = exposed.resource, exposed.lookup
    name = f"update_{resource.name}"
    inputs = {key: each for key, each in _inputs(exposed).items() if each.changeable}
    if not inputs:
        raise RegistrationError(
            f"{exposed.model._meta.label}: there is nothing to update, only the key can be written."
        )

    def update(ctx: Context, given: dict[str, Any]) -> Any:
        key = given.pop(lookup.name)
        if not given:
            raise InvalidArguments(name, [f"name what is to change: {', '.join(inputs)}"])
        using = database_of(exposed, ctx)
        with written(using):
            obj = held(exposed, ctx, key, using)
            if resource.has_change_permission(ctx, obj) is not True:
                raise ToolError(f"You may not change {resource.name} {key}.")
            change = _Change(exposed, ctx, obj, name)
            change.fill(inputs, given)
            changed = change.save()
            history.changed(ctx, obj, [each.field for each in changed])
            row = _row(exposed, ctx, obj, using)
            if row is None:
                raise ToolError(
                    f"With these values {resource.name} {key} would no longer be visible to you. "
                    "Nothing was changed."
                )
        return row

    which = Argument(annotation=lookup.kind.taken, description=f"Which {resource.name}")
    server.add_tool(
        function_of(
            update,
            name,
            f"Change a {resource.name}. What is left out stays as it is.",
            {
                lookup.name: which,
                **{each.name: each.argument(creates=False) for each in inputs.values()},
            },
            exposed.shape.type,
        ),
        read_only=False,
        destructive=True,
        idempotent=True,
        open_world=False,
        permission=exposed.rule(resource.has_view_permission, resource.has_change_permission),
    )


# --------------------------------------------------------------------- what deleting does likewise


def database_of(exposed: ExposedModel, ctx: Context) -> str:
    """The database in which the caller's objects are written."""
    objects: Any = exposed.objects(ctx)
    return objects._db or router.db_for_write(exposed.model)


@contextmanager
def written(using: str) -> Iterator[None]:
    """A transaction. Raises ToolError where the database refuses what is written."""
    try:
        with transaction.atomic(using=using):
            yield
    except IntegrityError as error:
        raise ToolError(
            "The database refuses this: it does not go together with what is there, which may "
            "have changed a moment ago. Nothing was written."
        ) from error
    except (DataError, OverflowError) as error:
        raise ToolError(
            "A value is out of the range the database knows. Nothing was written."
        ) from error
    except OperationalError as error:
        if not _is_conflict(error):
            raise
        raise ToolError(
            "Somebody else is writing at the same time. Nothing was written: call again."
        ) from error


def _is_conflict(error: OperationalError) -> bool:
    """True where a database gave way to another transaction, which is over when it is tried again:
    a deadlock or a failed serialization (SQL:2023's class 40), MySQL's 1205 and 1213, and SQLite's
    way of saying so."""
    state = str(getattr(error.__cause__, "sqlstate", None) or "")
    return (
        state.startswith("40")
        or error.args[:1] in ((1205,), (1213,))
        or "database is locked" in str(error)
    )


def held(exposed: ExposedModel, ctx: Context, key: Any, using: str) -> Any:
    """The object with this key, which nobody else changes until the transaction ends.

    Raises ToolError as `find` does, and likewise for one that is gone when it could be held.
    """
    objects = exposed.objects(ctx).using(using)
    obj = exposed.one(ctx, objects, key)
    if connections[using].features.has_select_for_update:
        # A query of its own: what get_queryset() or the order of the model joins, or groups, cannot
        # always be locked.
        rows = exposed.model._base_manager.using(using).order_by().select_for_update()
        list(rows.filter(pk=obj.pk))
        obj = exposed.one(ctx, objects, key)
    return obj


# ---------------------------------------------------------------------------------------- changing


class _Change:
    """One object and what becomes of it in one call. `tool` is who is called."""

    def __init__(self, exposed: ExposedModel, ctx: Context, obj: Any, tool: str) -> None:
        self._exposed, self._ctx, self._obj, self._tool = exposed, ctx, obj, tool
        self._created = obj._state.adding
        using = obj._state.db
        queryset = exposed.model._base_manager.using(using)
        self._references = References(exposed.scope(ctx, queryset), using, tool)
        self._before: dict[str, Any] = {}
        self._columns: list[Input] = []
        self._several: list[tuple[Input, list[Any]]] = []

    def fill(self, inputs: Mapping[str, Input], given: Mapping[str, Any]) -> None:
        """Take the given values and validate the object; raises InvalidArguments with everything
        that is wrong."""
        lines: list[str] = []
        for name, value in given.items():
            each = inputs[name]
            if each.member.is_relation:
                lines += self._lead(each, value)
            else:
                self._set(each, each.field.attname, value)
        try:
            self._exposed.resource.clean_model(self._ctx, self._obj, created=self._created)
        except ValidationError as error:
            lines += lines_of(error, self._exposed.selection)
        lines += problems_of(self._obj, self._exposed.selection, self._unchanged(given))
        if lines:
            raise InvalidArguments(self._tool, list(dict.fromkeys(lines)))

    def save(self) -> list[Input]:
        """Save the object and its relations; the inputs that changed."""
        obj = self._obj
        changed = [each for each in self._columns if self._is_other(each)]
        try:
            self._exposed.resource.save_model(self._ctx, obj, created=self._created)
            for each, objects in self._several:
                if self._references.replace(each.member, obj, objects):
                    changed.append(each)
        except ValidationError as error:
            lines = lines_of(error, self._exposed.selection)
            raise InvalidArguments(self._tool, lines) from error
        return changed

    def _set(self, each: Input, attribute: str, value: Any) -> None:
        self._before[each.name] = getattr(self._obj, each.field.attname)
        self._columns.append(each)
        setattr(self._obj, attribute, value)

    def _lead(self, each: Input, keys: Any) -> list[str]:
        """Lead a relation to the objects with these keys; what is wrong with them."""
        if each.member.many:
            found, lines = self._references.find(each.member, keys)
            self._several.append((each, found))
            return lines
        if keys is None:
            # It is null to the caller already, who is only sending back what they saw.
            if not self._references.hides(each.member, self._obj):
                self._set(each, each.field.name, None)
            return []
        found, lines = self._references.find(each.member, [keys])
        if found:
            self._set(each, each.field.name, found[0])
        return lines

    def _unchanged(self, given: Mapping[str, Any]) -> Iterator[str]:
        """Fields that are as they were, or as the model says they are to begin with."""
        for field in self._obj._meta.fields:
            if field.name in given:
                # What no value could be found for has had its say.
                if field.is_relation and field.name not in self._before:
                    yield field.name
            elif not self._created or has_default(field):
                yield field.name

    def _is_other(self, each: Input) -> bool:
        return bool(self._before[each.name] != getattr(self._obj, each.field.attname))


def _row(exposed: ExposedModel, ctx: Context, obj: Any, using: str) -> dict[str, Any] | None:
    """The object as the caller sees it now; None where they do not."""
    objects = exposed.objects(ctx).using(using)
    is_quick = is_plain(objects)
    queryset, row = exposed.shape.load(objects, exposed.scope(ctx, objects))
    with exposed.asking(queryset, is_quick=is_quick):
        found = next(iter(queryset.filter(pk=obj.pk)[:1]), None)
    if found is None or not exposed.may_view(ctx, found):
        return None
    return row(found)


def _refuse_what_nobody_fills(exposed: ExposedModel, inputs: Mapping[str, Input]) -> None:
    """Raise RegistrationError where no object could ever be created."""
    own = type(exposed.resource)
    if own.clean_model is not ModelResource.clean_model:
        return
    missing = [name for name in asked_by(exposed.model) if name not in inputs]
    if missing:
        raise RegistrationError(
            f"{exposed.model._meta.label}: an object cannot be created without "
            f"{', '.join(missing)}: let it be written, or set it in clean_model()."
        )


def _inputs(exposed: ExposedModel) -> dict[str, Input]:
    inputs = inputs_of(exposed.selection, exposed.resource.write_fields)
    if not inputs:
        raise RegistrationError(
            f"{exposed.model._meta.label}: there is nothing to write; of the exposed fields, name "
            "some that can be."
        )
    return inputs
