"""Small queries: what can be asked in one, what it reaches, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.test.utils import CaptureQueriesContext

from django_mcp import MCPServer, ModelResource

from .depot import models
from .depot.server import Guest, user_with


class Elsewhere(ModelResource):
    """Objects in the database called `elsewhere`."""

    tools = ()
    query = True

    def get_queryset(self, ctx: Any) -> Any:
        return super().get_queryset(ctx).using("elsewhere")


class Things(Elsewhere):
    """Things, with one of everything."""

    fields = (
        "name",
        "count",
        "price",
        "weight",
        "state",
        "fragile",
        "made_on",
        "seen_at",
        "code",
        "data",
        "picture",
        "maker",
        "tags",
        "papers",
        "shout",
    )


class Makers(Elsewhere):
    """Makers, without their salary."""

    fields = ("name", "country")


class Countries(Elsewhere):
    """Countries, but those that are hidden."""

    fields = ("name",)

    def get_queryset(self, ctx: Any) -> Any:
        return super().get_queryset(ctx).filter(hidden=False)


@pytest.fixture
def guest(server: MCPServer, ann: Any, elsewhere: str) -> Guest:
    """A guest who may query things, their makers, and the countries of those."""
    server.expose(models.Thing, Things)
    server.expose(models.Maker, Makers)
    server.expose(models.Country, Countries)
    return Guest(server, ann)


async def rows(guest: Guest, **question: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await guest.call("query_things", **question))["rows"]
    return found


async def names(guest: Guest, where: Any) -> list[str]:
    return [
        row["name"] for row in await rows(guest, select=["name"], where=where, order_by=["name"])
    ]


def leaf(field: str, value: Any, lookup: str = "exact") -> dict[str, Any]:
    return {"field": field, "lookup": lookup, "value": value}


# ---------------------------------------------------------------------------------- what is asked


async def test_fields_are_selected_across_relations(guest: Guest) -> None:
    found = await rows(
        guest,
        select=[
            "name",
            "price",
            "maker",
            "maker.name",
            "maker.country.name",
            "month(made_on)",
            "data",
        ],
        where=leaf("name", "Lamp"),
    )

    assert found == [
        {
            "name": "Lamp",
            "price": "12.5000",
            "maker": {"id": 1, "label": "Acme"},
            "maker.name": "Acme",
            "maker.country.name": "France",
            "month(made_on)": "1999-12-01",
            "data": {"a": [1, None, "é"]},
        }
    ]


async def test_conditions_are_a_tree(guest: Guest) -> None:
    lamp, blue = leaf("name", "lam", "istartswith"), leaf("maker.country.name", "France")

    assert await names(guest, None) == ["Anchor", "Lamp", "Zither"]
    assert await names(guest, lamp) == ["Lamp"]
    assert await names(guest, {"and": [lamp, leaf("count", 2, "lt")]}) == []
    assert await names(guest, {"or": [lamp, leaf("count", 2, "lt")]}) == ["Anchor", "Lamp"]
    assert await names(guest, {"not": blue}) == ["Anchor", "Zither"]
    assert await names(guest, {"not": {"not": blue}}) == ["Lamp"]
    assert await names(guest, leaf("count", [2, 3], "range")) == ["Lamp", "Zither"]
    assert await names(guest, leaf("maker", True, "isnull")) == ["Zither"]
    assert await names(guest, leaf("price", "0.0001")) == ["Zither"]
    assert await names(guest, leaf("tags", 1)) == ["Lamp"]
    assert await names(guest, {"not": leaf("tags", [1, 2], "in")}) == ["Anchor", "Zither"]
    assert await names(guest, leaf("made_on", 1999, "year")) == ["Lamp"]


async def test_objects_are_grouped_and_measured(guest: Guest) -> None:
    found = await rows(
        guest,
        group_by=["maker.country", "tags"],
        measures=["count(*)", "sum(count)", "max(maker.name)"],
        order_by=["-tags"],
    )
    france = {"id": "fr", "label": "France"}
    assert found == [
        {
            "maker.country": france,
            "tags": {"id": n, "label": word},
            "count(*)": 1,
            "sum(count)": 3,
            "max(maker.name)": "Acme",
        }
        for n, word in ((2, "blue"), (1, "old"))
    ]

    assert await rows(guest, measures=["avg(price)"]) == [{"avg(price)": "6.25005"}]
    found = await rows(guest, group_by=["state"], order_by=["state"])
    assert found == [{"state": "new"}, {"state": "used"}]


async def test_what_a_relation_leads_to_is_counted_for_each_object(
    server: MCPServer, guest: Guest
) -> None:
    class Tags(Elsewhere):
        fields = ("word",)

        def get_queryset(self, ctx: Any) -> Any:
            return super().get_queryset(ctx).exclude(word="old")

    question: dict[str, Any] = {
        "select": ["name", "count(tags)", "count(papers)"],
        "order_by": ["-count(tags)", "name"],
        "limit": 2,
    }
    assert await rows(guest, **question) == [
        {"name": "Lamp", "count(tags)": 2, "count(papers)": 0},
        {"name": "Anchor", "count(tags)": 0, "count(papers)": 0},
    ]

    server.expose(models.Tag, Tags)
    assert (await rows(guest, **question))[0]["count(tags)"] == 1


async def test_groups_are_left_by_their_measures(guest: Guest) -> None:
    question: dict[str, Any] = {
        "group_by": ["state"],
        "measures": ["count(*)", "sum(price)"],
    }
    many = leaf("count(*)", 2, "gte")
    dear = leaf("sum(price)", "1", "gt")

    assert [r["state"] for r in await rows(guest, **question, having=many)] == ["new"]
    assert [r["state"] for r in await rows(guest, **question, having=dear)] == ["used"]
    assert await rows(guest, **question, having={"and": [many, dear]}) == []
    both = await rows(guest, **question, having={"or": [many, dear]})
    assert [r["state"] for r in both] == ["new", "used"]
    rest = await rows(guest, **question, having={"not": dear})
    assert [r["state"] for r in rest] == ["new"]


async def test_an_answer_goes_on_where_the_one_before_ended(guest: Guest) -> None:
    question: dict[str, Any] = {"select": ["name"], "order_by": ["-count"], "limit": 2}

    first = await guest.call("query_things", **question)
    second = await guest.call("query_things", **question, offset=first["next_offset"])

    assert [r["name"] for r in [*first["rows"], *second["rows"]]] == ["Lamp", "Zither", "Anchor"]
    assert second["next_offset"] is None
    groups = await guest.call("query_things", group_by=["name"], limit=1, offset=2)
    assert groups == {"rows": [{"name": "Zither"}], "next_offset": None}


async def test_one_tool_asks_all_models(server: MCPServer, guest: Guest) -> None:
    server.add_query_tool()
    server.expose(models.Tag, type("Tags", (Elsewhere,), {"fields": ("word",)}))

    found = await guest.call("query", model="tags", select=["word"], order_by=["word"])
    assert found["rows"] == [{"word": "blue"}, {"word": "old"}]
    found = await guest.call("query", model="makers", measures=["count(*)"])
    assert found["rows"] == [{"count(*)": 2}]


async def test_one_tool_asks_of_those_the_caller_may_view(server: MCPServer, guest: Guest) -> None:
    server.add_query_tool([models.Thing, models.Maker], name="ask")
    bob = Guest(server, await sync_to_async(user_with)("view_thing", name="bob"))
    nobody = Guest(server, await sync_to_async(user_with)(name="nobody"))

    said = await bob.fail("ask", model="makers", select=["name"])
    unknown = await bob.fail("ask", model="unicorns", select=["name"])

    assert said == unknown
    assert said.endswith("model: is none of those that can be asked; there are things")
    # Exposed, but not one of the two.
    assert "countries" not in await guest.fail("ask", model="countries", select=["name"])
    assert set(await bob.tools()) == {"query_things", "ask"}
    assert await nobody.tools() == {}


def test_a_tool_for_models_that_are_not_exposed_is_refused(server: MCPServer) -> None:
    with pytest.raises(ValueError, match=r"depot\.Thing is not exposed on this server"):
        server.add_query_tool([models.Thing])
    server.expose(models.Maker, fields=["name"], object_permissions=True)
    with pytest.raises(ValueError, match="cannot ask of each"):
        server.add_query_tool([models.Maker])


# --------------------------------------------------------------------------------- what is hidden


async def test_hidden_objects_read_as_none_at_every_place(guest: Guest) -> None:
    atlantis = leaf("maker.country.name", "Atlantis")

    found = await rows(
        guest, select=["name", "maker.country", "maker.country.name"], order_by=["name"]
    )
    assert found[0] == {"name": "Anchor", "maker.country": None, "maker.country.name": None}
    assert await names(guest, atlantis) == []
    assert await names(guest, leaf("maker.country", "at")) == []
    assert await names(guest, leaf("maker.country", True, "isnull")) == ["Anchor", "Zither"]
    assert await names(guest, {"not": atlantis}) == ["Anchor", "Lamp", "Zither"]
    found = await rows(guest, group_by=["maker.country.name"], measures=["count(*)"])
    assert {r["maker.country.name"]: r["count(*)"] for r in found} == {None: 2, "France": 1}
    found = await rows(guest, measures=["count_distinct(maker.country)", "min(maker.country.name)"])
    assert found == [{"count_distinct(maker.country)": 1, "min(maker.country.name)": "France"}]


async def test_a_hidden_object_is_ordered_like_none(guest: Guest) -> None:
    question: dict[str, Any] = {"select": ["name"], "order_by": ["maker.country.name", "name"]}
    before = await rows(guest, **question)
    await models.Country.objects.using("elsewhere").filter(code="at").aupdate(name="Zz")

    assert await rows(guest, **question) == before


async def test_what_stands_behind_a_hidden_object_is_hidden(
    server: MCPServer, ann: Any, elsewhere: str
) -> None:
    """The makers of Atlantis are hidden, and Atlantis itself is not."""

    class Few(Makers):
        def get_queryset(self, ctx: Any) -> Any:
            return super().get_queryset(ctx).filter(country__hidden=False)

    server.expose(models.Thing, Things)
    server.expose(models.Maker, Few)
    server.expose(models.Country, Elsewhere, fields=["name"])
    guest = Guest(server, ann)

    assert await names(guest, leaf("maker.country.name", "Atlantis")) == []
    found = await rows(guest, measures=["count_distinct(maker.country)", "max(maker.country.name)"])
    assert found == [{"count_distinct(maker.country)": 1, "max(maker.country.name)": "France"}]
    found = await rows(guest, select=["maker", "maker.country"], where=leaf("name", "Anchor"))
    assert found == [{"maker": None, "maker.country": None}]


async def test_a_model_one_may_not_view_is_not_there(server: MCPServer, guest: Guest) -> None:
    bob = Guest(server, await sync_to_async(user_with)("view_thing", "view_country", name="bob"))
    places: list[dict[str, Any]] = [
        {"select": ["{}"]},
        {"group_by": ["{}"]},
        {"measures": ["min({})"]},
        {"select": ["name"], "order_by": ["{}"]},
        {"select": ["name"], "where": leaf("{}", "Acme")},
    ]

    def at(place: Any, name: str) -> Any:
        if isinstance(place, dict):
            return {key: at(value, name) for key, value in place.items()}
        if isinstance(place, list):
            return [at(value, name) for value in place]
        return place.replace("{}", name)

    for place in places:
        hidden = await bob.fail("query_things", **at(place, "maker.name"))
        wrong = await bob.fail("query_things", **at(place, "taker.name"))
        assert hidden.replace("maker.name", "taker.name", 1) == wrong
        unnamed = await guest.fail("query_things", **at(place, "maker.salary"))
        nothing = await guest.fail("query_things", **at(place, "maker.celery"))
        assert unnamed.replace("salary", "celery", 1) == nothing
    assert await rows(bob, select=["maker"], where=leaf("name", "Lamp")) == [{"maker": None}]


async def test_what_is_hidden_one_by_one_cannot_be_reached(
    server: MCPServer, ann: Any, elsewhere: str
) -> None:
    server.expose(models.Thing, Things)
    server.expose(models.Maker, fields=["name"], object_permissions=True)
    guest = Guest(server, ann)

    assert 'there is no "maker.name"' in await guest.fail("query_things", select=["maker.name"])
    assert await names(guest, leaf("maker", [1, 2], "in")) == []


async def test_filters_and_orders_are_those_a_model_allows(
    server: MCPServer, ann: Any, elsewhere: str
) -> None:
    class Strict(Things):
        filter_fields = {"count": ["gte"]}  # noqa: RUF012
        ordering_fields = ("count",)

    server.expose(models.Thing, Strict)
    guest = Guest(server, ann)

    assert await names_by(guest, leaf("count", 3, "gte"), "-count") == ["Lamp"]
    said = await guest.fail("query_things", select=["name"], where=leaf("count", 3))
    assert "cannot be compared with exact; lookups: gte" in said
    said = await guest.fail("query_things", select=["name"], where=leaf("name", "Lamp"))
    assert "lookups: none" in said
    said = await guest.fail("query_things", select=["name"], order_by=["name"])
    assert "order_by[0]: name cannot be ordered by" in said


async def names_by(guest: Guest, where: Any, order: str) -> list[str]:
    found = await rows(guest, select=["name"], where=where, order_by=[order])
    return [row["name"] for row in found]


# ------------------------------------------------------------------------------------ what is wrong


def nested(depth: int) -> dict[str, Any]:
    tree = leaf("count", 1)
    for _ in range(depth):
        tree = {"not": tree}
    return tree


NAME = {"select": ["name"]}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "select: name at least one field"),
    ({"select": ["maker.salary"]}, 'select[0]: there is no "maker.salary"'),
    ({"select": ["maker__salary"]}, 'select[0]: there is no "maker__salary"'),
    ({"select": ["maker__name"]}, 'select[0]: there is no "maker__name"'),
    ({"select": ["maker.country.hidden"]}, 'there is no "maker.country.hidden"'),
    ({"select": ["owner.password"]}, 'there is no "owner.password"'),
    ({"select": ["tags.word"]}, 'there is no "tags.word"'),
    ({"select": ["papers.title"]}, 'there is no "papers.title"'),
    ({"select": ["name.name"]}, 'there is no "name.name"'),
    ({"select": ["pk"]}, 'there is no "pk"'),
    ({"select": ["password"]}, 'there is no "password"'),
    ({"select": ["_state"]}, 'there is no "_state"'),
    ({"select": ["__class__"]}, 'there is no "__class__"'),
    ({"select": ["maker." * 5 + "name"]}, "there is no"),
    ({"select": ["shout"]}, "select[0]: shout has no value"),
    ({"select": ["picture"]}, "select[0]: picture has no value"),
    ({"select": ["tags"]}, "select[0]: tags leads to several"),
    ({"select": ["sum(price)"]}, "is a measure, and belongs in measures"),
    ({"select": ['name" FROM depot_maker; --']}, "select[0]: should be a field"),
    ({"select": ["name", "count(*)"]}, "is a measure"),
    ({"select": ["name"] * 31}, "at most 30"),
    ({"select": ["x" * 500]}, "at most 201"),
    ({"select": ["pg_sleep(10)"]}, "should be a field"),
    ({"select": ["month(name)"]}, "there is no month(name)"),
    ({"select": ["hour(made_on)"]}, "there is no hour(made_on)"),
    ({**NAME, "group_by": ["state"]}, "select: does not go with group_by"),
    ({"group_by": ["data"]}, "group_by[0]: data has no value"),
    ({"group_by": ["data.a"]}, 'there is no "data.a"'),
    ({"group_by": ["maker__salary__gt"]}, "there is no"),
    ({"group_by": ["tags", "papers"]}, "one at most"),
    ({"group_by": ["count(*)"]}, "is a measure"),
    ({"measures": ["sum(maker.salary)"]}, 'there is no "maker.salary"'),
    ({"measures": ["sum(password)"]}, 'there is no "password"'),
    ({"measures": ["sum(fragile)"]}, "measures[0]: there is no sum(fragile)"),
    ({"measures": ["sum(id)"]}, "there is no sum(id)"),
    ({"measures": ["min(fragile)"]}, "there is no min(fragile)"),
    ({"measures": ["count(tags)"]}, "count(tags) is no measure"),
    ({"group_by": ["count(tags)"]}, "cannot be grouped by"),
    ({"select": ["count(name)"]}, "there is no count(name)"),
    ({"select": ["count(maker.secrets)"]}, 'there is no "maker.secrets"'),
    ({"measures": ["count_distinct(tags)"]}, "there is no count_distinct(tags)"),
    ({"measures": ["count_distinct(shout)"]}, "there is no count_distinct(shout)"),
    ({"measures": ["sum(sum(count))"]}, "should be a field"),
    ({"measures": ["sum(*)"]}, "should be a field"),
    ({"measures": ["count"]}, "count is no measure"),
    ({"measures": ["count(*)"], "having": leaf("count(*)", 1)}, "having: goes with"),
    ({**NAME, "having": leaf("count(*)", 1)}, "having: goes with measures"),
    ({**NAME, "order_by": ["maker.salary"]}, 'order_by[0]: there is no "maker.salary"'),
    ({**NAME, "order_by": ["data"]}, "order_by[0]: data has no value"),
    ({**NAME, "order_by": ["?"]}, "order_by[0]: should be a field"),
    ({**NAME, "limit": 0}, "limit: should be"),
    ({**NAME, "limit": True}, "limit: should be"),
    ({**NAME, "offset": -1}, "offset: should be"),
    ({**NAME, "offset": 10_001}, "offset: should be"),
    ({**NAME, "raw": "SELECT 1"}, "raw: is not an argument"),
    ({**NAME, "where": {}}, "where: should have field"),
    ({**NAME, "where": {"and": []}}, "where.and: should have at least 1"),
    ({**NAME, "where": {"and": [leaf("count", 1)], "field": "name"}}, "where: should have"),
    ({**NAME, "where": {"not": leaf("count", 1), "value": 1}}, "where: should have"),
    ({**NAME, "where": {"sql": "1=1"}}, "where.sql: is not known here"),
    ({**NAME, "where": leaf("maker__salary__gt", 1)}, "where.field: there is no"),
    ({**NAME, "where": leaf("maker.salary", 1, "gt")}, "where.field: there is no"),
    ({**NAME, "where": leaf("password", "h", "startswith")}, "where.field: there is no"),
    ({**NAME, "where": leaf("count", "(a+)+$", "regex")}, "cannot be compared with regex"),
    ({**NAME, "where": leaf("count", 1, "exact__gt")}, "cannot be compared"),
    ({**NAME, "where": leaf("data", 1)}, "lookups: none"),
    ({**NAME, "where": leaf("shout", "LAMP")}, "lookups: none"),
    ({**NAME, "where": leaf("count", "1")}, "where.value: should be an integer"),
    ({**NAME, "where": leaf("count", True)}, "where.value: should be an integer"),
    ({**NAME, "where": leaf("count", None)}, "where.value: should be an integer"),
    ({**NAME, "where": leaf("count", {"a": 1})}, "where.value: should be an integer"),
    ({**NAME, "where": leaf("fragile", 1)}, "where.value: should be true or false"),
    ({**NAME, "where": leaf("price", "NaN")}, "where.value: should be"),
    ({**NAME, "where": leaf("weight", "NaN")}, "where.value: should be a number"),
    ({**NAME, "where": leaf("made_on", "yesterday")}, "where.value: should be a"),
    ({**NAME, "where": leaf("state", "broken")}, "where.value: should be"),
    ({**NAME, "where": leaf("code", "1")}, "where.value: should be a"),
    ({**NAME, "where": leaf("count", list(range(101)), "in")}, "where.value: should have at most"),
    ({**NAME, "where": leaf("count", [1, "a"], "in")}, "where.value[1]: should be an integer"),
    ({**NAME, "where": leaf("count", [1], "range")}, "where.value: should have at least 2"),
    (
        {**NAME, "where": {"or": [leaf("count", 1), leaf("count", "x")]}},
        "where.or[1].value: should",
    ),
    ({**NAME, "where": {"or": [leaf("count", list(range(100)), "in")] * 6}}, "at most 500 values"),
    ({**NAME, "where": {"or": [leaf("count", 1)] * 60}}, "at most 6 levels and 60 conditions"),
    ({**NAME, "where": nested(6)}, "at most 6 levels and 60 conditions"),
    (
        {"group_by": ["state"], "measures": ["count(*)"], "having": leaf("sum(maker.salary)", 1)},
        "having.field: should be one of measures: count(*)",
    ),
    (
        {"group_by": ["state"], "measures": ["count(*)"], "having": leaf("state", "new")},
        "having.field: should be one of measures",
    ),
    (
        {"group_by": ["state"], "measures": ["count(*)"], "having": leaf("count(*)", "many")},
        "having.value: should be an integer",
    ),
    ({"group_by": ["state"], "order_by": ["name"]}, "order_by[0]: should be one of what is asked"),
]


async def test_what_is_wrong_is_said_with_its_place(guest: Guest) -> None:
    """All at once, since nothing of it reaches the database."""

    async def ask_them_all() -> None:
        for question, text in WRONG:
            said = await guest.fail("query_things", **question)
            assert text in said, (question, said)
            assert said.startswith("The arguments of `query_things` are not valid:")

    @sync_to_async
    def watch() -> Any:
        context = CaptureQueriesContext(connections["elsewhere"])
        context.__enter__()
        return context

    context = await watch()
    await ask_them_all()
    await sync_to_async(context.__exit__)(None, None, None)
    assert not await sync_to_async(lambda: context.captured_queries)()


async def test_a_tree_as_deep_as_json_may_be_is_an_answer(guest: Guest) -> None:
    said = await guest.fail("query_things", select=["name"], where=nested(50))

    assert "at most 6 levels" in said


async def test_texts_are_texts(guest: Guest) -> None:
    for text in ("'; DROP TABLE depot_thing; --", '" OR 1=1', "%", "_amp", "\\", "{}", "%s"):
        assert await names(guest, leaf("name", text)) == []
        assert await names(guest, leaf("name", text, "icontains")) == []
    result = await guest.ask(
        "tools/call",
        name="query_things",
        arguments={"select": ["name"], "where": leaf("name", "a\0b")},
    )
    if result.result.get("isError"):
        assert "out of the range" in result.result["content"][0]["text"]
    else:
        assert result.result["structuredContent"]["rows"] == []
