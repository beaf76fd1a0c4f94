"""Objects summed up: what is measured, in which groups, and what of it nobody is to learn.

Each conversation is had with SQLite and with PostgreSQL.
"""

from __future__ import annotations

import datetime
import math
import zoneinfo
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.utils import timezone

from django_mcp import MCPServer, ModelResource

from .depot import models
from .depot.server import Guest, captured_in, user_with

FIELDS = (
    "name",
    "count",
    "price",
    "weight",
    "state",
    "level",
    "fragile",
    "made_on",
    "seen_at",
    "kept_for",
    "code",
    "data",
    "picture",
    "maker",
    "maker__name",
    "tags",
    "papers",
    "shout",
)


class Things(ModelResource):
    """Things in the database called `elsewhere`."""

    fields = FIELDS
    tools = ("aggregate",)
    search_fields = ("name",)

    def get_queryset(self, ctx: Any) -> Any:
        return super().get_queryset(ctx).using("elsewhere")


@pytest.fixture
def guest(server: MCPServer, ann: Any, elsewhere: str) -> Guest:
    """A guest who may sum up things."""
    server.expose(models.Thing, Things)
    return Guest(server, ann)


async def vendor() -> str:
    return await sync_to_async(lambda: connections["elsewhere"].vendor)()


async def feature(name: str) -> Any:
    """What the database can do, as Django asks it."""
    return await sync_to_async(lambda: getattr(connections["elsewhere"].features, name))()


async def rows(guest: Guest, **arguments: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await guest.call("aggregate_things", **arguments))["rows"]
    return found


async def test_without_arguments_it_counts(guest: Guest) -> None:
    assert await guest.call("aggregate_things") == {"rows": [{"count(*)": 3}], "more": False}


async def test_what_can_be_asked_is_named(guest: Guest) -> None:
    tool = (await guest.tools())["aggregate_things"]

    properties = tool["inputSchema"]["properties"]
    measures = properties["measures"]["items"]["enum"]
    assert {m for m in measures if m.startswith("sum(")} == {
        "sum(count)",
        "sum(price)",
        "sum(weight)",
        "sum(kept_for)",
    }
    assert {m for m in measures if m.startswith("min(")} == {
        "min(id)",
        "min(name)",
        "min(count)",
        "min(price)",
        "min(weight)",
        "min(made_on)",
        "min(seen_at)",
        "min(kept_for)",
        "min(maker__name)",
    }
    groups = properties["group_by"]["items"]["enum"]
    assert [g for g in groups if g.endswith("(made_on)")] == [
        "year(made_on)",
        "quarter(made_on)",
        "month(made_on)",
        "week(made_on)",
        "day(made_on)",
    ]
    assert "hour(seen_at)" in groups
    assert not {"data", "picture", "shout"} & set(groups)
    assert {"state", "count__gte", "search"} <= properties.keys()
    row = tool["outputSchema"]["$defs"]["Row"]
    assert row["additionalProperties"] is False
    assert row["properties"]["state"]["anyOf"][0]["oneOf"][0] == {"const": "new", "title": "As new"}
    assert row["properties"]["sum(price)"]["anyOf"][0] == {"format": "decimal", "type": "string"}
    assert tool["annotations"] == {"readOnlyHint": True, "openWorldHint": False}


MEASURED = {
    "count_distinct(state)": 2,
    "count_distinct(maker)": 2,
    "sum(count)": 6,
    "avg(count)": 2.0,
    "sum(price)": "12.5001",
    "avg(price)": "6.25005",
    "min(price)": "0.0001",
    "max(price)": "12.5000",
    "sum(weight)": 1.5,
    "min(name)": "Anchor",
    "min(made_on)": "1999-12-31",
    "max(seen_at)": "2026-01-31T12:30:00.123456Z",
    "sum(kept_for)": "P2DT5.000007S",
    "avg(kept_for)": "P2DT5.000007S",
    "max(maker__name)": "Deep",
}


async def test_measures_are_exact(guest: Guest) -> None:
    names = list(MEASURED)
    found = [(await rows(guest, measures=names[n : n + 10]))[0] for n in (0, 10)]

    assert {**found[0], **found[1]} == MEASURED


async def test_decimals_are_added_without_a_remainder(guest: Guest) -> None:
    pennies = [
        models.Thing(name="penny", slug=f"penny-{n}", price=Decimal("0.1000")) for n in range(30)
    ]
    await models.Thing.objects.using("elsewhere").abulk_create(pennies)

    found = await rows(guest, measures=["sum(price)", "avg(price)"], search="penny")

    assert found == [{"sum(price)": "3.0000", "avg(price)": "0.1"}]


