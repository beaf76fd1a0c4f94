"""Views as tools: what becomes an argument, who asks, and what the view sees of it."""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from typing import Annotated, Any

import pytest
from django import forms
from django.contrib.auth.models import Group, Permission, User
from django.contrib.sessions.models import Session
from django.core.files.storage import InMemoryStorage
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import AsyncClient, Client
from django.urls import path
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import csrf_protect
from django.views.generic import UpdateView
from pydantic import BaseModel, Field

from django_mcp import MCPServer, Principal
from django_mcp.exposure import uploads
from django_mcp.protocol import jsonrpc
from django_mcp.server.errors import RegistrationError
from django_mcp.server.exchange import Caller, Exchange, Nowhere
from django_mcp.server.peer import unremembered
from tests.conversations.talk import consumer_of
from tests.doors import Request, envelope, headers_for
from tests.exposure.depot.models import Vehicle
from tests.exposure.views.pages import urls, views

pytestmark = pytest.mark.django_db


# Where a view is found


async def test_a_view_is_named_by_its_url(server: MCPServer, guest: Any) -> None:
    server.add_view("told")

    tool = (await guest().tools())["told"]
    assert tool == {
        "name": "told",
        "description": "Tell what the view was asked.",
        "inputSchema": {
            "type": "object",
            "properties": {"number": {"type": "integer", "minimum": 0, "description": "How many."}},
            "required": ["number"],
            "additionalProperties": False,
        },
        "annotations": {"readOnlyHint": True},
    }
    found = await guest().call("told", number=3)
    assert (found["path"], found["kwargs"]) == ("/told/3/", {"number": "int 3"})


async def test_a_name_may_have_namespaces(server: MCPServer, guest: Any) -> None:
    server.add_view("inner:slug")

    found = await guest().call("inner_slug", name="a-b")
    assert (found["path"], found["kwargs"]) == ("/inner/a-b/", {"name": "str a-b"})


async def test_a_view_or_its_class_may_be_given_itself(server: MCPServer, guest: Any) -> None:
    server.add_view(views.who)
    server.add_view(views.GroupList, "groups")
    await Group.objects.acreate(name="ann's")

    assert (await guest().call("who"))["match"] == ["who", "who/"]
    result = (await guest().ask("tools/call", name="groups", arguments={})).result
    assert result["content"][0]["text"].startswith("# Groups\n\n- ann's")


async def test_a_decorated_view_is_left_as_it_is(server: MCPServer, site: Any, guest: Any) -> None:
    def shelf(request: Any, row: int) -> Any:
        """A shelf."""
        return views.told(request, row=row)

    assert server.tool.view(shelf) is shelf
    assert server.tool.view("other_name", title="Another", path="x/<int:row>/")(shelf) is shelf
    assert vars(shelf) == {}
    site.ROOT_URLCONF = (path("shelf/<int:row>/", shelf),)

    tools = await guest().tools()
    assert (list(tools), tools["other_name"]["title"]) == (["shelf", "other_name"], "Another")
    assert (await guest().call("shelf", row=2))["path"] == "/shelf/2/"
    assert (await guest().call("other_name", row=2))["path"] == "/x/2/"


async def test_a_view_that_was_decorated_for_its_url_keeps_that(
    server: MCPServer, guest: Any
) -> None:
    server.add_view("wrapped")
    server.add_view(views.open_by_default, "bare")

    assert "log in" in await guest().fail("wrapped")
    assert (await guest().ask("tools/call", name="bare", arguments={})).result["content"] == [
        {"type": "text", "text": "in"}
    ]


