"""Who may come in, and who may see and use what."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType

from django_mcp import Context, MCPServer, Principal
from django_mcp.authentication import HttpRequest, Refused
from tests.conversations.talk import by_name, consumer_of, listed, read, said
from tests.doors import Door, Reply, envelope

KINDS = pytest.mark.parametrize("kind", ["consumer", "view", "wsgi"])


async def call(door: Door, method: str, params: Any = None, **headers: Any) -> Reply:
    return await door.post(envelope(method, params), **headers)


# Who may come in


@KINDS
async def test_whoever_is_not_known_is_asked_for_a_token(guarded: Any, kind: str) -> None:
    reply = await call(guarded(by_name, kind), "tools/list")

    assert reply.status == 401
    assert reply.headers["www-authenticate"] == "Bearer"
    assert reply.error["code"] == -32600


@KINDS
@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
async def test_an_authentication_may_say_why_it_refuses(
    guarded: Any, kind: str, sync: bool
) -> None:
    def plain(request: HttpRequest) -> Principal:
        raise Refused(403, "Not from there.", {"X-Why": request.client or "nobody"})

    async def awaited(request: HttpRequest) -> Principal:
        return plain(request)

    reply = await call(guarded(plain if sync else awaited, kind), "tools/list")

    assert (reply.status, reply.error["message"]) == (403, "Not from there.")
    assert reply.headers["x-why"] == "127.0.0.1"
    assert "www-authenticate" not in reply.headers


@KINDS
async def test_a_challenge_of_its_own_goes_before_the_usual_one(guarded: Any, kind: str) -> None:
    async def authenticate(request: HttpRequest) -> Principal:
        raise Refused(headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})

    reply = await call(guarded(authenticate, kind), "tools/list")

    assert reply.status == 401
    assert reply.headers["www-authenticate"] == 'Bearer error="invalid_token"'


@KINDS
async def test_an_authentication_that_fails_lets_nobody_in(
    guarded: Any, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def authenticate(request: HttpRequest) -> Principal:
        raise ValueError("secret")

    reply = await call(guarded(authenticate, kind), "tools/list")

    assert reply.status == 503
    assert reply.error == {"code": -32603, "message": "Internal error"}
    assert "ValueError: secret" in caplog.text


@KINDS
@pytest.mark.parametrize("status", [200, 302, 0, 600, None])
async def test_a_refusal_that_refuses_nothing_is_an_error_of_the_project(
    guarded: Any, kind: str, status: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def authenticate(request: HttpRequest) -> Principal:
        raise Refused(status, "Come in.")

    reply = await call(guarded(authenticate, kind), "tools/list")

    assert reply.status == 503
    assert reply.error == {"code": -32603, "message": "Internal error"}
    assert "status" in caplog.text


@KINDS
async def test_a_refusal_adds_no_header_but_those_it_names(
    guarded: Any, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = {
        "X-Why": "Gänge\r\nSet-Cookie: a=b\x00",
        "X-Far": "Łódź",
        "X-Bad\r\nSet-Cookie": "a=b",
        "X-Ü": "x",
        "": "x",
    }

    async def authenticate(request: HttpRequest) -> Principal:
        raise Refused(403, "Not from there.", wanted)

    reply = await call(guarded(authenticate, kind), "tools/list")

    assert reply.status == 403
    assert reply.headers["x-why"] == "GängeSet-Cookie: a=b"
    assert reply.headers["x-far"] == "?ód?"
    assert {name for name in reply.headers if "bad" in name or "cookie" in name} == set()
    assert not reply.headers.keys() & {"", "x-ü"}
    assert "left out" in caplog.text


@KINDS
async def test_a_stranger_learns_nothing_from_what_they_send(guarded: Any, kind: str) -> None:
    door = guarded(by_name, kind)

    for body in (b"", b"{", b"[" * 1000):
        assert (await door.post(body)).status == 401


@KINDS
async def test_without_an_authentication_nobody_comes_in_outside_debug(
    settings: Any, guarded: Any, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings.DEBUG = False
    closed = await call(guarded(None, kind), "tools/list")
    settings.DEBUG = True
    open_ = await call(guarded(None, kind), "tools/list")

    assert (closed.status, open_.status) == (403, 200)
    assert 'DJANGO_MCP["AUTHENTICATION"]' in caplog.text


@KINDS
@pytest.mark.django_db
async def test_an_authentication_may_ask_the_database(guarded: Any, kind: str) -> None:
    await User.objects.acreate(username="ada")

    def plain(request: HttpRequest) -> Principal | None:
        user = User.objects.filter(username=request.headers.get("x-caller")).first()
        return None if user is None else Principal(id=f"user:{user.pk}", user=user)

    door = guarded(plain, kind)

    assert (await call(door, "tools/list", x_caller="ada")).status == 200
    assert (await call(door, "tools/list", x_caller="bob")).status == 401


# Who may use what: a rule


@pytest.fixture(params=["sync", "async"])
def only_ada(request: pytest.FixtureRequest, server: MCPServer) -> None:
    """A server whose things are Ada's, beside some that are everybody's."""

    def plain(principal: Principal) -> bool:
        return principal.id == "name:ada"

    async def awaited(principal: Principal) -> bool:
        return plain(principal)

    rule = plain if request.param == "sync" else awaited

    @server.tool(permission=rule)
    async def burn(book: int):  # type: ignore[no-untyped-def]
        return f"burned {book}"

    @server.prompt(permission=rule)
    async def curse(word: str) -> str:
        return word

    @server.resource("library://cellar", permission=rule)
    async def cellar() -> str:
        return "old books"

    @server.resource("library://cellar/{number}", permission=rule)
    async def box(number: int) -> str:
        return f"box {number}"

    @server.completion("curse", "word")
    async def words(value: str) -> list[str]:
        return ["darn"]

    @server.completion("library://cellar/{number}", "number")
    async def numbers(value: str) -> list[str]:
        return ["7"]

    server.add_tool(lambda: "hello", "greet")


@pytest.mark.usefixtures("only_ada")
@KINDS
async def test_what_somebody_may_not_use_is_not_in_their_lists(guarded: Any, kind: str) -> None:
    door = guarded(by_name, kind)

    async def names(method: str, caller: str) -> list[str]:
        result = (await call(door, method, x_caller=caller)).result
        (members,) = (value for value in result.values() if isinstance(value, list))
        return [member["name"] for member in members]

    assert await names("tools/list", "ada") == ["burn", "greet"]
    assert await names("tools/list", "bob") == ["greet"]
    assert await names("prompts/list", "ada") == ["curse"]
    assert await names("prompts/list", "bob") == []
    assert await names("resources/list", "ada") == ["cellar"]
    assert await names("resources/list", "bob") == []
    assert await names("resources/templates/list", "ada") == ["box"]
    assert await names("resources/templates/list", "bob") == []


@pytest.mark.usefixtures("only_ada")
@KINDS
async def test_whoever_may_use_it_uses_it(guarded: Any, kind: str) -> None:
    door = guarded(by_name, kind)

    burned = await call(
        door, "tools/call", {"name": "burn", "arguments": {"book": 7}}, x_caller="ada"
    )
    box = await call(door, "resources/read", {"uri": "library://cellar/7"}, x_caller="ada")
    cursed = await call(
        door, "prompts/get", {"name": "curse", "arguments": {"word": "darn"}}, x_caller="ada"
    )

    assert burned.result == said("burned 7")
    assert box.result == read("library://cellar/7", "box 7")
    assert cursed.result["messages"][0]["content"]["text"] == "darn"


FORBIDDEN: list[tuple[str, Any, Any]] = [
    (
        "tools/call",
        {"name": "burn", "arguments": {"book": 7}},
        {"name": "nope", "arguments": {"book": 7}},
    ),
    ("tools/call", {"name": "burn"}, {"name": "nope"}),
    (
        "tools/call",
        {"name": "burn", "arguments": {"nonsense": 1}},
        {"name": "nope", "arguments": {"nonsense": 1}},
    ),
    (
        "tools/call",
        {"name": "burn", "requestState": "forged"},
        {"name": "nope", "requestState": "forged"},
    ),
    ("prompts/get", {"name": "curse"}, {"name": "nope"}),
    (
        "prompts/get",
        {"name": "curse", "arguments": {"word": "x"}},
        {"name": "nope", "arguments": {"word": "x"}},
    ),
    ("resources/read", {"uri": "library://cellar"}, {"uri": "library://nope"}),
    ("resources/read", {"uri": "library://cellar/7"}, {"uri": "library://nope"}),
    ("resources/read", {"uri": "library://cellar/x"}, {"uri": "library://nope"}),
    (
        "completion/complete",
        {
            "ref": {"type": "ref/prompt", "name": "curse"},
            "argument": {"name": "word", "value": ""},
        },
        {
            "ref": {"type": "ref/prompt", "name": "nope"},
            "argument": {"name": "word", "value": ""},
        },
    ),
    (
        "completion/complete",
        {
            "ref": {"type": "ref/resource", "uri": "library://cellar/{number}"},
            "argument": {"name": "number", "value": ""},
        },
        {
            "ref": {"type": "ref/resource", "uri": "library://nope"},
            "argument": {"name": "number", "value": ""},
        },
    ),
]


@pytest.mark.usefixtures("only_ada")
@KINDS
@pytest.mark.parametrize(("method", "hidden", "unknown"), FORBIDDEN)
async def test_what_somebody_may_not_use_is_as_unknown_as_what_does_not_exist(
    guarded: Any, kind: str, method: str, hidden: Any, unknown: Any
) -> None:
    door = guarded(by_name, kind)

    def name_of(params: Any) -> str:
        ref = params.get("ref", params)
        return str(ref.get("name") or ref["uri"])

    first = await call(door, method, hidden, x_caller="bob")
    second = await call(door, method, unknown, x_caller="bob")

    assert first.status == second.status == 400
    assert first.body.decode().replace(name_of(hidden), name_of(unknown)) == second.body.decode()


async def test_a_template_behind_a_resource_one_may_not_read_is_read_in_its_place(
    server: MCPServer, guarded: Any
) -> None:
    @server.resource("x://one", permission=lambda principal: principal.id == "name:ada")
    async def one() -> str:
        return "Ada's"

    @server.resource("x://{name}")
    async def every(name: str) -> str:
        return "everybody's"

    door = guarded(by_name)

    ada = await call(door, "resources/read", {"uri": "x://one"}, x_caller="ada")
    bob = await call(door, "resources/read", {"uri": "x://one"}, x_caller="bob")

    assert (ada.result, bob.result) == (read("x://one", "Ada's"), read("x://one", "everybody's"))


# Who may use what: Django's permissions


async def by_user(request: HttpRequest) -> Principal | None:
    """An authentication that finds Django's users by their names."""
    name = request.headers.get("x-caller")
    if name is None:
        return Principal(id="nobody")
    user = await User.objects.aget(username=name)
    return Principal(id=f"user:{user.pk}", user=user)