async def test_of_nothing_there_is_no_sum(guest: Guest) -> None:
    found = await rows(guest, measures=["count(*)", "sum(count)", "max(price)"], count__gte=100)

    assert found == [{"count(*)": 0, "sum(count)": None, "max(price)": None}]
    assert await rows(guest, group_by=["state"], count__gte=100) == []


async def test_groups_are_in_an_order_of_the_callers_choice(guest: Guest) -> None:
    found = await rows(guest, measures=["max(count)"], group_by=["state"], order_by=["-max(count)"])
    assert found == [{"state": "used", "max(count)": 3}, {"state": "new", "max(count)": 2}]
    found = await rows(guest, group_by=["fragile", "state"], order_by=["-state"])
    assert [(row["fragile"], row["state"], row["count(*)"]) for row in found] == [
        (False, "used", 1),
        (False, "new", 1),
        (True, "new", 1),
    ]


async def test_there_are_no_more_groups_than_asked_for(guest: Guest) -> None:
    found = await guest.call("aggregate_things", group_by=["name"], limit=2)
    assert [row["name"] for row in found["rows"]] == ["Anchor", "Lamp"]
    assert found["more"] is True

    found = await guest.call("aggregate_things", group_by=["name"], limit=3)
    assert found["more"] is False
    assert "501" in await guest.fail("aggregate_things", group_by=["name"], limit=501)


async def test_a_relation_has_a_name_and_an_object_without_one_is_counted(guest: Guest) -> None:
    found = await rows(guest, group_by=["maker"], order_by=["-count(*)"])

    labels = [row["maker"] and row["maker"]["label"] for row in found]
    assert sorted(labels, key=str) == ["Acme", "Deep", None]


async def test_an_object_counts_once_in_each_group_of_a_relation_to_several(guest: Guest) -> None:
    def more_tags() -> None:
        anchor = models.Thing.objects.using("elsewhere").get(slug="anchor")
        anchor.tags.set(models.Tag.objects.using("elsewhere").filter(word="old"))

    await sync_to_async(more_tags)()

    found = await rows(guest, measures=["count(*)", "sum(count)", "sum(price)"], group_by=["tags"])

    assert [
        (row["tags"]["label"], row["count(*)"], row["sum(count)"], row["sum(price)"])
        for row in found
    ] == [("old", 2, 4, "12.5000"), ("blue", 1, 3, "12.5000")]
    assert await rows(guest, measures=["sum(count)"]) == [{"sum(count)": 6}]
    assert "one at most" in await guest.fail("aggregate_things", group_by=["tags", "papers"])


async def test_a_filter_by_a_relation_to_several_multiplies_nothing(guest: Guest) -> None:
    def papers() -> None:
        lamp = models.Thing.objects.using("elsewhere").get(slug="lamp")
        for title in ("a", "b"):
            models.Paper.objects.using("elsewhere").create(thing=lamp, title=title)

    await sync_to_async(papers)()

    assert await rows(guest, measures=["sum(count)"], tags=1) == [{"sum(count)": 3}]
    found = await rows(guest, measures=["sum(count)"], group_by=["papers"])
    assert [row["sum(count)"] for row in found] == [3, 3]


async def test_joins_of_the_projects_own_queryset_multiply_nothing(
    server: MCPServer, ann: Any, elsewhere: str
) -> None:
    class Tagged(Things):
        def get_queryset(self, ctx: Any) -> Any:
            return super().get_queryset(ctx).filter(tags__word__in=["old", "blue"])

    server.expose(models.Thing, Tagged)

    found = await rows(Guest(server, ann), measures=["count(*)", "sum(count)"])
    assert found == [{"count(*)": 1, "sum(count)": 3}]


async def test_the_order_of_a_model_is_not_grouped_by(
    server: MCPServer, ann: Any, elsewhere: str
) -> None:
    """Makers are ordered by their salary, which nobody is to see and no two have alike."""

    class Makers(ModelResource):
        fields = ("country",)
        tools = ("aggregate",)

        def get_queryset(self, ctx: Any) -> Any:
            return super().get_queryset(ctx).using("elsewhere")

    await models.Maker.objects.using("elsewhere").acreate(name="Bolt", country_id="fr", salary=9)
    server.expose(models.Maker, Makers)

    found = await Guest(server, ann).call("aggregate_makers", group_by=["country"])

    assert [(row["country"]["label"], row["count(*)"]) for row in found["rows"]] == [
        ("Atlantis", 1),
        ("France", 2),
    ]


