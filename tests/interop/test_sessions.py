"""The stateful era as the official client lives it: a session begins, breaks, goes on and ends."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import mcp_types as types
import pytest
from mcp import Client, MCPError

from .conftest import LEGACY
from .servers import COMPLAINTS, PATIENCE, Relay, Servers, Site, Wire, http_client

#: What the client calls deprecated is what it is asked to do here.
pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")


@pytest.fixture
def key() -> str:
    """A word nobody else uses on the same server."""
    return uuid.uuid4().hex


async def test_a_handshake_says_what_the_server_is_and_can_do(site: Site) -> None:
    async with site.client(mode=LEGACY) as client:
        result = client.session.initialize_result

    promised = True if site.streams else None
    assert result == types.InitializeResult(
        protocol_version="2025-11-25",
        capabilities=types.ServerCapabilities(
            tools=types.ToolsCapability(list_changed=promised),
            prompts=types.PromptsCapability(list_changed=promised),
            resources=types.ResourcesCapability(list_changed=promised, subscribe=promised),
            completions=types.CompletionsCapability(),
            logging=types.LoggingCapability() if promised else None,
        ),
        server_info=types.Implementation(
            name="interop",
            title="Interoperation ☕",
            version="1.0",
            website_url="https://example.com/interop",
        ),
        instructions="Ask for anything, 何でも.",
    )


async def test_either_side_pings_the_other(stateful: Site) -> None:
    async with stateful.client(mode=LEGACY) as client:
        assert await client.send_ping() == types.EmptyResult()
        result = await client.call_tool("is_there")

    assert result.structured_content == {"result": True}


# How a session ends


def request(method: str, **params: Any) -> dict[str, Any]:
    """A message that the official client did not write."""
    return {"jsonrpc": "2.0", "id": "by hand", "method": method, "params": params}


def headers(wire: Wire) -> dict[str, str]:
    """What makes a request one of the client's session."""
    accept = "application/json, text/event-stream"
    return {"accept": accept, "mcp-session-id": wire.session}


async def test_a_session_is_of_no_use_once_its_client_has_left(site: Site) -> None:
    wire = Wire()
    async with site.client(mode=LEGACY, wire=wire) as client:
        await client.send_ping()
    async with http_client() as http:
        response = await http.post(site.url(), json=request("ping"), headers=headers(wire))

    assert (response.status_code, response.json()["error"]["code"]) == (404, -32001)


async def test_the_calls_of_a_client_that_leaves_are_cancelled(stateful: Site, key: str) -> None:
    async with stateful.client() as other:
        async with leaving(stateful) as client:
            call = asyncio.ensure_future(
                client.call_tool("hang", {"key": key, "say_something": True})
            )
            await other.call_tool("sign", {"key": f"{key} begun"})
        with pytest.raises(MCPError):
            await call
        result = await other.call_tool("sign", {"key": f"{key} ended"})

    assert '"cancelled"' in result.content[0].text


@asynccontextmanager
async def leaving(site: Site) -> AsyncIterator[Client]:
    """A client whose calls are not waited for when it leaves."""
    async with site.client(mode=LEGACY) as client:
        yield client


async def end(site: Site, wire: Wire) -> None:
    """End a session without its client."""
    async with http_client() as http:
        response = await http.delete(site.url(), headers={"mcp-session-id": wire.session})
    assert response.status_code == 200


async def test_a_client_whose_session_was_ended_is_told_to_begin_anew(site: Site) -> None:
    wire = Wire()
    async with site.client(mode=LEGACY, wire=wire) as client:
        await end(site, wire)
        with pytest.raises(MCPError) as caught:
            await client.list_tools()

    assert caught.value.message == "Session terminated"  # the client's word for a 404


async def test_a_session_that_ends_ends_its_calls_and_its_streams(stateful: Site, key: str) -> None:
    wire = Wire()
    async with stateful.client() as other, stateful.client(mode=LEGACY, wire=wire) as client:
        await wire.until_opened()
        call = asyncio.ensure_future(client.call_tool("hang", {"key": key}))
        await other.call_tool("sign", {"key": f"{key} begun"})
        await end(stateful, wire)
        with pytest.raises(MCPError) as caught:
            await call
        result = await other.call_tool("sign", {"key": f"{key} ended"})

    assert caught.value.code == -32800
    assert '"cancelled"' in result.content[0].text


