"""Listing, searching and getting objects of an exposed model."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from django_mcp import MCPServer, ModelResource

from .depot import models
from .depot.server import Guest, captured_in


def names(page: Any) -> list[str]:
    return [item["name"] for item in page["items"]]


async def test_a_model_becomes_three_tools(server: MCPServer, ann: Any) -> None:
    @server.expose(models.Thing)
    class Things(ModelResource):
        fields = ("name", "count")
        search_fields = ("name",)

    tools = await Guest(server, ann).tools()

    assert list(tools) == ["list_things", "get_thing", "search_things"]
    assert tools["get_thing"]["inputSchema"] == {
        "type": "object",
        "properties": {"id": {"description": "Which thing", "type": "integer"}},
        "required": ["id"],
        "additionalProperties": False,
    }
    row = tools["get_thing"]["outputSchema"]
    assert row["properties"] == {
        "id": {"title": "ID", "type": "integer"},
        "name": {"title": "what it is", "type": "string"},
        "count": {"type": "integer"},
    }
    assert tools["list_things"]["annotations"] == {"readOnlyHint": True, "openWorldHint": False}


async def test_options_do_without_a_class(server: MCPServer, ann: Any) -> None:
    server.expose(models.Maker, fields=["name"], ordering=["-name"], tools=["list"])

    guest = Guest(server, ann)
    assert names(await guest.call("list_makers")) == ["Deep", "Acme"]
    assert list(await guest.tools()) == ["list_makers"]


async def test_every_kind_of_value_comes_through_exactly(server: MCPServer, ann: Any) -> None:
    server.expose(models.Thing, fields="__all__")

    lamp = await Guest(server, ann).call("get_thing", id=1)

    code = (await models.Thing.objects.aget(pk=1)).code
    assert lamp == {
        "id": 1,
        "name": "Lamp",
        "slug": "lamp",
        "notes": "has a cord",
        "count": 3,
        "price": "12.5000",
        "weight": 1.5,
        "state": "used",
        "level": 2,
        "fragile": False,
        "made_on": "1999-12-31",
        "seen_at": "2026-01-31T12:30:00.123456Z",
        "opens": "09:30:00",
        "kept_for": "P2DT5.000007S",
        "code": str(code),
        "address": "2001:db8::1",
        "data": {"a": [1, None, "é"]},
        "picture": None,
        "maker": {"id": 1, "label": "Acme"},
        "owner": None,
        "tags": [{"id": 1, "label": "old"}, {"id": 2, "label": "blue"}],
    }


@pytest.mark.parametrize(
    "text", ["", " ", "ä\u0301 \U0001d4b3 \u200f\u202e", "a\r\nb\t", "'; --", "\\%_"]
)
async def test_texts_come_through_exactly(server: MCPServer, ann: Any, text: str) -> None:
    server.expose(models.Thing, fields=["notes"], filter_fields={"notes": ["exact", "contains"]})
    await models.Thing.objects.filter(pk=2).aupdate(notes=text)

    guest = Guest(server, ann)

    assert (await guest.call("get_thing", id=2))["notes"] == text
    found = await guest.call("list_things", notes=text)
    assert 2 in [item["id"] for item in found["items"]]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"state": "used"}, ["Lamp"]),
        ({"state__in": ["used", "new"]}, ["Anchor", "Lamp", "Zither"]),
        ({"fragile": True}, ["Anchor"]),
        ({"count__gte": 2}, ["Lamp", "Zither"]),
        ({"count__gte": 2, "count__lte": 2}, ["Zither"]),
        ({"price": "12.5"}, ["Lamp"]),
        ({"price__lte": "0.0001"}, ["Zither"]),
        ({"price__isnull": True}, ["Anchor"]),
        ({"made_on__gte": "1999-12-31"}, ["Lamp"]),
        ({"seen_at__lte": "2026-01-31T13:30:00.123456+01:00"}, ["Lamp"]),
        ({"seen_at__lte": "2026-01-31T13:30:00.123455+01:00"}, []),
        # Without a time zone it is in the current one, which the tests leave at Chicago's.
        ({"seen_at__lte": "2026-01-31T06:30:00.123456"}, ["Lamp"]),
        ({"seen_at__lte": "2026-01-31T06:30:00.123455"}, []),
        ({"maker": 1}, ["Lamp"]),
        ({"maker__in": [1, 2, 99]}, ["Anchor", "Lamp"]),
        ({"maker__isnull": True}, ["Zither"]),
        ({"tags": 2}, ["Lamp"]),
        ({"kept_for__gte": "P2D"}, ["Lamp"]),
        ({"level": 2}, ["Lamp"]),
    ],
    ids=str,
)
async def test_filters_leave_what_fits(
    server: MCPServer, ann: Any, filters: dict[str, Any], expected: list[str]
) -> None:
    server.expose(models.Thing, fields="__all__", ordering=["name"])

    assert names(await Guest(server, ann).call("list_things", **filters)) == expected


async def test_lookups_are_those_that_are_named(server: MCPServer, ann: Any) -> None:
    server.expose(
        models.Thing,
        fields=["name", "made_on", "count"],
        filter_fields={
            "name": ["istartswith", "in"],
            "made_on": ["year", "month"],
            "count": ["range"],
        },
    )
    guest = Guest(server, ann)

    assert names(await guest.call("list_things", name__istartswith="lA")) == ["Lamp"]
    assert names(await guest.call("list_things", made_on__year=1999)) == ["Lamp"]
    assert names(await guest.call("list_things", count__range=[1, 2])) == ["Anchor", "Zither"]
    assert "made_on__day" in await guest.fail("list_things", made_on__day=31)


async def test_every_word_of_a_search_has_to_be_found(server: MCPServer, ann: Any) -> None:
    server.expose(
        models.Thing, fields=["name", "notes", "maker__name"], search_fields=["name", "maker__name"]
    )
    guest = Guest(server, ann)

    assert names(await guest.call("search_things", search="ACME lam")) == ["Lamp"]
    assert names(await guest.call("search_things", search="acme anchor")) == []
    # In `notes`, which is seen and not searched.
    assert names(await guest.call("search_things", search="cord")) == []


async def test_computed_members_are_shown(server: MCPServer, ann: Any) -> None:
    @server.expose(models.Thing)
    class Things(ModelResource):
        fields = ("name", "shout", "age")

        def age(self, thing: models.Thing) -> int | None:
            """Years since it was made, in 2026."""
            return None if thing.made_on is None else 2026 - thing.made_on.year

    guest = Guest(server, ann)

    assert await guest.call("get_thing", id=1) == {
        "id": 1,
        "name": "Lamp",
        "shout": "LAMP",
        "age": 27,
    }
    schema = (await guest.tools())["get_thing"]["outputSchema"]["properties"]["age"]
    assert schema == {
        "description": "Years since it was made, in 2026.",
        "anyOf": [{"type": "integer"}, {"type": "null"}],
    }


async def test_an_object_is_known_by_the_lookup_field(server: MCPServer, ann: Any) -> None:
    server.expose(models.Thing, fields=["name"], lookup_field="slug")
    guest = Guest(server, ann)

    assert await guest.call("get_thing", slug="lamp") == {"slug": "lamp", "name": "Lamp"}
    assert await guest.fail("get_thing", slug="none") == "There is no thing none."


async def test_both_sides_of_relations_can_be_shown(server: MCPServer, ann: Any) -> None:
    thing = await models.Thing.objects.aget(pk=1)
    await models.Paper.objects.acreate(pk=1, thing=thing, title="Bill")
    await models.Passport.objects.acreate(thing=thing, number="X1")
    server.expose(models.Thing, fields=["papers", "passport", "passport__number"])
    server.expose(models.Passport, fields="__all__", name="passport")
    guest = Guest(server, ann)

    assert await guest.call("get_thing", id=1) == {
        "id": 1,
        "papers": [{"id": 1, "label": "Bill"}],
        "passport": {"id": 1, "label": "X1"},
        "passport__number": "X1",
    }
    assert (await guest.call("get_thing", id=2))["passport"] is None
    assert (await guest.call("list_things", papers=1))["items"][0]["id"] == 1
    assert await guest.call("get_passport", thing=1) == {
        "thing": {"id": 1, "label": "Lamp"},
        "number": "X1",
    }


async def test_a_value_from_before_the_choices_changed_is_shown(
    server: MCPServer, ann: Any
) -> None:
    server.expose(models.Thing, fields=["state", "level"])
    await models.Thing.objects.filter(pk=1).aupdate(state="old", level=9)
    guest = Guest(server, ann)

    assert await guest.call("get_thing", id=1) == {"id": 1, "state": "old", "level": 9}
    assert "new" in await guest.fail("list_things", state="old")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"order_by": "password"}, "order_by"),
        ({"state": "broken"}, "state"),
        ({"made_on": "yesterday"}, "made_on"),
        ({"maker__in": []}, "maker__in"),
        ({"maker__in": list(range(101))}, "maker__in"),
        ({"cursor": "rubbish"}, "cursor is not of this list"),
        ({"cursor": "WyJpZCIsWyJ4Il1d"}, "cursor is not of this list"),
    ],
    ids=str,
)
async def test_what_does_not_fit_is_named(
    server: MCPServer, ann: Any, arguments: dict[str, Any], words: str
) -> None:
    server.expose(models.Thing, fields="__all__")

    assert words in await Guest(server, ann).fail("list_things", **arguments)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"count": 10**30}, []),
        ({"count__gte": -(10**30)}, ["Lamp", "Anchor", "Zither"]),
        ({"count__lte": -(10**30)}, []),
    ],
    ids=str,
)
async def test_numbers_no_column_holds_are_compared_with_all_the_same(
    server: MCPServer, ann: Any, arguments: dict[str, Any], expected: list[str]
) -> None:
    server.expose(models.Thing, fields="__all__")
    guest = Guest(server, ann)

    assert names(await guest.call("list_things", **arguments)) == expected


@pytest.mark.parametrize("arguments", [{"maker": 10**30}, {"maker__in": [1, 10**30]}], ids=str)
async def test_a_key_no_column_holds_is_found_nowhere_or_told(
    server: MCPServer, ann: Any, arguments: dict[str, Any]
) -> None:
    """SQLite refuses such a number, other databases compare with it."""
    server.expose(models.Thing, fields="__all__")

    reply = await Guest(server, ann).ask("tools/call", name="list_things", arguments=arguments)

    if reply.result.get("isError"):
        [content] = reply.result["content"]
        assert content["text"] == "A value is out of the range the database knows."
    else:
        found = names(reply.result["structuredContent"])
        assert found == (["Lamp"] if "maker__in" in arguments else [])


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("order", ["price", "-price", "made_on", "-made_on", "count", "-name"])
async def test_pages_follow_one_another_without_a_gap(
    server: MCPServer, ann: Any, order: str, size: int
) -> None:
    for number in range(7):
        await models.Thing.objects.acreate(
            name=f"n{number % 3}",
            slug=f"s{number}",
            count=number % 2,
            price=None if number % 3 == 0 else Decimal(number % 2),
            made_on=None if number % 2 else datetime.date(2000, 1, 1 + number % 4),
        )
    server.expose(models.Thing, fields="__all__")
    guest = Guest(server, ann)
    whole = await guest.call("list_things", order_by=order)

    pages, cursor = [], None
    while True:
        page = await guest.call("list_things", order_by=order, limit=size, cursor=cursor)
        assert len(page["items"]) <= size
        pages += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert pages == whole["items"]
    assert len({item["id"] for item in pages}) == 10


async def test_a_page_goes_on_where_an_object_was_deleted(server: MCPServer, ann: Any) -> None:
    server.expose(models.Thing, fields=["name"], ordering=["name"])
    guest = Guest(server, ann)
    first = await guest.call("list_things", limit=1)
    await models.Thing.objects.filter(name="Anchor").adelete()

    assert names(await guest.call("list_things", cursor=first["next_cursor"])) == ["Lamp", "Zither"]


async def test_a_cursor_belongs_to_its_order(server: MCPServer, ann: Any) -> None:
    server.expose(models.Thing, fields=["name", "count"])
    guest = Guest(server, ann)
    page = await guest.call("list_things", limit=1, order_by="name")

    told = await guest.fail("list_things", order_by="count", cursor=page["next_cursor"])

    assert "cursor is not of this list" in told


async def queries_of(call: Any) -> int:
    return len(await captured_in(call))


async def test_more_rows_are_no_more_queries(server: MCPServer, ann: Any) -> None:
    server.expose(models.Thing, fields="__all__")
    guest = Guest(server, ann)
    await guest.call("list_things")  # The user's permissions are looked up once.
    few = await queries_of(guest.call("list_things", limit=1))
    tags = [tag async for tag in models.Tag.objects.all()]
    for number in range(10):
        thing = await models.Thing.objects.acreate(name="x", slug=f"x{number}", maker_id=1)
        await thing.tags.aset(tags)

    many = await queries_of(guest.call("list_things"))

    assert few == many == 2  # the things with their makers and owners, and their tags


async def test_columns_nobody_sees_are_not_read(server: MCPServer, ann: Any) -> None:
    server.expose(models.Thing, fields=["name"])
    guest = Guest(server, ann)
    await guest.call("list_things")

    [query] = await captured_in(guest.call("list_things"))

    assert "password" not in query
    assert "COUNT(" not in query.upper()


async def test_without_permission_there_is_nothing(server: MCPServer, stock: None) -> None:
    server.expose(models.Thing, fields=["name"], search_fields=["name"])
    stranger = Guest(server)

    assert await stranger.tools() == {}
    unknown = (await stranger.ask("tools/call", name="nothing", arguments={})).error
    hidden = (await stranger.ask("tools/call", name="list_things", arguments={"x": 1})).error
    assert hidden["message"] == unknown["message"].replace("nothing", "list_things")
    assert hidden["code"] == unknown["code"]


async def test_rows_outside_the_queryset_do_not_exist(server: MCPServer, ann: Any) -> None:
    @server.expose(models.Thing)
    class Things(ModelResource):
        fields = ("name", "fragile")
        search_fields = ("name",)

        def get_queryset(self, ctx: Any) -> Any:
            return super().get_queryset(ctx).filter(fragile=False)

    guest = Guest(server, ann)

    assert names(await guest.call("list_things", order_by="name")) == ["Lamp", "Zither"]
    assert names(await guest.call("search_things", search="anchor")) == []
    assert await guest.fail("get_thing", id=2) == "There is no thing 2."
    assert await guest.fail("get_thing", id=99) == "There is no thing 99."


async def test_each_object_is_asked_about_where_that_matters(server: MCPServer, ann: Any) -> None:
    @server.expose(models.Thing)
    class Things(ModelResource):
        fields = ("name",)
        ordering = ("name",)
        object_permissions = True

        def has_view_permission(self, ctx: Any, obj: Any = None) -> bool:
            return obj is None or obj.name != "Lamp"

    guest = Guest(server, ann)

    first = await guest.call("list_things", limit=1)
    second = await guest.call("list_things", limit=1, cursor=first["next_cursor"])
    assert names(first) + names(second) == ["Anchor", "Zither"]
    assert await guest.fail("get_thing", id=1) == "There is no thing 1."


async def test_a_sync_orm_call_is_never_made_on_the_event_loop(server: MCPServer, ann: Any) -> None:
    """The rules and queries of a model run in threads, as those of other tools do."""
    server.expose(models.Thing, fields=["name"])
    fresh = await sync_to_async(type(ann).objects.get)(pk=ann.pk)  # No permission is known yet.

    assert names(await Guest(server, fresh).call("list_things", limit=1)) == ["Lamp"]
