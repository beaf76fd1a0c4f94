"""tools/list and tools/call: what a tool looks like, what it is given and what it gives back."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

import pytest
from pydantic import Field

from django_mcp import Audio, File, Image, MCPServer, ToolError
from django_mcp.types import CallToolResult, ResourceLink, TextContent
from tests.conversations.talk import complete, failed, listed, said, texts
from tests.doors import Door, envelope

PNG = b"\x89PNG\r\n\x1a\n"
WAV = b"RIFF\x00\x00\x00\x00WAVE"


@dataclass
class Loan:
    """A book in somebody's hands."""

    book: str
    until: date


# Listing


async def test_a_server_without_tools_has_an_empty_list(door: Door) -> None:
    assert (await door.call("tools/list")).result == listed(tools=[])


async def test_a_tool_is_listed_with_all_its_function_says(door: Door, server: MCPServer) -> None:
    @server.tool(
        title="Lend a book",
        read_only=False,
        destructive=False,
        idempotent=True,
        open_world=False,
        meta={"example.com/shelf": 7},
    )
    def lend(
        book: Annotated[str, Field(description="Its title.", min_length=1)], days: int = 14
    ) -> Loan:
        """Lend a book to the caller.

        Args:
            days: How long it may stay away.
        """
        raise NotImplementedError

    result = (await door.call("tools/list")).result

    assert result == listed(
        tools=[
            {
                "name": "lend",
                "title": "Lend a book",
                "description": "Lend a book to the caller.",
                "inputSchema": {
                    "type": "object",
                    "properties": {
                        "book": {"type": "string", "description": "Its title.", "minLength": 1},
                        "days": {
                            "type": "integer",
                            "description": "How long it may stay away.",
                            "default": 14,
                        },
                    },
                    "required": ["book"],
                    "additionalProperties": False,
                },
                "outputSchema": {
                    "type": "object",
                    "description": "A book in somebody's hands.",
                    "properties": {
                        "book": {"type": "string"},
                        "until": {"type": "string", "format": "date"},
                    },
                    "required": ["book", "until"],
                },
                "annotations": {
                    "readOnlyHint": False,
                    "destructiveHint": False,
                    "idempotentHint": True,
                    "openWorldHint": False,
                },
                "_meta": {"example.com/shelf": 7},
            }
        ]
    )


async def test_a_tool_that_says_nothing_about_itself_is_listed_with_what_there_is(
    door: Door, server: MCPServer
) -> None:
    @server.tool
    def ping():  # type: ignore[no-untyped-def]
        raise NotImplementedError

    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    assert (await door.call("tools/list")).result == listed(
        tools=[{"name": "ping", "inputSchema": schema}]
    )


async def test_tools_are_listed_in_the_order_they_were_added(door: Door, server: MCPServer) -> None:
    for name in ("zebra", "ant", "mule"):
        server.add_tool(lambda: None, name)

    tools = (await door.call("tools/list")).result["tools"]

    assert [tool["name"] for tool in tools] == ["zebra", "ant", "mule"]


async def test_a_tool_that_was_removed_is_neither_listed_nor_called(
    door: Door, server: MCPServer
) -> None:
    server.add_tool(lambda: "still here", "old")
    before = (await door.call("tools/list")).result["tools"]
    server.remove_tool("old")

    assert [tool["name"] for tool in before] == ["old"]
    assert (await door.call("tools/list")).result == listed(tools=[])
    reply = await door.call("tools/call", {"name": "old"})
    assert (reply.status, reply.error) == (400, {"code": -32602, "message": "Unknown tool: old"})


# Calling


async def test_a_tool_nobody_has_is_unknown(door: Door) -> None:
    reply = await door.call("tools/call", {"name": "nope", "arguments": {}})

    assert reply.status == 400
    assert reply.error == {"code": -32602, "message": "Unknown tool: nope"}


async def test_functions_with_and_without_async_are_called_alike(
    door: Door, server: MCPServer
) -> None:
    @server.tool
    def plain(word: str):  # type: ignore[no-untyped-def]
        return word.upper()

    @server.tool
    async def awaited(word: str):  # type: ignore[no-untyped-def]
        return word.upper()

    assert await door.tool("plain", {"word": "moin"}) == said("MOIN")
    assert await door.tool("awaited", {"word": "moin"}) == said("MOIN")


