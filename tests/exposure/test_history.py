"""What the admin's log says of what was written."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.db.models.signals import post_save
from django.utils.translation import override

from django_mcp import MCPServer, ModelResource, ToolError
from tests.conversations.talk import accepted, calling

from .depot import models
from .depot.server import Guest, user_with

TOOLS = ("create", "update", "delete")


@pytest.fixture
def eve(stock: None) -> Any:
    """A user who may do everything with things."""
    return user_with(*(f"{verb}_thing" for verb in ("view", "add", "change", "delete")), name="eve")


@pytest.fixture
def guest(server: MCPServer, eve: Any) -> Guest:
    server.expose(models.Thing, fields="__all__", tools=TOOLS, confirm_delete=False)
    return Guest(server, eve)


async def entries() -> list[tuple[Any, ...]]:
    """What was noted, the first first: who, what, its id and name, and the words for it."""
    return [
        (entry.user.username, entry.action_flag, entry.object_id, entry.object_repr, str(entry))
        async for entry in LogEntry.objects.order_by("pk").select_related("user", "content_type")
        if entry.content_type.model_class() is models.Thing
    ]


async def test_every_write_is_noted_as_the_admin_does(guest: Guest) -> None:
    key = (await guest.call("create_thing", name="Bell", slug="bell"))["id"]
    await guest.call("update_thing", id=key, name="Gong", price="1", count=0, maker=1, tags=[1])
    await guest.call("update_thing", id=key, name="Gong", tags=[1])
    await guest.call("delete_thing", id=key)

    with override("en"):
        found = await entries()
    assert found == [
        ("eve", ADDITION, str(key), "Bell", "Added “Bell”."),
        (
            "eve",
            CHANGE,
            str(key),
            "Gong",
            "Changed “Gong” — Changed What it is, Price, Maker and Tags.",
        ),
        ("eve", CHANGE, str(key), "Gong", "Changed “Gong” — No fields changed."),
        ("eve", DELETION, str(key), "Gong", "Deleted “Gong.”"),
    ]


async def test_what_is_refused_is_not_noted(guest: Guest) -> None:
    await guest.fail("create_thing", name="Bell", slug="lamp")
    await guest.fail("update_thing", id=1, slug="anchor")
    await guest.fail("delete_thing", id=77)

    assert await entries() == []


async def test_who_says_no_leaves_no_note(server: MCPServer, eve: Any) -> None:
    server.expose(models.Thing, fields=["name"], tools=["delete"])
    door = Guest(server, eve).door

    dialogue = calling(door, "delete_thing", arguments={"id": 1})
    await dialogue.asked()
    await dialogue.ended({"delete": {"action": "decline"}})
    assert await entries() == []

    dialogue = calling(door, "delete_thing", arguments={"id": 1})
    await dialogue.asked()
    await dialogue.ended({"delete": accepted()})
    assert [entry[1:4] for entry in await entries()] == [(DELETION, "1", "Lamp")]


async def test_what_cannot_be_noted_is_not_written(guest: Guest) -> None:
    def refuse(sender: Any, **kwargs: Any) -> None:
        raise ToolError("The log is full.")

    post_save.connect(refuse, sender=LogEntry)
    try:
        for tool, given in (
            ("create_thing", {"name": "x", "slug": "x"}),
            ("update_thing", {"id": 1, "count": 9}),
            ("delete_thing", {"id": 1}),
        ):
            assert await guest.fail(tool, **given) == "The log is full."
    finally:
        post_save.disconnect(refuse, sender=LogEntry)

    assert [thing.count async for thing in models.Thing.objects.order_by("pk")] == [3, 1, 2]


async def test_without_a_user_or_a_log_nothing_is_noted(
    server: MCPServer, eve: Any, settings: Any
) -> None:
    @server.expose(models.Thing)
    class Open(ModelResource):
        fields = ("name", "slug")
        tools = ("create",)

        def has_view_permission(self, ctx: Any, obj: Any = None) -> bool:
            return True

        def has_add_permission(self, ctx: Any) -> bool:
            return True

    await Guest(server).call("create_thing", name="a", slug="a")
    apps = [app for app in settings.INSTALLED_APPS if app != "django.contrib.admin"]
    settings.INSTALLED_APPS = apps
    await Guest(server, eve).call("create_thing", name="b", slug="b")

    assert await entries() == []
