"""What a caller sees through relations of objects that are hidden from them: nothing.

Countries can be hidden, and with them what stands behind them. Makers are not: the one called Deep
is in Atlantis, which its guests may or may not see.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from django_mcp import MCPServer, ModelResource
from django_mcp.exposure.models.registry import exposed_on
from django_mcp.exposure.models.scope import Scope

from .depot import models
from .depot.server import Guest, user_with


class Makers(ModelResource):
    """Makers; the one in Atlantis is only for those who see that."""

    fields = ("name", "country", "country__name")
    filter_fields = {  # noqa: RUF012
        "country": ["exact", "in", "isnull"],
        "country__name": ["exact", "icontains", "isnull"],
    }
    search_fields = ("country__name",)
    ordering_fields = ("country__name", "country", "name")


class Countries(ModelResource):
    """Countries that are not hidden."""

    fields = ("name",)

    def get_queryset(self, ctx: Any) -> Any:
        return super().get_queryset(ctx).filter(hidden=False)


@pytest.fixture(params=["rows", "permission", "objects"])
def guest(request: pytest.FixtureRequest, server: MCPServer, stock: None) -> Callable[[], Guest]:
    """A guest from whom Atlantis is hidden: by its row, by the permission, or by itself."""
    server.expose(models.Maker, Makers)
    codenames = ["view_maker"]
    if request.param == "rows":
        server.expose(models.Country, Countries)
        codenames.append("view_country")
    elif request.param == "permission":
        server.expose(models.Country, fields=["name"])
    else:

        @server.expose(models.Country)
        class Each(ModelResource):
            fields = ("name",)
            object_permissions = True

            def has_view_permission(self, ctx: Any, obj: Any = None) -> bool:
                return obj is None or not obj.hidden

    ann = user_with(*codenames)
    return lambda: Guest(server, ann)


async def test_a_hidden_object_reads_as_null(guest: Callable[[], Guest]) -> None:
    deep = await guest().call("get_maker", id=2)

    assert deep == {"id": 2, "name": "Deep", "country": None, "country__name": None}


@pytest.mark.parametrize(
    "filters",
    [
        {"country": "at"},
        {"country__in": ["at", "xx"]},
        {"country__name": "Atlantis"},
        {"country__name__icontains": "tlant"},
    ],
    ids=str,
)
async def test_a_hidden_object_is_not_found_by(
    guest: Callable[[], Guest], filters: dict[str, Any]
) -> None:
    nobody = {key: "xx" if isinstance(value, str) else ["xx"] for key, value in filters.items()}

    found = await guest().call("list_makers", **filters)

    assert found["items"] == []
    assert found == await guest().call("list_makers", **nobody)


async def test_a_hidden_object_is_empty_to_filters(guest: Callable[[], Guest]) -> None:
    for name in ("country__isnull", "country__name__isnull"):
        empty = await guest().call("list_makers", **{name: True})
        full = await guest().call("list_makers", **{name: False})

        assert "Deep" in [item["name"] for item in empty["items"]]
        assert "Deep" not in [item["name"] for item in full["items"]]


async def test_a_hidden_object_is_not_searched(guest: Callable[[], Guest]) -> None:
    assert (await guest().call("search_makers", search="atlantis"))["items"] == []


@pytest.mark.parametrize("order", ["country__name", "-country__name", "country", "-country"])
async def test_a_hidden_object_is_ordered_like_none(guest: Callable[[], Guest], order: str) -> None:
    """Wherever the name of the hidden country would stand, `Deep` stands where nulls do."""
    await models.Maker.objects.acreate(name="Nowhere")
    before = await guest().call("list_makers", order_by=order)
    await models.Country.objects.filter(code="at").aupdate(name="Zz")

    after = await guest().call("list_makers", order_by=order)
    pages, cursor = [], None
    while True:
        page = await guest().call("list_makers", order_by=order, limit=1, cursor=cursor)
        pages += page["items"]
        cursor = page["next_cursor"]
        assert cursor is None or "Zz" not in _decoded(cursor)
        if cursor is None:
            break

    assert before["items"] == after["items"] == pages


def _decoded(cursor: str) -> str:
    return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()


async def test_a_relation_is_not_ordered_as_the_other_model_is(server: MCPServer, ann: Any) -> None:
    """Makers are ordered by their salaries, which nobody is to see."""
    server.expose(models.Thing, fields=["name", "maker"], ordering_fields=["maker"])

    page = await Guest(server, ann).call("list_things", order_by="maker")

    named = [item["name"] for item in page["items"] if item["maker"] is not None]
    assert named == ["Lamp", "Anchor"]


async def test_of_several_objects_the_hidden_are_left_out(server: MCPServer, ann: Any) -> None:
    server.expose(models.Thing, fields=["name", "papers", "tags"])

    @server.expose(models.Paper)
    class Papers(ModelResource):
        fields = ("title",)

        def get_queryset(self, ctx: Any) -> Any:
            return super().get_queryset(ctx).filter(private=False)

    for pk, title, private in ((1, "Bill", False), (2, "Diary", True)):
        await models.Paper.objects.acreate(pk=pk, thing_id=1, title=title, private=private)
    guest = Guest(server, ann)

    assert (await guest.call("get_thing", id=1))["papers"] == [{"id": 1, "label": "Bill"}]
    assert [i["id"] for i in (await guest.call("list_things", papers=1))["items"]] == [1]
    hidden = await guest.call("list_things", papers=2)
    assert hidden["items"] == []
    assert hidden == await guest.call("list_things", papers=99)


async def test_hidden_things_behind_two_relations(server: MCPServer, ann: Any) -> None:
    server.expose(
        models.Thing, fields=["name", "maker__country__name"], ordering=["maker__country__name"]
    )
    server.expose(models.Country, Countries)
    guest = Guest(server, ann)

    rows = (await guest.call("list_things"))["items"]

    assert {row["name"]: row["maker__country__name"] for row in rows} == {
        "Zither": None,
        "Anchor": None,
        "Lamp": "France",
    }


def test_an_object_of_an_heir_is_asked_about_as_one_of_the_model(server: MCPServer) -> None:
    """A manager may return objects of another class than the relation leads to."""

    @server.expose(models.Vehicle)
    class Seen(ModelResource):
        fields = ("plate",)
        object_permissions = True

        def has_view_permission(self, ctx: Any, obj: Any = None) -> bool:
            return obj is None or obj.plate == "seen"

    caller: Any = None
    scope = Scope(caller, exposed_on(server).get, "default")

    for kind in (models.Vehicle, models.OldVehicle, models.Truck):
        assert scope.may_view(kind(plate="seen"))
        assert not scope.may_view(kind(plate="hidden"))
