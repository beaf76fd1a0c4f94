"""What a caller tries who wants to write more than they may, or learn of what they do not see."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import sync_to_async

from django_mcp import MCPServer, ModelResource

from .depot import models
from .depot.server import Guest, user_with
from .workshop.models import Bench, Job

WRITING = ("get", "create", "update")
VERBS = ("view", "add", "change")


def allowed(*names: str) -> list[str]:
    return [f"{verb}_{name}" for verb in VERBS for name in names]


@pytest.fixture
def mallory(stock: None) -> Any:
    """A user who may do what the tests below do not let them."""
    return user_with(*allowed("thing", "maker", "tag", "country", "job", "bench"), name="mallory")


@pytest.fixture
def narrow(server: MCPServer, mallory: Any) -> Guest:
    """A client of things of which only the name and the maker are exposed."""
    server.expose(
        models.Thing, fields=["name", "slug", "maker"], write_fields=["name"], tools=["update"]
    )
    return Guest(server, mallory)


# Fields


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "api_token",
        "owner",
        "owner_id",
        "maker_id",
        "maker",
        "slug",
        "pk",
        "name__exact",
        "maker__name",
        "papers",
        "_state",
        "_ctx",
        "__class__",
        "save",
        "nonsense",
    ],
)
async def test_what_cannot_be_written_is_answered_like_what_there_is_not(
    narrow: Guest, name: str
) -> None:
    before = await models.Thing.objects.filter(pk=1).values().aget()

    said = await narrow.fail("update_thing", id=1, name="Torch", **{name: 1})

    assert (
        said
        == (
            "The arguments of `update_thing` are not valid:\n"
            f"- {name}: is not an argument; there are `id`, `name`"
        )
        or f"- {name}: is not an argument; did you mean `" in said
    )
    assert await models.Thing.objects.filter(pk=1).values().aget() == before


async def test_the_key_of_an_object_stays(server: MCPServer, mallory: Any) -> None:
    server.expose(models.Country, fields="__all__", tools=WRITING)
    server.expose(models.Thing, fields=["name", "slug"], lookup_field="slug", tools=WRITING)
    guest = Guest(server, mallory)

    tools = await guest.tools()

    assert set(tools["update_country"]["inputSchema"]["properties"]) == {"code", "name", "hidden"}
    assert set(tools["update_thing"]["inputSchema"]["properties"]) == {"slug", "name"}
    assert tools["update_country"]["inputSchema"]["required"] == ["code"]
    assert tools["update_thing"]["inputSchema"]["required"] == ["slug"]
    assert "id: is not" in await guest.fail("update_thing", slug="lamp", id=2, name="x")
    assert "There is no country xx." in await guest.fail("update_country", code="xx", name="x")
    assert "code: Country with this Code already" in await guest.fail(
        "create_country", code="fr", name="Mine"
    )
    assert (await models.Country.objects.aget(code="fr")).name == "France"


# What is hidden


@pytest.fixture(params=["rows", "permission", "objects"])
def half(request: pytest.FixtureRequest, server: MCPServer, stock: None) -> Guest:
    """A client that writes things, and from whom the maker Deep and the tag blue are hidden."""
    server.expose(models.Thing, fields=["name", "slug", "maker", "tags"], tools=WRITING)
    names = allowed("thing", "country", "maker", "tag")
    if request.param == "rows":

        class Makers(ModelResource):
            fields = ("name",)

            def get_queryset(self, ctx: Any) -> Any:
                return super().get_queryset(ctx).exclude(name="Deep")

        class Tags(ModelResource):
            fields = ("word",)

            def get_queryset(self, ctx: Any) -> Any:
                return super().get_queryset(ctx).exclude(word="blue")

        server.expose(models.Maker, Makers)
        server.expose(models.Tag, Tags)
    elif request.param == "permission":
        server.expose(models.Maker, fields=["name"])
        server.expose(models.Tag, fields=["word"])
        names = allowed("thing", "country")
    else:

        class Each(ModelResource):
            fields = ("id",)
            object_permissions = True

            def has_view_permission(self, ctx: Any, obj: Any = None) -> bool:
                return obj is None or str(obj) not in ("Deep", "blue")

        server.expose(models.Maker, Each)
        server.expose(models.Tag, Each)
    return Guest(server, user_with(*names))


async def test_a_hidden_object_cannot_be_chosen_and_is_told_from_none_by_nothing(
    half: Guest,
) -> None:
    hidden = await half.fail("update_thing", id=3, maker=2, tags=[2])
    missing = await half.fail("update_thing", id=3, maker=77, tags=[77])

    assert hidden.replace(" 2 ", " 77 ") == missing
    assert "maker: there is no maker 2 to choose" in hidden
    assert "tags[0]: there is no tag 2 to choose" in hidden
    zither = await models.Thing.objects.aget(pk=3)
    assert (zither.maker_id, await zither.tags.acount()) == (None, 0)


async def test_what_a_relation_holds_that_is_hidden_stays_when_what_was_seen_is_sent_back(
    half: Guest,
) -> None:
    lamp, anchor = [await models.Thing.objects.aget(pk=pk) for pk in (1, 2)]
    await anchor.tags.aset([1, 2])
    seen = await half.call("get_thing", id=2)
    assert seen["maker"] is None
    assert [tag["id"] for tag in seen["tags"]] in ([1], [])

    sent = {"maker": None, "tags": [tag["id"] for tag in seen["tags"]]}
    assert await half.call("update_thing", id=2, **sent) == seen

    await anchor.arefresh_from_db()
    assert anchor.maker_id == 2
    assert {tag.pk async for tag in anchor.tags.all()} == {1, 2}
    assert (await half.call("update_thing", id=2, tags=[]))["tags"] == []
    assert 2 in {tag.pk async for tag in anchor.tags.all()}
    assert await lamp.tags.acount() == 2


async def test_a_natural_key_finds_nothing_hidden(server: MCPServer, mallory: Any) -> None:
    server.expose(Job, fields=["title", "bench"], tools=WRITING)

    @server.expose(Bench)
    class Benches(ModelResource):
        fields = ("room",)

        def get_queryset(self, ctx: Any) -> Any:
            return super().get_queryset(ctx).filter(locked=False)

    await Bench.objects.acreate(pk=1, room="vault", number=1, locked=True)
    guest = Guest(server, mallory)

    hidden = await guest.fail("create_job", title="x", bench=["vault", 1])

    assert hidden.replace("vault", "nowhere") == await guest.fail(
        "create_job", title="x", bench=["nowhere", 1]
    )
    assert hidden.endswith('- bench: there is no bench ["vault",1] to choose')


async def test_a_user_is_not_told_by_the_name_they_log_in_with(
    server: MCPServer, mallory: Any
) -> None:
    server.expose(models.Thing, fields=["name", "owner"], tools=["update"])
    guest = Guest(server, mallory)

    said = await guest.fail("update_thing", id=1, owner=["mallory"])

    assert "owner: " in said
    assert "integer" in said


# Rows of one's own


@pytest.fixture
def own(server: MCPServer, mallory: Any) -> Guest:
    """A client that sees things of which there are fewer than three, and a count."""

    @server.expose(models.Thing)
    class Few(ModelResource):
        fields = ("name", "slug", "count")
        tools = WRITING

        def get_queryset(self, ctx: Any) -> Any:
            return super().get_queryset(ctx).filter(count__lt=3)

    return Guest(server, mallory)


async def test_what_is_hidden_is_updated_like_what_there_is_not(own: Guest) -> None:
    hidden = await own.fail("update_thing", id=1, count=0, slug="anchor")

    assert hidden == "There is no thing 1."
    assert hidden.replace("1", "77") == await own.fail(
        "update_thing", id=77, count=0, slug="anchor"
    )


async def test_nothing_is_moved_out_of_what_one_sees(own: Guest) -> None:
    assert await own.fail("update_thing", id=2, count=3) == (
        "With these values thing 2 would no longer be visible to you. Nothing was changed."
    )
    assert await own.fail("create_thing", name="x", slug="x", count=3) == (
        "This thing would not be visible to you. Nothing was created."
    )

    assert (await models.Thing.objects.aget(pk=2)).count == 1
    assert await models.Thing.objects.acount() == 3


# Permissions


@pytest.mark.parametrize(
    ("codenames", "tools"),
    [
        ([], []),
        (["add_thing", "change_thing", "delete_thing"], []),
        (["view_thing"], ["get_thing"]),
        (["view_thing", "add_thing"], ["get_thing", "create_thing"]),
        (["view_thing", "change_thing"], ["get_thing", "update_thing"]),
        (["view_thing", "delete_thing"], ["get_thing", "delete_thing"]),
    ],
    ids=str,
)
async def test_who_may_not_write_has_no_tool_for_it(
    server: MCPServer, stock: None, codenames: list[str], tools: list[str]
) -> None:
    server.expose(models.Thing, fields=["name", "slug"], tools=(*WRITING, "delete"))
    guest = Guest(server, await sync_to_async(user_with)(*codenames))

    assert list(await guest.tools()) == tools
    for tool in {"create_thing", "update_thing", "delete_thing"} - set(tools):
        error = (await guest.ask("tools/call", name=tool, arguments={"id": 1})).error
        unknown = (await guest.ask("tools/call", name="nonsense", arguments={"id": 1})).error
        assert error == {**unknown, "message": unknown["message"].replace("nonsense", tool)}


async def test_nobody_writes_without_a_user(server: MCPServer, stock: None) -> None:
    server.expose(models.Thing, fields=["name", "slug"], tools=(*WRITING, "delete"))

    assert await Guest(server).tools() == {}


async def test_what_may_be_seen_and_not_changed_says_so(server: MCPServer, mallory: Any) -> None:
    @server.expose(models.Thing)
    class Things(ModelResource):
        fields = ("name", "slug", "maker")
        tools = WRITING

        def has_change_permission(self, ctx: Any, obj: Any = None) -> bool:
            return obj is None or obj.pk != 1

    guest = Guest(server, mallory)

    # Before anything else is looked at: what is wrong with the values is not told either.
    said = await guest.fail("update_thing", id=1, slug="anchor", maker=77)

    assert said == "You may not change thing 1."
    assert (await guest.call("update_thing", id=2, name="x"))["name"] == "x"


async def test_permissions_for_each_object_let_nobody_create(
    server: MCPServer, stock: None
) -> None:
    server.expose(models.Thing, fields=["name", "slug"], tools=WRITING, object_permissions=True)
    guest = Guest(server, await sync_to_async(user_with)("view_thing"))

    assert set(await guest.tools()) == {"get_thing", "update_thing"}
    assert await guest.fail("update_thing", id=1, name="x") == "You may not change thing 1."


async def test_a_permission_that_is_no_bool_lets_nobody_pass(
    server: MCPServer, mallory: Any
) -> None:
    @server.expose(models.Thing)
    class Things(ModelResource):
        fields = ("name", "slug")
        tools = ("update",)

        def has_change_permission(self, ctx: Any, obj: Any = None) -> Any:
            return True if obj is None else "yes"

    said = await Guest(server, mallory).fail("update_thing", id=1, name="x")

    assert said == "You may not change thing 1."


# What messages tell


@pytest.fixture
def jobs(server: MCPServer, mallory: Any) -> Guest:
    """A client of jobs that does not see their budget."""
    server.expose(Job, fields=["title", "number"], tools=WRITING)
    return Guest(server, mallory)


GENERAL = {
    "conflict": "this does not go together with what is there already",
    "unseen": "something that cannot be set here is missing or not valid",
}


async def test_a_constraint_on_what_is_hidden_is_not_named(jobs: Guest) -> None:
    await Job.objects.acreate(title="taken", budget=0)
    over = await Job.objects.acreate(title="over")
    await Job.objects.filter(pk=over.pk).aupdate(number=1)

    said = await jobs.fail("create_job", title="taken")

    assert said == f"The arguments of `create_job` are not valid:\n- {GENERAL['conflict']}"
    assert "budget" not in said.lower()


async def test_a_hidden_fields_message_is_not_told(jobs: Guest) -> None:
    said = await jobs.fail("create_job", title="expensive")

    lines = said.splitlines()[1:]
    assert sorted(lines) == [f"- {GENERAL['unseen']}", "- title: Too expensive."]
    assert "9000" not in said


async def test_the_name_of_a_constraint_on_what_is_hidden_is_not_told(
    server: MCPServer, mallory: Any
) -> None:
    @server.expose(Job)
    class Jobs(ModelResource):
        fields = ("title",)
        tools = ("create",)

        def clean_model(self, ctx: Any, obj: Any, *, created: bool) -> None:
            obj.budget = 100

    said = await Guest(server, mallory).fail("create_job", title="x")

    assert said.splitlines()[1:] == [f"- {GENERAL['conflict']}"]


# Values


HUGE = 10**400


@pytest.mark.parametrize(
    "given",
    [
        {"name": "a\0b"},
        {"name": "x" * 101},
        {"slug": "no slug!"},
        {"notes": "\0"},
        {"count": HUGE},
        {"count": 2**63},
        {"count": -(2**63) - 1},
        {"count": 1.5},
        {"price": "NaN"},
        {"price": "Infinity"},
        {"price": "-sNaN"},
        {"price": "1e999999999"},
        {"price": "1" * 100_000},
        {"price": "1_000"},
        {"price": True},
        {"price": []},
        {"price": HUGE},
        {"weight": "x"},
        {"weight": HUGE},
        {"state": "stolen"},
        {"state": ["new"]},
        {"level": 3},
        {"made_on": "2026-02-30"},
        {"made_on": "10000-01-01"},
        {"seen_at": "9999-12-31T23:59:59-12:00"},
        {"seen_at": "0001-01-01T00:00:00+12:00"},
        {"opens": "09:30:00+01:00"},
        {"kept_for": "P999999999D"},
        {"kept_for": "P9999999999999999D"},
        {"code": "nonsense"},
        {"address": "1" * 1_000},
        {"address": "\0"},
        {"data": {"a": ["\0"]}},
        {"data": {"\0": 1}},
        {"maker": HUGE},
        {"maker": 2**63},
        {"maker": "1; DROP TABLE"},
        {"maker": {"id": 1}},
        {"maker": [1]},
        {"tags": [HUGE]},
        {"tags": [-1]},
        {"tags": list(range(101))},
        {"tags": [[1]]},
        {"tags": 1},
        {"tags": None},
        {"owner": -(2**63) - 1},
    ],
    ids=lambda given: str(given)[:40],
)
async def test_values_that_no_field_holds_are_refused_by_name(
    server: MCPServer, mallory: Any, given: dict[str, Any]
) -> None:
    server.expose(models.Thing, fields="__all__", tools=WRITING)
    guest = Guest(server, mallory)
    (name,) = given

    created = await guest.fail("create_thing", **{"name": "x", "slug": "x", **given})
    updated = await guest.fail("update_thing", id=1, **given)

    for said in (created, updated):
        assert said.splitlines()[1].startswith((f"- {name}:", f"- {name}[")), said
        assert len(said) < 1_000
    assert await models.Thing.objects.acount() == 3


async def test_a_key_that_no_column_holds_spoils_no_other(server: MCPServer, mallory: Any) -> None:
    server.expose(models.Thing, fields="__all__", tools=WRITING)

    said = await Guest(server, mallory).fail("update_thing", id=1, tags=[1, 2**63, 2])

    assert said.splitlines()[1:] == [f"- tags[1]: there is no tag {2**63} to choose"]


async def test_half_a_surrogate_pair_is_refused(server: MCPServer, mallory: Any) -> None:
    server.expose(models.Thing, fields="__all__", tools=WRITING)
    guest = Guest(server, mallory)

    for given in ({"name": "\ud800"}, {"data": {"\udfff": 1}}):
        said = await guest.fail("update_thing", id=1, **given)
        assert "half of a surrogate pair" in said


async def test_a_key_that_no_column_holds_is_no_crash(server: MCPServer, mallory: Any) -> None:
    server.expose(models.Thing, fields=["name"], tools=["update"])
    guest = Guest(server, mallory)

    for key in (2**63, -(2**63) - 1, HUGE):
        said = await guest.fail("update_thing", id=key, name="x")
        assert said in (
            f"There is no thing {key}.",
            "A value is out of the range the database knows.",
        )
