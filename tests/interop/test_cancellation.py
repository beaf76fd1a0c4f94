"""A client that no longer wants an answer: the call on the server ends."""

from __future__ import annotations

import asyncio
import uuid

import anyio
import pytest
from mcp import MCPError

from .servers import Site


@pytest.fixture
def key() -> str:
    """A word nobody else uses on the same server."""
    return uuid.uuid4().hex


async def noted(progress: float, total: float | None, message: str | None) -> None:
    return None


@pytest.mark.parametrize("talks", [False, True], ids=["silent", "talking"])
async def test_a_call_that_is_cancelled_ends(
    streaming: Site, mode: str, key: str, talks: bool
) -> None:
    async with streaming.client(mode=mode) as client:
        async with anyio.create_task_group() as tasks:

            async def call() -> None:
                arguments = {"key": key, "say_something": talks}
                await client.call_tool("hang", arguments, progress_callback=noted)

            tasks.start_soon(call)
            await client.call_tool("sign", {"key": f"{key} begun"})
            tasks.cancel_scope.cancel()
        result = await client.call_tool("sign", {"key": f"{key} ended"})

    assert '"cancelled"' in result.content[0].text


async def test_a_client_that_goes_away_in_the_middle_of_a_call_ends_it(
    streaming: Site, stateless: str, key: str
) -> None:
    async with streaming.client(mode=stateless) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(client.call_tool, "hang", {"key": key})
        await client.call_tool("sign", {"key": f"{key} begun"})
        tasks.cancel_scope.cancel()

    async with streaming.client() as other:
        result = await other.call_tool("sign", {"key": f"{key} ended"})
        assert '"cancelled"' in result.content[0].text


async def test_a_call_that_takes_too_long_for_the_client_ends(streaming: Site, key: str) -> None:
    async with streaming.client() as client:
        with pytest.raises(MCPError):
            await client.call_tool("hang", {"key": key}, read_timeout_seconds=0.05)
        result = await client.call_tool("sign", {"key": f"{key} ended"})

    assert '"cancelled"' in result.content[0].text


async def test_the_connection_serves_the_next_call(streaming: Site, key: str) -> None:
    async with streaming.client() as client:
        call = asyncio.ensure_future(client.call_tool("hang", {"key": key}))
        await client.call_tool("sign", {"key": f"{key} begun"})
        call.cancel()
        await client.call_tool("sign", {"key": f"{key} ended"})
        assert (await client.call_tool("add", {"a": 1, "b": 1})).structured_content == 2
        with pytest.raises(asyncio.CancelledError):
            await call
