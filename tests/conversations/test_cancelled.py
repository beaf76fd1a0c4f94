"""notifications/cancelled: a session cancels what it asked for, and nobody else does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from django_mcp import Context, MCPServer
from tests.conversations.talk import RESUMABLE, STATEFUL, Client, nothing_is_left, texts
from tests.doors import AsgiDoor, Door

pytestmark = pytest.mark.usefixtures("leaves_nothing")


class Endless:
    """A tool that waits until it is cancelled."""

    def __init__(self, server: MCPServer) -> None:
        self.begun = asyncio.Semaphore(0)
        self.cancelled: list[Any] = []
        server.add_tool(self.wait)

    async def wait(self, ctx: Context) -> None:
        """Wait."""
        self.begun.release()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.append(ctx.request_id)


@pytest.mark.parametrize("revision", STATEFUL)
@pytest.mark.parametrize("id", ["w", 7, 0, ""])
async def test_a_call_is_cancelled_by_its_own_session(
    streaming: AsgiDoor, server: MCPServer, revision: str, id: Any
) -> None:
    tool = Endless(server)
    client = await Client(streaming, revision).begin()
    other = await Client(streaming, revision).begin()
    call = asyncio.ensure_future(client.post(client.call("wait", id=id)))
    await tool.begun.acquire()

    for harmless in ("unknown", None, 1.5, [], f"{id} "):
        assert (await client.cancel(harmless)).status == 202
    assert (await client.notify("notifications/cancelled")).status == 202
    assert (await other.cancel(id)).status == 202
    assert tool.cancelled == []
    reply = await client.cancel(id)

    assert (reply.status, reply.body) == (202, b"")
    answer = await call
    assert (answer.status, answer.messages[-1]["id"], answer.error["code"]) == (200, id, -32800)
    assert tool.cancelled == [id]
    assert (await client.cancel(id)).status == 202


@pytest.mark.parametrize("revision", RESUMABLE)
async def test_a_call_whose_client_has_gone_can_still_be_cancelled(
    streaming: AsgiDoor, server: MCPServer, revision: str
) -> None:
    begun = asyncio.Event()
    seen: list[str] = []

    @server.tool
    async def wait(ctx: Context) -> None:
        await ctx.report_progress(1)
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("over")

    client = await Client(streaming, revision).begin()
    async with client.calling("wait", id="w", token="t") as call:
        event = await call.event()
        await begun.wait()
        await call.disconnect()
    await client.cancel("w")
    await nothing_is_left(server)

    assert seen == ["over"]
    assert (await client.get(event.id)).error["code"] == -32800


async def test_a_call_that_will_not_be_cancelled_is_answered(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    begun = asyncio.Event()

    @server.tool
    async def stubborn(ctx: Context):  # type: ignore[no-untyped-def]
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "done all the same"

    client = await Client(streaming).begin()
    call = asyncio.ensure_future(client.post(client.call("stubborn", id=1)))
    await begun.wait()
    await client.cancel(1)

    assert (await call).result["content"] == texts("done all the same")


async def test_what_a_client_says_of_its_roots_and_progress_is_taken(door: Door) -> None:
    client = await Client(door).begin()

    for method in ("roots/list_changed", "progress", "anything"):
        assert (await client.notify(f"notifications/{method}")).status == 202
