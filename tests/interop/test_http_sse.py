"""HTTP+SSE of 2024-11-05, as the official client speaks it, over real servers."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import httpx2
import mcp_types as types
import pytest
from mcp import ClientSession
from mcp.client.sse import sse_client

from .servers import ANSWERED, COMPLAINTS, PATIENCE, Servers, Site
from .test_questions import READER, Person, model, roots

PREFIX = "/some/prefix"

# The client warns of what the newest revision no longer has.
pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")


@pytest.fixture(params=["daphne", "uvicorn"])
def serving(request: pytest.FixtureRequest, servers: Servers) -> Site:
    """The project on each server that has this transport."""
    return servers.get(request.param)


@asynccontextmanager
async def session(site: Site, path: str = "sse", **options: Any) -> AsyncIterator[ClientSession]:
    """The official client, which has initialized."""
    options.setdefault("read_timeout_seconds", ANSWERED)
    async with (
        sse_client(site.url(path)) as streams,
        ClientSession(*streams, **options) as connected,
    ):
        await connected.initialize()
        yield connected


async def test_a_client_lists_and_calls(serving: Site) -> None:
    async with session(serving) as client:
        assert client.protocol_version == "2025-11-25"
        assert "add" in {tool.name for tool in (await client.list_tools()).tools}
        result = await client.call_tool("add", {"a": 1, "b": 2})
        assert result.content[0].text == "3"
        assert await client.send_ping() == types.EmptyResult()


async def test_a_client_that_asks_for_the_newest_falls_back(serving: Site) -> None:
    async with (
        sse_client(serving.url("sse")) as streams,
        ClientSession(*streams, read_timeout_seconds=ANSWERED) as client,
    ):
        with pytest.raises(
            Exception, match="This connection speaks revisions that begin with initialize"
        ):
            await client.discover()
        await client.initialize()
        assert (await client.call_tool("add", {"a": 1, "b": 2})).content[0].text == "3"


def behind_a_proxy(**options: Any) -> httpx2.AsyncClient:
    """A client whose requests pass somebody who takes the prefix away."""

    async def strip(request: httpx2.Request) -> None:
        request.url = request.url.copy_with(path=request.url.path.removeprefix(PREFIX))

    options = {name: value for name, value in options.items() if value is not None}
    return httpx2.AsyncClient(event_hooks={"request": [strip]}, **options)


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_the_project_may_be_served_below_a_prefix(servers: Servers, kind: str) -> None:
    site = servers.get(kind, prefix=PREFIX)
    more: Any = {"httpx_client_factory": behind_a_proxy} if site.kind.strips else {}
    async with (
        sse_client(f"http://{site.host}:{site.port}{PREFIX}/sse", **more) as streams,
        ClientSession(*streams, read_timeout_seconds=ANSWERED) as client,
    ):
        await client.initialize()
        assert (await client.call_tool("add", {"a": 1, "b": 2})).content[0].text == "3"


async def test_what_a_call_says_comes_before_its_answer(serving: Site) -> None:
    steps: list[float] = []
    lines: list[str] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)

    async def on_line(params: types.LoggingMessageNotificationParams) -> None:
        lines.append(params.level)

    async with session(serving, logging_callback=on_line) as client:
        await client.call_tool("count", {"to": 200}, progress_callback=on_progress)
        assert steps == list(range(1, 201))
        await client.set_logging_level("warning")
        await client.call_tool("talk")
        assert lines == ["warning", "error"]


async def test_a_call_asks_the_user_the_model_and_the_roots(serving: Site) -> None:
    person = Person(READER, "decline")
    async with session(
        serving,
        elicitation_callback=person.answer,
        sampling_callback=model,
        list_roots_callback=roots,
    ) as client:
        result = await client.call_tool("register")
        assert result.structured_content["data"]["name"] == "Zoë"
        assert (await client.call_tool("agree", {"what": "Well?"})).content[0].text == "false"
        said = (await client.call_tool("summarize", {"text": "☕"})).content[0].text
        assert said.endswith("Sum up: ☕")
        assert (
            "file:///home/%E2%98%95 ☕" in (await client.call_tool("look_around")).content[0].text
        )


async def test_a_client_hears_of_changes(serving: Site) -> None:
    heard: asyncio.Queue[Any] = asyncio.Queue()

    async def on_message(message: Any) -> None:
        heard.put_nowait(message)

    async with session(serving, "changing/sse", message_handler=on_message) as client:
        await client.subscribe_resource("memo://a")
        await client.call_tool("touch", {"uri": "memo://a"})
        updated = await asyncio.wait_for(heard.get(), PATIENCE)
        assert isinstance(updated, types.ResourceUpdatedNotification)
        name = f"new-{uuid.uuid4().hex}"
        await client.call_tool("add_tool", {"name": name})
        changed = await asyncio.wait_for(heard.get(), PATIENCE)
        assert isinstance(changed, types.ToolListChangedNotification)
        await client.call_tool("remove_tool", {"name": name})


async def test_a_call_that_is_cancelled_ends(serving: Site) -> None:
    key = uuid.uuid4().hex
    async with session(serving) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(client.call_tool, "hang", {"key": key})
        await client.call_tool("sign", {"key": f"{key} begun"})
        tasks.cancel_scope.cancel()
    async with session(serving) as other:
        result = await other.call_tool("sign", {"key": f"{key} ended"})
        assert '"cancelled"' in result.content[0].text


async def test_a_client_that_goes_away_takes_its_calls_and_its_session_with_it(
    serving: Site,
) -> None:
    key = uuid.uuid4().hex
    async with httpx2.AsyncClient(timeout=ANSWERED) as http:
        async with http.stream("GET", serving.url("sse")) as response:
            lines = response.aiter_lines()
            while not (line := await anext(lines)).startswith("data: "):
                pass
            uri = serving.url("").removesuffix("/") + line.removeprefix("data: ")

            async def post(method: str, params: Any) -> int:
                message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
                return (await http.post(uri, json=message)).status_code

            client_info = {"name": "test", "version": "1"}
            about = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": client_info}
            assert await post("initialize", about) == 202
            while not (line := await anext(lines)).startswith("data: "):
                pass
            assert '"2024-11-05"' in line
            call = {"name": "hang", "arguments": {"key": key}}
            assert await post("tools/call", call) == 202
            async with session(serving) as other:
                await other.call_tool("sign", {"key": f"{key} begun"})
        async with session(serving) as other:
            result = await other.call_tool("sign", {"key": f"{key} ended"})
            assert '"cancelled"' in result.content[0].text
        async with asyncio.timeout(PATIENCE):
            while await post("ping", {}) != 404:
                pass


@pytest.mark.parametrize(
    ("kind", "more"), [("daphne", ""), ("uvicorn", "--timeout-graceful-shutdown 1")]
)
async def test_a_server_that_ends_ends_its_streams(servers: Servers, kind: str, more: str) -> None:
    site = servers.start(kind, more=more)
    try:
        async with httpx2.AsyncClient(timeout=ANSWERED) as http, asyncio.timeout(PATIENCE):
            async with http.stream("GET", site.url("sse")) as response:
                lines = response.aiter_lines()
                assert await anext(lines) == "event: endpoint"
                site.ask_to_end()
                with suppress(httpx2.RemoteProtocolError):  # uvicorn breaks off what is open.
                    rest = [line async for line in lines]
                    assert rest[0].startswith("data: ")
            await asyncio.to_thread(site.wait_until_it_ends)
        assert not any(word in site.log for word in COMPLAINTS), site.log
    finally:
        site.end()
