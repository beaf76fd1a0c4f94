"""resources/list, resources/templates/list and resources/read."""

from __future__ import annotations

import base64
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from django_mcp import File, MCPServer, NotFound, NotPermitted
from django_mcp.types import Annotations, TextResourceContents
from tests.conversations.talk import complete, listed, read
from tests.doors import Door, envelope


async def reading(door: Door, uri: str, **more: Any) -> Any:
    return (await door.call("resources/read", {"uri": uri}, **more)).result


async def missing(door: Door, uri: str) -> None:
    """Fails unless `uri` is not found, in the words for what never existed."""
    reply = await door.call("resources/read", {"uri": uri})
    assert reply.status == 400
    assert reply.error == {
        "code": -32602,
        "message": f"Resource not found: {uri}",
        "data": {"uri": uri},
    }


# Listing


async def test_resources_and_templates_are_listed_apart(door: Door, server: MCPServer) -> None:
    @server.resource(
        "library://catalogue",
        title="The catalogue",
        mime_type="application/json",
        size=120,
        annotations=Annotations(audience=["user"], priority=0.5),
        meta={"example.com/shelf": 7},
    )
    def catalogue() -> dict[str, Any]:
        """Every book."""
        raise NotImplementedError

    @server.resource("library://books/{book_id}", name="book")
    async def by_id(book_id: int) -> str:
        """One book."""
        raise NotImplementedError

    assert (await door.call("resources/list")).result == listed(
        resources=[
            {
                "uri": "library://catalogue",
                "name": "catalogue",
                "title": "The catalogue",
                "description": "Every book.",
                "mimeType": "application/json",
                "size": 120,
                "annotations": {"audience": ["user"], "priority": 0.5},
                "_meta": {"example.com/shelf": 7},
            }
        ]
    )
    assert (await door.call("resources/templates/list")).result == listed(
        resourceTemplates=[
            {
                "uriTemplate": "library://books/{book_id}",
                "name": "book",
                "description": "One book.",
            }
        ]
    )


async def test_what_is_not_there_is_an_empty_list(door: Door) -> None:
    assert (await door.call("resources/list")).result == listed(resources=[])
    assert (await door.call("resources/templates/list")).result == listed(resourceTemplates=[])


# Reading


@pytest.mark.parametrize("uri", ["library://nope", "", "no uri at all", "library://books/\n"])
async def test_a_resource_nobody_has_is_not_found(door: Door, uri: str) -> None:
    # A name with a line break in it cannot be mirrored as it is.
    encoded = "=?base64?" + base64.b64encode(uri.encode()).decode() + "?="
    message = envelope("resources/read", {"uri": uri})
    reply = await door.post(message, mcp_name=encoded)

    assert (reply.status, reply.error["code"]) == (400, -32602)
    assert reply.error["data"] == {"uri": uri}


async def test_text_is_read_as_text(door: Door, server: MCPServer) -> None:
    @server.resource("library://motto")
    def motto() -> str:
        return "Lesen ist schön."

    assert await reading(door, "library://motto") == read("library://motto", "Lesen ist schön.")


async def test_bytes_are_read_as_a_blob(door: Door, server: MCPServer) -> None:
    @server.resource("library://seal", mime_type="image/png")
    async def seal() -> bytes:
        return b"\x89PNG"

    assert await reading(door, "library://seal") == complete(
        contents=[{"uri": "library://seal", "mimeType": "image/png", "blob": "iVBORw=="}],
        ttlMs=0,
        cacheScope="private",
    )


async def test_data_is_read_as_json(door: Door, server: MCPServer) -> None:
    @server.resource("library://opening")
    async def opening() -> dict[str, Any]:
        return {"from": date(2026, 8, 1), "days": ["Mo", "Fr"]}

    assert await reading(door, "library://opening") == read(
        "library://opening", '{"from":"2026-08-01","days":["Mo","Fr"]}', "application/json"
    )


async def test_a_resource_may_have_several_contents(door: Door, server: MCPServer) -> None:
    @server.resource("library://box")
    async def box() -> list[Any]:
        return [
            TextResourceContents(uri="library://box/1", mime_type="text/plain", text="one"),
            File(data=b"\x00\x01", uri="library://box/2"),
        ]

    result = await reading(door, "library://box")

    assert result["contents"] == [
        {"uri": "library://box/1", "mimeType": "text/plain", "text": "one"},
        {"uri": "library://box/2", "mimeType": "application/octet-stream", "blob": "AAE="},
    ]