@pytest.mark.parametrize(
    ("view", "options", "reason"),
    [
        ("nowhere", {}, "No URL pattern is called 'nowhere'"),
        ("unnamed", {}, "groups without names"),
        (
            views.Day,
            {"name": "day"},
            "No URL pattern leads to tests.exposure.views",
        ),
        ("several", {"method": "PATCH"}, "Several does not take PATCH: it takes GET, PUT, DELETE"),
        ("who", {"query": {"q": 3}}, "The argument 'q' has 3 for its type"),
        ("who", {"query": 3}, "query arguments cannot be read from 3"),
        ("who", {"body": {"f": (int, 3), "g": Client}}, "cannot be described in JSON Schema"),
        ("who", {"path": "who/"}, "'who' is a name"),
    ],
)
async def test_what_cannot_be_served_is_left_out_and_told_of(
    server: MCPServer,
    guest: Any,
    view: Any,
    options: Any,
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.add_view(view, **{"name": "left_out", **options})
    server.add_view("told")

    assert list(await guest().tools()) == ["told"]
    assert reason in caplog.text
    error = (await guest().ask("tools/call", name="left_out", arguments={})).error
    assert error["message"] == "Unknown tool: left_out"


@pytest.mark.parametrize(
    "options",
    [
        {"name": "told"},
        {"name": "no name"},
        {"method": "TRACE"},
        {"headers": "X-A"},
        {"headers": ["Cookie"]},
    ],
)
def test_what_can_be_known_at_once_is_refused_at_once(server: MCPServer, options: Any) -> None:
    server.add_view("told")
    with pytest.raises(RegistrationError):
        server.add_view("who", **options)


async def test_a_view_can_be_taken_away_before_and_after_it_was_found(
    server: MCPServer, guest: Any
) -> None:
    server.add_view("told")
    server.remove_tool("told")
    server.add_view("who")
    assert list(await guest().tools()) == ["who"]
    server.remove_tool("who")
    assert await guest().tools() == {}


# The path


@pytest.mark.parametrize(
    ("name", "arguments", "where", "kwargs"),
    [
        ("text", {"name": "a b&c?d=é#"}, "/text/a b&c?d=é#/", {"name": "str a b&c?d=é#"}),
        ("text", {"name": ".."}, "/text/../", {"name": "str .."}),
        ("text", {"name": "%2e%2f"}, "/text/%2e%2f/", {"name": "str %2e%2f"}),
        ("files", {"name": "../../who/"}, "/files/../../who/", {"name": "str ../../who/"}),
        ("files", {"name": "/etc//x"}, "/files//etc//x", {"name": "str /etc//x"}),
        (
            "text",
            {"name": "a\r\nX-Admin: 1"},
            "/text/a\r\nX-Admin: 1/",
            {"name": "str a\r\nX-Admin: 1"},
        ),
        ("days", {"day": "20260131"}, "/days/20260131/", {"day": "date 2026-01-31"}),
        (
            "ids",
            {"id": "00000000-0000-0000-0000-00000000000a"},
            "/ids/00000000-0000-0000-0000-00000000000a/",
            {"id": f"UUID {uuid.UUID(int=10)}"},
        ),
        ("winds", {"wind": "north"}, "/winds/north/", {"wind": "str north"}),
        ("old", {"year": "2026"}, "/old/2026/", {"year": "str 2026"}),
        ("old", {"year": 2026}, "/old/2026/", {"year": "str 2026"}),
        ("told", {"number": 3.0}, "/told/3/", {"number": "int 3"}),
        ("told", {"number": 10**30}, f"/told/{10**30}/", {"number": f"int {10**30}"}),
    ],
)
async def test_a_value_reaches_the_view_as_its_converter_has_it(
    server: MCPServer, guest: Any, name: str, arguments: Any, where: str, kwargs: Any
) -> None:
    server.add_view(name)

    found = await guest().call(name, **arguments)
    assert (found["path"], found["kwargs"]) == (where, kwargs)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("told", {"number": -1}),
        ("told", {"number": "3"}),
        ("told", {"number": True}),
        ("told", {"number": 1.5}),
        ("told", {}),
        ("told", {"number": 1, "request": "x"}),
        ("told", {"number": 1, "self": "x"}),
        ("told", {"number": 1, "_method": "DELETE"}),
        ("told", {"number": [1]}),
        ("text", {"name": ""}),
        ("text", {"name": "a/b"}),
        ("text", {"name": "../who"}),
        ("text", {"name": "x" * 5000}),
        ("text", {"name": None}),
        ("days", {"day": "20261399"}),
        ("days", {"day": "2026-01-31"}),
        ("ids", {"id": "x"}),
        ("winds", {"wind": " NORTH"}),
        ("old", {"year": "12345"}),
        ("old", {"year": "2026/../2027"}),
        ("files", {"name": "x\ud800"}),
    ],
)
async def test_what_no_url_could_have_is_refused_before_the_view(
    server: MCPServer, guest: Any, name: str, arguments: Any
) -> None:
    server.add_view(name)

    result = await guest().door.tool(name, arguments)
    assert result["isError"]
    said = result["content"][0]["text"]
    assert said.startswith(f"The arguments of `{name}` are not valid:\n- ")


