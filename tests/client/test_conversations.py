"""The same conversation over every transport, in the revisions that each has."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import pytest

from django_mcp.client import ServerError, ToolFailed
from tests.client.conftest import Connect


async def test_what_there_is_can_be_listed_and_called(connect: Connect) -> None:
    async with connect() as client:
        assert connect.keywords["revisions"] == [client.revision]  # type: ignore[attr-defined]
        assert {"add", "echo", "count"} <= {tool.name for tool in await client.list_tools()}
        assert (await client.call_tool("add", {"a": 1, "b": 2})).text == "3"
        text = "\N{SNOWMAN} \n\r\u2028 " + "x" * 200_000
        assert (await client.call_tool("echo", {"text": text})).text == text
        with pytest.raises(ServerError, match="no_such_tool"):
            await client.call_tool("no_such_tool")
        with pytest.raises((ServerError, ToolFailed)):
            await client.call_tool("add", {"a": "one"})
        await client.ping()


async def test_progress_and_log_lines_come_before_the_answer(connect: Connect) -> None:
    said: list[Any] = []
    async with connect(on_log=lambda line: said.append(line.level), log_level="info") as client:
        steps: list[float] = []
        await client.call_tool("count", {"to": 20}, on_progress=lambda s: steps.append(s.progress))
        assert steps == list(range(1, 21))
        await client.call_tool("talk")
        assert "warning" in said
        assert "debug" not in said


async def test_questions_of_the_server_are_answered_while_the_call_runs(connect: Connect) -> None:
    async with connect(
        on_elicit=lambda question: {"confirm": True} if question.message == "Go?" else False,
        on_sample=lambda request: "in short",
        roots=["file:///here"],
    ) as client:
        calls = [
            client.call_tool("summarize", {"text": "much"}),
            client.call_tool("look_around"),
        ]
        summary, roots = await asyncio.gather(*calls)
        assert summary.text == "in short"
        assert "file:///here" in roots.text
        if client.revision >= "2025-06-18":
            assert (await client.call_tool("agree", {"what": "Go?"})).text == "true"
            assert (await client.call_tool("agree", {"what": "Stop?"})).text == "false"


async def test_a_call_that_nobody_waits_for_is_cancelled_on_the_server(connect: Connect) -> None:
    key = uuid.uuid4().hex
    async with connect() as client:
        hanging = asyncio.ensure_future(client.call_tool("hang", {"key": key}))
        await client.call_tool("sign", {"key": f"{key} begun"})
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        ended = await client.call_tool("sign", {"key": f"{key} ended"})
        assert json.loads(ended.text)["outcome"] == "cancelled"
        assert (await client.call_tool("add", {"a": 1, "b": 1})).text == "2"


async def test_calls_run_side_by_side_and_some_of_them_fail(connect: Connect) -> None:
    key = uuid.uuid4().hex
    async with connect() as client:
        meeting = [
            client.call_tool("rendezvous", {"key": key, "mine": "a", "yours": "b"}),
            client.call_tool("rendezvous", {"key": key, "mine": "b", "yours": "a"}),
        ]
        adding = [
            client.call_tool("add", {"a": n, "b": 0} if n % 10 else {"a": "?"}) for n in range(40)
        ]
        results = await asyncio.gather(*meeting, *adding, return_exceptions=True)
        assert [getattr(result, "text", None) for result in results[:2]] == ["a", "b"]
        for n, result in enumerate(results[2:]):
            if n % 10:
                assert getattr(result, "text", None) == str(n), result
            else:
                assert isinstance(result, ServerError | ToolFailed), result
