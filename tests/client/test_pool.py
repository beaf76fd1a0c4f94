"""The connections that a client keeps: who gets one, and when one ends."""

from __future__ import annotations

import asyncio
import gc
from typing import Any
from weakref import WeakSet

import httpx
import pytest

from django_mcp.client import Client, ConnectionLost
from django_mcp.client.transports import http_client, pool
from django_mcp.client.transports.network import Network
from tests.client.fakes import Fake, Reply, Seen

STATELESS = ["2026-07-28"]
AT_ONCE = 20


async def echo(seen: Seen, reply: Reply) -> None:
    """A tool that answers with its argument."""
    await reply.text(seen, seen.arguments["text"])


async def get(http: httpx.AsyncClient, url: str) -> httpx.Response:
    return await http.send(http.build_request("GET", url, timeout=httpx.Timeout(5)))


async def test_calls_at_once_have_a_connection_each_and_a_few_of_those_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_client, "MOST_IDLE", 3)
    all_here = asyncio.Barrier(AT_ONCE)

    async def call(seen: Seen, reply: Reply) -> None:
        if seen.arguments["text"] != "alone":
            await all_here.wait()
        await echo(seen, reply)

    texts = [f"{number}" for number in range(AT_ONCE)]
    async with Fake(call, revision="2026-07-28") as fake:
        async with Client(fake.url, revisions=STATELESS) as client:
            for _ in range(2):
                results = await asyncio.gather(*(client.call_tool("t", {"text": t}) for t in texts))
                assert [result.text for result in results] == texts
                await fake.until(lambda: fake.open <= 3)
            assert fake.open == 3
            made = fake.connections
            for _ in range(3):
                assert (await client.call_tool("t", {"text": "alone"})).text == "alone"
            assert (fake.connections, fake.open) == (made, 3)
        await fake.until(lambda: fake.open == 0)


async def test_a_connection_that_was_idle_for_long_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(pool, "monotonic", lambda: now)
    async with (
        Fake(echo, revision="2026-07-28") as fake,
        Client(fake.url, revisions=STATELESS) as client,
    ):
        await client.call_tool("t", {"text": "1"})
        made = fake.connections
        now += http_client.LONGEST_IDLE - 1
        await client.call_tool("t", {"text": "2"})
        assert fake.connections == made
        now += http_client.LONGEST_IDLE + 1
        await client.call_tool("t", {"text": "3"})
        assert fake.connections == made + 1
        await fake.until(lambda: fake.open == 1)


