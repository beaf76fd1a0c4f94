"""A server in this process that has what the one of tests/interop/site has, by the same names."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

from django_mcp import Context, MCPServer
from django_mcp.types import TextContent


def build() -> MCPServer:
    """Such a server, with nothing remembered of another one."""
    server = MCPServer("interop")
    signs: defaultdict[str, asyncio.Future[Any]] = defaultdict(
        lambda: asyncio.get_running_loop().create_future()
    )

    def put(key: str, value: Any = None) -> None:
        if not signs[key].done():
            signs[key].set_result(value)

    @server.tool
    async def add(a: int, b: int) -> int:
        return a + b

    @server.tool
    async def echo(text: str) -> str:
        return text

    @server.tool
    async def count(ctx: Context, to: int) -> int:
        for step in range(1, to + 1):
            await ctx.report_progress(step, to, f"step {step} ☺")
        return to

    @server.tool
    async def talk(ctx: Context) -> str:
        await ctx.debug("fine")
        await ctx.warning("careful")
        return "said"

    @server.tool
    async def agree(ctx: Context, what: str) -> bool:
        return await ctx.confirm(what)

    @server.tool
    async def summarize(ctx: Context, text: str) -> str:
        result = await ctx.sample(f"Sum up: {text}", max_tokens=20)
        return result.content.text if isinstance(result.content, TextContent) else "no text"

    @server.tool
    async def look_around(ctx: Context) -> list[str]:
        return [f"{root.uri} {root.name}" for root in await ctx.list_roots()]

    @server.tool
    async def hang(ctx: Context, key: str) -> str:
        put(f"{key} begun")
        outcome = "finished"
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            put(f"{key} ended", {"outcome": outcome})
        return outcome

    @server.tool
    async def rendezvous(key: str, mine: str, yours: str) -> str:
        put(f"{key} {mine}")
        await asyncio.shield(signs[f"{key} {yours}"])
        return mine

    @server.tool
    async def sign(key: str) -> Any:
        return await asyncio.shield(signs[key])

    return server
