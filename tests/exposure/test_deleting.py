"""Deleting objects of an exposed model: what is asked, what goes with them, and what stays."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import sync_to_async

from django_mcp import MCPServer, ModelResource
from tests.conversations.talk import DECLINED, DISMISSED, Client, accepted, calling, form_for

from .depot import models
from .depot.server import Guest, user_with
from .workshop.models import Job, Part, Shift, Worker

AGREED = {"delete": accepted()}
NAMES = ("thing", "paper", "passport", "job", "part", "shift", "worker", "label", "maker", "tag")


@pytest.fixture
def carol(stock: None) -> Any:
    """A user who may view and delete everything that the tests expose."""
    return user_with(*(f"{verb}_{name}" for verb in ("view", "delete") for name in NAMES))


@pytest.fixture
def guest(server: MCPServer, carol: Any) -> Guest:
    """A client that may delete things, of which nothing else is exposed."""
    server.expose(models.Thing, fields=["name"], tools=["get", "delete"])
    return Guest(server, carol)


def deleting(guest: Guest, key: Any = 1, name: str = "thing", **more: Any) -> Any:
    return calling(guest.door, f"delete_{name}", arguments={"id": key}, **more)


def in_session(client: Client) -> Any:
    """Delete a thing, and look at the response while it is written."""
    params = {"name": "delete_thing", "arguments": {"id": 1}}
    return client.opened(client.message("tools/call", params))


async def question(guest: Guest, key: Any = 1, name: str = "thing") -> str:
    """What a user is asked before an object is deleted."""
    asked = await deleting(guest, key, name).asked()
    assert list(asked) == ["delete"]
    return str(asked["delete"]["params"]["message"])


async def there(key: int = 1) -> bool:
    return await models.Thing.objects.filter(pk=key).aexists()


# Asking


async def test_what_is_announced(guest: Guest) -> None:
    tool = (await guest.tools())["delete_thing"]

    assert tool["description"] == "Delete a thing, after asking the user."
    assert tool["annotations"] == {
        "readOnlyHint": False,
        "destructiveHint": True,
        "idempotentHint": True,
        "openWorldHint": False,
    }
    assert list(tool["inputSchema"]["properties"]) == ["id"]


@pytest.mark.parametrize(
    ("answer", "stays"), [(accepted(), False), (DECLINED, True), (DISMISSED, True)], ids=str
)
async def test_the_user_is_asked_in_a_result(guest: Guest, answer: Any, stays: bool) -> None:
    dialogue = deleting(guest)

    asked = await dialogue.asked()
    assert await there()
    end = await dialogue.ended({"delete": answer})

    words = "Delete the thing “Lamp” (1), and with it whatever else belongs to it?"
    assert asked == {"delete": form_for(words)}
    assert end["structuredContent"] == {"deleted": not stays}
    assert await there() is stays


@pytest.mark.parametrize(("answer", "stays"), [(accepted(), False), (DECLINED, True)], ids=str)
async def test_the_user_is_asked_on_the_stream_of_a_session(
    guest: Guest, answer: Any, stays: bool
) -> None:
    client = await Client(guest.door).begin()

    async with in_session(client) as call:
        asked = await call.message()
        await client.answer(asked, answer)
        (end,) = await call.messages()

    assert asked["params"]["message"].startswith("Delete the thing “Lamp” (1)")
    assert end["result"]["structuredContent"] == {"deleted": not stays}
    assert await there() is stays


async def test_a_client_that_cannot_be_asked_deletes_nothing(guest: Guest) -> None:
    error = await deleting(guest, capabilities={}).refused()

    assert error["code"] == -32021
    assert await there()


async def test_nobody_is_asked_where_the_resource_says_so(server: MCPServer, carol: Any) -> None:
    server.expose(models.Thing, fields=["name"], tools=["delete"], confirm_delete=False)
    guest = Guest(server, carol)

    assert (await guest.tools())["delete_thing"]["description"] == "Delete a thing."
    assert await guest.call("delete_thing", id=1) == {"deleted": True}
    assert not await there()
    assert await guest.fail("delete_thing", id=1) == "There is no thing 1."


async def test_an_answer_counts_for_who_gave_it(server: MCPServer, guest: Guest) -> None:
    dan = await sync_to_async(user_with)("view_thing", "delete_thing", name="dan")
    dialogue = deleting(guest)
    await dialogue.asked()

    dialogue.door = Guest(server, dan).door
    error = await dialogue.refused(AGREED)

    assert error["code"] == -32602
    assert await there()


async def test_an_answer_counts_for_what_was_asked(guest: Guest) -> None:
    dialogue = deleting(guest)
    await dialogue.asked()
    await models.Thing.objects.filter(pk=1).aupdate(name="Torch")

    again = await dialogue.asked(AGREED)

    assert "“Torch”" in again["delete"]["params"]["message"]
    assert await there()

    other = deleting(guest, 2)
    other.state = dialogue.state
    assert (await other.refused(AGREED))["code"] == -32602
    assert await there(2)


async def test_what_changed_while_the_user_was_asked_stays(server: MCPServer, carol: Any) -> None:
    names = iter(["Lamp", "Torch"])

    @server.expose(models.Thing)
    class Things(ModelResource):
        fields = ("name",)
        tools = ("delete",)

        def has_delete_permission(self, ctx: Any, obj: Any = None) -> bool:
            if obj is not None:
                obj.name = next(names)
            return True

    client = await Client(Guest(server, carol).door).begin()

    async with in_session(client) as call:
        asked = await call.message()
        await client.answer(asked, accepted())
        (end,) = await call.messages()

    assert end["result"]["isError"]
    assert end["result"]["content"][0]["text"] == (
        "What would be deleted with thing 1 changed while the user was asked. Nothing was "
        "deleted: call again."
    )
    assert await there()


async def test_permission_is_asked_again_when_the_answer_has_come(
    server: MCPServer, carol: Any
) -> None:
    may = {"delete": True}

    @server.expose(models.Thing)
    class Things(ModelResource):
        fields = ("name",)
        tools = ("delete",)

        def has_delete_permission(self, ctx: Any, obj: Any = None) -> bool:
            return obj is None or may["delete"]

    guest = Guest(server, carol)
    dialogue = deleting(guest)
    await dialogue.asked()
    may["delete"] = False

    end = await dialogue.ended(AGREED)

    assert end["content"][0]["text"] == "You may not delete thing 1."
    assert await there()


async def test_what_is_hidden_is_deleted_like_what_there_is_not(
    server: MCPServer, carol: Any
) -> None:
    @server.expose(models.Thing)
    class Things(ModelResource):
        fields = ("name",)
        tools = ("delete",)

        def get_queryset(self, ctx: Any) -> Any:
            return super().get_queryset(ctx).exclude(pk=1)

    guest = Guest(server, carol)

    # Without being asked, and whatever the client answers beforehand.
    for key in (1, 77):
        dialogue = deleting(guest, key)
        end = await dialogue.ended(AGREED)
        assert end["content"][0]["text"] == f"There is no thing {key}."
    assert await there()


# What goes with it


async def test_the_user_is_told_what_goes_with_it(server: MCPServer, carol: Any) -> None:
    server.expose(Job, fields=["title"], tools=["delete"])
    server.expose(Part, fields=["name"], tools=["list"])
    server.expose(Shift, fields=["hours"], tools=["list"])
    job = await Job.objects.acreate(title="Saw")
    other = await Job.objects.acreate(title="Drill")
    eve = await Worker.objects.acreate(name="Eve")
    for owner in (job, job, other):
        await Part.objects.acreate(job=owner, name="p")
    await Shift.objects.acreate(job=job, worker=eve, hours=1)
    guest = Guest(server, carol)

    asked = await question(guest, job.pk, "job")
    dialogue = deleting(guest, job.pk, "job")
    await dialogue.asked()
    await dialogue.ended(AGREED)

    assert asked == f"Delete the job “Saw” ({job.pk}), and with it 1 shift and 2 parts?"
    assert [part.job_id async for part in Part.objects.all()] == [other.pk]
    assert await Shift.objects.acount() == 0


async def test_whatever_is_not_exposed_is_named_for_each_object_alike(guest: Guest) -> None:
    """So the question says nothing of what is there."""
    await models.Paper.objects.acreate(thing_id=1, title="Bill", private=True)

    with_paper, without = await question(guest, 1), await question(guest, 2)

    assert with_paper.endswith(", and with it whatever else belongs to it?")
    assert without == with_paper.replace("“Lamp” (1)", "“Anchor” (2)")


@pytest.mark.parametrize("by", ["rows", "permission", "object"])
async def test_what_may_not_be_deleted_does_not_go_with_anything(
    server: MCPServer, carol: Any, by: str
) -> None:
    server.expose(Job, fields=["title"], tools=["delete"])

    @server.expose(Part)
    class Parts(ModelResource):
        fields = ("name",)

        def get_queryset(self, ctx: Any) -> Any:
            found = super().get_queryset(ctx)
            return found.filter(secret=False) if by == "rows" else found

        def has_view_permission(self, ctx: Any, obj: Any = None) -> bool:
            return by != "permission"

        def has_delete_permission(self, ctx: Any, obj: Any = None) -> bool:
            return by != "object" or obj is None or not obj.secret

    job = await Job.objects.acreate(title="Saw")
    await Part.objects.acreate(job=job, name="p")
    hidden = await Part.objects.acreate(job=job, name="secret", secret=True)
    guest = Guest(server, carol)

    end = await deleting(guest, job.pk, "job").ended(AGREED)

    seen = {"rows": "1 part", "permission": "other objects", "object": "2 parts"}[by]
    assert end["content"][0]["text"] == (
        f"job {job.pk} cannot be deleted, because of {seen} that you cannot delete with it. "
        "Nothing was deleted."
    )
    assert await Part.objects.filter(pk=hidden.pk).aexists()


async def test_what_is_protected_stays(server: MCPServer, carol: Any) -> None:
    server.expose(models.Maker, fields=["name"], tools=["delete"])
    guest = Guest(server, carol)

    end = await deleting(guest, 1, "maker").ended(AGREED)
    server.expose(models.Thing, fields=["name"])
    seen = await deleting(guest, 1, "maker").ended(AGREED)

    text = "maker 1 cannot be deleted, because of {} that you cannot delete with it."
    assert end["content"][0]["text"].startswith(text.format("other objects"))
    assert seen["content"][0]["text"].startswith(text.format("1 thing"))
    assert await models.Maker.objects.filter(pk=1).aexists()


async def test_the_hook_deletes(server: MCPServer, carol: Any) -> None:
    @server.expose(models.Thing)
    class Things(ModelResource):
        fields = ("name",)
        tools = ("delete",)

        def delete_model(self, ctx: Any, obj: Any) -> None:
            models.Thing.objects.filter(pk=obj.pk).update(notes=f"deleted by {ctx.user}")

    dialogue = deleting(Guest(server, carol))
    await dialogue.asked()

    assert (await dialogue.ended(AGREED))["structuredContent"] == {"deleted": True}
    assert (await models.Thing.objects.aget(pk=1)).notes == "deleted by ann"


async def test_a_long_name_is_cut_in_the_question(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models.Thing, "__str__", lambda thing: "x" * 5_000)

    assert f"“{'x' * 99}…” (1)" in await question(guest)
