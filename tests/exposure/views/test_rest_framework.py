"""Views of Django REST framework as tools: their serializers, their permissions, their filters."""

from __future__ import annotations

from typing import Any, Literal

import jsonschema
import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connections
from django.test import AsyncClient
from django.urls import get_resolver, include, path

from django_mcp import MCPServer
from tests.doors import envelope
from tests.exposure.views.pages import views

pytest.importorskip("rest_framework", reason="djangorestframework is not installed")
pytest.importorskip("django_filters", reason="django-filter is not installed")

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(site: Any) -> Any:
    """The API, served beside nothing else."""
    from tests.exposure.views.pages import api

    site.ROOT_URLCONF = (
        path("api/", include(api.router.urls)),
        path("echo/", api.echo, name="echo"),
        path("plain/", api.Plain.as_view(), name="plain"),
    )
    return api


@pytest.fixture
def ann(db: None) -> User:
    return User.objects.create(username="ann")


async def made(*names: str) -> list[Group]:
    return [await Group.objects.acreate(name=name) for name in names]


# Schemas


async def test_a_serializer_is_the_schema(server: MCPServer, api: Any, guest: Any) -> None:
    server.add_view("group-list", method="POST")

    tool = (await guest().tools())["group_list_post"]
    assert tool["description"] == "The groups there are."
    assert tool["inputSchema"] == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 150},
            "permissions": {"type": "array", "items": {"type": "integer"}},
            "members": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "name": {
                            "type": "string",
                            "maxLength": 10,
                            "description": "As it is said.",
                        },
                        "role": {
                            "enum": ["r", "w"],
                            "description": "r: Reader; w: Writer",
                            "default": "r",
                        },
                        "age": {"type": ["integer", "null"], "minimum": 0, "maximum": 150},
                    },
                    "required": ["name"],
                },
            },
        },
        "required": ["name"],
        "additionalProperties": False,
    }
    assert tool["outputSchema"] == {
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "name": {"type": "string"},
            "permissions": {"type": "array", "items": {"type": "integer"}},
            "shout": {},
        },
    }


async def test_a_list_takes_what_its_filters_read(server: MCPServer, api: Any, guest: Any) -> None:
    server.add_view("group-list")

    tool = (await guest().tools())["group_list"]
    properties = tool["inputSchema"]["properties"]
    assert list(properties) == ["name", "starts", "search", "ordering", "page", "size"]
    assert properties["page"]["type"] == "integer"
    assert "one of name, id" in properties["ordering"]["description"]
    assert "required" not in tool["inputSchema"]
    page = tool["outputSchema"]["properties"]
    assert page["results"]["items"]["properties"]["id"] == {"type": "integer"}
    assert page["next"]["type"] == ["string", "null"]


async def test_what_is_not_sure_is_not_promised(
    server: MCPServer, api: Any, guest: Any, ann: User
) -> None:
    server.add_view("envelope-list")
    server.add_view("unlimited-list")
    client = guest(ann)

    for tool in (await client.tools()).values():
        assert "outputSchema" not in tool
    assert await client.call("envelope_list") == {"all": []}
    assert await client.call("unlimited_list") == []
    assert (await client.call("unlimited_list", limit=3))["results"] == []


async def test_a_filter_set_may_be_the_query_of_any_view(
    server: MCPServer, api: Any, guest: Any, ann: User
) -> None:
    server.add_view("group-count", query=api.GroupFilter)
    server.add_view("group-list", query={"search": Literal["a", "b"]})
    tools = await guest().tools()

    assert list(tools["group_count"]["inputSchema"]["properties"]) == ["name", "starts"]
    # What is said goes before what is found, and beside the rest of it.
    properties = tools["group_list"]["inputSchema"]["properties"]
    assert properties["search"] == {"type": "string", "enum": ["a", "b"]}
    assert "ordering" in properties


async def test_a_view_that_contains_itself_is_described_to_some_depth(
    server: MCPServer, api: Any, guest: Any, ann: User
) -> None:
    server.add_view("plain", "grow", method="POST", body=api.Tree, output=api.Tree)

    schema = (await guest().tools())["grow"]["inputSchema"]
    inner = schema["properties"]["children"]["items"]["properties"]["parent"]
    assert inner["properties"]["name"] == {"type": "string"}
    assert inner["properties"]["parent"] == {"type": "object"}
    tree = {"name": "a", "children": [{"name": "b", "children": []}]}
    assert await guest(ann).call("grow", **tree) == tree