# --------------------------------------------------------------------------------------- periods


async def test_a_period_of_a_date_is_its_first_day(guest: Guest) -> None:
    periods = {
        "year(made_on)": "1999-01-01",
        "quarter(made_on)": "1999-10-01",
        "month(made_on)": "1999-12-01",
        "week(made_on)": "1999-12-27",
        "day(made_on)": "1999-12-31",
    }
    for period, begin in periods.items():
        found = await rows(guest, group_by=[period], count=3)
        assert found == [{period: begin, "count(*)": 1}]


ZONES = [
    ("year", "UTC", "2026-01-01T00:00:00Z"),
    ("day", "UTC", "2026-01-31T00:00:00Z"),
    ("hour", "UTC", "2026-01-31T22:00:00Z"),
    # There it is the first of February already.
    ("month", "Asia/Tokyo", "2026-02-01T00:00:00+09:00"),
    ("week", "Asia/Tokyo", "2026-01-26T00:00:00+09:00"),
    ("hour", "Asia/Kolkata", "2026-02-01T04:00:00+05:30"),
]


async def test_a_period_of_a_time_begins_in_the_current_time_zone(guest: Guest) -> None:
    if not await feature("has_zoneinfo_database"):
        pytest.skip("this database knows no time zones")
    seen = datetime.datetime(2026, 1, 31, 22, 45, tzinfo=datetime.UTC)
    await models.Thing.objects.using("elsewhere").filter(slug="lamp").aupdate(seen_at=seen)
    for period, zone, begin in ZONES:
        term = f"{period}(seen_at)"
        with timezone.override(zoneinfo.ZoneInfo(zone)):
            found = await rows(guest, group_by=[term], count=3)
        assert found == [{term: begin, "count(*)": 1}]


# ---------------------------------------------------------------------------------------- hiding


@pytest.fixture
def stranger(server: MCPServer, stock: None, elsewhere: str) -> Guest:
    """A guest who sees neither Atlantis, nor its makers, nor the tag "old", nor private papers."""

    @server.expose(models.Maker)
    class Makers(ModelResource):
        fields = ("name",)

        def get_queryset(self, ctx: Any) -> Any:
            return super().get_queryset(ctx).exclude(country__hidden=True)

    @server.expose(models.Tag)
    class Tags(ModelResource):
        fields = ("word",)

        def get_queryset(self, ctx: Any) -> Any:
            return super().get_queryset(ctx).exclude(word="old")

    server.expose(models.Paper, fields=["title"])
    server.expose(models.Thing, Things)
    return Guest(server, user_with("view_thing", "view_maker", "view_tag", name="bob"))


async def test_hidden_objects_are_not_measured(stranger: Guest) -> None:
    found = await rows(stranger, measures=["count_distinct(maker)", "max(maker__name)", "count(*)"])

    assert found == [{"count_distinct(maker)": 1, "max(maker__name)": "Acme", "count(*)": 3}]


async def test_hidden_objects_are_no_group(stranger: Guest) -> None:
    for group in ("maker", "maker__name"):
        found = await rows(stranger, group_by=[group], measures=["count(*)", "sum(count)"])
        assert {str(row[group]): row["count(*)"] for row in found} == {
            "None": 2,
            str(found[1][group] or found[0][group]): 1,
        }
        assert "Deep" not in str(found)

    found = await rows(stranger, group_by=["tags"])
    assert [(row["tags"]["label"], row["count(*)"]) for row in found] == [("blue", 1)]
    assert await rows(stranger, group_by=["papers"]) == []


async def test_hidden_objects_are_no_filter(stranger: Guest) -> None:
    deep = await models.Maker.objects.using("elsewhere").aget(name="Deep")

    assert await rows(stranger, maker=deep.pk) == [{"count(*)": 0}]
    assert await rows(stranger, tags=1) == [{"count(*)": 0}]


async def test_who_may_not_view_has_no_tool(server: MCPServer, ann: Any, elsewhere: str) -> None:
    server.expose(models.Thing, Things)
    nobody = Guest(server, await sync_to_async(user_with)(name="nobody"))

    assert await nobody.tools() == {}
    answer = await nobody.ask("tools/call", name="aggregate_things", arguments={})
    other = await nobody.ask("tools/call", name="aggregate_others", arguments={})
    assert answer.json["error"]["code"] == other.json["error"]["code"]