async def test_a_path_that_leads_to_another_view_leads_nowhere(
    server: MCPServer, guest: Any, site: Any
) -> None:
    site.ROOT_URLCONF = (
        path("things/secret/", views.who, name="secret"),
        path("things/<str:name>/", views.told, name="thing"),
    )
    server.add_view("thing")

    assert (await guest().call("thing", name="a"))["path"] == "/things/a/"
    assert await guest().fail("thing", name="secret") == "Not found."


async def test_a_path_may_begin_with_a_language(server: MCPServer, site: Any, guest: Any) -> None:
    site.ROOT_URLCONF = tuple(urls.translated)
    server.add_view("local")
    visitor = guest()
    params = {"name": "local", "arguments": {"number": 1}}

    plain = (await visitor.ask("tools/call", **params)).result["structuredContent"]
    reply = await visitor.door.post(envelope("tools/call", params), accept_language="de")
    assert (plain["path"], reply.result["structuredContent"]["path"]) == (
        "/en/local/1/",
        "/de/local/1/",
    )


async def test_a_site_may_be_served_under_a_prefix(server: MCPServer, guest: Any) -> None:
    server.add_view("who")
    server.add_view("moved")
    door = guest().door
    scope = door.scope
    door.scope = lambda request: {**scope(request), "root_path": "/sub é", "path": "/sub é/mcp"}

    assert (await door.tool("who"))["structuredContent"]["url"] == (
        "http://testserver/sub%20%C3%A9/who/"
    )
    said = (await door.tool("moved"))["content"][0]["text"]
    assert said.startswith("The view redirects to http://testserver/sub%20%C3%A9/page/")


@pytest.mark.parametrize("number", [b"1" * 4000, b"1" * 5000, b"1e400", b"-0"])
async def test_a_number_may_be_of_any_size(server: MCPServer, guest: Any, number: bytes) -> None:
    server.add_view("told", query={"q": int})
    message = envelope("tools/call", {"name": "told", "arguments": {"number": 77, "q": 78}})
    body = json.dumps(message).encode().replace(b"77", number).replace(b"78", number)

    reply = await guest().door.send(Request(headers=headers_for(message), body=body))
    assert b"internal error" not in reply.body.lower()


async def test_a_call_may_come_on_no_connection_at_all(server: MCPServer, site: Any) -> None:
    server.add_view("who")
    site.SECURE_SSL_REDIRECT = True
    site.ALLOWED_HOSTS = ["*", ".example.com"]
    params = {"name": "who", "arguments": {}}
    request = jsonrpc.Request(id=1, method="tools/call", params=params)
    exchange = Exchange(server, request, unremembered("2025-11-25"), Caller(), Nowhere())

    found = json.loads((await server.answer(exchange)).body)["result"]["structuredContent"]
    assert found["url"] == "https://example.com/who/"


async def test_many_first_calls_wait_for_one_another(server: MCPServer, guest: Any) -> None:
    for number in range(5):
        server.add_view("told", f"told_{number}")
    visitor = guest()

    lists = await asyncio.gather(*(visitor.tools() for _ in range(5)))
    assert [len(tools) for tools in lists] == [5] * 5


