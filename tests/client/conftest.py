"""Servers for clients of every kind, and what each test leaves behind: nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from django_mcp.client import connecting
from tests.interop.servers import Servers

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


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Server processes, started on demand; what they wrote is looked through at the end."""
    running = Servers(tmp_path_factory.mktemp("servers"))
    yield running
    running.end()