async def test_of_many_that_are_idle_those_end_that_were_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the next request that ends, though none of them is taken for it."""
    now = 1000.0
    monkeypatch.setattr(pool, "monotonic", lambda: now)
    both_here = asyncio.Barrier(2)

    async def call(seen: Seen, reply: Reply) -> None:
        if seen.arguments["text"] == "both":
            await both_here.wait()
        await echo(seen, reply)

    async with (
        Fake(call, revision="2026-07-28") as fake,
        Client(fake.url, revisions=STATELESS) as client,
    ):
        await asyncio.gather(*(client.call_tool("t", {"text": "both"}) for _ in range(2)))
        assert fake.open == 2
        now += http_client.LONGEST_IDLE - 1
        await client.call_tool("t", {"text": "1"})
        assert fake.open == 2
        now += 2
        await client.call_tool("t", {"text": "2"})
        await fake.until(lambda: fake.open == 1)


async def test_a_connection_that_the_server_ended_is_not_used_again() -> None:
    async def call(seen: Seen, reply: Reply) -> None:
        await echo(seen, reply)
        reply.is_open = True  # And there is nothing more: the connection ends.

    async with (
        Fake(call, revision="2026-07-28") as fake,
        Client(fake.url, revisions=STATELESS) as client,
    ):
        for text in ("1", "2", "3"):
            assert (await client.call_tool("t", {"text": text})).text == text
            await fake.until(lambda: fake.open == 0)


@pytest.mark.parametrize("where", ["before the answer", "within the answer", "within a stream"])
async def test_a_connection_whose_request_is_given_up_ends(where: str) -> None:
    begun = asyncio.Event()

    async def call(seen: Seen, reply: Reply) -> None:
        if seen.arguments["text"] == "here":
            await echo(seen, reply)
            return
        if where == "within the answer":
            await reply.part(200, b"{", 100)
        elif where == "within a stream":
            await reply.stream()
        begun.set()
        await reply.gone()

    async with (
        Fake(call, revision="2026-07-28") as fake,
        Client(fake.url, revisions=STATELESS) as client,
    ):
        asked = asyncio.ensure_future(client.call_tool("t", {"text": "never"}))
        await begun.wait()
        assert (await client.call_tool("t", {"text": "here"})).text == "here"
        assert fake.open == 2
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        await fake.until(lambda: fake.open == 1)
        assert (await client.call_tool("t", {"text": "here"})).text == "here"
        assert fake.open == 1


async def test_a_client_that_is_closed_leaves_no_connection_behind() -> None:
    begun = asyncio.Event()

    async def call(seen: Seen, reply: Reply) -> None:
        begun.set()
        await reply.gone()

    async with Fake(call, revision="2026-07-28") as fake:
        async with Client(fake.url, revisions=STATELESS) as client:
            asked = asyncio.ensure_future(client.call_tool("t", {"text": "never"}))
            await begun.wait()
        with pytest.raises(ConnectionLost, match="closed"):
            await asked
        await fake.until(lambda: fake.open == 0)


async def test_a_client_that_is_closed_while_it_connects_sends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect, connecting, goes_on = Network.connect_tcp, asyncio.Event(), asyncio.Event()

    async def slowly(*given: Any, **options: Any) -> Any:
        connection = await connect(*given, **options)
        connecting.set()
        await goes_on.wait()
        return connection

    monkeypatch.setattr(Network, "connect_tcp", slowly)
    async with Fake() as fake:
        http = http_client.new_client()
        asked = asyncio.ensure_future(get(http, fake.url))
        await connecting.wait()
        await http.aclose()
        goes_on.set()
        with pytest.raises(httpx.ConnectError, match="closed"):
            await asked
        await fake.until(lambda: fake.connections and not fake.open)
        assert fake.seen == []


async def test_what_is_neither_http_nor_https_is_not_asked_for() -> None:
    async with http_client.new_client() as http:
        with pytest.raises(httpx.UnsupportedProtocol, match="http:// or https://"):
            await get(http, "ftp://127.0.0.1/")


async def whole(seen: Seen, reply: Reply) -> None:
    """A server of anything."""
    await reply.whole(200, b"{}")


async def test_each_server_has_connections_of_its_own() -> None:
    async with (
        Fake(every=whole) as one,
        Fake(every=whole) as other,
        http_client.new_client() as http,
    ):
        for fake in (one, other, one, other):
            assert (await get(http, fake.url)).content == b"{}"
        assert (len(one.seen), len(other.seen)) == (2, 2)
        assert (one.connections, other.connections) == (1, 1)


async def test_what_is_still_read_ends_with_the_client() -> None:
    async def begin(seen: Seen, reply: Reply) -> None:
        await reply.part(200, b"{", 100)
        await reply.gone()

    async with Fake(every=begin) as fake:
        http = http_client.new_client()
        request = http.build_request("GET", fake.url, timeout=httpx.Timeout(5))
        response = await http.send(request, stream=True)
        await http.aclose()
        await fake.until(lambda: fake.open == 0)
        await response.aclose()


@pytest.mark.parametrize("more", [None, 0, 1, 2])
async def test_whenever_a_request_is_given_up_no_more_than_one_connection_stays(
    more: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled at each turn of the event loop, once or, a few turns later, a second time."""
    connect, there = Network.connect_tcp, WeakSet[Any]()

    async def noted(*given: Any, **options: Any) -> Any:
        connection = await connect(*given, **options)
        there.add(connection)
        return connection

    monkeypatch.setattr(Network, "connect_tcp", noted)
    async with Fake(every=whole) as fake, http_client.new_client() as http:
        for turns in range(60):
            asked = asyncio.ensure_future(get(http, fake.url))
            for _ in range(turns):
                await asyncio.sleep(0)
            asked.cancel()
            if more is not None:
                for _ in range(more):
                    await asyncio.sleep(0)
                asked.cancel()
            await asyncio.wait([asked])
            await fake.until(lambda: fake.open <= 1)
        assert (await get(http, fake.url)).content == b"{}"
        await fake.until(lambda: fake.open == 1)
        gc.collect()
        assert len(there) == 1