async def test_what_a_call_activates_ends_with_it(server: MCPServer, door: Any) -> None:
    server.add_view("in-german")

    reply = await door().call("tools/call", {"name": "in_german", "arguments": {}})
    assert reply.result["content"][0]["text"] == "de"
    # The endpoint's own middleware tells the language it has in the end.
    assert reply.headers.get("content-language", "en") == "en"


async def test_who_comes_first_does_not_choose_the_language_of_the_list(
    server: MCPServer, door: Any
) -> None:
    class When(forms.Form):
        day = forms.CharField(help_text=gettext_lazy("Monday"))

    server.add_view("told", query=When)
    first = await door().post(envelope("tools/list"), accept_language="de")
    then = await door().call("tools/list")

    for reply in (first, then):
        (tool,) = reply.result["tools"]
        assert tool["inputSchema"]["properties"]["day"]["description"] == "Monday"


# The query string and the body


class Search(BaseModel):
    q: str
    tags: list[str] = []
    deep: Annotated[bool, Field(description="Look inside.")] = False


class SearchForm(forms.Form):
    q = forms.CharField(max_length=20)
    deep = forms.BooleanField(required=False)


@pytest.mark.parametrize(
    ("query", "arguments", "expected"),
    [
        ({"q": str, "page": (int, 1)}, {"q": "a b", "page": 2}, {"q": ["a b"], "page": ["2"]}),
        ({"q": str | None}, {"q": None}, {}),
        (
            Search,
            {"q": "x&y", "tags": ["a", "b"], "deep": True},
            {"q": ["x&y"], "tags": ["a", "b"], "deep": ["true"]},
        ),
        (SearchForm, {"q": "x", "deep": True}, {"q": ["x"], "deep": ["on"]}),
        (SearchForm, {"q": "x", "deep": False}, {"q": ["x"]}),
        (
            {"type": "object", "properties": {"from": {"type": "integer"}}},
            {"from": 3},
            {"from": ["3"]},
        ),
    ],
)
async def test_a_query_string_is_made_of_what_was_named(
    server: MCPServer, guest: Any, query: Any, arguments: Any, expected: Any
) -> None:
    server.add_view("told", query=query)

    found = await guest().call("told", number=1, **arguments)
    assert (found["query"], found["method"]) == (expected, "GET")


async def test_the_arguments_of_a_query_are_described(server: MCPServer, guest: Any) -> None:
    server.add_view("told", query=Search)

    schema = (await guest().tools())["told"]["inputSchema"]
    assert schema["required"] == ["number", "q"]
    assert schema["properties"]["q"] == {"type": "string", "description": "What to look for."}
    assert schema["properties"]["deep"]["description"] == "Look inside."


async def test_a_body_is_json_or_a_form(server: MCPServer, guest: Any) -> None:
    server.add_view("told", "as_json", body=Search)
    server.add_view("told", "as_form", body=SearchForm)
    server.add_view("told", "both", body={"q": str}, query={"q": int}, method="PUT")

    found = await guest().call("as_json", number=1, q="é", tags=["a"])
    assert (found["method"], found["type"]) == ("POST", "application/json")
    assert found["body"] == '{"q": "\\u00e9", "tags": ["a"]}'
    found = await guest().call("as_form", number=1, q="é&", deep=True)
    assert (found["method"], found["post"]) == ("POST", {"q": ["é&"], "deep": ["on"]})
    found = await guest().call("both", number=1, q=1, body_q="x")
    assert (found["method"], found["query"], found["body"]) == ("PUT", {"q": ["1"]}, '{"q": "x"}')


async def test_a_body_is_no_larger_than_the_project_takes(
    server: MCPServer, site: Any, guest: Any
) -> None:
    site.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    server.add_view("told", body=SearchForm)
    server.add_view("told", "as_json", body=Search)

    assert await guest().fail("as_json", number=1, q="x" * 1001) == "Bad Request."
    assert "at most 20 characters" in await guest().fail("told", number=1, q="x" * 1001)


