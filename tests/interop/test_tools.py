"""Tools as the official client sees them: lists, structured results, content, failures."""

from __future__ import annotations

import base64
from typing import Any

import mcp_types as types
import pytest
from mcp import Client, MCPError

from .conftest import LEGACY, structured
from .servers import Site
from .site.mcp import PNG, WAV


async def listed(client: Client) -> dict[str, types.Tool]:
    return {tool.name: tool for tool in (await client.list_tools()).tools}


async def test_a_listed_tool_says_what_it_was_given(site: Site, mode: str) -> None:
    async with site.client(mode=mode) as client:
        tools = await listed(client)

    add = tools["add"]
    assert add.description == "Add two numbers."
    assert add.input_schema["required"] == ["a", "b"]
    integer = {"type": "integer"}
    wrapped = {"type": "object", "properties": {"result": integer}, "required": ["result"]}
    assert add.output_schema == (wrapped if mode == LEGACY else integer)
    assert add.annotations is not None
    assert (add.annotations.read_only_hint, add.annotations.open_world_hint) == (True, False)
    publish = tools["publish"]
    assert publish.title == "Write a book"
    assert publish.icons
    assert publish.icons[0].src == "https://example.com/book.svg"
    assert publish.meta == {"x/y": [1]}
    assert tools["unstructured"].output_schema is None
    assert "dotted.name-with_1" in tools


BOOK = {"title": "こころ ☕", "authors": [{"name": "Sōseki"}], "genre": "essay"}
WHOLE_BOOK = {**BOOK, "authors": [{"name": "Sōseki", "born": None}], "tags": {}}
ANYTHING: dict[str, Any] = {"": [None, {"☕": 0.1}, "\u0000\u2028", [[[]]], -1e-300, False]}


CALLS: list[tuple[str, dict[str, Any], Any]] = [
    ("add", {"a": 2**53, "b": -1}, 2**53 - 1),
    ("publish", {"book": BOOK, "copies": 2}, [WHOLE_BOOK, WHOLE_BOOK]),
    (
        "move",
        {"point": {"x": 1, "y": 0.5}, "by": {"width": 2, "height": 3}},
        {"x": 3, "y": 3.5},
    ),
    ("measure", {"text": "ab☕a"}, {"a": 2, "b": 1, "☕": 1}),
    ("anything", {"values": ANYTHING}, ANYTHING),
    ("search", {"query": "x", "id": 1}, {"query": "x", "id": 1}),
    ("search", {"query": []}, {"query": []}),
]


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    CALLS,
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_structured_result_fits_the_schema_the_client_holds(
    site: Site, name: str, arguments: dict[str, Any], expected: Any
) -> None:
    async with site.client() as client:
        await client.list_tools()  # the client validates results against what it has listed
        result = await client.call_tool(name, arguments)

    assert result.structured_content == expected
    assert not result.is_error


async def test_the_structured_result_of_a_handshake_revision_is_an_object(site: Site) -> None:
    async with site.client(mode=LEGACY) as client:
        await client.list_tools()
        results = [await client.call_tool(name, arguments) for name, arguments, _ in CALLS]

    assert [result.structured_content for result in results] == [
        structured(LEGACY, expected) for _, _, expected in CALLS
    ]


async def test_data_without_a_schema_is_text(site: Site) -> None:
    async with site.client() as client:
        result = await client.call_tool("unstructured")

    assert result.structured_content is None
    assert [block.text for block in result.content] == ['{"one":1}']


async def test_a_tool_may_return_nothing(site: Site) -> None:
    async with site.client() as client:
        result = await client.call_tool("dotted.name-with_1")

    assert result.content == []


TEXTS = [
    "",
    " ",
    "☕🧑\u200d🚀",
    "\u0000\u001f",
    "a\r\nb",
    "\u2028\u2029",
    "data: x\n\nid: 1",
    "\ufeff",
    "e\u0301",
]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
async def test_any_text_comes_back_as_it_was(site: Site, text: str) -> None:
    async with site.client() as client:
        result = await client.call_tool("echo", {"text": text})

    assert result.structured_content == text
    assert [block.text for block in result.content] == [text]


# What content there is


async def test_content_is_text_with_annotations(site: Site) -> None:
    (block,) = await content(site, "text_block")

    assert block.text == "for both"
    assert block.annotations == types.Annotations(audience=["user", "assistant"], priority=0.5)


async def test_content_is_a_picture(site: Site) -> None:
    (block,) = await content(site, "image_block")

    assert isinstance(block, types.ImageContent)
    assert (base64.b64decode(block.data), block.mime_type) == (PNG, "image/png")


async def test_content_is_a_sound(site: Site) -> None:
    (block,) = await content(site, "audio_block")

    assert isinstance(block, types.AudioContent)
    assert (base64.b64decode(block.data), block.mime_type) == (WAV, "audio/wav")


async def test_content_is_a_link(site: Site) -> None:
    (block,) = await content(site, "link_block")

    assert isinstance(block, types.ResourceLink)
    assert (str(block.uri), block.name, block.title) == ("memo://text", "memo", "A memo")


async def test_content_is_an_embedded_text(site: Site) -> None:
    (block,) = await content(site, "embedded_text")

    assert isinstance(block, types.EmbeddedResource)
    assert isinstance(block.resource, types.TextResourceContents)
    assert block.resource.text == "grüße"
    assert block.resource.mime_type == "text/plain"