@pytest.mark.parametrize("params", [{}, {"arguments": None}, {"arguments": {}}])
async def test_arguments_may_be_left_out(
    door: Door, server: MCPServer, params: dict[str, Any]
) -> None:
    @server.tool
    async def greet(name: str = "you"):  # type: ignore[no-untyped-def]
        return f"Hello, {name}"

    reply = await door.call("tools/call", {"name": "greet", **params})

    assert reply.result == said("Hello, you")


async def test_arguments_arrive_as_what_the_function_asks_for(
    door: Door, server: MCPServer
) -> None:
    seen: list[Any] = []

    @server.tool
    async def keep(loan: Loan, days: list[int], note: str | None = None) -> None:
        seen.append((loan, days, note))

    result = await door.tool(
        "keep", {"loan": {"book": "Momo", "until": "2026-08-01"}, "days": [1, 2]}
    )

    assert result == said()
    assert seen == [(Loan("Momo", date(2026, 8, 1)), [1, 2], None)]


async def test_what_is_wrong_with_the_arguments_is_told_to_the_model(
    door: Door, server: MCPServer
) -> None:
    @server.tool
    async def add(first: int, second: int) -> int:
        raise NotImplementedError

    result = await door.tool("add", {"first": "one", "secnd": 2})

    assert result["isError"] is True
    assert result["content"][0]["text"].splitlines() == [
        "The arguments of `add` are not valid:",
        '- first: should be an integer; got "one"',
        "- second: is missing; expected an integer",
        "- secnd: is not an argument; did you mean `second`?",
    ]


async def test_a_name_may_have_dots_and_hyphens(door: Door, server: MCPServer) -> None:
    server.add_tool(lambda: "here", "library.books-2.find_one")

    assert await door.tool("library.books-2.find_one") == said("here")


# What comes back


@pytest.mark.parametrize(
    ("declared", "value", "structured"),
    [
        (dict[str, int], {"one": 1}, {"one": 1}),
        (list[int], [1, 2], [1, 2]),
        (int, 3, 3),
        (bool, False, False),
        (float, 0.5, 0.5),
        (Loan, Loan("Momo", date(2026, 8, 1)), {"book": "Momo", "until": "2026-08-01"}),
        (int | None, None, {"result": None}),
    ],
)
async def test_data_comes_back_structured_and_as_text(
    door: Door, server: MCPServer, declared: Any, value: Any, structured: Any
) -> None:
    async def give():  # type: ignore[no-untyped-def]
        return value

    give.__annotations__["return"] = declared
    server.add_tool(give)

    result = await door.tool("give")

    assert result["structuredContent"] == structured
    assert len(result["content"]) == 1
    assert result.get("isError", False) is False


async def test_a_declared_text_is_structured_too(door: Door, server: MCPServer) -> None:
    @server.tool
    async def motto() -> str:
        return "Lesen."

    assert await door.tool("motto") == complete(content=texts("Lesen."), structuredContent="Lesen.")


async def test_structured_output_can_be_turned_off(door: Door, server: MCPServer) -> None:
    @server.tool(structured_output=False)
    async def count() -> dict[str, int]:
        return {"books": 3}

    assert "outputSchema" not in (await door.call("tools/list")).result["tools"][0]
    assert await door.tool("count") == said('{"books":3}')


async def test_pictures_sounds_and_files_come_back_as_content(
    door: Door, server: MCPServer
) -> None:
    @server.tool
    def gallery() -> list[Any]:
        return [
            "Look:",
            Image(data=PNG),
            Audio(data=WAV),
            File(data="a,b", name="list.csv", mime_type="text/csv"),
            ResourceLink(uri="library://books/1", name="Momo"),
        ]

    assert await door.tool("gallery") == complete(
        content=[
            {"type": "text", "text": "Look:"},
            {"type": "image", "data": _base64(PNG), "mimeType": "image/png"},
            {"type": "audio", "data": _base64(WAV), "mimeType": "audio/wav"},
            {
                "type": "resource",
                "resource": {"uri": "file:///list.csv", "mimeType": "text/csv", "text": "a,b"},
            },
            {"type": "resource_link", "uri": "library://books/1", "name": "Momo"},
        ]
    )