# Forms of Django's own views


async def test_a_form_view_takes_its_fields(server: MCPServer, guest: Any) -> None:
    server.add_view("group-create")

    tool = (await guest().tools())["group_create"]
    assert tool["description"] == "Make a group."
    assert tool["annotations"] == {"readOnlyHint": False}
    assert tool["inputSchema"]["required"] == ["name"]
    assert tool["inputSchema"]["properties"] == {
        "name": {"type": "string", "minLength": 1, "maxLength": 150, "title": "Name"},
        "size": {
            "type": ["integer", "null"],
            "minimum": 1,
            "maximum": 9,
            "description": "How many fit in.",
            "default": 2,
        },
        "colour": {
            "anyOf": [
                {
                    "type": "string",
                    "oneOf": [{"const": "r", "title": "Red"}, {"const": "g", "title": "Green"}],
                },
                {"type": "null"},
            ],
            "default": "r",
        },
        "open": {"type": "boolean"},
        "kind": {"type": "string", "minLength": 1, "default": "plain"},
    }

    async def created(**arguments: Any) -> str:
        params = {"name": "group_create", "arguments": arguments}
        result = (await guest().ask("tools/call", **params)).result
        done, cleaned = result["content"][0]["text"].split("\n")
        assert done == "Done. The view redirects to http://testserver/page/"
        return str(cleaned)

    given = {"name": "new", "size": 3, "colour": "g", "open": True, "kind": "x"}
    assert json.loads(await created(**given)) == given
    # What a page has in it before anybody fills it in, a caller need not give.
    assert json.loads(await created(name="other")) == {
        "name": "other",
        "size": 2,
        "colour": "r",
        "open": False,
        "kind": "plain",
    }
    assert json.loads(await created(name="empty", size=None, colour=None))["size"] is None


class Report(forms.Form):
    title = forms.CharField()
    scan = forms.FileField()
    urgent = forms.TypedChoiceField(
        choices=[(True, "Yes"), (False, "No")], coerce=lambda text: text == "True", required=False
    )


@csrf_protect
def take_report(request: HttpRequest) -> HttpResponse:
    form = Report(request.POST, request.FILES)
    if not form.is_valid():
        return JsonResponse(form.errors, status=400)
    scan = form.cleaned_data["scan"]
    found = [form.cleaned_data["title"], scan.name, scan.content_type, list(scan.read())]
    return JsonResponse({"found": found, "urgent": form.cleaned_data["urgent"]})


async def test_a_file_reaches_the_view_as_an_upload(server: MCPServer, guest: Any) -> None:
    server.add_view(take_report, path="reports/", body=Report)
    visitor = guest()
    content = bytes(range(256)) + b"\r\n--x\r\n"
    file = {"name": "naïve plan.bin", "data": base64.b64encode(content).decode()}

    schema = (await visitor.tools())["take_report"]["inputSchema"]
    assert schema["properties"]["scan"] == uploads.SCHEMA
    assert schema["required"] == ["title", "scan"]
    found = await visitor.call("take_report", title="né\r\n--x", scan=file)
    assert found["found"] == [
        "né\r\n--x",
        "naïve plan.bin",
        "application/octet-stream",
        list(content),
    ]
    assert found["urgent"] == ""
    found = await visitor.call("take_report", title="t", scan=file, urgent=True)
    assert found["urgent"] is True
    said = await visitor.fail("take_report", title="t", scan={**file, "data": "no"})
    assert said.endswith("- scan: data should be the bytes of the file in Base64")
    said = await visitor.fail("take_report", title="t", scan={**file, "data": ""})
    assert "scan: The submitted file is empty." in said
    said = await visitor.fail("take_report", title="t", scan={**file, "mime_type": "a/b\r\nX: 1"})
    assert "mime_type should be one" in said
    assert "scan" in await visitor.fail("take_report", title="t")


