"""The official SDK's side over stdio: ``python -m tests.benchmarks.sdk_stdio``."""

from __future__ import annotations

from mcp.server.mcpserver import MCPServer

server = MCPServer("bench", version="1.0", log_level="WARNING")


@server.tool()
async def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


if __name__ == "__main__":
    server.run("stdio")