async def test_a_result_of_the_functions_own_making_is_passed_on(
    door: Door, server: MCPServer
) -> None:
    @server.tool
    async def own() -> CallToolResult:
        return CallToolResult(
            content=[TextContent(text="half")],
            structured_content={"done": 0.5},
            is_error=True,
            meta={"example.com/left": 3},
        )

    result = await door.tool("own")

    stamp = result.pop("_meta")
    assert stamp.pop("example.com/left") == 3
    assert result == {
        "resultType": "complete",
        "content": texts("half"),
        "structuredContent": {"done": 0.5},
        "isError": True,
    }


async def test_a_tool_error_is_told_to_the_model(door: Door, server: MCPServer) -> None:
    @server.tool
    async def lend(book: str) -> str:
        raise ToolError(f"{book!r} is out until Friday. Ask for another one.")

    assert await door.tool("lend", {"book": "Momo"}) == failed(
        "'Momo' is out until Friday. Ask for another one."
    )


# A schema of one's own

POINT = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"x": {"type": "integer", "minimum": 0}, "y": {"$ref": "#/properties/x"}},
    "required": ["x"],
}


async def test_a_schema_of_ones_own_is_published_word_by_word(
    door: Door, server: MCPServer
) -> None:
    @server.tool(input_schema=POINT)
    async def plot(arguments: dict):  # type: ignore[no-untyped-def,type-arg]
        return f"{arguments}"

    assert (await door.call("tools/list")).result["tools"][0]["inputSchema"] == POINT
    assert await door.tool("plot", {"x": 1, "z": "kept"}) == said("{'x': 1, 'z': 'kept'}")


async def test_a_schema_of_ones_own_is_enforced(door: Door, server: MCPServer) -> None:
    @server.tool(input_schema=POINT)
    async def plot(arguments: dict):  # type: ignore[no-untyped-def,type-arg]
        raise NotImplementedError

    result = await door.tool("plot", {"x": -1, "y": -2})

    assert result["isError"] is True
    assert len(result["content"][0]["text"].splitlines()) == 3


# Arguments that are mirrored in headers

ROUTED = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "shard": {"type": "integer", "x-mcp-header": "Shard"},
    },
}


@pytest.fixture
def routed(server: MCPServer) -> None:
    @server.tool(input_schema=ROUTED)
    async def query(arguments: dict):  # type: ignore[no-untyped-def,type-arg]
        return "asked"


def _query(**arguments: Any) -> dict[str, Any]:
    return envelope("tools/call", {"name": "query", "arguments": arguments})


@pytest.mark.usefixtures("routed")
@pytest.mark.parametrize(
    ("arguments", "headers"),
    [
        ({}, {}),
        ({"region": None}, {}),
        ({"region": "eu"}, {"mcp_param_region": "eu"}),
        ({"region": "eu", "shard": 7}, {"mcp_param_region": "eu", "mcp_param_shard": "7.0"}),
        ({"region": "Köln"}, {"mcp_param_region": "=?base64?S8O2bG4=?="}),
    ],
)
async def test_a_mirrored_argument_says_what_its_header_says(
    door: Door, arguments: dict[str, Any], headers: dict[str, str]
) -> None:
    reply = await door.post(_query(**arguments), **headers)

    # None is no string: that is told to the model, after the headers have been let through.
    assert reply.status == 200


@pytest.mark.usefixtures("routed")
@pytest.mark.parametrize(
    ("arguments", "headers"),
    [
        ({"region": "eu"}, {}),
        ({}, {"mcp_param_region": "eu"}),
        ({"region": "eu"}, {"mcp_param_region": "us"}),
        ({"shard": 7}, {"mcp_param_shard": "8"}),
        ({"region": "Köln"}, {"mcp_param_region": "=?base64?S8O2bG4?="}),
    ],
)
async def test_a_mirrored_argument_that_differs_from_its_header_is_a_mismatch(
    door: Door, arguments: dict[str, Any], headers: dict[str, str]
) -> None:
    reply = await door.post(_query(**arguments), **headers)

    assert (reply.status, reply.error["code"]) == (400, -32020)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
