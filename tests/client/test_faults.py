"""Real servers that are killed, and real connections that are cut, in the middle of calls."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from collections.abc import Iterator

import pytest

from django_mcp.client import Client, ConnectionFailed, ConnectionLost, SseTransport
from tests.interop.servers import Relay, Servers, Site

#: Seconds that a proxy lets a connection live.
CUT_AFTER = 0.1


@pytest.fixture
def own(servers: Servers) -> Iterator[Site]:
    """A server of the test's own."""
    site = servers.start("uvicorn")
    yield site
    site.end()


def kill(site: Site) -> None:
    os.kill(site._process.pid, signal.SIGKILL)
    site._process.wait(30)


@pytest.mark.parametrize(
    ("way", "revision"),
    [("mcp", "2026-07-28"), ("mcp", "2025-11-25"), ("sse", "2025-11-25"), ("ws", "2025-11-25")],
)
async def test_a_server_that_is_killed_fails_what_runs_and_is_found_again_once_it_is_back(
    own: Site, servers: Servers, way: str, revision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = own.url(way)
    target = {"mcp": url, "sse": SseTransport(url), "ws": url.replace("http", "ws", 1)}[way]
    key = uuid.uuid4().hex
    async with Client(target, revisions=[revision], timeout=30) as client:
        quiet = asyncio.ensure_future(client.call_tool("hang", {"key": f"{key} 1"}))
        talking = asyncio.ensure_future(
            client.call_tool("hang", {"key": f"{key} 2", "say_something": True})
        )
        for n in (1, 2):
            await client.call_tool("sign", {"key": f"{key} {n} begun"})
        kill(own)
        for call in (quiet, talking):
            with pytest.raises(ConnectionLost):
                await call
        with pytest.raises((ConnectionFailed, ConnectionLost)):
            await client.call_tool("add", {"a": 1, "b": 2})

        monkeypatch.setattr("tests.interop.servers.free_port", lambda host: own.port)
        back = await asyncio.to_thread(servers.start, "uvicorn")
        try:
            # Its sessions were in its memory.
            assert (await client.call_tool("add", {"a": 1, "b": 2})).text == "3"
        finally:
            back.end()


async def test_a_call_outlives_a_proxy_that_cuts_every_connection(servers: Servers) -> None:
    """Its stream is taken up again from the last event, as often as it takes."""
    site = servers.get("uvicorn")
    key = uuid.uuid4().hex
    steps: list[float] = []
    async with Relay(site) as relay:

        async def cut() -> None:
            while True:
                await asyncio.sleep(CUT_AFTER)
                relay.cut()

        url = site.url(port=relay.port)
        async with Client(url, revisions=["2025-11-25"], timeout=30) as client:
            call = asyncio.ensure_future(
                client.call_tool("later", {"key": key}, on_progress=lambda s: steps.append(1))
            )
            async with Client(site.url(), revisions=["2026-07-28"]) as other:
                await other.call_tool("sign", {"key": f"{key} begun"})
                cutting = asyncio.ensure_future(cut())
                # Long enough for several cuts; nothing tells of one.
                await asyncio.sleep(10 * CUT_AFTER)
                assert not call.done()
                await other.call_tool("give_sign", {"key": f"{key} go"})
            assert (await call).text == "now"
            cutting.cancel()
            assert len(steps) == 2


async def test_without_events_to_go_on_from_a_cut_is_the_end_of_the_call(servers: Servers) -> None:
    site = servers.get("uvicorn")
    key = uuid.uuid4().hex
    async with Relay(site) as relay:
        url = site.url(port=relay.port)
        async with Client(url, revisions=["2026-07-28"], timeout=30) as client:
            call = asyncio.ensure_future(client.call_tool("later", {"key": key}))
            async with Client(site.url(), revisions=["2026-07-28"]) as other:
                await other.call_tool("sign", {"key": f"{key} begun"})
            relay.cut()
            with pytest.raises(ConnectionLost):
                await call
            assert (await client.call_tool("add", {"a": 1, "b": 2})).text == "3"
