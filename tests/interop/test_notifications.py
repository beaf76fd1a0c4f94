"""What a tool says before it answers, progress and log lines, where a response can be a stream."""

from __future__ import annotations

from typing import Any

import mcp_types as types
import pytest
from mcp import MCPError

from .conftest import LEGACY, structured
from .servers import Site


class Heard:
    """The callbacks of a client, and what they were called with."""

    def __init__(self) -> None:
        self.progress: list[tuple[float, float | None, str | None]] = []
        self.lines: list[types.LoggingMessageNotificationParams] = []

    async def on_progress(self, progress: float, total: float | None, message: str | None) -> None:
        self.progress.append((progress, total, message))

    async def on_line(self, params: types.LoggingMessageNotificationParams) -> None:
        self.lines.append(params)


@pytest.fixture
def heard() -> Heard:
    return Heard()


async def test_progress_arrives_before_the_result(site: Site, mode: str, heard: Heard) -> None:
    async with site.client(mode=mode) as client:
        result = await client.call_tool("count", {"to": 3}, progress_callback=heard.on_progress)

    assert result.structured_content == structured(mode, 3)
    steps = [(step, 3, f"step {step} ☺") for step in (1, 2, 3)]
    assert heard.progress == (steps if site.streams else [])


async def test_a_sync_function_reports_progress(site: Site, heard: Heard) -> None:
    async with site.client() as client:
        result = await client.call_tool(
            "count_in_a_thread", {"to": 4}, progress_callback=heard.on_progress
        )

    assert result.structured_content == 4
    steps = [(step / 4, None, None) for step in (1, 2, 3, 4)]
    assert heard.progress == (steps if site.streams else [])


async def test_there_is_no_progress_for_who_did_not_ask(site: Site) -> None:
    everything: list[Any] = []

    async def on_message(message: Any) -> None:
        everything.append(message)

    async with site.client(message_handler=on_message) as client:
        assert (await client.call_tool("count", {"to": 3})).structured_content == 3

    assert everything == []


async def test_more_progress_than_any_buffer_holds_arrives_in_order(
    streaming: Site, heard: Heard
) -> None:
    async with streaming.client() as client:
        await client.call_tool("count", {"to": 500}, progress_callback=heard.on_progress)

    assert [step[0] for step in heard.progress] == list(range(1, 501))


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("error", ["error"]),
        ("emergency", []),
        (None, []),
    ],
)
async def test_log_lines_arrive_from_the_level_the_client_asked_for(
    site: Site, heard: Heard, level: Any, expected: list[str]
) -> None:
    async with site.client(log_level=level, logging_callback=heard.on_line) as client:
        assert (await client.call_tool("talk")).structured_content == "said"

    assert [line.level for line in heard.lines] == (expected if site.streams else [])


async def test_a_log_line_may_be_any_json(streaming: Site, heard: Heard) -> None:
    async with streaming.client(log_level="info", logging_callback=heard.on_line) as client:
        await client.call_tool("talk")

    first, _, last = heard.lines
    assert (first.data, first.logger) == ({"any": ["json", 1]}, "talk")
    assert (last.data, last.logger) == ("broken ☹", None)


# Log lines of a session, whose level is set once for all of its calls

LEVELS = ["debug", "info", "warning", "error"]


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
async def test_a_session_is_sent_log_lines_from_the_level_it_has_set(
    stateful: Site, heard: Heard
) -> None:
    async with (
        stateful.client(mode=LEGACY, logging_callback=heard.on_line) as client,
        stateful.client(mode=LEGACY, logging_callback=heard.on_line) as other,
    ):
        await client.call_tool("talk")
        assert [line.level for line in heard.lines] == LEVELS[1:]
        for level, expected in [("debug", LEVELS), ("error", LEVELS[3:]), ("alert", [])]:
            heard.lines.clear()
            assert await client.set_logging_level(level) == types.EmptyResult()
            await client.call_tool("talk")
            assert [line.level for line in heard.lines] == expected
        await other.call_tool("talk")  # nobody else's level was set
        assert [line.level for line in heard.lines] == LEVELS[1:]


async def test_a_level_that_is_none_is_refused(site: Site) -> None:
    async with site.client(mode=LEGACY) as client:
        request = types.SetLevelRequest(
            params=types.SetLevelRequestParams.model_construct(level="loud")
        )
        with pytest.raises(MCPError) as caught:
            await client.session.send_request(request, types.EmptyResult)

    assert caught.value.code == types.INVALID_PARAMS
    assert "params.level" in caught.value.message
