"""Tools that say something before they answer, that wait, and that change what there is.

What a tool waits for, or whether it was cancelled, one test learns through another call: `Signs`
are what the calls of one process leave for each other.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
import uuid
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

from django_mcp import Context, MCPServer, tool
from django_mcp.server.calls import CallRecord
from django_mcp.signals import call_finished

#: Names the directory of the signs that several processes share.
SIGNS: Final = "MCP_SIGNS"
#: Seconds between two looks for one.
LOOK: Final = 0.01


class Signs:
    """Values put under a key, and whoever waits for them; of one event loop."""

    def __init__(self) -> None:
        self._signs: defaultdict[str, asyncio.Future[Any]] = defaultdict(
            lambda: asyncio.get_running_loop().create_future()
        )

    def put(self, key: str, value: Any = None) -> None:
        if not self._signs[key].done():
            self._signs[key].set_result(value)

    async def wait(self, key: str) -> Any:
        return await asyncio.shield(self._signs[key])


class SharedSigns:
    """The same for several processes: a file for each sign, in a directory they all know."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def put(self, key: str, value: Any = None) -> None:
        path = self._path(key)
        if not path.exists():
            draft = path.with_suffix(f".{uuid.uuid4().hex}")
            draft.write_text(json.dumps(value))
            draft.rename(path)

    async def wait(self, key: str) -> Any:
        while not self._path(key).exists():  # noqa: ASYNC110 - no event tells of another process
            await asyncio.sleep(LOOK)
        return json.loads(self._path(key).read_text())

    def _path(self, key: str) -> Path:
        return self._directory / hashlib.sha256(key.encode()).hexdigest()


signs = SharedSigns(Path(os.environ[SIGNS])) if SIGNS in os.environ else Signs()


async def for_ever() -> None:
    """Wait for what never comes."""
    await asyncio.get_running_loop().create_future()


# ------------------------------------------------------------------------------------ notifications


@tool
async def count(ctx: Context, to: int) -> int:
    """Report progress with every step."""
    for step in range(1, to + 1):
        await ctx.report_progress(step, to, f"step {step} ☺")
    return to


@tool
def count_in_a_thread(ctx: Context, to: int) -> int:
    """Report progress from a sync function."""
    for step in range(1, to + 1):
        ctx.wait(ctx.report_progress(step / to))
    return to


@tool
async def talk(ctx: Context) -> str:
    """Log on every level."""
    await ctx.debug("fine")
    await ctx.info({"any": ["json", 1]}, logger="talk")
    await ctx.warning("careful")
    await ctx.error("broken ☹")
    return "said"


# ------------------------------------------------------------------------------------------ waiting


@tool
async def hang(ctx: Context, key: str, say_something: bool = False) -> str:
    """Wait until cancelled, and leave signs: `<key> begun`, `<key> ended`."""
    if say_something:
        await ctx.report_progress(1)
    signs.put(f"{key} begun")
    outcome = "finished"
    try:
        await for_ever()
    except asyncio.CancelledError:
        outcome = "cancelled"
        raise
    finally:
        signs.put(f"{key} ended", {"outcome": outcome, "at": time.monotonic()})
    return outcome


@tool
async def later(ctx: Context, key: str, talks: bool = True, hangs_up: bool = False) -> str:
    """Answer once there is the sign `<key> go`, and leave the signs `<key> begun` and `ended`."""
    if talks:
        await ctx.report_progress(1)
    if hangs_up:
        await ctx.close_stream(0.01)
    signs.put(f"{key} begun")
    await signs.wait(f"{key} go")
    if talks:
        await ctx.report_progress(2)
    signs.put(f"{key} ended", "finished")
    return "now"


@tool
async def give_sign(key: str) -> None:
    """Leave a sign."""
    signs.put(key)


@tool
async def rendezvous(key: str, mine: str, yours: str) -> str:
    """Leave a sign and wait for another call's: neither ends unless both run at a time."""
    signs.put(f"{key} {mine}")
    await signs.wait(f"{key} {yours}")
    return mine


@tool
async def sign(key: str) -> Any:
    """Wait for a sign; the time is that of the machine's monotonic clock."""
    return await signs.wait(key)


async def leave_sign(record: CallRecord, **kwargs: Any) -> None:
    """Receiver of `call_finished`: the outcome of a call, for a client that has gone away."""
    signs.put(f"{record.client} {record.method} {record.request_id}", record.outcome)


call_finished.connect(leave_sign)

# ------------------------------------------------------------------------------------------ changes


def add_changes(server: MCPServer) -> None:
    """Give `server` tools that change it."""

    @server.tool
    async def add_tool(name: str) -> None:
        server.add_tool(nothing, name)

    @server.tool
    async def remove_tool(name: str) -> None:
        server.remove_tool(name)

    @server.tool
    async def add_prompt(name: str) -> None:
        server.add_prompt(nothing, name)

    @server.tool
    async def add_resource(uri: str) -> None:
        server.add_resource(uri, "new")

    @server.tool
    def touch(uri: str, ctx: Context) -> None:
        """From a thread, as a signal handler would."""
        ctx.notify_resource_updated(uri)

    @server.tool("sign")
    async def wait_for_sign(key: str) -> Any:
        return await signs.wait(key)

    server.add_resource("memo://a", "a")
    server.add_resource("memo://☕", "coffee")
    server.resource("memo://things/{thing}", name="thing")(thing)
    server.prompt("nothing")(nothing)


async def nothing() -> None:
    """Nothing at all."""


async def thing(thing: str) -> str:
    return thing