# Connections that break


class Steps:
    """Progress that was heard of, and when the first was."""

    def __init__(self) -> None:
        self.heard: list[float] = []
        self.begun = asyncio.Event()

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        self.heard.append(progress)
        self.begun.set()


@pytest.mark.parametrize("when", ["away", "back"])
async def test_a_call_goes_on_when_its_connection_breaks_and_the_client_resumes_it(
    stateful: Site, key: str, when: str
) -> None:
    wire, steps = Wire(), Steps()
    async with (
        Relay(stateful) as relay,
        stateful.client() as other,
        stateful.client(mode=LEGACY, wire=wire, port=relay.port) as client,
    ):
        await wire.until_opened()
        call = asyncio.ensure_future(
            client.call_tool("later", {"key": key}, progress_callback=steps)
        )
        await steps.begun.wait()
        relay.cut()
        if when == "back":
            await wire.until_opened(3)  # what it listened to is resumed as well
        await other.call_tool("give_sign", {"key": f"{key} go"})
        result = await call

    assert result.structured_content == {"result": "now"}
    assert steps.heard == [1, 2]
    assert wire.opened[0] is None
    assert None not in wire.opened[1:]


async def test_a_silent_call_goes_on_when_its_connection_breaks(stateful: Site, key: str) -> None:
    """Not a call of the official client's, which gives up where nothing was answered yet."""
    wire = Wire()
    async with (
        Relay(stateful) as relay,
        stateful.client(mode=LEGACY, wire=wire) as client,
        http_client() as http,
    ):
        arguments = {"key": key, "talks": False}
        call = asyncio.ensure_future(
            http.post(
                stateful.url(port=relay.port),
                json=request("tools/call", name="later", arguments=arguments),
                headers=headers(wire),
            )
        )
        await client.call_tool("sign", {"key": f"{key} begun"})
        relay.cut()
        with pytest.raises(httpx2.TransportError):
            await call
        await client.call_tool("give_sign", {"key": f"{key} go"})
        result = await client.call_tool("sign", {"key": f"{key} ended"})

    assert result.content[0].text == "finished"


async def test_a_client_comes_back_for_an_answer_that_takes_long(stateful: Site, key: str) -> None:
    """The call closes its connection itself, so that none is held open meanwhile."""
    steps = Steps()
    async with stateful.client() as other, stateful.client(mode=LEGACY) as client:
        arguments = {"key": key, "hangs_up": True}
        call = asyncio.ensure_future(client.call_tool("later", arguments, progress_callback=steps))
        await other.call_tool("sign", {"key": f"{key} begun"})
        await other.call_tool("give_sign", {"key": f"{key} go"})
        result = await call

    assert result.structured_content == {"result": "now"}
    assert steps.heard == [1, 2]


async def test_a_question_is_answered_after_the_connection_broke(stateful: Site) -> None:
    asked, cut = asyncio.Event(), asyncio.Event()

    async def answer(context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        asked.set()
        await cut.wait()
        return types.ElicitResult(action="accept", content={})

    async with (
        Relay(stateful) as relay,
        stateful.client(mode=LEGACY, port=relay.port, elicitation_callback=answer) as client,
    ):
        call = asyncio.ensure_future(client.call_tool("agree", {"what": "Really?"}))
        await asked.wait()
        relay.cut()
        cut.set()
        result = await call

    assert result.structured_content == {"result": True}


# Servers that are told to end


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("daphne", ""),
        ("uvicorn", "--timeout-graceful-shutdown 1"),
        ("view", "--timeout-graceful-shutdown 1"),
    ],
)
async def test_a_server_may_end_while_clients_listen(
    servers: Servers, kind: str, more: str
) -> None:
    site = servers.start(kind, more=more)
    wire = Wire()
    try:
        async with asyncio.timeout(PATIENCE), site.client(mode=LEGACY, wire=wire):
            await wire.until_opened()
            site.ask_to_end()
            await asyncio.to_thread(site.wait_until_it_ends)
    finally:
        site.end()

    assert not any(word in site.log for word in COMPLAINTS), site.log
