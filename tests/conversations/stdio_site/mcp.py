"""What the project offers, on its default server and on another one."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
import time
from typing import Any

from django_mcp import Context, MCPServer, prompt, resource, tool

logger = logging.getLogger("piped")

print("printed while the server is made")
os.write(1, b"written while the server is made\n")


@tool
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
def who(ctx: Context) -> str:
    """Who calls."""
    return f"{ctx.principal.id} {ctx.principal.user}"


@tool(permission="auth.change_user")
def guarded() -> str:
    """Only for those who may change users."""
    return "let in"


@tool
async def remove(ctx: Context, what: str) -> str:
    """Remove something, after asking."""
    return "removed" if await ctx.confirm(f"Remove {what}?") else "kept"


@tool
def remove_in_a_thread(ctx: Context, what: str) -> str:
    """Remove something, after asking, in a thread."""
    return "removed" if ctx.wait(ctx.confirm(f"Remove {what}?")) else "kept"


@tool
async def summarise(ctx: Context) -> str:
    """Have the client's model say something."""
    return (await ctx.sample("Be brief.")).text


@tool
async def roots(ctx: Context) -> list[str]:
    """Where the client works."""
    return [str(root.uri) for root in await ctx.list_roots()]


@tool
async def work(ctx: Context) -> str:
    """Work, and tell of it."""
    for step in range(1, 4):
        await ctx.report_progress(step, 3)
    await ctx.info("nearly done")
    return "done"


@tool
async def chatter(ctx: Context, count: int) -> int:
    """Tell of many steps."""
    for step in range(1, count + 1):
        await ctx.report_progress(step)
    return count


@tool
async def hang(ctx: Context) -> None:
    """Go on until it is cancelled, and say so on standard error."""
    await ctx.info("begun")
    try:
        await asyncio.Event().wait()
    finally:
        print("cancelled", file=sys.stderr, flush=True)


@tool
async def dawdle(ctx: Context, seconds: float) -> str:
    """Take a moment."""
    await ctx.info("begun")
    await asyncio.sleep(seconds)
    return "done"


@tool
def stuck(ctx: Context) -> None:
    """Never let go of its thread."""
    ctx.wait(ctx.info("begun"))
    threading.Event().wait()


@tool
async def lingers(ctx: Context) -> None:
    """Leave something behind in one of the loop's own threads."""
    await ctx.info("begun")
    await asyncio.to_thread(time.sleep, 3600)


@tool
def prints(size: int) -> int:
    """Print, in every way there is."""
    line = "x" * 99
    for _ in range(size // 100):
        print(line)
    print('{"jsonrpc":"2.0","id":1,"result":{}}', flush=True)
    sys.__stdout__.write("written past the name\n")
    sys.__stdout__.flush()
    os.write(1, b"written to the descriptor\n")
    logger.info("logged to standard output")
    return size


@tool
def spawns() -> int:
    """Start programs that print, and that read."""
    subprocess.run(["/bin/echo", "printed by a child process"], check=True)
    os.system("echo printed by a shell")
    return len(subprocess.run(["/bin/cat"], check=True, capture_output=True).stdout)


@tool
def reads() -> str:
    """Read standard input, which is the protocol's."""
    return sys.stdin.read()


@tool
async def touch(ctx: Context) -> None:
    """Tell of a change."""
    ctx.notify_resource_updated("memo://a")
    ctx.notify_tools_changed()


@tool
async def large(size: int) -> str:
    """Say much."""
    return "x" * size


@tool
async def measure(text: str) -> int:
    """How long a text is."""
    return len(text)


@resource("memo://a")
def memo() -> str:
    """A memo."""
    return "remember"


@prompt
def greet(name: str) -> str:
    """Greet somebody."""
    return f"Hello, {name}."


other = MCPServer("other", version="2.0")


@other.tool
def only_here() -> dict[str, Any]:
    """A tool of another server."""
    return {"here": True}
