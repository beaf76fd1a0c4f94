"""Where the parts of exposed models meet: what is hidden in one is hidden in all of them, and what
one database takes otherwise than another is answered alike."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django import forms

from django_mcp import MCPServer, ModelResource
from django_mcp.exposure.models import pages

from .depot import models
from .depot.server import Guest, user_with


class Makers(ModelResource):
    """Makers, of whom it depends on each whether they may be seen."""

    fields = ("name",)
    ordering = ("name",)
    object_permissions = True

    def has_view_permission(self, ctx: Any, obj: Any = None) -> bool:
        return obj is None or not obj.name.startswith("Deep")


# --------------------------------------------------------------------- permissions for each object


@pytest.mark.parametrize("name", ["maker", "maker__country", "maker__country__name"])
async def test_nothing_is_seen_beyond_an_object_that_is_hidden(
    server: MCPServer, ann: Any, name: str
) -> None:
    server.expose(models.Thing, fields=("name", name), ordering=("name",))
    server.expose(models.Maker, Makers)

    found = await Guest(server, ann).call("list_things")

    anchor, lamp, _ = found["items"]
    assert anchor[name] is None
    assert lamp[name] is not None


async def test_a_hidden_object_does_not_make_another_page(server: MCPServer, ann: Any) -> None:
    server.expose(models.Maker, Makers)
    guest = Guest(server, ann)

    with_hidden = await guest.call("list_makers", limit=1)
    await models.Thing.objects.filter(maker=2).aupdate(maker=None)
    await models.Maker.objects.filter(pk=2).adelete()

    assert await guest.call("list_makers", limit=1) == with_hidden
    assert with_hidden["next_cursor"] is None


async def test_a_cursor_holds_nothing_of_what_is_hidden(
    server: MCPServer, ann: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "LOOKED_AT", 3)
    names = [f"Deep {number}" for number in range(10)]
    await models.Maker.objects.abulk_create([models.Maker(name=name) for name in names])
    await models.Maker.objects.acreate(name="Zebra")
    server.expose(models.Maker, Makers)
    guest = Guest(server, ann)

    found: list[str] = []
    cursors: list[str] = []
    cursor = None
    while len(cursors) < 20:
        page = await guest.call("list_makers", limit=5, cursor=cursor)
        found += [item["name"] for item in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
        cursors.append(cursor)

    assert found == ["Acme", "Zebra"]
    for each in cursors:
        body = each.partition(":")[0]
        assert b"Deep" not in base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))


async def test_nobody_counts_what_is_hidden_with_a_cursor_of_their_own(
    server: MCPServer, ann: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "LOOKED_AT", 2)
    await models.Maker.objects.acreate(name="Deeper")
    await models.Maker.objects.acreate(name="Zebra")
    server.expose(models.Maker, Makers)
    guest = Guest(server, ann)
    given = (await guest.call("list_makers"))["next_cursor"]
    forged = json.dumps(["name,id", ["Acme", 1], 2]).encode()

    body = base64.urlsafe_b64encode(forged).decode().rstrip("=")
    for cursor in (body, f"{body}:{given.partition(':')[2]}", f"{given}x", ":", "::"):
        said = await guest.fail("list_makers", cursor=cursor)
        assert said.startswith("cursor is not of this list")


# ------------------------------------------------------------------------------ what is no bool


class Unasked(ModelResource):
    """Whose permission is a coroutine, which nobody awaits."""

    fields = ("word",)
    query = True

    async def has_view_permission(self, ctx: Any, obj: Any = None) -> bool:  # type: ignore[override]
        return False


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
async def test_a_permission_that_is_no_bool_lets_nobody_look_through_a_relation(
    server: MCPServer, ann: Any
) -> None:
    server.expose(models.Thing, fields=("name", "tags"), query=True)
    server.expose(models.Tag, Unasked)
    server.add_query_tool(name="ask")
    guest = Guest(server, ann)

    assert (await guest.call("get_thing", id=1))["tags"] == []
    assert "there are things" in await guest.fail("ask", model="tags", select=["word"])


# ------------------------------------------------------------- where nothing of a relation is seen


class Elsewhere(ModelResource):
    """Things in the database called `elsewhere`, with a number of their maker's."""

    fields = ("name", "maker", "maker__salary", "maker__name")
    tools = ("list", "aggregate")
    query = True
    ordering_fields = ("name", "maker", "maker__salary")

    def get_queryset(self, ctx: Any) -> Any:
        return super().get_queryset(ctx).using("elsewhere")


