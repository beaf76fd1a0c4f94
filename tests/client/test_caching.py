"""Answers that are fresh are not asked for again: what is kept, for whom, and until when."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest

from django_mcp import Context
from django_mcp.client import Client, ResponseCache
from django_mcp.client.caching import Question
from django_mcp.protocol import types as t
from django_mcp.server.server import CacheHint

from .ways import NEWEST_SESSION, STATELESS, connected, new_server, served

LISTS = ("tools/list", "resources/list", "resources/templates/list", "prompts/list")
URI = "shelf://1"


class Clock:
    """A clock that stands still."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def cached(ttl_ms: int = 60_000, scope: Any = "public") -> Any:
    """A server with one of everything, and the list of what it was asked."""
    asked: list[str] = []

    async def note(request: Any, call_next: Any) -> Any:
        asked.append(request.method)
        return await call_next(request)

    hint = CacheHint(ttl_ms=ttl_ms, scope=scope)
    server = new_server(cache=dict.fromkeys([*LISTS, "resources/read"], hint), middleware=[note])

    @server.tool
    def lend() -> int:
        return 1

    @server.resource(URI)
    def shelf() -> str:
        return f"read {asked.count('resources/read')}"

    @server.resource("shelf://{number}/books")
    def books(number: int) -> str:
        return "books"

    @server.prompt
    def review() -> str:
        return "Review it."

    return server, asked


async def everything(client: Client, **options: Any) -> None:
    await client.list_tools(**options)
    await client.list_resources(**options)
    await client.list_resource_templates(**options)
    await client.list_prompts(**options)
    await client.read_resource(URI, **options)


ASKED = ["tools/list", *LISTS[1:], "resources/read"]


async def test_what_is_fresh_is_asked_for_once() -> None:
    server, asked = cached()
    async with connected("memory", server, STATELESS) as client:
        asked.clear()
        await everything(client)
        await everything(client)
        assert asked == ASKED

        await everything(client, fresh=True)
        assert asked == ASKED * 2

        assert (await client.read_resource(URI))[0].text == "read 2"


@pytest.mark.parametrize(
    ("ttl_ms", "revision", "options"),
    [
        (0, STATELESS, {}),
        (60_000, NEWEST_SESSION, {}),
        (60_000, STATELESS, {"cache": False}),
    ],
    ids=["not fresh", "a revision that does not say", "turned off"],
)
async def test_what_is_not_fresh_is_asked_for_again(
    ttl_ms: int, revision: str, options: Any
) -> None:
    server, asked = cached(ttl_ms)
    async with connected("memory", server, revision, **options) as client:
        asked.clear()
        await everything(client)
        await everything(client)

    assert asked[: 2 * len(ASKED)] == ASKED * 2


async def test_an_answer_is_fresh_for_its_time() -> None:
    server, _ = cached(ttl_ms=5_000)
    clock = Clock()
    async with connected("memory", server, STATELESS, cache=ResponseCache(clock=clock)) as client:
        await client.read_resource(URI)
        clock.now += 4.999
        assert (await client.read_resource(URI))[0].text == "read 1"
        clock.now += 0.001
        assert (await client.read_resource(URI))[0].text == "read 2"


async def test_a_change_that_is_told_outdates_what_it_is_about() -> None:
    server, asked = cached()
    async with (
        connected("memory", server, STATELESS) as client,
        client.listen(tools=True, prompts=True, resources=True, uris=[URI]) as changes,
    ):
        for tell, outdated in (
            (server.notify_tools_changed, LISTS[:1]),
            (server.notify_prompts_changed, LISTS[3:]),
            (server.notify_resources_changed, LISTS[1:3]),
            (lambda: server.notify_resource_updated(URI), ("resources/read",)),
        ):
            await everything(client)
            asked.clear()
            tell()
            await anext(changes)
            await everything(client)
            assert asked == list(outdated)


