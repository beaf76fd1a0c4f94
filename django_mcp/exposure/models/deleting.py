"""The tool that deletes an object of a model, once its user has agreed.

The user is told what goes with it, as far as it is exposed and theirs to see. Where something would
go that the caller may not delete, nothing does. How the object is looked up and held is `writing`'s
business.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from django.db import models
from django.db.models import CASCADE, PROTECT, RESTRICT, ProtectedError, RestrictedError
from django.db.models.deletion import DO_NOTHING, SET_DEFAULT, SET_NULL, Collector

from ...server.context import Context
from ...server.errors import ToolError
from ...server.registration import Registration
from . import history
from .annotations import record
from .exposed import ExposedModel
from .functions import Argument, function_of
from .writing import database_of, held, written

#: What a relation can do that takes no object away. Others do as CASCADE, or what nobody knows.
_HARMLESS: Final = (PROTECT, RESTRICT, DO_NOTHING, SET_DEFAULT, SET_NULL)
#: Names of what the database itself does, since Django 6.1, that takes no object away.
_HARMLESS_NAMES: Final = ("set_on_delete", "DB_SET_NULL", "DB_SET_DEFAULT")
#: Objects that are asked for at once.
_BATCH: Final = 500
#: Letters of the name of an object in a question.
_LONGEST_NAME: Final = 100


def add_delete(server: Registration, exposed: ExposedModel) -> None:
    """`delete_book`: asks, and deletes."""
    resource, lookup = exposed.resource, exposed.lookup

    def delete(ctx: Context, given: dict[str, Any]) -> Any:
        key = given[lookup.name]
        using = database_of(exposed, ctx)
        asked = None
        if resource.confirm_delete:
            # Not in a transaction: the answer may take minutes.
            obj = exposed.one(ctx, exposed.objects(ctx).using(using), key)
            asked = _question(exposed, ctx, obj, key, using)
            if not ctx.wait(ctx.confirm(asked, key="delete")):
                return {"deleted": False}
        with written(using):
            obj = held(exposed, ctx, key, using)
            if _question(exposed, ctx, obj, key, using) != asked and asked is not None:
                raise ToolError(
                    f"What would be deleted with {resource.name} {key} changed while the user was "
                    "asked. Nothing was deleted: call again."
                )
            history.deleted(ctx, obj)
            resource.delete_model(ctx, obj)
        return {"deleted": True}

    key = Argument(annotation=lookup.kind.taken, description=f"Which {resource.name}")
    asks = ", after asking the user" if resource.confirm_delete else ""
    server.add_tool(
        function_of(
            delete,
            f"delete_{resource.name}",
            f"Delete a {resource.name}{asks}.",
            {lookup.name: key},
            record("Deleted", {"deleted": bool}),
        ),
        read_only=False,
        destructive=True,
        idempotent=True,
        open_world=False,
        permission=exposed.rule(resource.has_view_permission, resource.has_delete_permission),
    )


def _question(exposed: ExposedModel, ctx: Context, obj: Any, key: Any, using: str) -> str:
    """What the user is asked before `obj` is deleted; raises ToolError where it cannot be."""
    resource = exposed.resource
    if resource.has_delete_permission(ctx, obj) is not True:
        raise ToolError(f"You may not delete {resource.name} {key}.")
    collector = Collector(using=using, origin=obj)
    try:
        collector.collect([obj])
    except ProtectedError as error:
        raise _refusal(exposed, ctx, key, _pks(error.protected_objects), using) from error
    except RestrictedError as error:
        raise _refusal(exposed, ctx, key, _pks(error.restricted_objects), using) from error
    gone = _pks([each for found in collector.data.values() for each in found])
    for queryset in collector.fast_deletes:
        keys = gone.setdefault(queryset.model, set())
        if exposed.other(queryset.model) is not None:
            keys.update(queryset.values_list("pk", flat=True))
    gone.get(type(obj), set()).discard(obj.pk)
    words = []
    for model, keys in gone.items():
        other = exposed.other(model)
        if other is not None and keys:
            if not _may_all_go(other, ctx, keys, using):
                raise _refusal(exposed, ctx, key, {model: keys}, using)
            words.append(_counted(model, len(keys)))
    if _takes_unseen(exposed, exposed.model, set()):
        words.append("whatever else belongs to it")
    label = str(obj)
    label = label if len(label) <= _LONGEST_NAME else f"{label[: _LONGEST_NAME - 1]}…"
    what = f"Delete the {exposed.model._meta.verbose_name} “{label}” ({key})"
    return f"{what}, and with it {_listed(sorted(words))}?" if words else f"{what}?"


def _refusal(
    exposed: ExposedModel,
    ctx: Context,
    key: Any,
    in_the_way: dict[type[models.Model], set[Any]],
    using: str,
) -> ToolError:
    """What to say where other objects are in the way: which, as far as the caller sees them."""
    words = []
    for model, keys in in_the_way.items():
        other = exposed.other(model)
        if other is not None:
            seen = sum(1 for _ in _visible(other, ctx, keys, using))
            if seen:
                words.append(_counted(model, seen))
    what = _listed(sorted(words)) if words else "other objects"
    return ToolError(
        f"{exposed.resource.name} {key} cannot be deleted, because of {what} that you cannot "
        "delete with it. Nothing was deleted."
    )


def _may_all_go(other: ExposedModel, ctx: Context, keys: set[Any], using: str) -> bool:
    """Whether the caller sees all these objects, and may delete each."""
    seen = 0
    for each in _visible(other, ctx, keys, using):
        if other.resource.has_delete_permission(ctx, each) is not True:
            return False
        seen += 1
    return seen == len(keys)


def _visible(other: ExposedModel, ctx: Context, keys: set[Any], using: str) -> Iterator[Any]:
    """Those objects of another exposed model that the caller sees."""
    if other.resource.has_view_permission(ctx) is not True:
        return
    objects = other.objects(ctx).using(using)
    ordered = sorted(keys, key=str)
    for start in range(0, len(ordered), _BATCH):
        for each in objects.filter(pk__in=ordered[start : start + _BATCH]):
            if other.may_view(ctx, each):
                yield each


def _takes_unseen(exposed: ExposedModel, model: type[models.Model], seen: set[Any]) -> bool:
    """Whether objects of a model that is not exposed may go with one of `model`.

    It depends on the models and not on the object, so that it says nothing of what is not seen.
    """
    seen.add(model)
    for relation in model._meta.get_fields(include_hidden=True):
        if _is_harmless(relation):
            continue
        related: Any = relation.related_model
        if related._meta.auto_created or related in seen:
            continue
        if exposed.other(related) is None or _is_done_by_database(relation):
            return True
        if _takes_unseen(exposed, related, seen):
            return True
    return False


def _is_harmless(relation: Any) -> bool:
    if hasattr(relation, "bulk_related_objects"):  # objects that lead here by any relation
        return False
    if not relation.auto_created or relation.concrete or relation.many_to_many:
        return True
    name = getattr(relation.on_delete, "__name__", "")
    return relation.on_delete in _HARMLESS or name in _HARMLESS_NAMES


def _is_done_by_database(relation: Any) -> bool:
    on_delete = getattr(relation, "on_delete", CASCADE)
    return getattr(on_delete, "__name__", "") == "DB_CASCADE"


def _pks(objects: Iterable[Any]) -> dict[type[models.Model], set[Any]]:
    found: dict[type[models.Model], set[Any]] = {}
    for each in objects:
        if not each._meta.auto_created:
            found.setdefault(type(each), set()).add(each.pk)
    return found


def _counted(model: type[models.Model], count: int) -> str:
    meta = model._meta
    return f"{count} {meta.verbose_name if count == 1 else meta.verbose_name_plural}"


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
