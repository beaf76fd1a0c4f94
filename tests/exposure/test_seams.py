"""Where the parts of exposed models meet: what is hidden in one is hidden in all of them, and what
one database takes otherwise than another is answered alike."""

from __future__ import annotations

from typing import Any

import pytest

from django_mcp import MCPServer, ModelResource

from .depot import models
from .depot.server import Guest


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