async def test_an_answer_that_depends_on_questions_is_not_kept() -> None:
    server, asked = cached()

    @server.resource("shelf://secret")
    async def secret(ctx: Context) -> str:
        await ctx.confirm("Really?")
        return "secret"

    async with connected("memory", server, STATELESS, on_elicit=lambda question: True) as client:
        await client.read_resource("shelf://secret")
        asked.clear()
        await client.read_resource("shelf://secret")

    assert asked == ["resources/read"] * 2


@pytest.mark.parametrize(
    ("scope", "partitions", "times"),
    [
        ("public", ("ann", "bob"), 1),
        ("private", ("ann", "bob"), 2),
        ("private", ("ann", "ann"), 1),
        ("private", (None, None), 2),
    ],
)
async def test_what_is_private_is_for_those_of_one_partition(
    scope: Any, partitions: tuple[str | None, str | None], times: int
) -> None:
    server, asked = cached(scope=scope)
    cache = ResponseCache()
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(served(server))
        clients = [
            await stack.enter_async_context(
                Client(url, revisions=[STATELESS], cache=cache, cache_partition=partition)
            )
            for partition in partitions
        ]
        for client in clients:
            await everything(client)

    assert asked.count("tools/list") == asked.count("resources/read") == times


async def test_servers_that_share_a_cache_do_not_answer_for_each_other() -> None:
    hints = {"tools/list": CacheHint(ttl_ms=60_000, scope="public")}
    one, two = new_server("one", cache=hints), new_server("two", cache=hints)
    one.tool("first")(lambda: 1)
    two.tool("second")(lambda: 2)
    cache = ResponseCache()

    async with (
        connected("memory", one, STATELESS, cache=cache) as first,
        connected("memory", two, STATELESS, cache=cache) as second,
    ):
        assert [tool.name for tool in await first.list_tools()] == ["first"]
        assert [tool.name for tool in await second.list_tools()] == ["second"]
    assert len(cache) == 2


# -------------------------------------------------------------------------------- the cache itself


def question(params: str = "", partition: str | None = "me") -> Question:
    return Question(
        server="s",
        revision=STATELESS,
        method="tools/list",
        params=params.encode(),
        partition=partition,
    )


def page(text: str) -> t.ListToolsResult:
    return t.ListToolsResult(tools=[], next_cursor=text)


def put(cache: ResponseCache, params: str, value: Any, **more: Any) -> None:
    options = {"ttl_ms": 1_000, "scope": "private", "asked_at": cache.drops, **more}
    cache.put(question(params), value, **options)


def test_those_used_last_are_kept() -> None:
    cache = ResponseCache(most=2)
    put(cache, "1", page("one"))
    put(cache, "2", page("two"))
    assert cache.get(question("1")) == page("one")
    put(cache, "3", page("three"))

    assert cache.get(question("2")) is None
    assert cache.get(question("1")) == page("one")


def test_no_more_is_kept_than_there_is_room_for() -> None:
    cache = ResponseCache(most_bytes=3_000)
    put(cache, "1", page("x" * 2_000))
    put(cache, "2", page("y" * 2_000))
    put(cache, "3", page("z" * 4_000))

    assert [cache.get(question(each)) is not None for each in "123"] == [False, True, False]


def test_an_answer_from_before_a_change_is_not_kept() -> None:
    cache = ResponseCache()
    before = cache.drops
    cache.hear("s", "notifications/tools/list_changed", {})
    put(cache, "1", page("old"), asked_at=before)

    assert cache.get(question("1")) is None


def test_an_update_is_about_the_resource_and_what_contains_it() -> None:
    cache = ResponseCache()
    uris = ("shelf://1", "shelf://1/book", "shelf://2")

    def read(uri: str) -> Question:
        return Question(
            server="s",
            revision=STATELESS,
            method="resources/read",
            params=uri.encode(),
            partition=None,
            uri=uri,
        )

    for uri in uris:
        cache.put(read(uri), page(uri), ttl_ms=1_000, scope="public", asked_at=cache.drops)
    cache.hear("s", "notifications/resources/updated", {"uri": "shelf://1/book"})

    assert [cache.get(read(uri)) is not None for uri in uris] == [False, False, True]
