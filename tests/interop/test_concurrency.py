"""Many calls at once, over one client and over several."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import mcp_types as types

from .conftest import LEGACY, structured
from .servers import Site

MANY = 50


async def test_fifty_calls_at_once_are_told_apart(site: Site, mode: str) -> None:
    async with site.client(mode=mode) as client:
        calls = [client.call_tool("add", {"a": number, "b": 1}) for number in range(MANY)]
        results = await asyncio.gather(*calls)

    expected = [structured(mode, number) for number in range(1, MANY + 1)]
    assert [result.structured_content for result in results] == expected


async def test_fifty_calls_of_sync_functions_are_told_apart(site: Site) -> None:
    async with site.client() as client:
        calls = [client.call_tool("publish", {"book": book(number)}) for number in range(MANY)]
        results = await asyncio.gather(*calls)

    titles = [result.structured_content[0]["title"] for result in results]
    assert titles == [f"Book {number}" for number in range(MANY)]


def book(number: int) -> dict[str, Any]:
    return {"title": f"Book {number}", "authors": []}


async def test_fifty_streams_at_once_are_told_apart(streaming: Site) -> None:
    async with streaming.client() as client:

        async def count(to: int) -> list[float]:
            heard: list[float] = []

            async def on_progress(progress: float, total: float | None, message: Any) -> None:
                heard.append(progress)

            await client.call_tool("count", {"to": to}, progress_callback=on_progress)
            return heard

        counted = await asyncio.gather(*[count(number) for number in range(1, MANY + 1)])

    assert counted == [[float(step) for step in range(1, to + 1)] for to in range(1, MANY + 1)]


async def test_calls_run_side_by_side(streaming: Site) -> None:
    """Twenty-five pairs, of which each half waits for the other."""
    async with streaming.client() as one, streaming.client() as two:
        calls = []
        for _ in range(MANY // 2):
            key = uuid.uuid4().hex
            calls.append(one.call_tool("rendezvous", {"key": key, "mine": "a", "yours": "b"}))
            calls.append(two.call_tool("rendezvous", {"key": key, "mine": "b", "yours": "a"}))
        results = await asyncio.gather(*calls)

    assert [result.structured_content for result in results] == ["a", "b"] * (MANY // 2)


async def test_fifty_streams_of_a_session_at_once_are_told_apart(stateful: Site) -> None:
    """Half of them are asked something, on the stream of the call that asks."""
    questions: list[str] = []

    async def answer(context: Any, params: Any) -> types.ElicitResult:
        questions.append(params.message)
        number = int(params.message.removeprefix("Number "))
        return types.ElicitResult(action="accept" if number % 2 else "decline", content={})

    async with stateful.client(mode=LEGACY, elicitation_callback=answer) as client:

        async def count(to: int) -> list[float]:
            heard: list[float] = []

            async def on_progress(progress: float, total: float | None, message: Any) -> None:
                heard.append(progress)

            await client.call_tool("count", {"to": to}, progress_callback=on_progress)
            return heard

        async def agree(number: int) -> Any:
            return (
                await client.call_tool("agree", {"what": f"Number {number}"})
            ).structured_content

        numbers = range(1, MANY // 2 + 1)
        counted, agreed = await asyncio.gather(
            asyncio.gather(*[count(number) for number in numbers]),
            asyncio.gather(*[agree(number) for number in numbers]),
        )

    assert counted == [[float(step) for step in range(1, to + 1)] for to in numbers]
    assert agreed == [{"result": bool(number % 2)} for number in numbers]
    assert sorted(questions) == sorted(f"Number {number}" for number in numbers)


async def test_several_clients_at_once(site: Site) -> None:
    async def visit(number: int) -> Any:
        async with site.client() as client:
            await client.list_tools()
            return (await client.call_tool("echo", {"text": f"☕ {number}"})).structured_content

    assert await asyncio.gather(*[visit(number) for number in range(10)]) == [
        f"☕ {number}" for number in range(10)
    ]
