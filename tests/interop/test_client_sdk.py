"""The client against servers of the official SDK, over HTTP and stdio, in both eras."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from django_mcp.client import Client, ServerError, ToolFailed
from django_mcp.protocol.types import (
    BlobResourceContents,
)

from .peers.running import SDK_SERVER, Peer, running

SESSION, STATELESS = "2025-11-25", "2026-07-28"
#: Over HTTP; None lets the two agree. To start a process takes long, so over stdio one conversation
#: in each era says everything.
REVISIONS = [None, "2025-03-26", "2025-06-18", SESSION, STATELESS]

Connect = Callable[..., Client]


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """A server of the SDK that listens."""
    with running([sys.executable, str(SDK_SERVER)], tmp_path_factory.mktemp("sdk")) as found:
        yield found


@pytest.fixture(params=REVISIONS)
def connect(request: pytest.FixtureRequest, peer: Peer) -> Connect:
    """Makes a client for each revision."""
    return _connect(peer.url, request.param)


def _connect(target: Any, revision: str | None) -> Connect:
    revisions = None if revision is None else [revision]
    return lambda **options: Client(target, revisions=revisions, timeout=30, **options)


@pytest.mark.parametrize("revision", [SESSION, STATELESS])
async def test_everything_over_stdio(revision: str, peer: Peer) -> None:
    lines: list[Any] = []
    steps: list[float] = []
    async with _connect(peer.command, revision)(
        on_log=lambda line: lines.append(line.data),
        on_progress=lambda step: steps.append(step.progress),
        log_level="info",
        on_elicit=lambda question: {"name": "Ann"},
        on_sample=lambda request: "Emma",
        roots=["file:///books"],
    ) as client:
        for check in (_tools, _resources, _prompts):
            await check(client)
        await client.call_tool("report")
        assert (steps, lines) == ([1, 2], ["reported"])
        await _called_off(client)
        if revision == SESSION:
            await _questions(client)
        else:
            assert (await client.call_tool("greet_in_rounds")).text == "round-1: Ann"


async def test_tools_are_listed_and_called(connect: Connect) -> None:
    async with connect() as client:
        await _tools(client)


async def _tools(client: Client) -> None:
    assert client.server_info.name == "sdk"
    assert client.instructions == "Be kind."
    assert "add" in [tool.name for tool in await client.list_tools()]
    has_schemas = client.revision >= "2025-06-18"
    result = await client.call_tool("add", {"a": 1, "b": 2})
    assert (result.text, result.data) == ("3", 3 if has_schemas else None)
    if has_schemas:
        loan = (await client.call_tool("loan")).data
        assert (loan.title, loan.due) == ("Emma", date(2026, 12, 1))
    with pytest.raises(ToolFailed, match="refuse"):
        await client.call_tool("refuse")
    with pytest.raises((ToolFailed, ServerError), match="nobody"):
        await client.call_tool("nobody")


async def test_resources_and_templates_are_read(connect: Connect) -> None:
    async with connect() as client:
        await _resources(client)


async def _resources(client: Client) -> None:
    assert {each.uri for each in await client.list_resources()} == {
        "sdk://hours",
        "sdk://bytes",
    }
    templates = await client.list_resource_templates()
    assert [each.uri_template for each in templates] == ["sdk://books/{title}"]
    assert (await client.read_resource("sdk://hours"))[0].text == "9 to 5"
    assert (await client.read_resource("sdk://books/Emma"))[0].text == "The text of Emma"
    assert isinstance((await client.read_resource("sdk://bytes"))[0], BlobResourceContents)
    with pytest.raises(ServerError):
        await client.read_resource("sdk://nothing")


async def test_prompts_and_completions(connect: Connect) -> None:
    async with connect() as client:
        await _prompts(client)


async def _prompts(client: Client) -> None:
    assert [prompt.name for prompt in await client.list_prompts()] == ["review"]
    prompt = await client.get_prompt("review", {"title": "Emma"})
    assert prompt.messages[0].content.text == "Review Emma."
    found = await client.complete("title", "E", prompt="review")
    assert found.values == ["Emma"]
    found = await client.complete("title", "E", template="sdk://books/{title}")
    assert found.values == ["Emma"]
    await client.ping()


async def test_progress_and_log_lines(connect: Connect) -> None:
    steps: list[float] = []
    lines: list[Any] = []
    async with connect(on_log=lambda line: lines.append(line.data), log_level="info") as client:
        await client.call_tool("report", on_progress=lambda step: steps.append(step.progress))

    assert steps == [1, 2]
    assert lines == ["reported"]


async def test_questions_in_a_session(peer: Peer) -> None:
    async with _connect(peer.url, SESSION)(
        on_elicit=lambda question: {"name": "Ann"},
        on_sample=lambda request: "Emma",
        roots=["file:///books"],
    ) as client:
        await _questions(client)


async def _questions(client: Client) -> None:
    assert (await client.call_tool("greet")).data == "accept: Ann"
    assert (await client.call_tool("recommend")).data == "Emma"
    assert (await client.call_tool("roots")).data == ["file:///books"]


async def test_questions_in_rounds(peer: Peer) -> None:
    async with _connect(peer.url, STATELESS)(on_elicit=lambda question: {"name": "Ann"}) as client:
        assert (await client.call_tool("greet_in_rounds")).text == "round-1: Ann"


async def test_a_change_of_the_tools_is_heard_in_a_session(peer: Peer) -> None:
    heard = asyncio.Event()

    def on_notification(method: str, params: Any) -> None:
        if method == "notifications/tools/list_changed":
            heard.set()

    async with _connect(peer.url, SESSION)(on_notification=on_notification) as client:
        await client.call_tool("grow")
        await heard.wait()
        assert "grown" in [tool.name for tool in await client.list_tools()]


async def test_changes_are_listened_to(peer: Peer) -> None:
    async with (
        _connect(peer.url, STATELESS)() as client,
        client.listen(tools=True, uris=["sdk://hours"]) as changes,
    ):
        await client.call_tool("touch")
        change = await anext(changes)
        assert (change.kind, change.uri) == ("resource", "sdk://hours")
        await client.call_tool("grow")
        assert (await anext(changes)).kind == "tools"


async def test_a_call_that_nobody_waits_for_is_called_off(connect: Connect) -> None:
    async with connect() as client:
        await _called_off(client)


async def _called_off(client: Client) -> None:
    call = asyncio.ensure_future(client.call_tool("wait"))
    await client.call_tool("add", {"a": 1, "b": 2})
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (await client.call_tool("add", {"a": 1, "b": 2})).text == "3"