async def test_content_is_an_embedded_blob(site: Site) -> None:
    (block,) = await content(site, "embedded_blob")

    assert isinstance(block, types.EmbeddedResource)
    assert isinstance(block.resource, types.BlobResourceContents)
    assert base64.b64decode(block.resource.blob) == bytes([0, 1, 2])


async def test_content_is_several_blocks(site: Site) -> None:
    blocks = await content(site, "mixed_blocks")

    assert [block.type for block in blocks] == ["text", "image", "resource"]


async def test_a_result_of_the_tools_own_making_arrives_whole(site: Site) -> None:
    async with site.client() as client:
        result = await client.call_tool("whole_result")

    assert result.meta is not None
    assert result.meta["example.com/by"] == "hand"
    assert "io.modelcontextprotocol/serverInfo" in result.meta


async def content(site: Site, tool: str) -> list[Any]:
    async with site.client() as client:
        return list((await client.call_tool(tool)).content)


async def test_a_large_result_arrives_whole(site: Site) -> None:
    size = 1_000_000
    async with site.client() as client:
        result = await client.call_tool("large", {"size": size})

    assert result.content[0].text == "☃" * size


async def test_a_large_argument_arrives_whole(site: Site) -> None:
    text = "☃" * 1_000_000
    async with site.client() as client:
        result = await client.call_tool("echo", {"text": text})

    assert result.content[0].text == text


# Arguments that a request repeats in its headers


@pytest.mark.parametrize(
    ("arguments", "headers"),
    [
        ({"region": "eu-1"}, {"mcp-param-region": "eu-1"}),
        (
            {"region": "eu", "shard": -7, "dry": True},
            {"mcp-param-region": "eu", "mcp-param-shard": "-7", "mcp-param-dry-run": "true"},
        ),
        ({"region": "☕"}, {"mcp-param-region": "=?base64?4piV?="}),
        ({"region": " eu "}, {"mcp-param-region": "=?base64?IGV1IA==?="}),
        ({"region": ""}, {"mcp-param-region": ""}),
        ({"region": "eu", "shard": None}, {"mcp-param-region": "eu"}),
    ],
    ids=["plain", "every-type", "unicode", "blanks", "empty", "null"],
)
async def test_a_client_that_listed_the_tool_mirrors_its_arguments(
    site: Site, arguments: dict[str, Any], headers: dict[str, str]
) -> None:
    async with site.client() as client:
        await client.list_tools()
        result = await client.call_tool("route", arguments)

    assert result.structured_content["region"] == arguments["region"]
    assert result.structured_content["headers"] == headers


async def test_a_client_that_did_not_list_the_tool_finds_out(site: Site, mode: str) -> None:
    async with site.client(mode=mode) as client:
        result = await client.call_tool("route", {"region": "eu"})

    repeated = {} if mode == LEGACY else {"mcp-param-region": "eu"}
    assert result.structured_content["headers"] == repeated


# What goes wrong


async def test_a_tool_that_refuses_says_why(site: Site) -> None:
    async with site.client() as client:
        result = await client.call_tool("refuse", {"reason": "no more ☕"})

    assert result.is_error
    assert [block.text for block in result.content] == ["no more ☕"]


async def test_a_tool_that_fails_keeps_its_secrets(site: Site) -> None:
    async with site.client() as client:
        result = await client.call_tool("fail")

    assert result.is_error
    assert "fail" in result.content[0].text
    assert "secret" not in result.content[0].text


async def test_a_tool_that_takes_too_long_is_stopped(site: Site) -> None:
    async with site.client() as client:
        result = await client.call_tool("dawdle")

    assert result.is_error
    assert "0.01 seconds" in result.content[0].text


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("add", {"a": "x", "b": 1}),
        ("add", {"a": 1}),
        ("add", {"a": 1, "b": 2, "c": 3}),
        ("publish", {"book": {**BOOK, "genre": "poem"}}),
        ("publish", {"book": BOOK, "copies": 0}),
        ("search", {"query": ""}),
        ("search", {"query": "x", "more": 1}),
    ],
)
async def test_arguments_that_do_not_fit_are_a_result_the_model_can_read(
    site: Site, name: str, arguments: dict[str, Any]
) -> None:
    async with site.client() as client:
        result = await client.call_tool(name, arguments)

    assert result.is_error
    assert name in result.content[0].text


@pytest.mark.parametrize("name", ["nope", "Add", "", "☕", "add ", "a" * 2000])
async def test_an_unknown_tool_is_an_error(site: Site, name: str) -> None:
    async with site.client() as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool(name)

    assert caught.value.code == types.INVALID_PARAMS


# Page by page


async def test_a_list_comes_page_by_page(site: Site, mode: str) -> None:
    names: list[str] = []
    cursor: str | None = None
    async with site.client("other/mcp", mode=mode) as client:
        while True:
            page = await client.list_tools(cursor=cursor)
            names += [tool.name for tool in page.tools]
            cursor = page.next_cursor
            if cursor is None:
                break
            assert len(page.tools) == 3

    assert names == [f"tool-{number}" for number in range(10)]
    assert page.ttl_ms == (0 if mode == LEGACY else 60)


async def test_a_cursor_of_another_list_is_refused(site: Site) -> None:
    async with site.client("other/mcp") as client:
        cursor = (await client.list_prompts()).next_cursor
        with pytest.raises(MCPError) as caught:
            await client.list_tools(cursor=cursor)

    assert caught.value.code == types.INVALID_PARAMS
