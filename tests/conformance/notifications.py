"""Tools that take their time, and most say something meanwhile: progress, log lines, changes."""

from __future__ import annotations

import asyncio

from django_mcp import Context

from .fixture import server

#: Seconds between two notifications of one call, as the suite's own fixture has them.
PAUSE = 0.05
#: Seconds after which a client may come back for the rest of a stream that was closed.
RETRY = 0.5


@server.tool("test_tool_with_progress")
async def progress(ctx: Context) -> str:
    """Report progress three times."""
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100, f"Completed step {done} of 100")
        await asyncio.sleep(PAUSE)
    return "Done."


@server.tool("test_tool_with_logging")
async def logging(ctx: Context) -> str:
    """Send three log lines."""
    await ctx.info("Tool execution started")
    await asyncio.sleep(PAUSE)
    await ctx.info("Tool processing data")
    await asyncio.sleep(PAUSE)
    await ctx.info("Tool execution completed")
    return "Done."


@server.tool("test_logging_tool")
async def logging_on_request(ctx: Context) -> str:
    """Send a log line, which reaches only a client that asked for log lines."""
    await ctx.info("Only for those who asked")
    return "Done."


@server.tool("test_trigger_tool_change")
async def trigger_tool_change(ctx: Context) -> str:
    """Tell whoever listens that the list of tools changed."""
    # The list stays as it is: another scenario compares it with itself meanwhile.
    ctx.notify_tools_changed()
    return "Told."


@server.tool("test_trigger_prompt_change")
async def trigger_prompt_change(ctx: Context) -> str:
    """Tell whoever listens that the list of prompts changed."""
    ctx.notify_prompts_changed()
    return "Told."


@server.tool("test_reconnection")
async def reconnection(ctx: Context) -> str:
    """Let go of the connection, and answer once it is gone (SEP-1699)."""
    await ctx.close_stream(RETRY)
    await asyncio.sleep(3 * PAUSE)
    return "Reconnection test completed."