class EditVehicle(UpdateView):
    model = Vehicle
    fields = ("plate", "paper")
    success_url = "/done/"


async def test_a_file_that_an_update_does_not_name_stays(
    server: MCPServer, guest: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Vehicle._meta.get_field("paper"), "storage", InMemoryStorage())
    server.add_view(EditVehicle, "edit", path="vehicles/<int:pk>/")
    visitor = guest()
    vehicle = await Vehicle.objects.acreate(plate="a-1")
    paper = {"name": "first.txt", "data": base64.b64encode(b"first").decode()}

    schema = (await visitor.tools())["edit"]["inputSchema"]
    assert schema["required"] == ["pk", "plate"]
    for arguments in ({"paper": paper}, {}, {"paper": None}):
        params = {"name": "edit", "arguments": {"pk": vehicle.pk, "plate": "b-2", **arguments}}
        assert not (await visitor.ask("tools/call", **params)).result.get("isError")
        await vehicle.arefresh_from_db()
        assert vehicle.plate == "b-2"
        assert vehicle.paper.read() == b"first"


async def test_a_form_that_is_not_valid_is_told_by_field(server: MCPServer, guest: Any) -> None:
    server.add_view("group-create")
    server.add_view("login")
    await Group.objects.acreate(name="taken")

    assert await guest().fail("group_create", name="taken") == (
        "The form is not valid:\n- name: Group with this Name already exists."
    )
    assert await guest().fail("login", username="a", password="b") == (
        "The form is not valid:\n- Nobody is called that."
    )
    assert await Group.objects.acount() == 1


async def test_an_update_asks_for_every_field(server: MCPServer, guest: Any) -> None:
    server.add_view("inner:edit")
    permission = await Permission.objects.afirst()
    group = await Group.objects.acreate(name="old")

    schema = (await guest().tools())["inner_edit"]["inputSchema"]
    assert schema["required"] == ["pk", "name", "permissions"]
    assert "permissions" in await guest().fail("inner_edit", pk=group.pk, name="new")
    await guest().ask(
        "tools/call",
        name="inner_edit",
        arguments={"pk": group.pk, "name": "new", "permissions": [permission.pk]},
    )
    await group.arefresh_from_db()
    assert (group.name, await group.permissions.acount()) == ("new", 1)


async def test_a_deletion_is_announced_as_one(server: MCPServer, guest: Any) -> None:
    server.add_view("group-delete")
    group = await Group.objects.acreate(name="old")

    hints = (await guest().tools())["group_delete"]["annotations"]
    assert hints == {"readOnlyHint": False, "destructiveHint": True}
    await guest().ask("tools/call", name="group_delete", arguments={"pk": group.pk})
    assert not await Group.objects.aexists()


async def test_a_list_is_read_page_by_page(server: MCPServer, guest: Any) -> None:
    server.add_view("groups")
    for name in "abc":
        await Group.objects.acreate(name=name)

    schema = (await guest().tools())["groups"]["inputSchema"]
    assert list(schema["properties"]) == ["page"]
    result = (await guest().ask("tools/call", name="groups", arguments={"page": 2})).result
    assert result["content"][0]["text"] == "# Groups\n\n- c\n\nPage 2 of 2"
    assert await guest().fail("groups", page=9) == "Not found."


