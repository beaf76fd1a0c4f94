"""Creating and updating objects of an exposed model."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, OperationalError
from django.db.models.signals import m2m_changed, pre_save

from django_mcp import MCPServer, ModelResource, ToolError
from django_mcp.server.errors import RegistrationError

from .depot import models
from .depot.server import Guest, user_with
from .workshop.models import Bench, Job, Label, Machine, Robot, Worker

WRITING = ("get", "create", "update")
ROBOTS = ("view_robot", "add_robot", "change_robot", "delete_robot")
CRASHED = "Error executing tool update_thing: internal error."
VISIBLE = (
    *("title", "number", "kind", "contact", "starts", "ends"),
    *("plan", "cost", "bench", "machines", "code"),
)


@pytest.fixture
def bob(stock: None) -> Any:
    """A user who may view, add and change everything that the tests expose."""
    names = ("thing", "maker", "country", "tag", "job", "bench", "machine", "label", "passport")
    return user_with(*(f"{verb}_{name}" for verb in ("view", "add", "change") for name in names))


@pytest.fixture
def things(server: MCPServer, bob: Any) -> Guest:
    """A client that may write whole things."""
    server.expose(models.Thing, fields="__all__", tools=WRITING)
    return Guest(server, bob)


@pytest.fixture
def jobs(server: MCPServer, bob: Any) -> Guest:
    """A client that may write jobs, of which it does not see budget and team."""
    server.expose(
        Job,
        fields=[*VISIBLE],
        tools=WRITING,
    )
    return Guest(server, bob)


# What is announced


async def test_what_can_be_written_says_how(jobs: Guest) -> None:
    tools = await jobs.tools()

    create, update = tools["create_job"], tools["update_job"]
    assert create["inputSchema"]["properties"] == {
        "title": {"type": "string", "minLength": 1, "maxLength": 30},
        "number": {
            "anyOf": [{"type": "integer", "minimum": 1, "maximum": 999}, {"type": "null"}],
        },
        "kind": {
            "anyOf": [
                {
                    "oneOf": [
                        {"const": "repair", "title": "A repair"},
                        {"const": "build", "title": "Something new"},
                    ]
                },
                {"const": "", "title": "none of them"},
            ]
        },
        "contact": {"type": "string", "maxLength": 254, "format": "email"},
        "starts": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        "ends": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        "plan": {},
        "cost": {
            "anyOf": [
                {"type": "string", "pattern": r"^-?\d{0,16}(\.\d{0,4})?$"},
                {"type": "number"},
                {"type": "null"},
            ]
        },
        "bench": {
            "anyOf": [
                {"type": "integer"},
                {
                    "type": "array",
                    "items": {
                        "anyOf": [
                            {"type": "string"},
                            {"type": "integer"},
                            {"type": "number"},
                            {"type": "boolean"},
                            {"type": "null"},
                        ]
                    },
                    "minItems": 1,
                    "maxItems": 10,
                },
                {"type": "null"},
            ],
            "description": "id of a bench, or what tells it, as a list",
        },
        "machines": {
            "type": "array",
            "items": {"type": "integer"},
            "maxItems": 100,
            "description": "ids of all its machines",
        },
        "code": {"anyOf": [{"type": "string", "maxLength": 10}, {"type": "null"}]},
    }
    assert create["inputSchema"]["required"] == ["title"]
    assert create["annotations"] == {
        "readOnlyHint": False,
        "destructiveHint": False,
        "idempotentHint": False,
        "openWorldHint": False,
    }
    assert list(update["inputSchema"]["properties"]) == [
        "id",
        *create["inputSchema"]["properties"],
    ]
    assert update["inputSchema"]["required"] == ["id"]
    assert update["annotations"] == {
        "readOnlyHint": False,
        "destructiveHint": True,
        "idempotentHint": True,
        "openWorldHint": False,
    }
    assert create["outputSchema"] == update["outputSchema"] == tools["get_job"]["outputSchema"]


async def test_a_default_is_told_where_something_is_created(things: Guest) -> None:
    tools = await things.tools()

    def state(tool: str) -> Any:
        return tools[tool]["inputSchema"]["properties"]["state"]

    assert state("create_thing")["default"] == "new"
    assert "default" not in state("update_thing")
    assert tools["create_thing"]["inputSchema"]["required"] == ["name", "slug"]


# Creating


async def test_every_kind_of_value_is_written_exactly(things: Guest) -> None:
    given = {
        "name": "ä\u0301 \U0001d4b3",
        "slug": "new",
        "notes": " a\r\nb\t",
        "count": -(2**31),
        "price": "12345678901.7891",
        "weight": 0.1,
        "state": "used",
        "level": 1,
        "fragile": True,
        "made_on": "0001-01-01",
        "seen_at": "2026-01-31T12:30:00.123456Z",
        "opens": "23:59:59.999999",
        "kept_for": "P2DT5.000007S",
        "code": "8f4b8b6e-8a2b-4c63-9e6f-1b8d0c6f9a11",
        "address": "2001:db8::1",
        "data": {"a": [1, None, "é", {"b": 1.5}], "": 2**60},
    }

    row = await things.call("create_thing", **given, maker=2, tags=[2, 1, 2])

    relations = {
        "maker": {"id": 2, "label": "Deep"},
        "owner": None,
        "tags": [{"id": 1, "label": "old"}, {"id": 2, "label": "blue"}],
    }
    assert row == {"id": row["id"], **given, "picture": None, **relations}
    assert row == await things.call("get_thing", id=row["id"])
    thing = await models.Thing.objects.aget(pk=row["id"])
    assert thing.price == Decimal("12345678901.7891")
    assert thing.kept_for == datetime.timedelta(days=2, seconds=5, microseconds=7)
    assert (thing.password, thing.api_token) == ("", "")


async def test_what_is_left_out_is_as_the_model_has_it(things: Guest) -> None:
    row = await things.call("create_thing", name="Bell", slug="bell")

    thing = await models.Thing.objects.aget(slug="bell")
    assert (thing.count, thing.state, thing.notes, thing.price) == (0, "new", "", None)
    assert row["code"] == str(thing.code)


@pytest.mark.parametrize(
    ("price", "stored"), [("0.1", "0.1000"), (0.1, "0.1000"), (3, "3.0000"), ("1e2", "100.0000")]
)
async def test_decimals_are_texts_or_numbers(things: Guest, price: Any, stored: str) -> None:
    row = await things.call("create_thing", name="Bell", slug="bell", price=price)

    assert row["price"] == stored


async def test_a_number_that_lost_digits_on_the_way_is_refused(things: Guest) -> None:
    said = await things.fail("create_thing", name="B", slug="b", price=1234567890123456.7)

    assert "price: has more digits than a number keeps: send it as a string" in said


async def test_a_time_without_a_zone_is_meant_in_that_of_the_project(
    things: Guest, settings: Any
) -> None:
    settings.TIME_ZONE = "Europe/Paris"

    row = await things.call("update_thing", id=2, seen_at="2026-07-01T12:00:00")

    assert row["seen_at"] == "2026-07-01T10:00:00Z"
    never = await things.fail("update_thing", id=2, seen_at="2026-03-29T02:30:00")
    assert "seen_at: " in never
    assert "be interpreted in time zone Europe/Paris" in never


async def test_everything_that_is_wrong_is_said_at_once(things: Guest) -> None:
    said = await things.fail(
        "create_thing", name="x", slug="lamp", maker=9, tags=[1, 5], price="1.23456", address="no"
    )

    assert said == (
        "The arguments of `create_thing` are not valid:\n"
        "- maker: there is no maker 9 to choose\n"
        "- tags[1]: there is no tag 5 to choose\n"
        "- price: Ensure that there are no more than 4 decimal places.\n"
        "- address: Enter a valid IPv4 or IPv6 address.\n"
        "- slug: Thing with this Slug already exists."
    )
    assert await models.Thing.objects.acount() == 3


async def test_a_key_that_is_no_number_of_its_own_can_be_given(server: MCPServer, bob: Any) -> None:
    server.expose(Label, fields="__all__", tools=WRITING)
    guest = Guest(server, bob)

    assert await guest.call("create_label", word="new", text="t") == {"word": "new", "text": "t"}
    assert await guest.call("update_label", word="new", text="u") == {"word": "new", "text": "u"}
    again = await guest.fail("create_label", word="new", text="v")
    assert "- word: Label with this Word already exists." in again
    assert [label.text async for label in Label.objects.all()] == ["u"]
    assert "text: " in await guest.fail("create_label", word="long", text="x" * 21)


async def test_an_object_known_by_another_can_be_created(server: MCPServer, bob: Any) -> None:
    server.expose(models.Passport, fields=["number"], tools=WRITING)
    guest = Guest(server, bob)

    row = await guest.call("create_passport", thing=1, number="7")

    assert row == {"thing": {"id": 1, "label": "Lamp"}, "number": "7"}
    assert (await guest.call("update_passport", thing=1, number="8"))["number"] == "8"
    said = await guest.fail("create_passport", thing=1, number="9")
    assert "- thing: Passport with this Thing already exists." in said


async def test_an_object_of_several_tables_is_written_whole(server: MCPServer, bob: Any) -> None:
    names = ["name", "arms"]
    server.expose(Robot, fields=names, tools=(*WRITING, "delete"), confirm_delete=False)
    guest = Guest(server, await sync_to_async(user_with)(*ROBOTS, name="rob"))

    row = await guest.call("create_robot", name="R", arms=4)
    key = row["machine_ptr"]["id"]
    assert (await guest.call("update_robot", machine_ptr=key, name="S"))["arms"] == 4
    assert (await Machine.objects.aget(pk=key)).name == "S"
    assert await guest.call("delete_robot", machine_ptr=key) == {"deleted": True}
    assert await Machine.objects.acount() == 0


# Updating


async def test_what_is_left_out_stays_as_it_is(things: Guest) -> None:
    before = await things.call("get_thing", id=1)

    after = await things.call("update_thing", id=1, count=4)

    assert after == {**before, "count": 4}


async def test_null_is_not_the_same_as_left_out(things: Guest) -> None:
    nulls = dict.fromkeys(("price", "weight", "level", "made_on", "data", "maker"))

    after = await things.call("update_thing", id=1, **nulls)

    assert {key: after[key] for key in nulls} == nulls
    thing = await models.Thing.objects.aget(pk=1)
    assert (thing.price, thing.data, thing.maker_id) == (None, None, None)
    assert await models.Thing.objects.filter(data__isnull=True, pk=1).aexists()
    assert "name: " in await things.fail("update_thing", id=1, name=None)


async def test_nothing_to_change_is_said(things: Guest) -> None:
    assert "name what is to change: name, slug, notes" in await things.fail("update_thing", id=1)


async def test_what_is_not_there_is_not_updated(things: Guest) -> None:
    assert await things.fail("update_thing", id=77, count=1) == "There is no thing 77."
    assert await things.fail("get_thing", id=77) == "There is no thing 77."


async def test_what_was_wrong_before_does_not_matter_until_it_is_touched(things: Guest) -> None:
    # Without a name, and in a state there is not: no validation lets these pass.
    await models.Thing.objects.filter(pk=1).aupdate(name="", state="gone")

    assert (await things.call("update_thing", id=1, count=9))["count"] == 9


async def test_many_are_set_as_a_whole(things: Guest) -> None:
    assert (await things.call("update_thing", id=1, tags=[2]))["tags"] == [
        {"id": 2, "label": "blue"}
    ]
    assert (await things.call("update_thing", id=1, tags=[]))["tags"] == []
    assert (await things.call("update_thing", id=1, tags=[1]))["tags"] == [
        {"id": 1, "label": "old"}
    ]


async def test_more_than_can_be_shown_are_not_replaced(things: Guest) -> None:
    lamp = await models.Thing.objects.aget(pk=1)
    words = [models.Tag(word=f"w{number}") for number in range(101)]
    await lamp.tags.aset(await models.Tag.objects.abulk_create(words))

    said = await things.fail("update_thing", id=1, tags=[1], count=77)

    assert "tags: has more than 100 objects, which cannot be replaced at once" in said
    assert await lamp.tags.acount() == 101
    await lamp.arefresh_from_db()
    assert lamp.count == 3


async def test_a_relation_is_led_by_a_natural_key(jobs: Guest) -> None:
    bench = await Bench.objects.acreate(room="hall", number=3)

    row = await jobs.call("create_job", title="Saw", bench=["hall", 3])

    assert row["bench"] == {"id": bench.pk, "label": "hall 3"}
    for wrong in (["hall", 4], ["hall"], ["hall", 3, 3], ["hall", "x"], [None, None], ["a\0", 3]):
        said = await jobs.fail("create_job", title="Saw", bench=wrong)
        assert "- bench: there is no bench [" in said


async def test_what_a_relation_may_not_lead_to_cannot_be_chosen(jobs: Guest) -> None:
    await Machine.objects.acreate(pk=1, name="saw")
    await Machine.objects.acreate(pk=2, name="drill", broken=True)

    said = await jobs.fail("create_job", title="Saw", machines=[1, 2])

    assert said.endswith("- machines[1]: there is no machine 2 to choose")


async def test_constraints_are_kept_and_told(jobs: Guest) -> None:
    said = await jobs.fail("create_job", title="x", starts="2026-01-02", ends="2026-01-01")
    assert said.endswith("- Constraint “job_ends_after_start” is violated.")

    await jobs.call("create_job", title="a", kind="build", contact="a@example.com")
    said = await jobs.fail("create_job", title="b", kind="build", contact="a@example.com")
    assert said.endswith("- This contact has a job already.")

    said = await jobs.fail("create_job", title="nothing", contact="x")
    assert said.endswith("- contact: Enter a valid email address.\n- Nothing is no job.")


async def test_a_json_that_cannot_be_null_refuses_null(jobs: Guest) -> None:
    assert "plan: should not be null" in await jobs.fail("create_job", title="x", plan=None)
    assert (await jobs.call("create_job", title="x", plan=[None]))["plan"] == [None]
    assert (await jobs.call("create_job", title="y"))["plan"] == {}


# Hooks


async def test_hooks_complete_refuse_and_save(server: MCPServer, bob: Any) -> None:
    seen: list[Any] = []

    @server.expose(models.Thing)
    class Things(ModelResource):
        fields = ("name", "slug", "count")
        tools = WRITING

        def get_queryset(self, ctx: Any) -> Any:
            return super().get_queryset(ctx).filter(owner=ctx.user)

        def clean_model(self, ctx: Any, obj: Any, *, created: bool) -> None:
            if created:
                obj.owner = ctx.user
            if obj.count == 13:
                raise ValidationError({"count": "Unlucky.", "api_token": "secret"})

        def save_model(self, ctx: Any, obj: Any, *, created: bool) -> None:
            seen.append((obj.name, created))
            if obj.count == 14:
                raise ValidationError({"count": "As unlucky."})
            if obj.count == 15:
                raise ToolError("Quite unlucky.")
            super().save_model(ctx, obj, created=created)

    guest = Guest(server, bob)
    row = await guest.call("create_thing", name="Mine", slug="mine")
    await guest.call("update_thing", id=row["id"], count=1)

    assert (await models.Thing.objects.aget(slug="mine")).owner_id == bob.pk
    assert seen == [("Mine", True), ("Mine", False)]
    said = await guest.fail("update_thing", id=row["id"], count=13)
    assert said == (
        "The arguments of `update_thing` are not valid:\n- count: Unlucky.\n"
        "- something that cannot be set here is missing or not valid"
    )
    assert (await guest.fail("update_thing", id=row["id"], count=14)).endswith("As unlucky.")
    assert await guest.fail("update_thing", id=row["id"], count=15) == "Quite unlucky."
    assert (await guest.call("get_thing", id=row["id"]))["count"] == 1


async def test_a_model_that_refuses_while_it_is_saved_is_heard(server: MCPServer, bob: Any) -> None:
    server.expose(Label, fields="__all__", tools=WRITING)

    said = await Guest(server, bob).fail("create_label", word="a", text="late")

    assert said == "The arguments of `create_label` are not valid:\n- text: Too late."


async def test_what_the_database_refuses_is_no_crash(things: Guest) -> None:
    """As when somebody else was a moment earlier."""

    def earlier(sender: Any, instance: Any, **kwargs: Any) -> None:
        models.Thing.objects.bulk_create([models.Thing(name="y", slug=instance.slug)])

    pre_save.connect(earlier, sender=models.Thing)
    try:
        said = await things.fail("create_thing", name="x", slug="same")
    finally:
        pre_save.disconnect(earlier, sender=models.Thing)

    assert said == (
        "The database refuses this: it does not go together with what is there, which may have "
        "changed a moment ago. Nothing was written."
    )
    assert not await models.Thing.objects.filter(slug="same").aexists()


@pytest.mark.parametrize(
    ("error", "said"),
    [  # What a project's code runs into by mistake is told to its log, and to nobody else.
        (OperationalError("database is locked"), "Somebody else is writing at the same time."),
        (OperationalError(1213, "Deadlock found"), "Somebody else is writing at the same time."),
        (OverflowError("Python int too large"), "A value is out of the range the database knows."),
        (DataError("numeric field overflow"), "A value is out of the range the database knows."),
        (OperationalError("no such table: depot_secret"), CRASHED),
        (ValueError("secret"), CRASHED),
    ],
    ids=str,
)
async def test_what_goes_wrong_while_saving_is_told_as_far_as_the_caller_can_do_something(
    server: MCPServer, bob: Any, error: Exception, said: str
) -> None:
    @server.expose(models.Thing)
    class Things(ModelResource):
        fields = ("name", "count")
        tools = ("update",)

        def save_model(self, ctx: Any, obj: Any, *, created: bool) -> None:
            super().save_model(ctx, obj, created=created)
            raise error

    told = await Guest(server, bob).fail("update_thing", id=1, count=9)

    assert told.startswith(said)
    assert "secret" not in told
    assert (await models.Thing.objects.aget(pk=1)).count == 3


async def test_what_was_there_a_moment_earlier_is_not_overwritten(
    server: MCPServer, bob: Any
) -> None:
    server.expose(Label, fields="__all__", tools=WRITING)

    def earlier(sender: Any, instance: Any, **kwargs: Any) -> None:
        Label.objects.bulk_create([Label(word=instance.word, text="first")])

    pre_save.connect(earlier, sender=Label)
    try:
        said = await Guest(server, bob).fail("create_label", word="same", text="second")
    finally:
        pre_save.disconnect(earlier, sender=Label)

    assert said.startswith("The database refuses this")


async def test_nothing_is_written_unless_everything_is(things: Guest, bob: Any) -> None:
    await models.Tag.objects.filter(pk=2).adelete()
    lamp = await models.Thing.objects.aget(pk=1)
    through: Any = lamp.tags.through

    def refuse(sender: Any, **kwargs: Any) -> None:
        raise IntegrityError("tags")

    m2m_changed.connect(refuse, sender=through)
    try:
        said = await things.fail("update_thing", id=1, count=50, tags=[])
    finally:
        m2m_changed.disconnect(refuse, sender=through)

    assert said.startswith("The database refuses this")
    await lamp.arefresh_from_db()
    assert lamp.count == 3


# Registration


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"fields": ["title"], "write_fields": ["budget"]}, "'budget', which is not exposed"),
        ({"fields": ["workers"], "write_fields": ["workers"]}, "asks for hours"),
        ({"fields": ["bench__room"], "write_fields": ["bench__room"]}, "belongs to another object"),
        ({"fields": ["parts"], "write_fields": ["parts"]}, "the other side of a relation"),
        ({"fields": ["changed_at"], "write_fields": ["changed_at"]}, "is not editable"),
        ({"fields": ["changed_at"]}, "there is nothing to write"),
        ({"fields": ["title"], "write_fields": ["id"]}, "is not editable"),
    ],
    ids=str,
)
def test_what_cannot_be_written_is_refused(
    server: MCPServer, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(RegistrationError, match=reason):
        server.expose(Job, tools=["create"], **options)


def test_what_could_never_be_created_is_refused(server: MCPServer) -> None:
    with pytest.raises(RegistrationError, match="cannot be created without slug: let it be"):
        server.expose(models.Thing, fields=["name"], tools=["create"])


def test_files_and_computed_fields_are_not_written(server: MCPServer) -> None:
    for name, reason in (("picture", "is a file"), ("shout", "is computed")):
        with pytest.raises(RegistrationError, match=reason):
            server.expose(models.Thing, fields=[name], write_fields=[name], tools=["create"])
    with pytest.raises(RegistrationError, match="only the key can be written"):
        server.expose(Label, fields=["word"], tools=["update"])


async def test_what_cannot_be_written_is_left_out_where_nothing_is_named(
    server: MCPServer, bob: Any
) -> None:
    names = ["title", "workers", "parts", "bench__room", "changed_at"]
    server.expose(Job, fields=names, tools=WRITING)
    worker = await Worker.objects.acreate(name="Eve")

    guest = Guest(server, bob)

    assert list((await guest.tools())["create_job"]["inputSchema"]["properties"]) == ["title"]
    said = await guest.fail("create_job", title="x", workers=[worker.pk])
    assert "workers: is not an argument; there are `title`" in said
