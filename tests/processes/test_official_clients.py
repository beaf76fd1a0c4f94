"""The official SDK's clients, whose every request may reach another process than the last."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp import Client

from tests.interop.conftest import (
    LEGACY,
    sdk_1x,  # noqa: F401 - the fixture
)
from tests.interop.servers import ANSWERED, Wire, http_client, transport
from tests.interop.site.happening import SIGNS
from tests.interop.test_questions import Five, able
from tests.interop.test_sdk_1x import comparable, drive

from . import shared
from .proxy import proxy
from .workers import Worker, workers

APPLICATION = "tests.interop.site.asgi:application"
SETTINGS = "tests.interop.site.shared_settings"


@pytest.fixture
def two(together: dict[str, str], server: str, tmp_path: Path) -> Iterator[list[Worker]]:
    """Two processes of the project that the official clients are run against."""
    signs = tmp_path / "signs"
    signs.mkdir()
    environment = {**together, "DJANGO_SETTINGS_MODULE": SETTINGS, SIGNS: str(signs)}
    shared.migrate(SETTINGS, environment)
    with workers(2, server, APPLICATION, tmp_path, environment) as started:
        yield started
        for worker in started:
            worker.check()


def test_sdk_1x_sees_of_two_processes_what_it_sees_of_one(
    two: list[Worker],
    sdk_1x: Path,  # noqa: F811 - as imported
) -> None:
    with proxy([worker.port for worker in two]) as port:
        of_two = drive(sdk_1x, f"http://127.0.0.1:{port}")
    of_one = drive(sdk_1x, two[0].url.removesuffix("/mcp"))

    assert comparable(of_two) == comparable(of_one)


class Seen:
    """What a client of SDK 2.x was told and asked."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.levels: list[str] = []
        self.news: asyncio.Queue[str] = asyncio.Queue()
        self.wire = Wire()

    async def step(self, progress: float, total: float | None, message: str | None) -> None:
        self.steps.append(progress)

    async def line(self, params: types.LoggingMessageNotificationParams) -> None:
        self.levels.append(params.level)

    async def change(self, message: Any) -> None:
        if message.method.endswith(("changed", "updated")):
            self.news.put_nowait(message.method)


def client(port: int, seen: Seen, path: str = "mcp") -> Client:
    """A client of SDK 2.x in its handshake mode, which can be asked everything."""
    return Client(
        transport(f"http://127.0.0.1:{port}/{path}", seen.wire),
        mode=LEGACY,
        read_timeout_seconds=ANSWERED,
        logging_callback=seen.line,
        message_handler=seen.change,
        **able(Five()),
    )


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
async def test_sdk_2x_uses_every_feature_over_two_processes(two: list[Worker]) -> None:
    seen, key = Seen(), uuid.uuid4().hex
    with proxy([worker.port for worker in two]) as port:
        async with client(port, seen) as one, client(port, Seen()) as other:
            assert (await one.call_tool("add", {"a": 1, "b": 2})).structured_content == {
                "result": 3
            }
            await one.call_tool("count", {"to": 3}, progress_callback=seen.step)
            assert seen.steps == [1, 2, 3]
            await one.set_logging_level("error")
            await one.call_tool("talk")
            assert seen.levels == ["error"]
            rounds = await one.call_tool("interview", {"rounds": 5})
            assert rounds.structured_content == {"result": [5] * 5}
            everything = (await one.call_tool("ask_everything")).structured_content
            assert everything["form"] == 5
            assert (await one.call_tool("is_there")).structured_content == {"result": True}

            later = asyncio.ensure_future(one.call_tool("later", {"key": key, "hangs_up": True}))
            await other.call_tool("sign", {"key": f"{key} begun"})
            await other.call_tool("give_sign", {"key": f"{key} go"})
            assert (await later).structured_content == {"result": "now"}

            hang = asyncio.ensure_future(one.call_tool("hang", {"key": f"{key} hang"}))
            await other.call_tool("sign", {"key": f"{key} hang begun"})
            hang.cancel()
            ended = await other.call_tool("sign", {"key": f"{key} hang ended"})
            assert '"cancelled"' in ended.content[0].text

        async with client(port, seen, "changing/mcp") as one:
            await seen.wire.until_opened(2)
            await one.subscribe_resource("memo://a")
            await one.call_tool("touch", {"uri": "memo://a"})
            assert await seen.news.get() == "notifications/resources/updated"
            await one.call_tool("add_tool", {"name": f"new-{key}"})
            assert await seen.news.get() == "notifications/tools/list_changed"

        for worker in two:
            async with http_client() as http:
                headers = {"mcp-session-id": seen.wire.session}
                assert (await http.delete(worker.url, headers=headers)).status_code == 404