@sync_to_async
def _users() -> None:
    kind = ContentType.objects.get_for_model(Group)
    permission = Permission.objects.get(codename="change_group", content_type=kind)
    granted = User.objects.create(username="granted")
    granted.user_permissions.add(permission)
    by_group = User.objects.create(username="by-group")
    group = Group.objects.create(name="librarians")
    group.permissions.add(permission)
    by_group.groups.add(group)
    User.objects.create(username="plain")
    User.objects.create(username="super", is_superuser=True)
    inactive = User.objects.create(username="inactive", is_active=False)
    inactive.user_permissions.add(permission)


@KINDS
@pytest.mark.django_db
async def test_a_permission_by_its_name_asks_django(
    server: MCPServer, guarded: Any, kind: str
) -> None:
    await _users()

    @server.tool(permission="auth.change_group")
    async def rename(ctx: Context):  # type: ignore[no-untyped-def]
        return f"renamed by {ctx.user.username}"

    door = guarded(by_user, kind)
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    everything = [{"name": "rename", "inputSchema": schema}]

    for caller in ("granted", "by-group", "super"):
        found = await call(door, "tools/list", x_caller=caller)
        called = await call(door, "tools/call", {"name": "rename"}, x_caller=caller)
        assert found.result == listed("private", tools=everything)
        assert called.result == said(f"renamed by {caller}")
    for stranger in ("plain", "inactive", None):
        found = await call(door, "tools/list", x_caller=stranger)
        called = await call(door, "tools/call", {"name": "rename"}, x_caller=stranger)
        assert found.result == listed("private", tools=[])
        assert called.error == {"code": -32602, "message": "Unknown tool: rename"}


