"""The official SDK's side of the comparison: in its fastest form, JSON answers and no sessions, or
with BENCHMARK_SESSIONS in its default one.

The note is read with sqlite3 itself, one connection a thread: what a careful author without Django
would write.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time

from mcp.server.mcpserver import MCPServer

from tests.benchmarks.common import NoteOut, fillers

server = MCPServer("bench", version="1.0", log_level="WARNING")
_local = threading.local()


@server.tool()
async def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


@server.tool()
def get_note(id: int) -> NoteOut:
    """Read one note by id."""
    connection = getattr(_local, "connection", None)
    if connection is None:
        connection = _local.connection = sqlite3.connect(os.environ["BENCHMARK_DATABASE"])
    query = "select id, title, body from notes_note where id = ?"
    found, title, body = connection.execute(query, (id,)).fetchone()
    return NoteOut(id=found, title=title, body=body)


@server.tool()
def slow(ms: int, token: int) -> int:
    """Block for ms milliseconds, as a slow query would, then return token."""
    time.sleep(ms / 1000)
    return token


for filler in fillers():
    server.tool()(filler)

if os.environ.get("BENCHMARK_SESSIONS"):
    application = server.streamable_http_app()
else:
    application = server.streamable_http_app(json_response=True, stateless_http=True)
