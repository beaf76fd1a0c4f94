"""The connections that a client keeps: who gets one, and when one ends."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from django_mcp.client import Client
from django_mcp.client.transports import http_client
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

    async with (
        Fake(call, revision="2026-07-28") as fake,
        Client(fake.url, revisions=STATELESS) as client,
    ):
        texts = [f"{number}" for number in range(AT_ONCE)]
        for _ in range(2):
            results = await asyncio.gather(*(client.call_tool("t", {"text": t}) for t in texts))
            assert [result.text for result in results] == texts
            await fake.until(lambda: fake.open <= 3)
        assert fake.open == 3
        made = fake.connections
        for _ in range(3):
            assert (await client.call_tool("t", {"text": "alone"})).text == "alone"
        assert (fake.connections, fake.open) == (made, 3)
    assert fake.open == 0


async def test_a_connection_that_was_idle_for_long_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_client, "LONGEST_IDLE", 0.0)
    async with (
        Fake(echo, revision="2026-07-28") as fake,
        Client(fake.url, revisions=STATELESS) as client,
    ):
        await client.call_tool("t", {"text": "1"})
        made = fake.connections
        await client.call_tool("t", {"text": "2"})
        await client.call_tool("t", {"text": "3"})
        assert fake.connections == made + 2
        await fake.until(lambda: fake.open <= 1)


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
        with pytest.raises(Exception, match="closed"):
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