@KINDS
@pytest.mark.django_db
async def test_a_permission_taken_away_is_gone_with_the_next_request(
    server: MCPServer, guarded: Any, kind: str
) -> None:
    await _users()
    server.add_tool(lambda: "renamed", "rename", permission="auth.change_group")
    door = guarded(by_user, kind)

    before = await call(door, "tools/call", {"name": "rename"}, x_caller="granted")
    await (await User.objects.aget(username="granted")).user_permissions.aclear()
    after = await call(door, "tools/call", {"name": "rename"}, x_caller="granted")

    assert before.result == said("renamed")
    assert after.error["code"] == -32602


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["authentication", "rule"])
async def test_authentications_and_rules_run_side_by_side(server: MCPServer, kind: str) -> None:
    together = threading.Barrier(3)

    def authenticate(request: Any) -> Principal:
        if kind == "authentication":
            together.wait(10)
        return Principal(id="user:1")

    def rule(principal: Principal) -> bool:
        if kind == "rule":
            together.wait(10)
        return True

    @server.tool(permission=rule)
    async def used() -> str:
        return "used"

    door = consumer_of(server, authenticate=authenticate)
    results = await asyncio.gather(*(door.tool("used") for _ in range(3)))
    server.workers.close()

    assert [result["content"][0]["text"] for result in results] == ["used"] * 3
