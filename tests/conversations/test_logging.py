"""What a call of a session says while it runs: the log lines its client wants, and progress."""

from __future__ import annotations

from typing import Any

import pytest

from django_mcp import Context, MCPServer
from tests.conversations.talk import STATEFUL, Client, texts
from tests.doors import AsgiDoor

pytestmark = pytest.mark.usefixtures("leaves_nothing")

LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]


@pytest.fixture(autouse=True)
def _add(server: MCPServer) -> None:
    @server.tool
    async def shout(ctx: Context):  # type: ignore[no-untyped-def]
        for level in LEVELS:
            await ctx.log(level, {"at": level}, logger="shout")
        return "hoarse"

    @server.tool
    async def climb(ctx: Context):  # type: ignore[no-untyped-def]
        for step in (1, 3, 2, 3, 4):
            await ctx.report_progress(step, 4, f"step {step}")
        return "up"


async def heard(client: Client) -> list[str]:
    """The levels of what a call logs, as far as the client is sent it."""
    messages = (await client.post(client.call("shout"))).messages
    assert messages.pop()["result"]["content"] == texts("hoarse")
    for message in messages:
        level = message["params"]["level"]
        assert message == {
            "jsonrpc": "2.0",
            "method": "notifications/message",
            "params": {"level": level, "logger": "shout", "data": {"at": level}},
        }
    return [message["params"]["level"] for message in messages]


@pytest.mark.parametrize("revision", STATEFUL)
async def test_a_client_that_never_said_hears_all_but_what_is_for_debugging(
    streaming: AsgiDoor, revision: str
) -> None:
    client = await Client(streaming, revision).begin()

    assert await heard(client) == LEVELS[1:]


@pytest.mark.parametrize("revision", STATEFUL)
async def test_a_client_hears_from_the_level_on_that_it_set(
    streaming: AsgiDoor, revision: str
) -> None:
    client = await Client(streaming, revision).begin()
    other = await Client(streaming, revision).begin()

    for place, level in enumerate(LEVELS):
        reply = await client.request("logging/setLevel", {"level": level})
        assert (reply.status, reply.result) == (200, {})
        assert await heard(client) == LEVELS[place:]
    assert await heard(other) == LEVELS[1:]


@pytest.mark.parametrize("params", [{}, {"level": "loud"}, {"level": 5}, {"level": None}])
async def test_a_level_that_is_none_changes_nothing(streaming: AsgiDoor, params: Any) -> None:
    client = await Client(streaming).begin()

    reply = await client.request("logging/setLevel", params)

    assert (reply.status, reply.error["code"]) == (200, -32602)
    assert await heard(client) == LEVELS[1:]


@pytest.mark.parametrize("revision", STATEFUL)
async def test_progress_only_rises(streaming: AsgiDoor, revision: str) -> None:
    client = await Client(streaming, revision).begin()

    *steps, _ = (await client.post(client.call("climb", token=7))).messages

    assert [step["params"]["progress"] for step in steps] == [1, 3, 4]
    says = {} if revision == "2024-11-05" else {"message": "step 1"}
    assert steps[0]["params"] == {"progressToken": 7, "progress": 1, "total": 4, **says}
