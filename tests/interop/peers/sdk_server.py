"""A server of the official SDK, with everything it has: over stdio, or over HTTP on a port.

python tests/interop/peers/sdk_server.py stdio
python tests/interop/peers/sdk_server.py 8000
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from datetime import date
from typing import Any

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import (
    Completion,
    ElicitRequest,
    ElicitRequestFormParams,
    InputRequiredResult,
    SamplingMessage,
    TextContent,
)
from pydantic import BaseModel

server = MCPServer("sdk", version="1", instructions="Be kind.", log_level="WARNING")


@dataclass
class Loan:
    title: str
    due: date


class Name(BaseModel):
    name: str


@server.tool()
async def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


@server.tool()
def loan() -> Loan:
    return Loan("Emma", date(2026, 12, 1))


@server.tool()
def refuse() -> str:
    raise ValueError("closed")


@server.tool()
async def report(ctx: Context) -> str:
    await ctx.report_progress(1, 2, "half")
    await ctx.report_progress(2, 2, "whole")
    await ctx.info("reported")
    return "done"


@server.tool()
async def greet(ctx: Context) -> str:
    answer: Any = await ctx.elicit("Who are you?", Name)
    return f"{answer.action}: {answer.data.name}" if answer.action == "accept" else answer.action


@server.tool()
async def recommend(ctx: Context) -> str:
    message = SamplingMessage(role="user", content=TextContent(type="text", text="A book?"))
    said = await ctx.session.create_message([message], max_tokens=10)
    return said.content.text


@server.tool()
async def roots(ctx: Context) -> list[str]:
    return [str(root.uri) for root in (await ctx.session.list_roots()).roots]


@server.tool()
async def greet_in_rounds(ctx: Context) -> str | InputRequiredResult:
    """Ask in the way of 2026-07-28."""
    responses = ctx.input_responses
    if not responses:
        schema = {"type": "object", "properties": {"name": {"type": "string"}}}
        params = ElicitRequestFormParams(message="Who?", requested_schema=schema)
        return InputRequiredResult(
            input_requests={"who": ElicitRequest(params=params)}, request_state="round-1"
        )
    return f"{ctx.request_state}: {responses['who'].content['name']}"


@server.tool()
async def grow(ctx: Context) -> str:
    """Have one more tool, and say so."""
    if "grown" not in [tool.name for tool in await server.list_tools()]:
        server.add_tool(lambda: 1, name="grown")
    await ctx.notify_tools_changed()
    if ctx.protocol_version < "2026":
        await ctx.session.send_tool_list_changed()
    return "grown"


@server.tool()
async def touch(ctx: Context) -> str:
    await ctx.notify_resource_updated("sdk://hours")
    return "touched"


@server.tool()
async def wait() -> str:
    await asyncio.Event().wait()
    return ""


@server.resource("sdk://hours")
def hours() -> str:
    return "9 to 5"


@server.resource("sdk://bytes", mime_type="application/octet-stream")
def data() -> bytes:
    return b"\x00\x01"


@server.resource("sdk://books/{title}")
def book(title: str) -> str:
    return f"The text of {title}"


@server.prompt()
def review(title: str) -> str:
    return f"Review {title}."


@server.completion()
async def complete(ref: Any, argument: Any, context: Any) -> Completion:
    return Completion(values=[f"{argument.value}mma"], total=1, has_more=False)


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        application = server.streamable_http_app()
        uvicorn.run(application, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
