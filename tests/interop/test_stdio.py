"""stdio: the official clients, 2.x and 1.x, start a server and talk to it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests import library as books
from tests.pipes import environment

from .conftest import LEGACY, MODERN
from .servers import ANSWERED, COMPLAINTS, KINDS, Servers
from .test_sdk_1x import comparable, drive

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pipes and signals as POSIX has them")

EXAMPLE = KINDS["example"]
SITE = "tests.interop.site.settings"


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of the library, with its books in a database of its own."""
    path = tmp_path_factory.mktemp("library") / "example.sqlite3"
    books.prepare(path)
    return environment(EXAMPLE.settings, DATABASE_PATH=str(path))


@pytest.fixture
def library(variables: dict[str, str], tmp_path: Path, mode: str) -> Iterator[Any]:
    """Makes a client that starts the library's server; its log is looked through at the end."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["manage.py", "mcp_stdio"],
        cwd=EXAMPLE.directory,
        env=variables,
    )
    path = tmp_path / "log"
    with path.open("w") as log:

        def client(**options: Any) -> Client:
            options.setdefault("read_timeout_seconds", ANSWERED * 3)
            return Client(stdio_client(server, errlog=log), mode=mode, **options)

        yield client
    said = path.read_text()
    assert not any(word in said for word in COMPLAINTS), said


async def test_it_lists_and_calls(library: Any, mode: str) -> None:
    async with library() as connected:
        assert connected.protocol_version == ("2025-11-25" if mode == LEGACY else "2026-07-28")
        # Who was told the revision asks nothing before its first request.
        if mode != MODERN:
            assert connected.server_info.title == "The Library"
        tools = {tool.name for tool in (await connected.list_tools()).tools}
        assert {"search_books", "return_book", "show_cover"} <= tools
        found = await connected.call_tool("search_books", {"words": "Frankenstein"})
        (book,) = found.structured_content["books"]
        read = await connected.read_resource(f"library://books/{book['id']}")
        assert "Shelley" in read.contents[0].text
        prompt = await connected.get_prompt("recommend", {"subject": "sea stories"})
        assert "sea stories" in prompt.messages[0].content.text
        unknown = await connected.call_tool("lend_book", {"book_id": 0, "card_number": 1})
        assert unknown.content[0].text == "There is no book 0."


async def test_it_is_asked_and_told(library: Any, mode: str) -> None:
    steps: list[float] = []
    lines: list[Any] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        steps.append(done)

    async def log(params: Any) -> None:
        lines.append(params.data)

    async def user(context: Any, params: Any) -> types.ElicitResult:
        content = {"name": "Ada Example", "email": f"ada@{mode}.example.org"}
        return types.ElicitResult(action="accept", content=content)

    async def model(context: Any, params: Any) -> types.CreateMessageResult:
        text = types.TextContent(type="text", text="Do come.")
        return types.CreateMessageResult(role="assistant", content=text, model="m")

    async with library(
        elicitation_callback=user, sampling_callback=model, logging_callback=log, log_level="info"
    ) as connected:
        checked = await connected.call_tool("check_inventory", {}, progress_callback=progress)
        assert steps == sorted(steps)
        assert steps
        assert len(lines) == 1
        assert not checked.is_error
        card = await connected.call_tool("register_reader", {})
        assert card.content[0].text.startswith("Welcome, Ada Example.")
        found = await connected.call_tool("search_books", {"words": "Dracula"})
        number = found.structured_content["books"][0]["id"]
        invitation = await connected.call_tool("introduce_book", {"book_id": number})
        assert invitation.content[0].text == "Do come."


async def test_a_call_that_is_given_up_is_cancelled(library: Any) -> None:
    async with library() as connected:
        call = asyncio.ensure_future(connected.call_tool("check_inventory", {}))
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait([call])
        assert (await connected.list_tools()).tools


#: The steps that need no second client of the same process.
STEPS = (
    "initialize",
    "ping",
    "tools",
    "progress",
    "log",
    "questions",
    "resources",
    "prompts",
    "cancellation",
)


def test_sdk_1x_sees_the_same_as_over_http(servers: Servers, sdk_1x: Path) -> None:
    over_stdio = drive(sdk_1x, sys.executable, "stdio", *STEPS, env=environment(SITE))
    base = servers.get("uvicorn").url("").rstrip("/")
    over_http = drive(sdk_1x, base, "mcp", *STEPS)
    # The client's own word for its cancelled call differs.
    del over_stdio["cancellation"]["answer"], over_http["cancellation"]["answer"]
    assert comparable(over_stdio) == comparable(over_http)
