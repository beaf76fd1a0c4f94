"""The tools that read a model: list, search and get."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from django.db.models import Q
from pydantic import Field

from ...server.context import Context
from ...server.registration import Registration
from .annotations import list_of, record
from .exposed import ExposedModel
from .filters import condition
from .functions import Argument, function_of
from .indexes import by_index
from .scope import Scope

#: Words of one search: more do not make it better, and each costs.
WORDS = 8


def add_list(server: Registration, exposed: ExposedModel) -> None:
    """`list_books`: pages of objects, filtered and in an order of the caller's choice."""
    _add(
        server,
        exposed,
        f"list_{exposed.resource.plural}",
        f"List {exposed.resource.plural}, a page at a time; the filters given all have to fit.",
        {**filter_arguments(exposed), **_paging(exposed)},
        _lister(exposed),
    )


def add_search(server: Registration, exposed: ExposedModel) -> None:
    """`search_books`: the same for the objects in which every word is found."""
    what = search_argument(exposed)
    if what is None:
        return
    _add(
        server,
        exposed,
        f"search_{exposed.resource.plural}",
        f"Search {exposed.resource.plural} for words, a page at a time.",
        {"search": what, **filter_arguments(exposed), **_paging(exposed)},
        _lister(exposed),
    )


def add_get(server: Registration, exposed: ExposedModel) -> None:
    """`get_book`: one object by its key."""
    resource, lookup = exposed.resource, exposed.lookup

    def get(ctx: Context, given: dict[str, Any]) -> Any:
        obj, row = exposed.find(ctx, given[lookup.name])
        return row(obj)

    key = Argument(annotation=lookup.kind.taken, description=f"Which {resource.name}")
    _add(
        server,
        exposed,
        f"get_{resource.name}",
        f"Get one {resource.name} by its {lookup.title or lookup.name}.",
        {lookup.name: key},
        get,
        exposed.shape.type,
    )


def _add(
    server: Registration,
    exposed: ExposedModel,
    name: str,
    description: str,
    arguments: Mapping[str, Argument],
    body: Callable[[Context, dict[str, Any]], Any],
    returns: Any = None,
) -> None:
    page = record("Page", {"items": list_of(exposed.shape.type), "next_cursor": str | None})
    server.add_tool(
        function_of(body, name, description, arguments, returns or page),
        read_only=True,
        open_world=False,
        permission=exposed.rule(exposed.resource.has_view_permission),
    )


def _lister(exposed: ExposedModel) -> Callable[[Context, dict[str, Any]], Any]:
    def find(ctx: Context, given: dict[str, Any]) -> Any:
        order = exposed.orders[given.pop("order_by") or next(iter(exposed.orders))]
        limit, cursor = given.pop("limit"), given.pop("cursor")
        words = given.pop("search", None)
        queryset = exposed.objects(ctx)
        compared = [exposed.filters[name] for name, value in given.items() if value is not None]
        is_quick = words is None and by_index(queryset, compared, order)
        scope = exposed.scope(ctx, queryset)
        wanted = condition(exposed.filters, given, scope)
        if words is not None:
            wanted &= searched(exposed, words, scope)
        if wanted:
            queryset = queryset.filter(wanted)
        queryset, row = exposed.shape.load(queryset, scope)
        with exposed.asking(queryset, is_quick=is_quick):
            page = order.page(
                queryset, scope, limit=limit, cursor=cursor, allows=exposed.allows(ctx)
            )
        return {"items": [row(obj) for obj in page.objects], "next_cursor": page.next_cursor}

    return find


def search_argument(exposed: ExposedModel) -> Argument | None:
    """The argument that takes words to be searched for; None where nothing is searched."""
    names = exposed.resource.search_fields
    if not names:
        return None
    return Argument(
        annotation=Annotated[str, Field(min_length=1, max_length=200)],
        description=f"Words that all have to be found in {_listed(names)}",
    )


def searched(exposed: ExposedModel, words: str, scope: Scope) -> Q:
    """The objects in which every word is found."""
    found = Q()
    for word in words.split()[:WORDS]:
        anywhere = [scope.condition(member, "icontains", word) for member in exposed.searched]
        found &= functools.reduce(operator.or_, anywhere)
    return found


def filter_arguments(exposed: ExposedModel) -> dict[str, Argument]:
    """The filters of a model as arguments, none of them required."""
    return {
        name: Argument(annotation=f.annotation | None, description=f.description, default=None)
        for name, f in exposed.filters.items()
    }


def _paging(exposed: ExposedModel) -> dict[str, Argument]:
    resource, orders = exposed.resource, tuple(exposed.orders)
    limit = Annotated[int, Field(ge=1, le=resource.list_max_per_page)]
    return {
        "order_by": Argument(
            annotation=Literal[orders] | None,
            description=f"A minus turns the order round; {orders[0]} without any",
            default=None,
        ),
        "limit": Argument(
            annotation=limit, description="How many at most", default=resource.list_per_page
        ),
        "cursor": Argument(
            annotation=str | None,
            description="next_cursor of the page before, with the same arguments",
            default=None,
        ),
    }


def _listed(names: Any) -> str:
    return ", ".join(names)
