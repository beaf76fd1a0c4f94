"""How long a client may keep what it got, and who may share it: ttlMs and cacheScope."""

from __future__ import annotations

from typing import Any

import pytest

from django_mcp import CacheHint, Context, MCPServer, default_server
from django_mcp.server.errors import RegistrationError
from tests.conversations.talk import ASKABLE, by_name, consumer_of
from tests.doors import Door, envelope

CACHEABLE: dict[str, dict[str, Any]] = {
    "server/discover": {},
    "tools/list": {},
    "prompts/list": {},
    "resources/list": {},
    "resources/templates/list": {},
    "resources/read": {"uri": "x://one"},
}


def fill(server: MCPServer, **options: Any) -> MCPServer:
    def echo(a: str) -> str:
        raise NotImplementedError

    server.add_tool(lambda: "", "one", **options)
    server.add_prompt(lambda: "", "one", **options)
    server.add_resource("x://one", "", **options)
    server.resource("x://{a}", **options)(echo)
    return server


async def hints(door: Door, method: str, **headers: str) -> tuple[Any, Any]:
    result = (await door.post(envelope(method, CACHEABLE.get(method, {})), **headers)).result
    return result.get("ttlMs"), result.get("cacheScope")


@pytest.mark.parametrize("method", CACHEABLE)
async def test_without_being_told_otherwise_nothing_is_kept(
    door: Door, server: MCPServer, method: str
) -> None:
    fill(server)

    # What is read may depend on the reader, whatever the list says.
    assert await hints(door, method) == (0, "private" if method == "resources/read" else "public")


@pytest.mark.parametrize("method", CACHEABLE)
async def test_lists_that_differ_between_callers_are_private(
    server: MCPServer, guarded: Any, method: str
) -> None:
    fill(server, permission=lambda principal: principal.id == "name:ada")
    expected = "public" if method == "server/discover" else "private"

    for kind in ("consumer", "view", "wsgi"):
        assert await hints(guarded(by_name, kind), method, x_caller="ada") == (0, expected)


async def test_a_list_is_public_again_when_what_was_guarded_is_gone(
    door: Door, server: MCPServer
) -> None:
    server.add_tool(lambda: "", "one")
    server.add_tool(lambda: "", "two", permission=lambda principal: False)

    assert await hints(door, "tools/list") == (0, "private")
    server.remove_tool("two")
    assert await hints(door, "tools/list") == (0, "public")


@pytest.mark.parametrize("method", CACHEABLE)
async def test_a_server_says_how_long_and_for_whom(method: str) -> None:
    hint = CacheHint(ttl_ms=60_000, scope="public")
    server = fill(MCPServer("test", cache={method: hint}))

    assert await hints(consumer_of(server), method) == (60_000, "public")


@pytest.mark.parametrize("method", CACHEABLE)
async def test_what_differs_between_callers_is_never_public(method: str) -> None:
    hint = CacheHint(ttl_ms=60_000, scope="public")
    server = fill(MCPServer("test", cache={method: hint}), permission=lambda principal: True)
    expected = "public" if method == "server/discover" else "private"

    assert await hints(consumer_of(server), method) == (60_000, expected)


async def test_what_stands_where_something_is_hidden_from_others_is_never_public() -> None:
    server = MCPServer("test", cache={"resources/read": CacheHint(scope="public")})
    server.add_resource("x://one", "", permission=lambda principal: False)

    @server.resource("x://{a}")
    async def echo(a: str) -> str:
        return a

    door = consumer_of(server)
    other = (await door.call("resources/read", {"uri": "x://two"})).result

    assert await hints(door, "resources/read") == (0, "private")
    assert other["cacheScope"] == "public"


@pytest.mark.parametrize("method", CACHEABLE)
async def test_what_middleware_may_change_is_private_unless_the_server_says_so(method: str) -> None:
    async def hide(ctx: Context, call_next: Any) -> Any:
        return await call_next(ctx)

    hint = CacheHint(scope="public")
    quiet = fill(MCPServer("test", middleware=[hide]))
    plain = fill(MCPServer("test", middleware=[hide], cache={method: hint}))

    assert await hints(consumer_of(quiet), method) == (0, "private")
    assert await hints(consumer_of(plain), method) == (0, "public")


async def test_a_hint_without_a_scope_leaves_it_to_the_server() -> None:
    server = fill(MCPServer("test", cache={method: CacheHint(ttl_ms=5) for method in CACHEABLE}))
    door = consumer_of(server)

    assert await hints(door, "tools/list") == (5, "public")
    assert await hints(door, "resources/read") == (5, "private")


async def test_every_page_says_the_same() -> None:
    server = MCPServer("test", page_size=1, cache={"tools/list": CacheHint(ttl_ms=5)})
    server.add_tool(lambda: "", "one")
    server.add_tool(lambda: "", "two", permission=lambda principal: True)
    door = consumer_of(server)

    first = (await door.call("tools/list")).result
    second = (await door.call("tools/list", {"cursor": first["nextCursor"]})).result

    assert (first["ttlMs"], first["cacheScope"]) == (5, "private")
    assert (second["ttlMs"], second["cacheScope"]) == (5, "private")


async def test_what_is_no_answer_yet_is_not_kept(door: Door, server: MCPServer) -> None:
    @server.resource("x://one")
    async def one(ctx: Context) -> str:
        return str(await ctx.confirm("Sure?"))

    reply = await door.call("resources/read", {"uri": "x://one"}, capabilities=ASKABLE)

    assert set(reply.result) == {"resultType", "inputRequests", "requestState", "_meta"}


@pytest.mark.parametrize(
    ("method", "params"),
    [("tools/call", {"name": "one"}), ("prompts/get", {"name": "one"})],
)
async def test_what_depends_on_more_is_not_kept(
    door: Door, server: MCPServer, method: str, params: Any
) -> None:
    fill(server)

    assert {"ttlMs", "cacheScope"}.isdisjoint((await door.call(method, params)).result)


async def test_the_default_servers_hints_stand_in_the_settings(settings: Any) -> None:
    settings.DJANGO_MCP = {"CACHE": {"tools/list": {"ttl_ms": 7, "scope": "private"}}}
    default_server.cache_clear()
    try:
        assert await hints(consumer_of(default_server()), "tools/list") == (7, "private")
    finally:
        default_server.cache_clear()


def test_a_time_below_zero_is_refused() -> None:
    with pytest.raises(RegistrationError, match="0 milliseconds or more, not -1"):
        CacheHint(ttl_ms=-1)


@pytest.mark.parametrize("method", ["tool/list", "tools/call", "nope"])
def test_a_hint_for_what_is_not_kept_is_refused(method: str) -> None:
    with pytest.raises(RegistrationError, match=f"'{method}'.*tools/list"):
        MCPServer("test", cache={method: CacheHint(ttl_ms=5)})
