"""Clients that go away without a word, and servers that are told to end.

How long each took is logged: `pytest tests/interop/test_disconnects.py --log-cli-level=INFO`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from mcp.client.subscriptions import Subscription, SubscriptionLost, ToolsListChanged

from tests.doors import envelope, headers_for

from .servers import COMPLAINTS, PATIENCE, Servers, Site

logger = logging.getLogger(__name__)

CHANGING = "changing/mcp"
Leave = Callable[[asyncio.StreamWriter], None]


@pytest.fixture
def key() -> str:
    """A word nobody else uses on the same server."""
    return uuid.uuid4().hex


async def connect(site: Site, message: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send `message` over a connection of its own, and wait for nothing."""
    body = json.dumps(message).encode()
    headers = headers_for(message, host=f"{site.host}:{site.port}", content_length=str(len(body)))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    reader, writer = await asyncio.open_connection(site.host, site.port)
    writer.write(f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode() + body)
    await writer.drain()
    return reader, writer


def hang(key: str, *, talks: bool) -> Any:
    arguments = {"key": key, "say_something": talks}
    return envelope(
        "tools/call", {"name": "hang", "arguments": arguments}, meta={"progressToken": 1}
    )


def close(writer: asyncio.StreamWriter) -> None:
    """Say goodbye: a FIN."""
    writer.close()


def reset(writer: asyncio.StreamWriter) -> None:
    """Break off: an RST."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@pytest.mark.parametrize("talks", [False, True], ids=["unanswered", "streaming"])
@pytest.mark.parametrize("leave", [close, reset])
async def test_a_client_that_goes_away_cancels_its_call(
    streaming: Site, key: str, leave: Leave, talks: bool
) -> None:
    async with streaming.client() as other:
        _, writer = await connect(streaming, hang(key, talks=talks))
        await other.call_tool("sign", {"key": f"{key} begun"})
        left = time.monotonic()
        leave(writer)
        ended = (await other.call_tool("sign", {"key": f"{key} ended"})).content[0].text

    ended = json.loads(ended)
    assert ended["outcome"] == "cancelled"
    logger.info("%s: cancelled after %.1f ms", streaming.name, (ended["at"] - left) * 1000)


async def test_a_client_that_goes_away_leaves_no_subscription(streaming: Site, key: str) -> None:
    message = envelope(
        "subscriptions/listen",
        {"notifications": {"toolsListChanged": True}},
        id="it",
        meta={"io.modelcontextprotocol/clientInfo": {"name": key, "version": "1"}},
    )
    async with streaming.client() as other:
        reader, writer = await connect(streaming, message)
        await reader.readuntil(b"notifications/subscriptions/acknowledged")
        reset(writer)
        outcome = await other.call_tool("sign", {"key": f"{key} subscriptions/listen it"})

    assert outcome.content[0].text == "cancelled"


async def test_a_client_may_go_away_in_the_middle_of_its_request(streaming: Site) -> None:
    body = json.dumps(envelope("tools/list")).encode()
    headers = headers_for(envelope("tools/list"), host=f"127.0.0.1:{streaming.port}")
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    for sent in (head[:20], f"{head}content-length: {len(body)}\r\n\r\n" + body.decode()[:30]):
        _, writer = await asyncio.open_connection(streaming.host, streaming.port)
        writer.write(f"POST /mcp HTTP/1.1\r\n{sent}".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    async with streaming.client() as client:
        assert (await client.call_tool("add", {"a": 1, "b": 1})).structured_content == 2


# Servers that are told to end


@pytest.fixture
def started(servers: Servers) -> Iterator[Callable[..., Site]]:
    """Starts a server of the test's own."""
    sites: list[Site] = []

    def start(name: str, **options: str) -> Site:
        sites.append(servers.start(name, **options))
        return sites[-1]

    yield start
    for site in sites:
        site.end()


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("daphne", ""),
        ("uvicorn", "--timeout-graceful-shutdown 1"),
        ("view-daphne", ""),
        ("view", "--timeout-graceful-shutdown 1"),
    ],
)
async def test_a_server_that_ends_ends_its_streams(
    started: Callable[..., Site], kind: str, more: str
) -> None:
    site = started(kind, more=more)
    async with asyncio.timeout(PATIENCE), site.client(CHANGING) as client:
        async with client.listen(tools_list_changed=True) as subscription:
            await client.call_tool("add_tool", {"name": "last"})
            assert await anext(subscription) == ToolsListChanged()
            began = time.monotonic()
            site.ask_to_end()
            last = await end_of(subscription)
            knew = time.monotonic() - began
        await asyncio.to_thread(site.wait_until_it_ends)
    logger.info("%s: %s after %.2f s, gone after %.2f s", kind, last, knew, since(began))

    assert not any(word in site.log for word in COMPLAINTS), site.log
    # Django closes a view's stream in the same way whoever ends it, so there it just breaks off.
    assert last == ("lost" if kind.startswith("view") else "result")


async def end_of(subscription: Subscription) -> str:
    """How the subscription ended: with its result, or without."""
    try:
        async for event in subscription:
            raise AssertionError(event)
    except SubscriptionLost:
        return "lost"
    return "result"


def since(began: float) -> float:
    return time.monotonic() - began