async def test_the_method_says_how_careful_to_be(server: MCPServer, guest: Any) -> None:
    server.add_view("several")
    server.add_view("several", method="put")
    server.add_view("several", method="DELETE", idempotent=False)

    hints = {name: tool["annotations"] for name, tool in (await guest().tools()).items()}
    assert hints == {
        "several": {"readOnlyHint": True},
        "several_put": {"readOnlyHint": False, "idempotentHint": True},
        "several_delete": {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": False},
    }
    result = (await guest().ask("tools/call", name="several_put", arguments={})).result
    assert result["content"][0]["text"] == "put"


# Who asks


async def test_the_view_is_asked_by_the_caller(server: MCPServer, door: Any) -> None:
    server.add_view("who")
    server.add_view("awho")
    ann = await User.objects.acreate(username="ann")

    found = (await door(ann).tool("who"))["structuredContent"]
    assert found == {
        "user": "ann",
        "url": "http://testserver/who/",
        "secure": False,
        "address": "127.0.0.1",
        "cookies": {},
        "headers": ["Accept", "Host"],
        "language": "en",
        "match": ["who", "who/"],
        "tenant": "testserver",
        "principal": f"user:{ann.pk}",
    }
    assert (await door(ann).tool("awho"))["structuredContent"] == {"user": "ann", "groups": 0}
    assert (await door().tool("who"))["structuredContent"]["user"] == ""


async def test_the_user_is_the_very_one_of_the_principal(server: MCPServer, guest: Any) -> None:
    server.add_view("who")
    nobody_stored = User(pk=4711, username="from elsewhere")

    assert (await guest(nobody_stored).call("who"))["user"] == "from elsewhere"


async def test_the_user_may_be_one_that_is_looked_up_when_asked_for(
    server: MCPServer,
) -> None:
    server.add_view("who")
    server.add_view("awho")
    await User.objects.acreate(username="ann")

    for name in ("who", "awho"):
        lazy = SimpleLazyObject(lambda: User.objects.get(username="ann"))
        door = consumer_of(server, authenticate=lambda _, user=lazy: Principal(id="a", user=user))
        assert (await door.tool(name))["structuredContent"]["user"] == "ann"


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["greet", "agreet"])
async def test_callers_at_the_same_time_are_not_mixed_up(
    server: MCPServer, site: Any, name: str
) -> None:
    server.add_view(name)
    people = [User(pk=number, username=f"user-{number}") for number in range(30)]

    def authenticate(request: Any) -> Principal:
        user = people[int(request.headers["x-number"])]
        return Principal(id=f"user:{user.pk}", user=user)

    door = consumer_of(server, authenticate=authenticate)

    async def greeted(number: int) -> Any:
        headers = {"x_number": str(number), "host": f"h{number}.example.com"}
        return await _call(door, name, headers)

    found = await asyncio.gather(*(greeted(number) for number in range(30)))
    assert found == [
        {"user": f"user-{number}", "host": f"h{number}.example.com"} for number in range(30)
    ]


async def test_host_language_and_proxy_are_those_of_the_call(
    server: MCPServer, door: Any, site: Any
) -> None:
    site.SECURE_PROXY_SSL_HEADER = ("HTTP_X_TLS", "on")
    server.add_view("who")
    headers = {"host": "library.example.com", "accept_language": "de", "x_tls": "on"}

    found = await _call(door(), "who", headers)
    assert found["url"] == "https://library.example.com/who/"
    assert (found["language"], found["tenant"], found["secure"]) == ("de", "library", True)


async def _call(door: Any, name: str, headers: dict[str, str], **arguments: Any) -> Any:
    message = envelope("tools/call", {"name": name, "arguments": arguments})
    return (await door.post(message, **headers)).result["structuredContent"]


async def test_what_belongs_to_the_message_stays_behind(server: MCPServer, door: Any) -> None:
    server.add_view("who")
    server.add_view("who", "with_more", headers=["X-Team", "Authorization"])
    headers = {
        "cookie": "sessionid=stolen; csrftoken=x",
        "authorization": "Bearer secret",
        "x_http_method_override": "DELETE",
        "x_team": "red",
        "range": "bytes=0-1",
        "if_none_match": "*",
        "x_csrftoken": "x",
    }

    found = await _call(door(), "who", headers)
    assert (found["headers"], found["cookies"]) == (["Accept", "Host"], {})
    found = await _call(door(), "with_more", headers)
    assert found["headers"] == ["Accept", "Authorization", "Host", "X-Team"]


async def test_a_session_lasts_for_the_call(server: MCPServer, door: Any) -> None:
    server.add_view("session")
    ann = await User.objects.acreate(username="ann")

    for _ in range(2):
        assert (await door(ann).tool("session"))["structuredContent"] == {"seen": 1, "key": None}
    assert not await Session.objects.aexists()


