"""Rules in Django's words: permissions, groups, flags of users, and combinations of them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.core.checks import CheckMessage, run_checks

from django_mcp import Context, MCPServer, Principal
from django_mcp.authentication import HttpRequest
from django_mcp.permissions import (
    all_of,
    any_of,
    has_permission,
    in_group,
    is_authenticated,
    is_staff,
    is_superuser,
)
from django_mcp.server.errors import RegistrationError
from tests.conversations.talk import ASKABLE, Client, accepted, calling, said
from tests.conversations.test_subscriptions import acknowledged, listening, told
from tests.doors import Door, envelope

pytestmark = pytest.mark.django_db

EVERYBODY = {"plain", "editor", "reader", "librarian", "staff", "super"}


async def by_user(request: HttpRequest) -> Principal:
    """An authentication that finds Django's users by their names."""
    name = request.headers.get("x-caller")
    if name is None or name == "anonymous":
        return Principal(id="anonymous", user=None if name is None else AnonymousUser())
    user = await User.objects.aget(username=name)
    return Principal(id=f"user:{user.pk}", user=user)


@pytest.fixture(autouse=True)
def users(db: None) -> None:
    """Users with every kind of right, and inactive ones with all of them."""
    change = Permission.objects.get(codename="change_group")
    view = Permission.objects.get(codename="view_group")
    librarians = Group.objects.create(name="Librarians")
    User.objects.create(username="plain")
    User.objects.create(username="editor").user_permissions.add(change, view)
    User.objects.create(username="reader").user_permissions.add(view)
    User.objects.create(username="librarian").groups.add(librarians)
    User.objects.create(username="staff", is_staff=True)
    User.objects.create(username="super", is_superuser=True)
    gone = User.objects.create(username="gone", is_active=False, is_staff=True, is_superuser=True)
    gone.user_permissions.add(change, view)
    gone.groups.add(librarians)


async def who_passes(door: Door) -> set[str]:
    """The callers that find the tool `one` in the list; whoever does not find it cannot call it."""
    found = set()
    for caller in (*sorted(EVERYBODY), "gone", "anonymous", None):
        lists = await door.post(envelope("tools/list"), x_caller=caller)
        called = await door.post(envelope("tools/call", {"name": "one"}), x_caller=caller)
        if lists.result["tools"]:
            found.add(str(caller))
            assert called.result == said("done")
        else:
            assert called.error == {"code": -32602, "message": "Unknown tool: one"}
        assert lists.result["cacheScope"] == "private"
    return found


async def awaited(rule: Callable[[Principal], bool], principal: Principal) -> bool:
    return await sync_to_async(rule)(principal)


RULES: list[tuple[Any, set[str]]] = [
    ("auth.change_group", {"editor", "super"}),
    (has_permission("auth.view_group"), {"editor", "reader", "super"}),
    (has_permission("auth.change_group", "auth.view_group"), {"editor", "super"}),
    (in_group("Librarians"), {"librarian"}),
    (in_group("Nobody"), set()),
    (is_staff, {"staff"}),
    (is_superuser, {"super"}),
    (is_authenticated, EVERYBODY),
    (any_of(is_staff, in_group("Librarians")), {"staff", "librarian"}),
    (any_of("auth.view_group", is_staff), {"editor", "reader", "super", "staff"}),
    (all_of("auth.view_group", is_superuser), {"super"}),
    (all_of("auth.view_group", any_of("auth.change_group", is_staff)), {"editor", "super"}),
    (any_of(partial(awaited, is_staff), in_group("Librarians")), {"staff", "librarian"}),
    (all_of("auth.view_group", partial(awaited, is_superuser)), {"super"}),
    (lambda principal: True, EVERYBODY | {"anonymous", "None"}),
    (partial(awaited, lambda principal: True), EVERYBODY | {"anonymous", "None"}),
]