async def test_a_serializer_that_needs_a_request_has_to_be_given(
    server: MCPServer, api: Any, guest: Any, ann: User, caplog: pytest.LogCaptureFixture
) -> None:
    server.add_view("moody-list", "left_out", method="POST")
    server.add_view("moody-list", method="POST", body=api.MemberSerializer)

    assert list(await guest().tools()) == ["moody_list_post"]
    assert "MoodyViewSet does not say what it takes" in caplog.text
    assert await guest(ann).call("moody_list_post", name="x") == {}


# Calls


async def test_the_actions_of_a_viewset(server: MCPServer, api: Any, guest: Any, ann: User) -> None:
    server.add_view("group-list")
    server.add_view("group-list", "create", method="POST")
    server.add_view("group-detail")
    server.add_view("group-detail", "change", method="PATCH")
    server.add_view("group-detail", "delete", method="DELETE")
    server.add_view("group-invite")
    client = guest(ann)

    new = await client.call("create", name="x", members=[{"name": "bob", "role": "w"}])
    assert new == {
        "id": new["id"],
        "name": "x+bob(w) by ann",
        "permissions": [],
        "shout": "X+BOB(W) BY ANN",
    }
    assert (await client.call("group_detail", pk=new["id"])) == new
    assert (await client.call("change", pk=new["id"], name="y"))["name"] == "y"
    assert (await client.call("group_invite", pk=new["id"], name="eve"))["invited"] == {
        "name": "eve",
        "role": "r",
    }
    await made("a", "b")
    found = await client.call("group_list", ordering="-name", size=1, page=2)
    assert [row["name"] for row in found["results"]] == ["b"]
    assert found["next"] == "http://testserver/api/groups/?ordering=-name&page=3&size=1"
    assert (await client.call("group_list", starts="a"))["count"] == 1
    assert (await client.call("group_list", search="y"))["count"] == 1
    result = (await client.ask("tools/call", name="delete", arguments={"pk": new["id"]})).result
    assert result["content"] == [{"type": "text", "text": "Done."}]
    assert await client.fail("group_detail", pk=new["id"]) == (
        "Not found.\n- No Group matches the given query."
    )
    hints = (await client.tools())["delete"]["annotations"]
    assert hints == {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": True}


async def test_an_answer_fits_its_output_schema(
    server: MCPServer, api: Any, guest: Any, ann: User
) -> None:
    server.add_view("group-list")
    server.add_view("group-list", "create", method="POST")
    server.add_view("group-detail")
    client = guest(ann)
    tools = await client.tools()

    new = await client.call("create", name="x")
    for name, found in (
        ("create", new),
        ("group_list", await client.call("group_list")),
        ("group_detail", await client.call("group_detail", pk=new["id"])),
    ):
        jsonschema.validate(found, tools[name]["outputSchema"])


async def test_what_is_wrong_is_told_by_field(
    server: MCPServer, api: Any, guest: Any, ann: User
) -> None:
    server.add_view("group-list", "create", method="POST")
    server.add_view("group-list")
    server.add_view("plain")
    server.add_view("plain", method="DELETE")
    await made("taken")

    said = await guest(ann).fail("create", name="bad", permissions=[999999])
    assert said == (
        "Bad Request:\n- name: That is a bad name.\n"
        '- permissions: Invalid pk "999999" - object does not exist.'
    )
    assert "group with this name already exists" in await guest(ann).fail("create", name="taken")
    # What is in a list of rows may be wrong in one of them.
    said = await guest(ann).fail("create", name="x", members=[{"name": "a"}, {"name": " "}])
    assert said == "Bad Request:\n- members[1].name: This field may not be blank."
    assert await guest(ann).fail("group_list", page=9) == "Not found.\n- Invalid page."
    assert await guest().fail("plain") == "Not found.\n- There is nothing here to find."
    assert "internal error" in await guest().fail("plain_delete")


async def test_a_view_may_read_forms_alone(
    server: MCPServer, api: Any, guest: Any, ann: User
) -> None:
    server.add_view("editor-detail", method="PUT")
    (group,) = await made("old")
    permission = await Permission.objects.aget(codename="change_group")

    assert await guest(ann).fail("editor_detail_put", pk=group.pk, name="new") == (
        "Not permitted: the view does not let this caller do that.\n"
        "- You do not have permission to perform this action."
    )
    await ann.user_permissions.aadd(permission)
    ann = await User.objects.aget(pk=ann.pk)
    found = await guest(ann).call("editor_detail_put", pk=group.pk, name="new")
    assert found["name"] == "new"


# Who may


async def test_the_caller_is_the_user_of_the_view(
    server: MCPServer, api: Any, door: Any, ann: User
) -> None:
    server.add_view("echo", method="POST", body={"x": int})

    found = (await door(ann).tool("echo_post", {"x": 1}))["structuredContent"]
    assert found == {"user": "ann", "auth": "None", "data": {"x": 1}}
    refused = await door().tool("echo_post", {"x": 1})
    assert refused["content"][0]["text"].startswith("Not permitted:")


async def test_permissions_and_throttles_decide(
    server: MCPServer, api: Any, guest: Any, ann: User
) -> None:
    server.add_view("group-list")
    server.add_view("group-detail")
    server.add_view("group-count")
    (locked,) = await made("locked")

    assert "Authentication credentials were not provided." in await guest().fail("group_list")
    assert "Not on Sundays." in await guest(ann).fail("group_list", search="sunday")
    assert "Not on Sundays." in await guest(ann).fail("group_detail", pk=locked.pk)
    for _ in range(2):
        result = (await guest(ann).ask("tools/call", name="group_count", arguments={})).result
        assert result["content"][0]["text"] == "1"
    assert "try again in" in await guest(ann).fail("group_count")


async def test_an_authentication_of_the_view_may_be_given_its_header(
    server: MCPServer, api: Any, guest: Any, ann: User
) -> None:
    server.add_view("group-list", headers=["Authorization"])
    server.add_view("group-list", "without")
    visitor = guest()

    async def call(name: str, token: str) -> Any:
        message = envelope("tools/call", {"name": name, "arguments": {}})
        return (await visitor.door.post(message, authorization=f"Token {token}")).result

    assert (await call("group_list", "token-ann"))["structuredContent"]["count"] == 0
    assert "No such token." in (await call("group_list", "x"))["content"][0]["text"]
    assert (await call("without", "token-ann"))["isError"]


async def test_a_strict_project_is_served_as_it_is(
    server: MCPServer,
    site: Any,
    api: Any,
    guest: Any,
    ann: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A transaction for each request, middleware of its own, a login for every page, and an API
    with an authentication of its own, all at once."""
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    site.MIDDLEWARE = [*site.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    site.ROOT_URLCONF = (
        path("default/", views.open_by_default, name="default"),
        *get_resolver().url_patterns,
    )
    client = AsyncClient(enforce_csrf_checks=True)
    token = {"Authorization": "Token token-ann"}

    async def seen() -> list[tuple[int, bytes]]:
        found = [
            await client.get("/api/groups/", headers=token),
            await client.get("/api/groups/"),
            await client.get("/default/"),
        ]
        return [(r.status_code, r.content) for r in found]

    before = await seen()
    server.add_view("default")
    server.add_view("group-list", headers=["Authorization"])
    server.add_view("group-list", "create", method="POST")

    assert (await guest(ann).call("create", name="b"))["name"] == "b by ann"
    assert (await guest(ann).call("group_list"))["count"] == 1
    message = envelope("tools/call", {"name": "group_list", "arguments": {}})
    by_token = await guest().door.post(message, authorization="Token token-ann")
    assert by_token.result["structuredContent"]["count"] == 1
    assert "log in" in await guest().fail("default")
    assert (await guest().ask("tools/call", name="create", arguments={"name": "c"})).result[
        "isError"
    ]
    assert [group.name async for group in Group.objects.all()] == ["b by ann"]
    await Group.objects.all().adelete()
    assert await seen() == before
    assert [status for status, _ in before] == [200, 401, 302]


async def test_the_api_answers_as_before(
    server: MCPServer, api: Any, guest: Any, ann: User
) -> None:
    await made("a")
    client = AsyncClient(enforce_csrf_checks=True)

    async def seen() -> list[Any]:
        found = [
            await client.get("/api/groups/", headers={"Authorization": "Token token-ann"}),
            await client.get("/api/groups/", headers={"Authorization": "Token x"}),
            await client.get("/api/groups/"),
            await client.post("/plain/", {"name": 1}, content_type="application/json"),
        ]
        return [(r.status_code, r.content, sorted(r.items())) for r in found]

    before = await seen()
    classes = (api.GroupViewSet, api.Plain, api.GroupSerializer, api.EditorsViewSet)
    known = [dict(vars(cls)) for cls in classes]
    server.add_view("group-list")
    server.add_view("group-list", "create", method="POST")
    server.add_view("plain")
    await guest(ann).call("group_list")
    await guest(ann).call("create", name="b")
    await guest(ann).fail("plain")
    await Group.objects.filter(name__startswith="b").adelete()

    assert await seen() == before
    assert [status for status, _, _ in before] == [200, 401, 401, 201]
    assert [dict(vars(cls)) for cls in classes] == known