async def test_decorators_of_the_view_decide(server: MCPServer, guest: Any) -> None:
    server.add_view("members")
    server.add_view("editors")
    ann = await User.objects.acreate(username="ann")
    editor = await User.objects.acreate(username="editor")
    permission = await Permission.objects.aget(codename="change_group")
    await editor.user_permissions.aadd(permission)

    said = await guest().fail("members")
    assert said == "Not permitted: the view asks this caller to log in as somebody who may."
    result = (await guest(ann).ask("tools/call", name="members", arguments={})).result
    assert result["content"][0]["text"] == "Hello, ann."
    said = await guest(ann).fail("editors")
    assert said == "Not permitted: the view does not let this caller do that."
    result = (await guest(editor).ask("tools/call", name="editors", arguments={})).result
    assert result["content"][0]["text"] == "an editor"


async def test_a_permission_of_the_tool_comes_before_the_view(
    server: MCPServer, guest: Any
) -> None:
    server.add_view("who", permission="auth.change_group")
    ann = await User.objects.acreate(username="ann")

    assert await guest(ann).tools() == {}
    error = (await guest(ann).ask("tools/call", name="who", arguments={})).error
    assert error["message"] == "Unknown tool: who"


# The project around it


async def test_the_middleware_of_the_project_runs(server: MCPServer, guest: Any) -> None:
    server.add_view("text")
    server.add_view("raising")

    assert "does not let this caller" in await guest().fail("text", name="closed")
    assert await guest().fail("raising", kind="lookup") == "Not found."


async def test_without_middleware_the_view_is_called_alone(server: MCPServer, door: Any) -> None:
    server.add_view("who", middleware=False)
    server.add_view("awho", middleware=False)
    server.add_view("text", middleware=False)
    server.add_view("moved", middleware=False)
    ann = await User.objects.acreate(username="ann")

    found = (await door(ann).tool("who"))["structuredContent"]
    assert (found["user"], found["tenant"]) == ("ann", None)
    assert (await door(ann).tool("awho"))["structuredContent"]["user"] == "ann"
    assert not (await door().tool("text", {"name": "closed"})).get("isError")


async def test_where_a_login_is_required_the_caller_has_one(
    server: MCPServer, site: Any, door: Any
) -> None:
    site.MIDDLEWARE = [*site.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    server.add_view("default")
    server.add_view("all")
    ann = await User.objects.acreate(username="ann")

    assert (await door(ann).tool("default"))["content"][0]["text"] == "in"
    refused = await door().tool("default")
    assert (refused["isError"], "log in" in refused["content"][0]["text"]) == (True, True)
    assert (await door().tool("all"))["content"][0]["text"] == "everybody is in"


async def test_a_remote_user_middleware_leaves_the_caller_alone(
    server: MCPServer, site: Any, guest: Any
) -> None:
    site.MIDDLEWARE = [*site.MIDDLEWARE, "django.contrib.auth.middleware.RemoteUserMiddleware"]
    server.add_view("who")
    ann = await User.objects.acreate(username="ann")

    assert (await guest(ann).call("who"))["user"] == "ann"


async def test_a_page_made_for_one_caller_is_kept_for_nobody(
    server: MCPServer, site: Any, guest: Any
) -> None:
    cached = "django.middleware.cache"
    site.MIDDLEWARE = [
        f"{cached}.UpdateCacheMiddleware",
        *site.MIDDLEWARE,
        f"{cached}.FetchFromCacheMiddleware",
    ]
    server.add_view("cached")
    ann, bob = [await User.objects.acreate(username=name) for name in ("ann", "bob")]

    for user in (ann, bob):
        result = (await guest(user).ask("tools/call", name="cached", arguments={})).result
        assert result["content"][0]["text"] == f"made for {user}"
    response = await AsyncClient().get("/cached/")
    assert response.content == b"made for AnonymousUser"
