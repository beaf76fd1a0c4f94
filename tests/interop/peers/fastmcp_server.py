"""A server of FastMCP, for an interpreter that has it: over stdio, or over HTTP on a port."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import date

from fastmcp import Context, FastMCP

server = FastMCP("fastmcp", version="1")


@dataclass
class Loan:
    title: str
    due: date


@server.tool
def add(a: int, b: int) -> int:
    return a + b


@server.tool
def loan() -> Loan:
    return Loan("Emma", date(2026, 12, 1))


@server.tool
async def report(ctx: Context) -> str:
    await ctx.report_progress(1, 2, "half")
    await ctx.report_progress(2, 2, "whole")
    return "done"


@server.tool
async def greet(ctx: Context) -> str:
    answer = await ctx.elicit("Who are you?", response_type=str)
    return f"{answer.action}: {getattr(answer, 'data', None)}"


@server.resource("fast://hours")
def hours() -> str:
    return "9 to 5"


@server.resource("fast://books/{title}")
def book(title: str) -> str:
    return f"The text of {title}"


@server.prompt
def review(title: str) -> str:
    return f"Review {title}."


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run("stdio", show_banner=False)
    else:
        server.run("http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False)