@pytest.mark.parametrize(("rule", "passing"), RULES, ids=[str(n) for n in range(len(RULES))])
async def test_a_rule_lets_pass_whom_it_names_and_no_inactive_user(
    server: MCPServer, guarded: Any, rule: Any, passing: set[str]
) -> None:
    server.add_tool(lambda: "done", "one", permission=rule)

    assert await who_passes(guarded(by_user)) == passing


@pytest.mark.parametrize("wrong", [any_of, all_of, has_permission])
def test_nothing_makes_no_rule(wrong: Any) -> None:
    with pytest.raises(RegistrationError, match="needs"):
        wrong()


@pytest.mark.parametrize(
    "make",
    [
        lambda server: any_of(is_staff, "change_group"),
        lambda server: all_of(5),
        lambda server: in_group(""),
        lambda server: server.add_tool(lambda: "", "one", permission=["auth.change_group"]),
        lambda server: server.add_tool(lambda: "", "one", permission="librarians"),
    ],
)
def test_what_is_no_rule_is_refused_when_it_is_registered(server: MCPServer, make: Any) -> None:
    with pytest.raises(RegistrationError):
        make(server)


def test_a_rule_says_what_it_asks_for() -> None:
    rule = all_of("auth.change_group", any_of(is_staff, in_group("Librarians")))

    assert str(rule) == (
        "all_of(has_permission('auth.change_group'), any_of(is_staff, in_group('Librarians')))"
    )


# A rule that fails


def raises(principal: Principal) -> bool:
    raise ValueError("secret")


def leaves(principal: Principal) -> bool:
    raise SystemExit(3)


async def raises_awaited(principal: Principal) -> bool:
    raise ValueError("secret")


async def truthy(principal: Principal) -> Any:
    return "yes"


FAILING: list[Any] = [
    raises,
    leaves,
    raises_awaited,
    truthy,
    lambda principal: 1,
    lambda principal: None,
    lambda principal: "yes",
    lambda principal: truthy(principal),
    any_of(raises, is_superuser),
    all_of(lambda principal: 1, is_superuser),
    all_of(truthy, is_superuser),
]


