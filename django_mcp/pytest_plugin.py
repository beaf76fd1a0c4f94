"""Fixtures for pytest, which finds them by itself where this package is installed.

An `async def` test that uses `mcp_client` needs no other plugin: it runs as Django runs its own
asynchronous tests, so that the test, sync tools and async ones share one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .testing.client import Client
    from .testing.live import LiveServer


@pytest.fixture
def mcp_client(request: pytest.FixtureRequest) -> Callable[..., Client]:
    """What makes a client in memory: `async with mcp_client(user=…) as client:`."""
    from .testing.client import Client

    return Client


@pytest.fixture
def mcp_live_server(
    transactional_db: None, settings: Any, request: pytest.FixtureRequest
) -> Iterator[LiveServer]:
    """The project on a port of this machine: `mcp_live_server.url(user=…)` is an MCP endpoint."""
    from .testing.live import LiveServer

    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, "127.0.0.1"]
    with LiveServer() as server:
        yield server


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine function that uses `mcp_client`, unless a plugin has taken it already."""
    if not iscoroutinefunction(pyfuncitem.obj) or "mcp_client" not in pyfuncitem.fixturenames:
        return None
    if any(map(pyfuncitem.get_closest_marker, ("anyio", "asyncio", "trio"))):
        return None
    from asgiref.sync import async_to_sync

    names = pyfuncitem._fixtureinfo.argnames
    async_to_sync(pyfuncitem.obj)(**{name: pyfuncitem.funcargs[name] for name in names})
    return True
