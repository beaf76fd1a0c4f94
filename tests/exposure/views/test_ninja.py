"""Operations of Django Ninja as tools: their models, their authentication, their errors."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import AsyncClient
from django.urls import path

from django_mcp import MCPServer
from tests.doors import envelope

pytest.importorskip("ninja", reason="django-ninja is not installed")

pytestmark = pytest.mark.django_db

PART = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "weight": {"type": "number", "default": 1.0}},
    "required": ["name"],
}


@pytest.fixture
def api(site: Any) -> Any:
    """The API, served beside nothing else."""
    from tests.exposure.views.pages import operations

    site.ROOT_URLCONF = (path("api/", operations.api.urls),)
    return operations


async def test_an_operation_says_what_it_takes_and_answers(
    server: MCPServer, api: Any, guest: Any
) -> None:
    server.add_view("ninja:get_thing")
    server.add_view("ninja:make_thing")

    tools = await guest().tools()
    assert tools["ninja_get_thing"] == {
        "name": "ninja_get_thing",
        "title": "Get Thing",
        "description": "Get a thing.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "thing_id": {"type": "integer", "description": "Which one."},
                "loud": {"type": "boolean", "default": False},
            },
            "required": ["thing_id"],
            "additionalProperties": False,
        },
        "outputSchema": {
            "type": "object",
            "properties": {
                "id": {"type": "integer"},
                "title": {"type": "string"},
                "parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}},
            },
            "required": ["id", "title", "parts"],
            "$defs": {"Part": PART},
        },
        "annotations": {"readOnlyHint": True},
    }
    made = tools["ninja_make_thing"]
    assert made["inputSchema"]["required"] == ["title"]
    assert made["inputSchema"]["$defs"] == {"Part": PART}
    assert made["annotations"] == {"readOnlyHint": False}


async def test_an_operation_is_called_by_its_url(server: MCPServer, api: Any, guest: Any) -> None:
    for name in ("get_thing", "list_things", "make_thing", "move_thing", "fill", "on_the_loop"):
        server.add_view(f"ninja:{name}", name)
    client = guest()

    found = await client.call("get_thing", thing_id=3, loud=True)
    assert found == {"id": 3, "title": "THING 3", "parts": []}
    found = await client.call("list_things", limit=2, tags=["a", "b"])
    assert [row["title"] for row in found] == ["a,b", "a,b"]
    found = await client.call("make_thing", title="x", parts=[{"name": "p"}])
    assert found == {"id": 1, "title": "x", "parts": [{"name": "p", "weight": 1.0}]}
    found = await client.call("move_thing", thing_id=2, body=[{"name": "a"}], to={"name": "b"})
    assert found == {"id": 2, "parts": 1, "to": "b"}
    assert await client.call("on_the_loop", q="x&y") == {"q": "x&y"}
    found = await client.call("fill", name="n", size=3, part={"name": "p"})
    assert found == {"name": "n", "size": 3, "part": "p"}


async def test_what_is_wrong_is_told_by_field(server: MCPServer, api: Any, guest: Any) -> None:
    server.add_view("ninja:get_thing", "get")
    server.add_view("ninja:make_thing", "make", body={"title": object})

    assert await guest().fail("get", thing_id=404) == "Not found.\n- There is no such thing."
    assert await guest().fail("get", thing_id=500) == "Error executing tool get: internal error."
    said = (await guest().fail("make", title=3)).splitlines()
    assert said[1:] == ["- thing.title: Input should be a valid string"]


async def test_the_caller_is_the_user_of_the_operation(
    server: MCPServer, api: Any, guest: Any
) -> None:
    server.add_view("ninja:for_members", "members")
    ann = await User.objects.acreate(username="ann")

    assert await guest(ann).call("members") == {"user": "ann", "auth": "ann"}
    assert (await guest().fail("members")).startswith("Not permitted: the view asks who is calling")


async def test_an_authentication_by_header_has_to_be_given_it(
    server: MCPServer, api: Any, guest: Any
) -> None:
    server.add_view("ninja:for_tokens", "given", headers=["Authorization"])
    server.add_view("ninja:for_tokens", "kept")
    visitor = guest()

    async def call(name: str) -> Any:
        message = envelope("tools/call", {"name": name, "arguments": {}})
        return (await visitor.door.post(message, authorization="Bearer good")).result

    assert (await call("given"))["structuredContent"] == {"auth": "good"}
    assert (await call("kept"))["isError"]


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("needs_header", {}, "needs the header 'x_team'"),
        ("needs_file", {}, "needs a file"),
        ("get_thing", {"method": "DELETE"}, "does not take DELETE: it takes GET, PUT"),
    ],
)
async def test_what_a_tool_cannot_give_is_told_of(
    server: MCPServer,
    api: Any,
    guest: Any,
    name: str,
    options: Any,
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.add_view(f"ninja:{name}", "x", **options)

    assert await guest().tools() == {}
    assert reason in caplog.text


async def test_the_api_answers_as_before(server: MCPServer, api: Any, guest: Any) -> None:
    client = AsyncClient(enforce_csrf_checks=True)

    async def seen() -> list[Any]:
        found = [
            await client.get("/api/things/3"),
            await client.get("/api/members"),
            await client.post("/api/things", {"title": "x"}, content_type="application/json"),
        ]
        return [(r.status_code, r.content, sorted(r.items())) for r in found]

    before = await seen()
    ann = await User.objects.acreate(username="ann")
    for name in ("get_thing", "make_thing", "for_members"):
        server.add_view(f"ninja:{name}", name)
    await guest(ann).call("get_thing", thing_id=3)
    await guest(ann).call("for_members")

    assert await seen() == before
    assert [status for status, _, _ in before] == [200, 401, 200]