ATTACKS: list[dict[str, Any]] = [
    {"measures": ["sum(salary)"]},
    {"measures": ["sum(maker__salary)"]},
    {"measures": ["max(password)"]},
    {"measures": ["count_distinct(api_token)"]},
    {"measures": ["sum(name)"]},
    {"measures": ["sum(fragile)"]},
    {"measures": ["avg(level)"]},
    {"measures": ["min(state)"]},
    {"measures": ["count(name)"]},
    {"measures": []},
    {"measures": ["count(*)"] * 11},
    {"measures": ["stddev(count)"]},
    {"measures": ['sum(count") FROM depot_thing; --']},
    {"group_by": ["password"]},
    {"group_by": ["maker__salary"]},
    {"group_by": ["maker__salary__gt"]},
    {"group_by": ["api_token"]},
    {"group_by": ["data"]},
    {"group_by": ["data__a"]},
    {"group_by": ["hour(made_on)"]},
    {"group_by": ["month(count)"]},
    {"group_by": ["month(password)"]},
    {"order_by": ["password"]},
    {"order_by": ["name"]},
    {"order_by": ["-sum(count)"]},
    {"order_by": ["?"]},
    {"order_by": ["--count(*)"]},
    {"order_by": ["x" * 1000]},
    {"password": "hunter2"},
    {"maker__salary__gt": 1},
    {"name__regex": "(a+)+$"},
    {"count__in": list(range(101))},
    {"count": True},
    {"limit": True},
    {"limit": 0},
    {"search": ""},
]


async def test_what_is_not_exposed_cannot_be_asked_for(guest: Guest) -> None:
    for arguments in ATTACKS:
        said: list[str] = []

        async def attack(arguments: Any = arguments, said: list[str] = said) -> None:
            said.append(await guest.fail("aggregate_things", **arguments))

        assert not await captured_in(attack(), "elsewhere"), arguments
        assert said[0].startswith("The arguments of `aggregate_things` are not valid:"), arguments


async def test_a_number_that_is_none_is_shown_as_null(guest: Guest) -> None:
    if await vendor() == "mysql":
        pytest.skip("this database has no such numbers")
    await models.Thing.objects.using("elsewhere").filter(slug="lamp").aupdate(weight=math.inf)

    found = await rows(guest, measures=["max(weight)", "sum(weight)"])

    assert found == [{"max(weight)": None, "sum(weight)": None}]


async def test_a_value_out_of_range_is_an_answer(guest: Guest) -> None:
    result = await guest.ask(
        "tools/call", name="aggregate_things", arguments={"count__gte": 10**30}
    )

    if result.result.get("isError"):
        assert "out of the range" in result.result["content"][0]["text"]
    else:
        assert result.result["structuredContent"]["rows"] == [{"count(*)": 0}]


async def test_it_takes_one_query_and_one_more_for_the_names_of_a_relation(guest: Guest) -> None:
    for group, queries in (("state", 1), ("maker__name", 1), ("maker", 2), ("tags", 2)):
        asked = await captured_in(
            rows(guest, measures=["count(*)", "sum(price)"], group_by=[group]), "elsewhere"
        )
        assert len([sql for sql in asked if " FROM " in sql and "depot_" in sql]) == queries, asked


@pytest.mark.parametrize(("group", "piece_by_piece"), [("state", False), ("notes", True)])
async def test_only_long_texts_are_fetched_piece_by_piece(
    server: MCPServer, ann: Any, elsewhere: str, group: str, piece_by_piece: bool
) -> None:
    """PostgreSQL makes rows for a cursor in one process, where it could use several."""

    class Notes(Things):
        fields = ("name", "state", "notes")

    server.expose(models.Thing, Notes)
    connection = await sync_to_async(lambda: connections[elsewhere])()
    with patch.object(connection, "chunked_cursor", wraps=connection.chunked_cursor) as opened:
        found = await rows(Guest(server, ann), measures=["count(*)"], group_by=[group])

    assert sum(row["count(*)"] for row in found) == 3
    assert opened.called is piece_by_piece


def test_who_sees_which_objects_one_by_one_cannot_have_them_summed_up(server: MCPServer) -> None:
    for options in ({"tools": ["aggregate"]}, {"query": True}):
        with pytest.raises(ValueError, match="cannot ask of each"):
            server.expose(models.Thing, fields=["name"], object_permissions=True, **options)
