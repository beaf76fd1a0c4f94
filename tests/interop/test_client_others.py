"""The client against servers that are no packages of this environment.

MCP_EVERYTHING is the index.js of @modelcontextprotocol/server-everything, MCP_FASTMCP an
interpreter that has FastMCP; without them, these tests are skipped.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from django_mcp.client import Client

from .peers.running import FASTMCP_SERVER, Peer, running

SESSION, STATELESS = "2025-11-25", "2026-07-28"
ways = pytest.mark.parametrize("way", ["http", "stdio"])


def _needed(variable: str) -> str:
    found = os.environ.get(variable)
    if not found or (variable == "MCP_EVERYTHING" and shutil.which("node") is None):
        pytest.skip(f"{variable} does not say where the server is.")
    return found


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    script = _needed("MCP_EVERYTHING")
    logs = tmp_path_factory.mktemp("everything")
    with running(["node", script], logs, http=("streamableHttp",)) as peer:
        yield peer


@pytest.fixture(scope="module")
def fastmcp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    interpreter = _needed("MCP_FASTMCP")
    logs = tmp_path_factory.mktemp("fastmcp")
    with running([interpreter, str(FASTMCP_SERVER)], logs) as peer:
        yield peer


def _target(peer: Peer, way: str) -> Any:
    return peer.url if way == "http" else peer.command


@ways
async def test_the_everything_server(way: str, everything: Peer) -> None:
    steps: list[float] = []
    asked: list[str] = []

    def agree(question: Any) -> bool:
        asked.append(question.message)
        return True

    async with Client(
        _target(everything, way),
        timeout=30,
        on_elicit=agree,
        on_sample=lambda request: "sampled",
        roots=["file:///tmp"],
        on_progress=lambda step: steps.append(step.progress),
    ) as client:
        assert client.revision == SESSION
        names = {tool.name for tool in await client.list_tools()}
        assert {"echo", "get-sum", "get-structured-content"} <= names
        assert (await client.call_tool("echo", {"message": "hi"})).text == "Echo: hi"
        assert "5" in (await client.call_tool("get-sum", {"a": 2, "b": 3})).text
        weather = await client.call_tool("get-structured-content", {"location": "New York"})
        assert weather.data.temperature == weather.structured_content["temperature"]
        image = await client.call_tool("get-tiny-image")
        assert "image" in [block.type for block in image.content]
        await client.call_tool("trigger-long-running-operation", {"duration": 1, "steps": 2})
        assert steps == [1, 2]
        said = await client.call_tool("trigger-sampling-request", {"prompt": "x", "maxTokens": 5})
        assert "sampled" in said.text
        await client.call_tool("trigger-elicitation-request")
        assert asked
        assert "file:///tmp" in (await client.call_tool("get-roots-list")).text
        resources = await client.list_resources()
        assert (await client.read_resource(resources[0].uri))[0].text
        assert await client.read_resource("demo://resource/dynamic/blob/1")
        prompt = await client.get_prompt("args-prompt", {"city": "Rome"})
        assert "Rome" in prompt.messages[0].content.text
        found = await client.complete("department", "E", prompt="completable-prompt")
        assert found.values == ["Engineering"]
        await client.set_log_level("debug")
        await client.ping()


@ways
@pytest.mark.parametrize("revision", [None, SESSION, STATELESS])
async def test_fastmcp(way: str, revision: str | None, fastmcp: Peer) -> None:
    steps: list[float] = []
    async with Client(
        _target(fastmcp, way),
        revisions=None if revision is None else [revision],
        timeout=30,
        on_elicit=lambda question: {"value": "Ann"},
        on_progress=lambda step: steps.append(step.progress),
    ) as client:
        assert "add" in [tool.name for tool in await client.list_tools()]
        assert (await client.call_tool("add", {"a": 1, "b": 2})).data == 3
        loan = (await client.call_tool("loan")).data
        assert (loan.title, loan.due) == ("Emma", date(2026, 12, 1))
        await client.call_tool("report")
        assert steps == [1, 2]
        if client.has_session:
            assert (await client.call_tool("greet")).data == "accept: Ann"
        assert (await client.read_resource("fast://hours"))[0].text == "9 to 5"
        assert (await client.read_resource("fast://books/Emma"))[0].text == "The text of Emma"
        prompt = await client.get_prompt("review", {"title": "Emma"})
        assert prompt.messages[0].content.text == "Review Emma."
        await client.ping()
