"""Servers for clients of every kind, and what each test leaves behind: nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from django_mcp.client import Client, SseTransport, StdioTransport, connecting
from tests.client.server import build
from tests.interop.servers import Servers
from tests.pipes import command, environment

SITE = "tests.interop.site.settings"
#: Each way to a server with the revisions that are tried on it: every one somewhere, and on each
#: way the oldest and the newest that it has.
WAYS = {
    "memory": ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"],
    "http-uvicorn": ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"],
    "http-daphne": ["2025-11-25", "2026-07-28"],
    "sse-uvicorn": ["2024-11-05", "2025-11-25"],
    "sse-daphne": ["2024-11-05"],
    "ws-uvicorn": ["2024-11-05", "2025-11-25"],
    "ws-daphne": ["2025-11-25"],
    "stdio": ["2025-06-18", "2026-07-28"],
}
Connect = Callable[..., Client]

#: Times that what has ended is given to be gone.
_TURNS = 200


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> Iterator[None]:
    """What one test found out about a server is not the next one's."""
    connecting.forget()
    yield
    connecting.forget()


@pytest.fixture(autouse=True)
def _no_task_is_left(request: pytest.FixtureRequest) -> None:
    """Fails a test after which something still runs."""
    test = request.node.obj
    if not asyncio.iscoroutinefunction(test):
        return

    async def watched(**arguments: Any) -> None:
        before = asyncio.all_tasks()
        async with asyncio.timeout(120):
            await test(**arguments)
        left = asyncio.all_tasks() - before
        for _ in range(_TURNS):
            if not left:
                return
            await asyncio.sleep(0)
            left = {task for task in left if not task.done()}
        raise AssertionError(f"Still running: {left}")

    request.node.obj = watched


@pytest.fixture(params=[(way, revision) for way in WAYS for revision in WAYS[way]], ids="-".join)
def connect(request: pytest.FixtureRequest) -> Connect:
    """Makes a client of the server, on each way to it and in the revisions it has there."""
    way, revision = request.param
    kind, _, served_by = way.partition("-")
    target: Any
    if kind == "memory":
        target = build()
    elif kind == "stdio":
        target = StdioTransport(command(), env=environment(SITE))
    else:
        servers: Servers = request.getfixturevalue("servers")
        site = servers.get(served_by)
        target = {
            "http": site.url("mcp"),
            "sse": SseTransport(site.url("sse")),
            "ws": site.url("ws").replace("http://", "ws://"),
        }[kind]
    return partial(Client, target, revisions=[revision], timeout=30)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Server processes, started on demand; what they wrote is looked through at the end."""
    running = Servers(tmp_path_factory.mktemp("servers"))
    yield running
    running.end()