async def test_texts_bytes_and_files_need_no_function(
    door: Door, server: MCPServer, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    page.write_text("<p>Öffnungszeiten", encoding="utf-8")
    server.add_resource("library://motto", "Lesen.")
    server.add_resource("library://seal", b"\x00\x01")
    server.add_resource("library://page", page, title="A page")

    page_now = await reading(door, "library://page")
    page.write_text("<p>Geschlossen", encoding="utf-8")
    page_later = await reading(door, "library://page")
    listing = (await door.call("resources/list")).result["resources"]

    assert await reading(door, "library://motto") == read("library://motto", "Lesen.")
    assert (await reading(door, "library://seal"))["contents"][0]["blob"] == "AAE="
    assert page_now == read("library://page", "<p>Öffnungszeiten", "text/html")
    assert page_later == read("library://page", "<p>Geschlossen", "text/html")
    assert [(each["uri"], each["name"], each["mimeType"], each["size"]) for each in listing] == [
        ("library://motto", "motto", "text/plain", 6),
        ("library://seal", "seal", "application/octet-stream", 2),
        ("library://page", "page.html", "text/html", 18),
    ]


async def test_a_resource_that_was_removed_is_not_found(door: Door, server: MCPServer) -> None:
    server.add_resource("library://motto", "Lesen.")
    server.resource("library://books/{book_id}")(_book)
    server.remove_resource("library://motto")
    server.remove_resource("library://books/{book_id}")

    await missing(door, "library://motto")
    await missing(door, "library://books/1")


async def test_a_uri_that_is_no_header_value_comes_encoded(door: Door, server: MCPServer) -> None:
    server.add_resource("library://bücher", "Lesen.")
    encoded = "=?base64?" + base64.b64encode("library://bücher".encode()).decode() + "?="
    message = envelope("resources/read", {"uri": "library://bücher"})

    reply = await door.post(message, mcp_name=encoded)

    assert reply.result == read("library://bücher", "Lesen.")


# Templates


def _book(book_id: int) -> str:
    return f"book {book_id}"


async def test_a_variable_arrives_as_what_the_function_asks_for(
    door: Door, server: MCPServer
) -> None:
    seen: list[Any] = []

    @server.resource("library://{shelf}/{book_id}/{lent}")
    async def lending(shelf: str, book_id: int, lent: date) -> str:
        seen.append((shelf, book_id, lent))
        return "known"

    uri = "library://top%20shelf/7/2026-08-01"

    assert await reading(door, uri) == read(uri, "known")
    assert seen == [("top shelf", 7, date(2026, 8, 1))]


async def test_a_variable_that_does_not_fit_is_somebody_elses_uri(
    door: Door, server: MCPServer
) -> None:
    server.resource("library://books/{book_id}")(_book)

    @server.resource("library://books/{word}", name="search")
    async def search(word: str) -> str:
        return f"search for {word}"

    first, second = "library://books/7", "library://books/new"

    assert await reading(door, first) == read(first, "book 7")
    assert await reading(door, second) == read(second, "search for new")


async def test_a_variable_that_fits_nobody_is_not_found(door: Door, server: MCPServer) -> None:
    server.resource("library://books/{book_id}")(_book)

    await missing(door, "library://books/new")


async def test_a_whole_uri_goes_before_a_template(door: Door, server: MCPServer) -> None:
    @server.resource("library://books/{word}")
    async def search(word: str) -> str:
        raise NotImplementedError

    server.add_resource("library://books/new", "Not yet here.")

    assert await reading(door, "library://books/new") == read(
        "library://books/new", "Not yet here."
    )


async def test_a_variable_may_be_left_out_where_it_has_a_default(
    door: Door, server: MCPServer
) -> None:
    @server.resource("library://search{?word,limit}")
    async def search(word: str = "", limit: int = 10) -> str:
        return f"{limit} of {word!r}"

    bare, full = "library://search", "library://search?word=Momo&limit=3"

    assert await reading(door, bare) == read(bare, "10 of ''")
    assert await reading(door, full) == read(full, "3 of 'Momo'")


@pytest.mark.parametrize(
    "path",
    [
        "../settings.py",
        "a/../../b",
        "%2e%2e/settings.py",
        "..%2fsettings.py",
        "..%5csettings.py",
        "%2fetc/passwd",
        "C:/secret",
        "C:secret",
        "c:",
        "a%00.txt",
        "a/..",
    ],
)
async def test_a_path_that_leads_out_is_not_found(door: Door, server: MCPServer, path: str) -> None:
    @server.resource("files://docs/{+path}")
    async def docs(path: str) -> str:
        raise NotImplementedError

    await missing(door, f"files://docs/{path}")


@pytest.mark.parametrize("path", ["a/b/c.txt", "..a", "a..", "a...b/c"])
async def test_a_path_that_stays_inside_is_read(door: Door, server: MCPServer, path: str) -> None:
    @server.resource("files://docs/{+path}")
    async def docs(path: str) -> str:
        return path

    assert await reading(door, f"files://docs/{path}") == read(f"files://docs/{path}", path)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/", "a//b", "a/../b", "..", "C:/x", "C:x", "%2fetc", "a/C:x", "a%00"]
)
async def test_a_list_of_segments_that_leads_out_is_not_found(
    door: Door, server: MCPServer, path: str
) -> None:
    @server.resource("files://docs{/path*}")
    async def docs(path: list[str]) -> str:
        raise NotImplementedError

    await missing(door, f"files://docs/{path}")


@pytest.mark.parametrize(
    ("path", "segments"),
    [("a/b.txt", ["a", "b.txt"]), ("a/", ["a", ""]), ("Aa:b/...", ["Aa:b", "..."])],
)
async def test_a_list_of_segments_that_stays_inside_is_read(
    door: Door, server: MCPServer, path: str, segments: list[str]
) -> None:
    @server.resource("files://docs{/path*}")
    async def docs(path: list[str]) -> str:
        assert path == segments
        return "inside"

    assert await reading(door, f"files://docs/{path}") == read(f"files://docs/{path}", "inside")


@pytest.mark.parametrize("error", [NotFound("gone"), NotPermitted("not for you")])
async def test_a_function_may_say_that_there_is_nothing(
    door: Door, server: MCPServer, error: Exception
) -> None:
    @server.resource("library://books/{book_id}")
    def book(book_id: int) -> str:
        raise error

    await missing(door, "library://books/7")
