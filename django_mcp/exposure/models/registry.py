"""Which models are exposed on which server, and everything that is registered for one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

from django.apps import apps
from django.db import models

from ... import conf
from ...server.errors import RegistrationError
from ...server.registration import Registration
from ...server.registry import Collection
from . import aggregates, changes, deleting, documents, query, reading, writing
from .exposed import ExposedModel
from .options import ModelResource

_exposed: WeakKeyDictionary[Registration, dict[type[models.Model], ExposedModel]] = (
    WeakKeyDictionary()
)

#: What registers the tool of an action.
_TOOLS: Final[dict[str, Callable[[Registration, ExposedModel], None]]] = {
    "list": reading.add_list,
    "search": reading.add_search,
    "get": reading.add_get,
    "aggregate": aggregates.add_aggregate,
    "create": writing.add_create,
    "update": writing.add_update,
    "delete": deleting.add_delete,
}


def exposed_on(server: Registration) -> dict[type[models.Model], ExposedModel]:
    """The exposed models of a server."""
    return _exposed.setdefault(server, {})


def expose(
    server: Registration,
    model: type[models.Model],
    resource_class: type[ModelResource],
    options: dict[str, Any],
) -> ExposedModel:
    """Expose `model` on `server` as `resource_class` says; see DjangoRegistration.expose."""
    if not apps.models_ready:
        raise RegistrationError(
            f"{model.__name__} is exposed before the models are loaded: do it in an app's mcp.py, "
            "which is imported afterwards."
        )
    if not issubclass(model, models.Model):
        raise RegistrationError(f"expose() takes a model, not {model!r}.")
    found = exposed_on(server)
    if model in found:
        raise RegistrationError(f"{model._meta.label} is exposed on this server already.")
    if options:
        resource_class = _with_options(resource_class, options)
    resource = resource_class(model)
    exposed = ExposedModel(resource, found.get, tuple(conf.get().never_expose))
    found[model] = exposed
    take_back = _remembered(server)
    try:
        for action in resource.tools:
            _TOOLS[action](server, exposed)
        if resource.query:
            query.add_query(server, exposed)
        documents.add(server, exposed)
    except RegistrationError:
        # All of it, or nothing.
        del found[model]
        take_back()
        raise
    changes.watch(server, exposed)
    return exposed


def add_query_tool(
    server: Registration, wanted: Sequence[type[models.Model]] | None, name: str
) -> None:
    """A tool that takes queries of several models; see DjangoRegistration.add_query_tool."""
    exposed = exposed_on(server)
    for model in wanted or ():
        found = exposed.get(model)
        if found is None:
            raise RegistrationError(
                f"{model._meta.label} is not exposed on this server: expose() it before it can be "
                "asked about."
            )
        if found.object_permissions:
            raise RegistrationError(
                f"{model._meta.label}: what sums up objects cannot ask of each who may see it: "
                "scope them with get_queryset() and leave object_permissions off."
            )

    def asked() -> list[ExposedModel]:
        if wanted is not None:
            return [exposed[model] for model in wanted]
        return [found for found in exposed.values() if found.resource.query]

    query.add_query_of(server, name, asked)


def _remembered(server: Registration) -> Callable[[], None]:
    """What takes away everything that is registered from now on."""
    collections: list[Collection[Any]] = [
        server.tools,
        server.resources,
        server.resource_templates,
    ]
    there = [{member.key for member in collection} for collection in collections]
    completed, listings = (
        set(server.completions),
        {each.name for each in server.resource_listings.members},
    )

    def take_back() -> None:
        for collection, keys in zip(collections, there, strict=True):
            for member in collection:
                if member.key not in keys:
                    collection.remove(member.key)
        for target in set(server.completions) - completed:
            del server.completions[target]
        for listing in server.resource_listings.members:
            if listing.name not in listings:
                server.resource_listings.remove(listing.name)

    return take_back


def _with_options(resource_class: type[ModelResource], options: dict[str, Any]) -> Any:
    for name in options:
        if name.startswith("_") or name == "model" or not hasattr(ModelResource, name):
            known = [n for n in ModelResource.__annotations__ if n != "model"]
            raise RegistrationError(
                f"expose() knows no option {name!r}; there are {', '.join(known)}."
            )
    return type(resource_class.__name__, (resource_class,), options)