@pytest.mark.parametrize("kind", ["consumer", "view", "wsgi"])
@pytest.mark.parametrize("rule", FAILING)
async def test_a_rule_that_fails_says_no_and_leaves_a_line_in_the_log(
    server: MCPServer, guarded: Any, kind: str, rule: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server.add_tool(lambda: "done", "one", permission=rule)
    server.add_tool(lambda: "done", "two", permission=is_superuser)
    door = guarded(by_user, kind)

    called = await door.post(envelope("tools/call", {"name": "one"}), x_caller="super")
    lists = await door.post(envelope("tools/list"), x_caller="super")

    assert (called.status, called.error) == (
        400,
        {"code": -32602, "message": "Unknown tool: one"},
    )
    assert [tool["name"] for tool in lists.result["tools"]] == ["two"]
    lines = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(lines) == 2
    assert all("lets nobody pass" in record.getMessage() for record in lines)


# What else may be guarded


async def test_a_text_may_be_guarded(server: MCPServer, guarded: Any) -> None:
    server.add_resource("x://text", "hush", permission=in_group("Librarians"))
    door = guarded(by_user)

    for caller, found in (("librarian", True), ("plain", False), ("gone", False)):
        lists = await door.post(envelope("resources/list"), x_caller=caller)
        reply = await door.post(envelope("resources/read", {"uri": "x://text"}), x_caller=caller)
        assert bool(lists.result["resources"]) is found
        assert (reply.status == 200) is found


@pytest.mark.parametrize("whole", [False, True], ids=["argument", "server"])
async def test_a_completion_may_be_guarded(server: MCPServer, guarded: Any, whole: bool) -> None:
    @server.prompt
    def curse(word: str) -> str:
        raise NotImplementedError

    def argument(value: str) -> list[str]:
        return ["darn"]

    def everything(ref: Any, argument: Any, context: Any) -> list[str]:
        return ["darn"]

    if whole:
        server.completion(permission="auth.view_group")(everything)
    else:
        server.completion("curse", "word", permission="auth.view_group")(argument)
    door = guarded(by_user)
    params = {
        "ref": {"type": "ref/prompt", "name": "curse"},
        "argument": {"name": "word", "value": ""},
    }

    for caller, values in (("reader", ["darn"]), ("plain", []), ("gone", [])):
        reply = await door.post(envelope("completion/complete", params), x_caller=caller)
        assert reply.result["completion"]["values"] == values


async def test_who_may_not_have_a_completion_does_not_get_that_of_the_server(
    server: MCPServer, guarded: Any
) -> None:
    @server.prompt
    def curse(word: str) -> str:
        raise NotImplementedError

    @server.completion("curse", "word", permission=is_staff)
    def words(value: str) -> list[str]:
        raise NotImplementedError

    @server.completion
    def everything(ref: Any, argument: Any, context: Any) -> list[str]:
        raise NotImplementedError

    params = {
        "ref": {"type": "ref/prompt", "name": "curse"},
        "argument": {"name": "word", "value": ""},
    }
    reply = await guarded(by_user).post(envelope("completion/complete", params), x_caller="plain")

    assert reply.result["completion"]["values"] == []


# When it is asked


async def test_a_right_is_looked_at_before_the_arguments(server: MCPServer, guarded: Any) -> None:
    @server.tool(permission=is_staff)
    def one(number: int) -> str:
        raise NotImplementedError

    params = {"name": "one", "arguments": {"number": "many", "more": 1}}
    reply = await guarded(by_user).post(envelope("tools/call", params), x_caller="plain")

    assert reply.error["message"] == "Unknown tool: one"


@pytest.mark.parametrize("kind", ["consumer", "view", "wsgi"])
async def test_a_call_that_comes_again_with_its_answers_is_asked_again(
    server: MCPServer, guarded: Any, kind: str
) -> None:
    @server.tool(permission="auth.change_group")
    async def rename(ctx: Context):  # type: ignore[no-untyped-def]
        return f"renamed: {await ctx.confirm('Sure?', key='sure')}"

    door = guarded(by_user, kind)
    kept = calling(door, "rename", x_caller="editor")
    await kept.asked()
    taken = calling(door, "rename", x_caller="editor")
    await taken.asked()

    assert await kept.ended({"sure": accepted()}) == said("renamed: True")
    await (await User.objects.aget(username="editor")).user_permissions.aclear()
    assert await taken.refused({"sure": accepted()}) == {
        "code": -32602,
        "message": "Unknown tool: rename",
    }


async def test_who_was_deactivated_follows_nothing_any_more(
    server: MCPServer, guarded: Any
) -> None:
    server.add_resource("x://secret", "", permission="auth.view_group")
    server.add_resource("x://open", "")
    wanted = {"resourceSubscriptions": ["x://secret", "x://open"]}

    for kind in ("consumer", "view"):
        await User.objects.filter(username="reader").aupdate(is_active=True)
        door = guarded(by_user, kind)
        async with listening(door, headers={"x_caller": "reader"}, **wanted) as stream:
            assert await stream.message() == acknowledged(**wanted)
            server.notify_resource_updated("x://secret")
            assert await stream.message() == told("resources/updated", uri="x://secret")
            await User.objects.filter(username="reader").aupdate(is_active=False)
            server.notify_resource_updated("x://secret")
            server.notify_resource_updated("x://open")
            assert await stream.message() == told("resources/updated", uri="x://open")


async def test_a_right_that_is_taken_away_ends_what_a_session_follows(
    server: MCPServer, guarded: Any
) -> None:
    server.add_resource("x://secret", "", permission="auth.view_group")
    server.add_resource("x://open", "")
    client = await Client(guarded(by_user), caller="reader", capabilities=ASKABLE).begin()
    for uri in ("x://secret", "x://open"):
        await client.request("resources/subscribe", {"uri": uri})

    async with client.listening() as stream:
        server.notify_resource_updated("x://secret")
        assert (await stream.message())["params"] == {"uri": "x://secret"}
        await (await User.objects.aget(username="reader")).user_permissions.aclear()
        server.notify_resource_updated("x://secret")
        server.notify_resource_updated("x://open")
        assert (await stream.message())["params"] == {"uri": "x://open"}


async def test_who_may_see_no_object_of_a_template_any_more_is_told_once(
    server: MCPServer, guarded: Any
) -> None:
    @sync_to_async
    def visible(ctx: Context, named: Any) -> list[bool]:
        return [ctx.user.has_perm("auth.view_group")] * len(named)

    async def of_several(ctx: Context, named: Any) -> list[bool]:
        return await visible(ctx, named)

    @server.resource("x://groups/{number}", visible=of_several)
    def group(number: int) -> str:
        raise NotImplementedError

    server.add_resource("x://open", "")
    wanted = {"resourceSubscriptions": ["x://groups/1", "x://open"]}

    async with listening(guarded(by_user), headers={"x_caller": "reader"}, **wanted) as stream:
        assert await stream.message() == acknowledged(**wanted)
        await (await User.objects.aget(username="reader")).user_permissions.aclear()
        server.notify_resource_updated("x://groups/1")
        assert await stream.message() == told("resources/updated", uri="x://groups/1")
        server.notify_resource_updated("x://groups/1")
        server.notify_resource_updated("x://open")
        assert await stream.message() == told("resources/updated", uri="x://open")


async def test_a_user_who_was_deleted_follows_nothing_any_more(
    server: MCPServer, guarded: Any
) -> None:
    server.add_resource("x://secret", "", permission=is_authenticated)
    server.add_resource("x://open", "")
    wanted = {"resourceSubscriptions": ["x://secret", "x://open"]}

    async with listening(guarded(by_user), headers={"x_caller": "plain"}, **wanted) as stream:
        await stream.message()
        await User.objects.filter(username="plain").adelete()
        server.notify_resource_updated("x://secret")
        server.notify_resource_updated("x://open")
        assert await stream.message() == told("resources/updated", uri="x://open")


# Permissions that nobody can have


@pytest.fixture
def warned(
    server: MCPServer, monkeypatch: pytest.MonkeyPatch, db: None
) -> Callable[[], list[CheckMessage]]:
    """What the check says of the permissions of `server`. One of Django's asks the database."""
    monkeypatch.setattr("django_mcp.checks.servers", lambda: [server])
    return lambda: [found for found in run_checks() if found.id == "django_mcp.W009"]


def test_a_permission_that_no_model_has_is_worth_a_warning(
    server: MCPServer, warned: Callable[[], list[CheckMessage]]
) -> None:
    rule = any_of(is_staff, "auth.chnage_group")

    def one(value: str) -> str:
        raise NotImplementedError

    server.add_tool(lambda: "", "one", permission=rule)
    server.add_prompt(lambda: "", "one", permission=rule)
    server.add_resource("x://one", "", permission=rule)
    server.resource("x://{value}", permission=rule)(one)
    server.completion("one", "value", permission=rule)(one)
    server.completion(permission=rule)(lambda ref, argument, context: [])

    found = warned()

    assert [message.msg.partition(" of the MCP server ")[0] for message in found] == [
        "The tool 'one'",
        "The resource 'x://one'",
        "The resource template 'x://{value}'",
        "The prompt 'one'",
        "The completion of 'value' of 'one'",
        "The completion",
    ]
    assert all("'auth.chnage_group', which no model has" in message.msg for message in found)
    assert all("'auth.change_group'" in str(message.hint) for message in found)


def test_what_models_will_have_is_known_without_the_database(
    server: MCPServer, warned: Callable[[], list[CheckMessage]]
) -> None:
    for action in ("add", "change", "delete", "view"):
        server.add_tool(lambda: "", action, permission=f"auth.{action}_user")

    assert warned() == []