@pytest.mark.parametrize("measure", ["sum", "avg", "min", "max", "count_distinct"])
async def test_what_is_hidden_altogether_is_measured_as_nothing(
    server: MCPServer, stock: None, elsewhere: str, measure: str
) -> None:
    server.expose(models.Thing, Elsewhere)
    server.expose(models.Maker, fields=("name",))
    guest = Guest(server, await sync_to_async(user_with)("view_thing"))
    text = f"{measure}(maker__salary)"
    nothing = 0 if measure == "count_distinct" else None

    summed = await guest.call("aggregate_things", measures=[text])
    grouped = await guest.call("query_things", group_by=["maker__salary"], measures=[text])
    having = {"field": text, "lookup": "gte", "value": 1}
    some = await guest.call(
        "query_things", group_by=["maker"], measures=[text], having=having, order_by=[text]
    )

    assert summed["rows"] == [{text: nothing}]
    assert grouped["rows"] == [{"maker__salary": None, text: nothing}]
    assert some["rows"] == []


async def test_what_is_hidden_altogether_is_ordered_as_nothing(
    server: MCPServer, stock: None, elsewhere: str
) -> None:
    server.expose(models.Thing, Elsewhere)
    server.expose(models.Maker, fields=("name",))
    guest = Guest(server, await sync_to_async(user_with)("view_thing"))

    listed = await guest.call("list_things", order_by="-maker__salary")
    asked = await guest.call("query_things", select=["name"], order_by=["maker", "-maker__salary"])

    assert [item["name"] for item in listed["items"]] == ["Zither", "Anchor", "Lamp"]
    assert [row["name"] for row in asked["rows"]] == ["Lamp", "Anchor", "Zither"]


# ----------------------------------------------------------------- what one database does not take


class Named(ModelResource):
    """Things in the database called `elsewhere`, by the names in their addresses."""

    fields = ("name",)
    filter_fields = {"name": ["contains"]}  # noqa: RUF012 - as a project would write it
    ordering = ("name",)
    lookup_field = "slug"
    query = True

    def get_queryset(self, ctx: Any) -> Any:
        return super().get_queryset(ctx).using("elsewhere")


async def test_a_forged_cursor_in_an_address_is_refused(
    server: MCPServer, ann: Any, elsewhere: str
) -> None:
    server.expose(models.Thing, Named)
    cursor = base64.urlsafe_b64encode(json.dumps(["name,slug", ["\0", "a"]]).encode()).decode()

    reply = await Guest(server, ann).ask("resources/read", uri=f"depot://things?cursor={cursor}")

    # SQLite takes the text, and PostgreSQL does not.
    assert "result" in reply.json or reply.error["code"] == -32602


async def test_a_text_that_is_too_long_to_be_looked_for_is_no_crash(
    server: MCPServer, ann: Any, elsewhere: str
) -> None:
    server.expose(models.Thing, Named)
    guest = Guest(server, ann)
    text = "a" * 100_000
    where = {"field": "name", "lookup": "contains", "value": text}

    completed = await guest.ask(
        "completion/complete",
        ref={"type": "ref/resource", "uri": "depot://things/{slug}"},
        argument={"name": "slug", "value": text},
    )
    replies = [
        await guest.ask("tools/call", name="list_things", arguments={"name__contains": text}),
        await guest.ask(
            "tools/call", name="query_things", arguments={"select": ["name"], "where": where}
        ),
    ]

    assert completed.result["completion"]["values"] == []
    for reply in replies:
        if reply.result.get("isError"):
            assert reply.result["content"][0]["text"] == "A text is too long to be looked for."


class Chosen(forms.Form):
    """Some tags, and a moment in two boxes."""

    tags = forms.ModelMultipleChoiceField(models.Tag.objects.all(), required=False)
    at = forms.SplitDateTimeField(required=False)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("tags", [2**63], "should be a key"),
        ("tags", [str(10**30)], "should be a key"),
        ("at", "0001-01-01T00:00:00+14:00", "is too early or too late"),
        ("at", "9999-12-31T23:59:59-14:00", "is too early or too late"),
    ],
)
async def test_what_no_column_holds_is_refused_by_a_form(
    server: MCPServer, ann: Any, name: str, value: Any, words: str
) -> None:
    @server.tool.form(Chosen)
    def choose(cleaned_data: dict[str, Any]) -> str:
        return "chosen"

    assert f"{name}: {words}" in await Guest(server, ann).fail("choose", **{name: value})
