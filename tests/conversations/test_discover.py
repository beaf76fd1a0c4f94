"""server/discover: what a client learns of a server before it uses it."""

from __future__ import annotations

from typing import Any

from django_mcp import Icon, MCPServer
from django_mcp.authentication import anonymous
from tests.conversations.talk import complete, consumer_of
from tests.doors import META, Door

#: All that a server speaks, the newest first.
VERSIONS = ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]


def _fill(server: MCPServer) -> None:
    @server.tool
    async def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @server.prompt
    async def review(book: str) -> str:
        """Review a book."""
        return book

    @server.completion("review", "book")
    async def books(value: str) -> list[str]:
        return [value]

    server.add_resource("library://motto", "Read.")


async def test_a_server_with_streams_promises_to_tell_of_changes(
    streaming: Door, server: MCPServer
) -> None:
    _fill(server)

    reply = await streaming.call("server/discover")

    assert reply.status == 200
    assert reply.result == complete(
        supportedVersions=VERSIONS,
        capabilities={
            "logging": {},
            "completions": {},
            "prompts": {"listChanged": True},
            "resources": {"subscribe": True, "listChanged": True},
            "tools": {"listChanged": True},
        },
        ttlMs=0,
        cacheScope="public",
    )


async def test_a_server_without_streams_promises_only_what_it_can_keep(
    server: MCPServer, guarded: Any
) -> None:
    _fill(server)

    result = (await guarded(anonymous, "wsgi").call("server/discover")).result

    assert result["capabilities"] == {
        "completions": {},
        "prompts": {},
        "resources": {},
        "tools": {},
    }


async def test_what_is_not_there_is_not_offered(door: Door) -> None:
    capabilities = (await door.call("server/discover")).result["capabilities"]

    assert capabilities == ({"logging": {}} if door.streams else {})


async def test_a_template_alone_makes_a_server_one_with_resources(
    door: Door, server: MCPServer
) -> None:
    @server.resource("library://books/{book_id}")
    async def book(book_id: int) -> str:
        return str(book_id)

    assert "resources" in (await door.call("server/discover")).result["capabilities"]


async def test_a_server_says_who_it_is_with_everything_it_answers() -> None:
    server = MCPServer(
        "library",
        title="The Library",
        version="2.1",
        description="Books, and who has them.",
        instructions="Look a book up before you lend it.",
        website_url="https://library.example.com",
        icons=[Icon(src="https://library.example.com/icon.png", mime_type="image/png")],
    )
    door = consumer_of(server)
    who = {
        "name": "library",
        "title": "The Library",
        "version": "2.1",
        "description": "Books, and who has them.",
        "websiteUrl": "https://library.example.com",
        "icons": [{"src": "https://library.example.com/icon.png", "mimeType": "image/png"}],
    }

    found = (await door.call("server/discover")).result
    tools = (await door.call("tools/list")).result

    assert found["instructions"] == "Look a book up before you lend it."
    assert found["_meta"] == {META + "serverInfo": who}
    assert tools["_meta"] == {META + "serverInfo": who}


async def test_discovery_takes_parameters_nobody_knows(door: Door) -> None:
    reply = await door.call("server/discover", {"later": {"revisions": "may send this"}})

    assert reply.result["supportedVersions"] == VERSIONS
